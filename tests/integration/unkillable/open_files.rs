//! A system that lets a process open few files.

use std::time::Duration;

use transload_test_support::scripted::{Action, Fault};
use transload_test_support::{Output, Transload};

use super::{folder, registry, text};

/// Pulls many images over a slow link, whose blobs are all on their way at once as far as that may be.
fn pull_with(limit: &str) -> Output {
    let (registry, names) = registry(&[100_000; 60]);
    let slow = Action::Trickle {
        piece: 10_000,
        pause: Duration::from_millis(10),
    };
    registry.fault(Fault::new("GET", "/blobs/", slow).every());
    let dir = folder();
    let script = format!("ulimit {limit} && exec \"$@\"");
    Transload::new()
        .under("sh", ["-c", &script, "sh"])
        .args(["pull", "--plain-http", "--dest", &text(dir.path().join("to"))])
        .args(&names)
        .run()
        .expect_code(0)
}

#[test]
fn with_few_open_files_less_is_done_at_once_and_that_is_said_once() {
    let said = pull_with("-n 40").stderr;
    let warning =
        "the limit of 40 open files (ulimit -n) leaves room for 2 requests and blobs at once instead of 64";
    assert_eq!(said.matches(warning).count(), 1, "{said}");
}

#[test]
fn a_soft_limit_on_open_files_is_raised_and_costs_nothing() {
    let said = pull_with("-S -n 40").stderr;
    assert!(!said.contains("open files"), "{said}");
}
