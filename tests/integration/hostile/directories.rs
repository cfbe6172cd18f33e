//! Directories from elsewhere as a source. What may be in the place of each of a store's files is in the store's own tests.

use std::os::unix::fs::symlink;

use transload_test_support::kubekey::{self, Generation};

use super::*;

/// Somebody's directory with two images, of which one is to be spoilt.
fn store(arena: &Arena, name: &str) -> (Image, Image) {
    let images = (
        samples::single(Family::Oci, "linux/amd64", 1),
        samples::single(Family::Oci, "linux/amd64", 2),
    );
    let dir = arena.here().join(name);
    kubekey::write(
        &dir,
        "hub.example",
        "evil/app",
        "v1",
        &images.0,
        Generation::Third,
    );
    kubekey::write(
        &dir,
        "hub.example",
        "good/app",
        "v1",
        &images.1,
        Generation::Third,
    );
    images
}

#[test]
fn a_folder_of_blobs_that_is_a_link_is_not_looked_through() {
    let arena = Arena::new();
    store(&arena, "from");
    let blobs = arena.here().join("from/blobs");
    fs::rename(&blobs, arena.here().join("elsewhere")).expect("a writable folder");
    symlink("../elsewhere", &blobs).expect("a writable folder");
    let output = arena.fails(&[
        "copy",
        "--src",
        "from",
        "--dest",
        "./to",
        "hub.example/good/app:v1",
    ]);
    assert!(
        output
            .stdout
            .contains("from/blobs is damaged: it isn't a folder of this store"),
        "{}",
        output.stdout
    );
}

#[test]
fn names_in_a_directory_lead_nowhere_else_and_are_shown_as_they_are_not_as_they_act() {
    let arena = Arena::new();
    let (evil, _) = store(&arena, "from");
    let manifests = arena.here().join("from/hub.example/evil/app/manifests");
    let digest = evil.digest();
    let map = format!(
        r#"{{"../../../../../beside/file":"{digest}","\u001b[2J":"{digest}","v2":"sha256:../../../../../../beside/file","v1":"{digest}"}}"#
    );
    fs::write(manifests.join("layout"), map).expect("a writable folder");
    let odd = arena
        .here()
        .join("from/evil\u{1b}[2J\nerror: all is lost.example/app/manifests");
    fs::create_dir_all(&odd).expect("a writable folder");
    fs::write(odd.join("layout"), format!("{{\"v1\":\"{digest}\"}}")).expect("a writable folder");
    let output = arena
        .program(&["copy", "--src", "from", "--dest", "./to"])
        .run()
        .expect_code(0);
    arena.check(&output, "names");
    assert!(
        output
            .stderr
            .contains("evil\\u{1b}[2J\\nerror: all is lost.example"),
        "{}",
        output.stderr
    );
    let list = Transload::new()
        .args(["list", "to", "--output", "names"])
        .current_dir(arena.here())
        .run()
        .expect_code(0);
    let names: Vec<&str> = list
        .stdout
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(names, ["hub.example/evil/app:v1", "hub.example/good/app:v1"]);
}
