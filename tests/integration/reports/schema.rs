//! `docs/report.schema.json` describes what `--report` writes: every report of these tests is held to it.

use serde_json::{Value, json};

use crate::schemas::flaws;

/// The schema of reports.
pub const SCHEMA: &str = "report.schema.json";

/// A check that lets everything pass would show nothing.
#[test]
fn what_is_no_report_is_found_out() {
    let counts = json!({"total": 1, "copied": 0, "there": 0, "skipped": 0, "failed": 1, "stopped": 0, "not_reached": 0});
    let none = json!({"blobs": 0, "bytes": 0});
    let blobs = json!({"moved": none, "resumed": none, "skipped": none, "mounted": none, "linked": none, "cloned": none, "shared": none});
    let totals = json!({"images": counts, "blobs": blobs, "retries": 0});
    let error = json!({"message": "no", "cause": "no", "side": null, "chain": ["no"], "hint": null, "retryable": false});
    let image = json!({
        "image": "a", "source": "a", "destination": "a in out", "status": "failed", "source_digest": null,
        "digest": null, "platforms": [], "parts": [], "blobs": blobs, "attempts": 1, "retries": 0, "retry_causes": [],
        "began": null, "ended": null, "seconds": 0, "warnings": [], "reason": null, "error": error,
    });
    let task = json!({
        "name": "pull", "status": "done", "seconds": 1.0, "ignore_errors": false, "follows_a_task": false,
        "warnings": [], "errors": [], "origins": [], "totals": totals, "images": [image],
    });
    let time = "2026-01-01T00:00:00.000Z";
    let good = json!({
        "version": 1, "transload": "0.1.0", "began": time, "ended": time, "seconds": 1.0, "status": "failed",
        "totals": totals, "tasks": [task],
    });
    assert_eq!(flaws(SCHEMA, &good), [""; 0]);
    let image = "/tasks/0/images/0";
    let cases = [
        ("/version", json!(2)),
        ("/began", json!("yesterday")),
        ("/seconds", json!(-1)),
        ("/status", json!("fine")),
        ("/totals/retries", json!(1.5)),
        ("/totals/images", json!({"total": 1})),
        ("/tasks/0/warnings", json!([1])),
        (&format!("{image}/status"), json!("copied")),
        (&format!("{image}/digest"), json!("sha256:12")),
        (&format!("{image}/error"), Value::Null),
        (&format!("{image}/error/chain"), json!([])),
        (&format!("{image}/reason"), json!("no")),
        (&format!("{image}/blobs/more"), json!(1)),
        (&format!("{image}/retry_causes"), json!(vec!["x"; 11])),
        (
            &format!("{image}/parts"),
            json!([{"platform": null, "digest": "sha256:12", "size": 1, "blobs": []}]),
        ),
    ];
    for (pointer, wrong) in cases {
        let mut bad = good.clone();
        let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
        bad.pointer_mut(parent).expect("a place")[field] = wrong;
        assert!(!flaws(SCHEMA, &bad).is_empty(), "{pointer}");
    }
}
