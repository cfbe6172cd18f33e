//! Templates in Go's syntax.

use std::sync::LazyLock;

use serde_json::json;
use transload_template::{Error, Template, Value, has_actions};

/// What actions may add to a template's own text.
const MAX_OUTPUT: usize = 16 << 20;

static VARIABLES: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "a": "x", "n": 3, "f": 1.5, "yes": true, "empty": "", "null": null, "list": ["p", 1, null, [2]],
        "b": {"c": {"d": "<e>"}},
        "host": "hub.{{ .a }}", "twice": "{{ .host }}{{ .host }}", "cycle": "{{ .cycle }}", "nested": {"list": ["{{ .n }}", "{{ index . \"a\" }}"]},
        "module": {"image": {"src": {"reference": {"registry": "docker.io", "repository": "library/alpine", "reference": "3.19"}},
            "reference": {"registry": "docker.io", "repository": "library/alpine", "reference": "3.19"}}},
    })
    .into()
});

/// A template is rendered within its bounds and always to the same text, or refused with a place in it.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let template = match Template::parse(text) {
        Ok(template) => template,
        Err(error) => return has_a_place(&error, text),
    };
    assert_eq!(template.source(), text);
    assert!(template.variables().is_sorted());
    let rendered = template.render(&VARIABLES);
    assert_eq!(template.render(&VARIABLES), rendered, "the same each time");
    let resolved = template.resolve(&VARIABLES);
    if let Err(error) = &resolved {
        has_a_place(error, text);
    }
    let names = template.all_variables(&VARIABLES);
    assert!(template.variables().iter().all(|name| names.contains(name)));
    if let Ok(variables) = resolved {
        let _ = template.evaluate(&variables);
    }
    match &rendered {
        Ok(rendered) => assert!(rendered.len() <= text.len() + MAX_OUTPUT),
        Err(error) => has_a_place(error, text),
    }
    if !has_actions(text) {
        assert_eq!(rendered.as_deref(), Ok(text));
    }
}

fn has_a_place(error: &Error, text: &str) {
    assert!(text.is_char_boundary(error.offset()), "{error}");
    let lines: Vec<&str> = text.split('\n').collect();
    let line = lines[error.line() - 1];
    assert!(
        (1..=line.chars().count() + 1).contains(&error.column()),
        "{error}"
    );
    let snippet = error.snippet();
    let shown = snippet.text.chars().count();
    assert!(
        snippet.caret <= shown
            && snippet.width >= 1
            && snippet.caret + snippet.width <= shown.max(snippet.caret + 1)
    );
    let shown = error.to_string();
    assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
    assert!(
        !error.message().contains('\n'),
        "a message is one line: {shown:?}"
    );
}
