//! Standard output and standard error that can't be written: a full disk, a reader that is gone.

use super::Scene;
use transload_test_support::{Output, Transload};

/// Runs the program by a shell that does something to its streams, `"$0" "$@"` being the program.
#[track_caller]
fn run(scene: &Scene, shell: &str, args: &[&str], code: i32) -> Output {
    let program = scene.program(args).under("bash", ["-c", shell]);
    program.run().expect_code(code)
}

const STDOUT_FULL: &str = r#"exec "$0" "$@" >/dev/full"#;
const STDERR_FULL: &str = r#"exec "$0" "$@" 2>/dev/full"#;
/// The first reader of a pipe is gone before anything is written; what is known of the status is the program's.
const STDOUT_CLOSED: &str = r#"{ sleep 0.2; "$0" "$@"; echo "status $?" >&2; } | true; exit 0"#;
const STDERR_CLOSED: &str = r#"{ "$0" "$@"; echo "status $?" >status; } 2> >(exec true)"#;

#[test]
fn a_result_that_cannot_be_written_fails_its_command() {
    let scene = Scene::with_tags(&["v1"]);
    let name = scene.name("team/app:v1");
    scene.pull(&[&name], 0);
    scene.pull(&[&scene.name("team/app:v1"), "--lock", "t.lock"], 0);
    let remote = ["--plain-http", "--retries", "0"];
    let results: [(&[&str], i32); 17] = [
        (&["list", "out"], 1),
        (&["list", "out", "--output", "names"], 1),
        (&["list", "out", "--output", "json"], 1),
        (&["inspect", &name, "--src", "out"], 1),
        (&["inspect", &name, "--src", "out", "--output", "json"], 1),
        (&["inspect", &name, "--src", "out", "--raw"], 1),
        (&["verify", "out"], 1),
        (&["verify", "out", "--output", "json"], 1),
        (&["diff", "out", "out"], 1),
        (&["prune", "out", "--dry-run"], 1),
        (&["pull", &name, "--dest", "out", "--dry-run", remote[0]], 1),
        (
            &[
                "pull",
                &name,
                "--dest",
                "out",
                "--dry-run",
                "--output",
                "json",
                remote[0],
            ],
            1,
        ),
        (&["pull", &name, "--dest", "out", "--report", "-", remote[0]], 1),
        (
            &[
                "pull", &name, "--dest", "out", "--lock", "-", "--quiet", remote[0],
            ],
            1,
        ),
        (&["init", "-"], 1),
        (&["--help"], 1),
        (&["--version"], 1),
    ];
    for (args, code) in results {
        let output = run(&scene, STDOUT_FULL, args, code);
        assert!(output.stderr.contains("error: "), "{args:?}: {}", output.stderr);
        assert!(
            output.stderr.contains("No space left on device"),
            "{args:?}: {}",
            output.stderr
        );
        let output = run(&scene, STDOUT_CLOSED, args, 0);
        assert!(
            output.stderr.contains("status 0\n"),
            "{args:?}: {}",
            output.stderr
        );
        assert!(!output.stderr.contains("error"), "{args:?}: {}", output.stderr);
    }
}

#[test]
fn a_run_is_as_good_where_nothing_can_be_told_of_it() {
    let scene = Scene::with_tags(&["v1"]);
    let (there, missing) = (scene.name("team/app:v1"), scene.name("team/app:v9"));
    let mut number = 0;
    for shell in [
        STDERR_FULL,
        STDOUT_FULL,
        r#"exec "$0" "$@" >/dev/full 2>&1"#,
        r#"exec "$0" "$@" >&- 2>&-"#,
    ] {
        for progress in ["plain", "json"] {
            for (images, code) in [(vec![&there], 0), (vec![&there, &missing], 1)] {
                number += 1;
                let (lock, report, dest) = (
                    format!("{number}.lock"),
                    format!("{number}.json"),
                    format!("out{number}"),
                );
                let mut args = vec![
                    "pull",
                    "--plain-http",
                    "--retries",
                    "0",
                    "-vvv",
                    "--progress",
                    progress,
                ];
                args.extend(["--lock", &lock, "--report", &report, "--dest", &dest]);
                args.extend(images.iter().map(|image| image.as_str()));
                run(&scene, shell, &args, code);
                let text = |name: &str| std::fs::read_to_string(scene.path(name)).unwrap_or_default();
                assert!(text(&lock).contains(&there), "{shell} {progress} {}", text(&lock));
                assert!(
                    text(&report).contains("\"status\": \"copied\""),
                    "{shell} {progress}"
                );
            }
        }
    }
}

#[test]
fn messages_that_cannot_be_written_change_no_status() {
    let scene = Scene::with_tags(&["v1"]);
    let name = scene.name("team/app:v1");
    scene.pull(&[&name], 0);
    let cases: [(&[&str], i32); 6] = [
        (&["list", "out", "--pattern", "nothing"], 0),
        (&["list", "nowhere"], 2),
        (&["pull", "ALPINE", "--dest", "out"], 2),
        (&["pull", &name, "--dest", "out", "--nonsense"], 2),
        (&["inspect", "alpine", "--src", "out"], 1),
        (&["init", "tasks.yaml"], 0),
    ];
    for (args, code) in cases {
        run(&scene, STDERR_FULL, args, code);
    }
    let args = ["pull", &name, "--dest", "other", "--plain-http", "-vvv"];
    run(&scene, STDERR_CLOSED, &args, 0);
    let status = std::fs::read_to_string(scene.path("status")).expect("a status");
    assert_eq!(status, "status 0\n");
}

#[test]
fn the_version_names_what_computes_digests() {
    let output = Transload::new().arg("version").run().expect_code(0);
    let told: Vec<&str> = output.stdout.lines().collect();
    assert!(told[0].starts_with("transload "), "{told:?}");
    let implementations = [
        "x86 SHA instructions",
        "ARMv8 SHA-2 instructions",
        "portable code",
    ];
    let known = implementations.map(|name| format!("SHA-256: {name}"));
    assert!(
        told.len() == 2 && known.iter().any(|name| name == told[1]),
        "{told:?}"
    );
}
