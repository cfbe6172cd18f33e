//! Without a terminal: a line every few seconds on stderr.

use std::time::Duration;

use transload_test_support::scripted::{Action, Fault, Reply};

use super::{MIB, Stage, assert_said};

#[test]
fn lines_tell_bytes_speed_time_left_and_images_then_that_nothing_moves() {
    let mut stage = Stage::new();
    stage.put("team/web", MIB / 4, []);
    // Half of it comes within about six seconds.
    let slow = Action::Trickle {
        piece: 32 * 1024,
        pause: Duration::from_millis(200),
    };
    stage.put("team/app", 4 * MIB, [slow]);
    stage.put("team/db", MIB, [Action::Stall { after: MIB / 2 }]);
    let mut running = stage.pull(&[]).spawn();
    let said = running.wait_for_stderr(|said| said.lines().count() >= 2);
    let line = said.lines().nth(1).expect("a line");
    for part in [" of 5.25 MiB, ", "B/s, ", "s left, 1/3 images"] {
        assert!(line.contains(part), "{line}");
    }
    running.signal("INT");
    running.wait();

    let mut stage = Stage::new();
    stage.put("team/db", MIB, [Action::Stall { after: MIB / 2 }]);
    let mut running = stage.pull(&["--progress", "plain"]).spawn();
    let said = running.wait_for_stderr(|said| said.contains("stalled for") && said.ends_with('\n'));
    assert!(!said.contains('\x1b') && !said.contains('\r'), "{said}");
    let last = said.lines().last().expect("a line");
    assert_said!(stage.shown(last));
}

#[test]
fn lines_tell_what_is_tried_again_and_why() {
    let mut stage = Stage::new();
    let busy = || Action::Answer(Reply::status(503).header("Retry-After", "8"));
    stage.put("team/app", MIB, [busy()]);
    let mut running = stage.pull(&[]).spawn();
    let said = running.wait_for_stderr(|said| said.contains("trying again") && said.ends_with('\n'));
    let line = said
        .lines()
        .find(|line| line.contains("trying again"))
        .expect("a line");
    // How far the others are by then is chance.
    let (_, trouble) = line.split_once("0/1 image, ").expect("a line of progress");
    assert_said!(stage.shown(trouble));
    running.wait().expect_code(0);
}

#[test]
fn a_quiet_run_says_only_how_it_ended_and_one_without_progress_only_what_it_did() {
    for (arg, expected) in [
        ("--quiet", ["", "pull: "]),
        ("--progress=none", ["copied   ", "pull: "]),
    ] {
        let mut stage = Stage::new();
        stage.put("team/app", MIB, []);
        let output = stage.pull(&[arg]).run().expect_code(0);
        let [stdout, stderr] = expected;
        assert_eq!(
            output.stdout.is_empty(),
            stdout.is_empty(),
            "{arg}: {}",
            output.stdout
        );
        assert!(output.stdout.starts_with(stdout), "{arg}: {}", output.stdout);
        assert!(
            output.stderr.starts_with(stderr) && output.stderr.contains(" in "),
            "{arg}: {}",
            output.stderr
        );
        assert_eq!(
            output.stderr.matches("pull: ").count(),
            1,
            "{arg}: {}",
            output.stderr
        );
    }
}

#[test]
fn a_quiet_run_tells_warnings_only_where_something_failed() {
    let mut stage = Stage::new();
    stage.put("team/app", MIB, []);
    // An image that is named twice is warned of.
    let twice = stage.images[0].clone();
    stage.images.push(twice);
    let loud = stage.pull(&["--dry-run"]).run().expect_code(0);
    assert!(loud.stdout.contains("warning"), "{}", loud.stdout);
    let output = stage.pull(&["--quiet"]).run().expect_code(0);
    assert!(!output.stderr.contains("warning: "), "{}", output.stderr);
    stage.put("team/web", MIB, []);
    let denied = Action::Answer(Reply::status(403).error("DENIED", "no"));
    stage
        .registry
        .fault(Fault::new("*", "/team/web/manifests/", denied).every());
    let output = stage.pull(&["--quiet"]).run().expect_code(1);
    assert_eq!(output.stderr.matches("warning: ").count(), 1, "{}", output.stderr);
    let (before, _) = output.stderr.split_once("Failed:").expect("a failure");
    assert!(before.contains("warning: "), "{}", output.stderr);
}
