//! Progress as JSON lines: every line one object, with the fields that `docs/progress.md` has.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use transload_test_support::scripted::{Action, Fault, Reply};

use super::{MIB, Stage};

fn lines(stderr: &str) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    stderr.lines().map(parse).collect()
}

fn of_type<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["type"] == kind).collect()
}

/// The fields that a section of the page has in its table, by the section's name.
fn documented(kind: &str) -> BTreeSet<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/progress.md");
    let page = fs::read_to_string(page).expect("a page about progress");
    let section = |title: &str| {
        let (_, after) = page
            .split_once(title)
            .unwrap_or_else(|| panic!("no section {title}"));
        let section = after
            .split("\n### ")
            .next()
            .unwrap_or_default()
            .split("\n## ")
            .next();
        let rows = section
            .unwrap_or_default()
            .lines()
            .filter_map(|line| line.strip_prefix("| `"));
        rows.filter_map(|row| row.split('`').next())
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
    };
    let mut fields = section("\n## Every line\n");
    fields.extend(section(&format!("\n### `{kind}`\n")));
    fields
}

#[test]
fn every_line_is_an_object_with_the_documented_fields_and_figures_never_go_back() {
    let mut stage = Stage::new();
    let slow = Action::Trickle {
        piece: 64 * 1024,
        pause: Duration::from_millis(60),
    };
    let busy = Action::Answer(Reply::status(429).header("Retry-After", "1"));
    stage.put("team/web", MIB, [Action::Truncate { after: MIB / 2 }]);
    stage.put("team/app", 3 * MIB, [Action::Corrupt { at: 2 * MIB }, slow]);
    stage.put("team/db", MIB, [busy]);
    stage.put("team/gone", MIB, []);
    let missing = Reply::status(404).error("MANIFEST_UNKNOWN", "manifest unknown");
    stage
        .registry
        .fault(Fault::new("*", "/team/gone/manifests/", Action::Answer(missing)).every());
    let output = stage.pull(&["--progress", "json", "-v"]).run().expect_code(1);
    let lines = lines(&output.stderr);
    let mut kinds = BTreeSet::new();
    for line in &lines {
        assert_eq!(line["version"], 1, "{line}");
        let kind = line["type"].as_str().expect("a type");
        let fields: BTreeSet<String> = line.as_object().expect("an object").keys().cloned().collect();
        assert_eq!(fields, documented(kind), "the fields of {kind}");
        let time = line["time"].as_str().expect("a time");
        assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
        kinds.insert(kind);
    }
    let expected = [
        "image_finished",
        "image_planned",
        "log",
        "progress",
        "retry",
        "run_finished",
        "run_started",
        "slow_down",
        "task_finished",
        "task_started",
    ];
    assert_eq!(kinds, BTreeSet::from(expected));
    let mut last = (0, 0.0, 0);
    for line in of_type(&lines, "progress") {
        let now = (
            line["bytes"].as_u64().expect("bytes"),
            line["fraction"].as_f64().expect("a fraction"),
            line["images"]["done"].as_u64().expect("images"),
        );
        assert!(
            now.0 >= last.0 && now.1 >= last.1 && now.2 >= last.2,
            "{last:?}, then {line}"
        );
        assert!(now.0 <= line["total_bytes"].as_u64().expect("a total"), "{line}");
        last = now;
    }
    let retry = of_type(&lines, "retry")[0];
    assert!(
        stage
            .images
            .contains(&retry["image"].as_str().expect("an image").to_owned()),
        "{retry}"
    );
    let statuses: Vec<&str> = of_type(&lines, "image_finished")
        .iter()
        .filter_map(|line| line["status"].as_str())
        .collect();
    assert_eq!(
        statuses.iter().filter(|status| **status == "copied").count(),
        3,
        "{statuses:?}"
    );
    assert_eq!(
        statuses.iter().filter(|status| **status == "failed").count(),
        1,
        "{statuses:?}"
    );
    assert_eq!(
        lines.last().map(|line| &line["status"]),
        Some(&Value::from("failed"))
    );
    // Results are where they always are.
    assert_eq!(output.stdout.matches("copied   ").count(), 3, "{}", output.stdout);
}

#[test]
fn a_stop_and_a_warning_are_lines_too() {
    let mut stage = Stage::new();
    stage.put("team/app", MIB, [Action::Stall { after: MIB / 2 }]);
    let twice = stage.images[0].clone();
    stage.images.push(twice);
    let running = stage.pull(&["--progress", "json"]).spawn();
    stage.registry.wait_until_stalled(1);
    running.signal("INT");
    let output = running.wait().expect_code(130);
    let lines = lines(&output.stderr);
    for kind in ["warning", "message"] {
        let fields: BTreeSet<String> = of_type(&lines, kind)[0]
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect();
        assert_eq!(fields, documented(kind));
    }
    assert_eq!(
        lines.last().map(|line| &line["status"]),
        Some(&Value::from("interrupted"))
    );
}
