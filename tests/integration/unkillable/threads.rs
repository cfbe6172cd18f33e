//! A system that gives few threads, or none.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use transload_test_support::image::{Family, ImageBuilder, noise};
use transload_test_support::{Output, ScriptedRegistry, Transload};

use super::{folder, text};

const IMAGES: u64 = 6;

/// Becomes a user of whom there is no process, and sets the limit on its processes and threads: root's are unlimited.
const AS_SOMEBODY: [&str; 4] = ["setpriv", "--reuid=65532", "--regid=65532", "--clear-groups"];

fn may_become_somebody() -> bool {
    let may = Command::new(AS_SOMEBODY[0])
        .args(&AS_SOMEBODY[1..])
        .args(["prlimit", "--nproc=1", "true"])
        .output();
    let is_possible = may.as_ref().is_ok_and(|output| output.status.success());
    if !is_possible {
        eprintln!("not tested: nobody else can be become here ({may:?})");
    }
    is_possible
}

/// Copies all images of a folder with at most so many threads, by a copy of the program that everybody may run.
fn copy(folder: &Path, threads: usize) -> Output {
    let script = format!(
        "cp \"$1\" \"$FOLDER/transload\" && shift && exec {} prlimit --nproc={threads} \"$FOLDER/transload\" \"$@\"",
        AS_SOMEBODY.join(" ")
    );
    Transload::new()
        .env("FOLDER", folder)
        .env("HOME", folder)
        .under("sh", ["-c", &script, "sh"])
        .args(["copy", "--src", &text(folder.join("from")), "--dest"])
        .arg(folder.join(format!("to{threads}")))
        .run()
}

#[test]
fn with_few_threads_less_is_done_at_once_and_with_none_that_is_said_before_anything_moves() {
    if !may_become_somebody() {
        return;
    }
    let dir = folder();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).expect("a folder of ours");
    let registry = ScriptedRegistry::start();
    let mut pull = Transload::new().args(["pull", "--plain-http", "--dest"]);
    pull = pull.arg(dir.path().join("from"));
    for number in 0..IMAGES {
        let layer = noise(number, 100_000);
        let image = ImageBuilder::new(Family::Oci)
            .blob_layer("application/vnd.oci.image.layer.v1.tar", &layer)
            .build();
        registry.put_image(&format!("team/app{number}"), "v1", &image);
        pull = pull.arg(format!("{}/team/app{number}:v1", registry.host()));
    }
    pull.run().expect_code(0);

    let mut succeeded = Vec::new();
    for threads in 1..=8 {
        let output = copy(dir.path(), threads);
        let said = output.stderr;
        assert!(!said.contains("panicked"), "{threads} threads: {said}");
        let destination = dir.path().join(format!("to{threads}"));
        if output.code == Some(0) {
            succeeded.push(threads);
            let warnings = said.matches("the system gives no more threads").count();
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
