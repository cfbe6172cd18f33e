//! A system that gives few threads, or none.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;
use transload_test_support::scripted::{Action, Fault};
use transload_test_support::{Output, Transload};

use super::{folder, registry, text};

/// The images' layers, in bytes.
const SIZES: [usize; 6] = [100_000; 6];

/// Users of whom there is no process, one for each test: all threads of a user count, and root's are unlimited.
const COPIES: u32 = 65_532;
const LOOKS_UP: u32 = 65_533;
const LOOKS_AT: u32 = 65_531;

/// What begins the command line of a program that is to run as a user.
fn becoming(user: u32) -> [String; 4] {
    [
        "setpriv".to_owned(),
        format!("--reuid={user}"),
        format!("--regid={user}"),
        "--clear-groups".to_owned(),
    ]
}

fn may_become(user: u32) -> bool {
    let line = becoming(user);
    let may = Command::new(&line[0])
        .args(&line[1..])
        .args(["prlimit", "--nproc=1", "true"])
        .output();
    let is_possible = may.as_ref().is_ok_and(|output| output.status.success());
    if !is_possible {
        eprintln!("not tested: nobody else can be become here ({may:?})");
    }
    is_possible
}

/// Runs the program with at most so many threads, by a copy in a folder that everybody may run.
fn with_threads(user: u32, threads: usize, folder: &Path, args: &[&str]) -> Output {
    let script = format!(
        "cp \"$1\" \"$FOLDER/transload\" && shift && exec {} prlimit --nproc={threads} \"$FOLDER/transload\" \"$@\"",
        becoming(user).join(" ")
    );
    Transload::new()
        .env("FOLDER", folder)
        .env("HOME", folder)
        .under("sh", ["-c", &script, "sh"])
        .args(args)
        .run()
}

/// A folder that everybody may write to.
fn open_folder() -> TempDir {
    let dir = folder();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).expect("a folder of ours");
    dir
}

#[test]
fn with_few_threads_less_is_done_at_once_and_with_none_that_is_said_before_anything_moves() {
    if !may_become(COPIES) {
        return;
    }
    let dir = open_folder();
    let (_registry, names) = registry(&SIZES);
    let from = text(dir.path().join("from"));
    Transload::new()
        .args(["pull", "--plain-http", "--dest", &from])
        .args(&names)
        .run()
        .expect_code(0);

    let mut succeeded = Vec::new();
    for threads in 1..=8 {
        let destination = dir.path().join(format!("to{threads}"));
        let args = ["copy", "--src", &from, "--dest", &text(&destination)];
        let output = with_threads(COPIES, threads, dir.path(), &args);
        let said = output.stderr;
        assert!(!said.contains("panicked"), "{threads} threads: {said}");
        if output.code == Some(0) {
            succeeded.push(threads);
            let warnings = said.matches("the system allows no more threads").count();
            assert!(warnings <= 1, "{threads} threads: {said}");
            assert!(fs::read_dir(destination.join("blobs")).is_ok_and(|blobs| blobs.count() > 0));
        } else {
            assert!(
                said.contains("no threads") && said.contains("ulimit -u"),
                "{threads} threads: {said}"
            );
            assert!(!destination.exists(), "{threads} threads: something moved");
        }
    }
    assert!(succeeded.contains(&5) && !succeeded.contains(&1), "{succeeded:?}");
}

#[test]
fn a_command_that_gets_no_threads_says_which_limit_to_raise() {
    if !may_become(LOOKS_AT) {
        return;
    }
    let dir = open_folder();
    let (_registry, names) = registry(&SIZES);
    let from = text(dir.path().join("from"));
    let pull = Transload::new().args(["pull", "--plain-http", "--dest", &from]);
    pull.args(&names).run().expect_code(0);
    let commands: [&[&str]; 4] = [
        &["list", &from],
        &["inspect", &names[0], "--src", &from],
        &["verify", &from],
        &["diff", &from, &from],
    ];
    for args in commands {
        let said = with_threads(LOOKS_AT, 1, dir.path(), args).expect_code(2).stderr;
        assert!(
            said.contains("no threads") && said.contains("hint: the limit on processes is reached"),
            "{args:?}: {said}"
        );
    }
}

#[test]
fn a_name_is_looked_up_without_a_thread_where_there_is_none() {
    if !may_become(LOOKS_UP) {
        return;
    }
    let (_registry, names) = registry(&SIZES);
    let names: Vec<String> = names
        .iter()
        .map(|name| name.replace("127.0.0.1", "localhost"))
        .collect();
    assert!(
        names.iter().all(|name| name.starts_with("localhost:")),
        "{names:?}"
    );
    for threads in 5..=8 {
        let dir = open_folder();
        let to = text(dir.path().join("to"));
        let mut args = vec!["pull", "--plain-http", "--dest", &to];
        args.extend(names.iter().map(String::as_str));
        let output = with_threads(LOOKS_UP, threads, dir.path(), &args).expect_code(0);
        assert!(
            !output.stderr.contains("panicked"),
            "{threads} threads: {}",
            output.stderr
        );
    }
}

#[test]
fn a_run_of_many_tasks_needs_no_more_threads_than_one_of_few() {
    let (registry, names) = registry(&SIZES[..1]);
    registry.fault(Fault::new("*", "/manifests/", Action::Stall { after: 0 }).every());
    let dir = folder();
    let tasks: Vec<_> = (0..100)
        .map(|number| {
            // No two tasks have the same settings.
            let auths = json!([
                {"repo": registry.host(), "plain_http": true},
                {"repo": format!("host{number}.example"), "insecure": true},
            ]);
            let dest = format!("local://{}", text(dir.path().join(number.to_string())));
            json!({"name": format!("task {number}"), "image": {"manifests": names, "dest": dest, "auths": auths}})
        })
        .collect();
    // A registry that is silent gets more requests as time goes by.
    let running = Transload::new()
        .args(["run", "-", "--jobs", "16"])
        .stdin(json!(tasks).to_string())
        .spawn();
    registry.wait_until_stalled(1);
    let threads = fs::read_dir(format!("/proc/{}/task", running.id()))
        .expect("a process")
        .count();
    assert!(threads < 30, "{threads} threads");
    running.signal("INT");
    running.wait().expect_code(130);
    registry.release();
}
