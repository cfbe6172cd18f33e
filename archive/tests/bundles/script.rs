//! The script that unpacks a bundle without this program.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use transload_archive::bundle::Bundle;

use crate::{Blobs, bundle, files, plan, write};

/// Runs import.sh of a bundle.
fn import(bundle: &Path, arguments: &[&Path]) -> (bool, String) {
    let output = Command::new("sh")
        .arg(bundle.join("import.sh"))
        .args(arguments)
        .output()
        .unwrap();
    let told =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), told)
}

#[test]
fn the_script_makes_an_oci_layout_and_adds_a_later_bundle_to_it() {
    let (first, blobs) = bundle(&[30_000, 90_000], 70_000);
    let elsewhere = tempfile::tempdir().unwrap();
    fs::rename(
        first.path().join("vol-0002.tar"),
        elsewhere.path().join("vol-0002.tar"),
    )
    .unwrap();
    let target = tempfile::tempdir().unwrap();
    let layout = target.path().join("a layout");
    let (done, told) = import(first.path(), &[&layout]);
    assert!(
        !done && told.contains("vol-0002.tar is in none of the folders"),
        "{told}"
    );
    let (done, told) = import(first.path(), &[&layout, elsewhere.path()]);
    assert!(done && told.ends_with("is complete\n"), "{told}");
    let check = |blobs: &Blobs| {
        for (digest, bytes) in blobs {
            assert_eq!(
                &fs::read(layout.join("blobs/sha256").join(digest.hex())).unwrap(),
                bytes
            );
        }
        let names: Vec<String> = files(&layout.join("blobs/sha256"))
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert!(names.iter().all(|name| name.len() == 64), "{names:?}");
    };
    check(&blobs);
    let base = Bundle::holdings_in(first.path().join("BUNDLE.json")).unwrap();
    let (plan, more) = plan(&[30_000, 90_000, 5], &base, 70_000);
    let second = tempfile::tempdir().unwrap();
    write(second.path(), &plan, &more);
    let (done, told) = import(second.path(), &[&target.path().join("empty")]);
    assert!(
        !done && told.contains("blobs are neither in the bundle nor in"),
        "{told}"
    );
    let (done, told) = import(second.path(), &[&layout]);
    assert!(done, "{told}");
    check(&more);
    assert!(layout.join("index.json.old").exists() && layout.join("oci-layout").exists());
    // What was changed isn't unpacked.
    fs::write(second.path().join("README.txt"), "changed").unwrap();
    let (done, told) = import(second.path(), &[&layout]);
    assert!(!done && told.contains("README.txt: FAILED"), "{told}");
}

#[test]
fn the_script_needs_nothing_but_sh_tar_cat_and_sha256sum() {
    let (bundle, blobs) = bundle(&[30_000, 90_000], 70_000);
    let folder = tempfile::tempdir().unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let find = |program: &str| {
        std::env::split_paths(&path)
            .map(|folder| folder.join(program))
            .find(|file| file.is_file())
    };
    let few = folder.path().join("few");
    fs::create_dir(&few).unwrap();
    for program in ["sh", "tar", "cat", "sha256sum", "mkdir", "rm"] {
        symlink(find(program).unwrap(), few.join(program)).unwrap();
    }
    // All of them in one program, where that is installed.
    let busybox = find("busybox").map(|busybox| {
        let all = folder.path().join("busybox");
        fs::create_dir(&all).unwrap();
        for program in ["sh", "tar", "cat", "sha256sum", "mkdir", "rm"] {
            symlink(&busybox, all.join(program)).unwrap();
        }
        all
    });
    for programs in [Some(few), busybox].into_iter().flatten() {
        let layout = programs.join("layout");
        let output = Command::new(programs.join("sh"))
            .arg("import.sh")
            .arg(&layout)
            .current_dir(bundle.path())
            .env("PATH", &programs)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        for (digest, bytes) in &blobs {
            let blob = layout.join("blobs/sha256").join(digest.hex());
            assert_eq!(&fs::read(blob).unwrap(), bytes);
        }
    }
}
