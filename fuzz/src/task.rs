//! Task files.

use std::sync::{Arc, LazyLock};

use serde_json::json;
use transload::task::{LoadOptions, Problem, load_str};
use transload_template::Value;

const FILE: &str = "tasks.yaml";
const SECRET: &str = "correct-horse-battery";

static VARIABLES: LazyLock<Arc<Value>> = LazyLock::new(|| {
    let variables = json!({
        "a": "x", "n": 3, "yes": true, "empty": "", "null": null, "list": ["alpine:3.19", "busybox"],
        "registry": "hub.kubekey", "password": SECRET, "b": {"c": {"d": "e"}},
    });
    Arc::new(variables.into())
});

/// A task file gives tasks, or problems that are at a place in it and show no secret.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let options = LoadOptions {
        variables: Arc::clone(&VARIABLES),
        ..LoadOptions::default()
    };
    match load_str(FILE, text, &options) {
        Ok(loaded) => loaded
            .warnings
            .iter()
            .for_each(|warning| has_a_place(warning, text)),
        Err(errors) => {
            assert!(!errors.problems().is_empty());
            errors
                .problems()
                .iter()
                .for_each(|problem| has_a_place(problem, text));
            assert_eq!(errors.count(), errors.problems().len() + errors.left_out());
        }
    }
}

fn has_a_place(problem: &Problem, text: &str) {
    let text = text.replace("\r\n", "\n");
    let lines: Vec<&str> = text
        .split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'])
        .collect();
    if let (Some(line), Some(column)) = (problem.line(), problem.column()) {
        assert!((1..=lines.len()).contains(&line), "{problem}");
        assert!(
            (1..=lines[line - 1].chars().count() + 1).contains(&column),
            "{problem}"
        );
    }
    let shown = problem.to_string();
    assert!(shown.starts_with(FILE));
    assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
    assert!(text.contains(SECRET) || !shown.contains(SECRET), "{shown}");
}
