//! Months that go over, and what is told of volumes that were lost or damaged.

use std::fs;

use transload_test_support::real::{Auth, Tls};
use transload_test_support::{RealRegistry, Transload};

use super::World;
use crate::content::{assert_is, tree};

#[test]
fn a_delta_completes_a_directory_and_the_same_import_twice_moves_nothing() {
    let world = World::new();
    world.months();
    let volumes = fs::read_dir(world.path("two")).expect("the bundle").flatten();
    let sizes = volumes.map(|file| file.metadata().expect("a file").len());
    let carried: u64 = sizes.sum();
    assert!(carried < 330_000, "only the two new layers go over: {carried}");
    let dest = format!("oci:{}", world.path("images").display());
    for (name, moves) in [("one", true), ("two", true), ("two", false), ("one", false)] {
        let copy = Transload::new().args(["copy", "--src", &world.bundle(name), "--dest", &dest]);
        let copied = copy.run().expect_code(0);
        assert_eq!(
            copied.stderr.contains("  moved "),
            moves,
            "{name}: {}",
            copied.stderr
        );
    }
    Transload::new().args(["verify", &dest]).run().expect_code(0);
    // What a registry gives at once is the same.
    world.pull(
        &["lib/debian:12", "team/app:v1", "team/app:v2", "team/new:v1"],
        &["--dest", &format!("oci:{}", world.path("direct").display())],
    );
    let blobs = |name: &str| tree(world.path(name).join("blobs").to_str().expect("a plain name"));
    assert_is(&blobs("images"), &blobs("direct"));
}

#[test]
fn a_wrong_base_is_told_before_a_byte_moves_and_each_lost_volume_by_name() {
    let world = World::new();
    world.months();
    let empty = format!("oci:{}", world.path("empty").display());
    let copy = Transload::new().args(["copy", "--src", &world.bundle("two"), "--dest", &empty]);
    let refused = copy.run().expect_code(1);
    assert!(
        refused.stderr.contains("of 3 images are in neither place"),
        "{}",
        refused.stderr
    );
    assert!(!refused.stderr.contains("  moved "), "{}", refused.stderr);

    let full = format!("oci:{}", world.path("full").display());
    let first = Transload::new().args(["copy", "--src", &world.bundle("one"), "--dest", &full]);
    first.run().expect_code(0);
    let lost = world.path("two/vol-0002.tar");
    fs::rename(&lost, world.path("vol-0002.tar")).expect("the volume");
    let want = world.path("want.tli").display().to_string();
    let copy = ["copy", "--src", &world.bundle("two"), "--dest", &full];
    let short = Transload::new()
        .args(copy)
        .args(["--missing", &want])
        .run()
        .expect_code(1);
    assert!(
        short.stderr.contains("(vol-0002.tar isn't there)"),
        "{}",
        short.stderr
    );
    let wanted = fs::read_to_string(&want).expect("what is missing");
    assert!(
        wanted.starts_with("transload-inventory 1\nblob sha256:"),
        "{wanted}"
    );

    // What was lost is sent again, in a bundle of its own.
    let again = world.bundle("again");
    world.pull(
        &["lib/debian:12", "team/app:v2", "team/new:v1"],
        &["--dest", &again, "--only", &want],
    );
    let folder = world.path("again").display().to_string();
    Transload::new()
        .args(copy)
        .args(["--volumes", &folder])
        .run()
        .expect_code(0);
    Transload::new().args(["verify", &full]).run().expect_code(0);
    // Or the volume itself turns up elsewhere.
    let folder = world.dir.path().display().to_string();
    let again = Transload::new()
        .args(copy)
        .args(["--volumes", &folder])
        .run()
        .expect_code(0);
    assert!(!again.stderr.contains("  moved "), "{}", again.stderr);
}

#[test]
fn verify_names_the_volume_the_offset_the_digest_and_the_image_of_a_flipped_bit() {
    let world = World::new();
    world.months();
    let whole = Transload::new()
        .args(["verify", &world.bundle("two")])
        .run()
        .expect_code(0);
    assert!(
        whole.stdout.contains("whole; --against PLACE"),
        "{}",
        whole.stdout
    );
    let against = ["verify", &world.bundle("two"), "--against"];
    let base = world.bundle("one");
    Transload::new().args(against).arg(&base).run().expect_code(0);
    let nothing = format!("oci:{}", world.path("nothing").display());
    world.pull(&["team/new:v1"], &["--dest", &nothing]);
    let lacking = Transload::new().args(against).arg(&nothing).run().expect_code(1);
    assert!(
        lacking.stdout.contains("is in neither place"),
        "{}",
        lacking.stdout
    );

    let volume = world.path("two/vol-0002.tar");
    let mut bytes = fs::read(&volume).expect("the volume");
    bytes[50_000] ^= 4;
    fs::write(&volume, bytes).expect("the volume");
    let broken = Transload::new()
        .args(["verify", &world.bundle("two")])
        .run()
        .expect_code(1);
    let told = broken
        .stdout
        .lines()
        .find(|line| line.contains(", offset "))
        .expect("the place");
    assert!(told.contains("is damaged: content has digest"), "{told}");
    assert!(
        told.contains("two/vol-000") && told.contains("(needed by "),
        "{told}"
    );
}

#[test]
fn blobs_that_another_repository_of_the_destination_has_are_mounted() {
    let world = World::new();
    let there = RealRegistry::start(Tls::Off, Auth::Off);
    world.pull(&["lib/debian:12"], &["--dest", &world.bundle("one")]);
    let push = |name: &str| {
        let dest = format!("{}/mirror", there.host());
        let push = Transload::new().args(["push", "--src", &world.bundle(name), "--dest", &dest]);
        push.arg("--plain-http").run().expect_code(0)
    };
    push("one");
    let have = world.path("have.tli").display().to_string();
    let inventory = [
        "inventory",
        &format!("{}/mirror", there.host()),
        "-o",
        &have,
        "--plain-http",
    ];
    Transload::new().args(inventory).run().expect_code(0);
    let text = fs::read_to_string(&have).expect("the inventory");
    assert!(text.contains(" mirror/lib/debian\n"), "{text}");
    Transload::new().args(inventory).run().expect_code(0);
    assert_eq!(fs::read_to_string(&have).expect("the inventory"), text);

    world.pull(
        &["team/new:v1"],
        &["--dest", &world.bundle("two"), "--base", &have],
    );
    let pushed = push("two");
    assert!(pushed.stderr.contains("mounted"), "{}", pushed.stderr);
    assert!(there.manifest("mirror/team/new", "v1").is_some());
}

#[test]
fn a_dry_run_tells_what_is_neither_here_nor_there_and_what_a_bundle_would_carry() {
    let world = World::new();
    world.months();
    let nowhere = format!("oci:{}", world.path("nowhere").display());
    let bundle = world.bundle("two");
    let copy = ["copy", "--src", &bundle, "--dest", &nowhere, "--dry-run"];
    let looked = Transload::new().args(copy).run().expect_code(1);
    let told = looked.stdout + &looked.stderr;
    assert!(told.contains("neither in "), "{told}");
    assert!(!world.path("nowhere").exists());
    let base = world.path("one/BUNDLE.json").display().to_string();
    let image = format!("{}/lib/debian:12", world.registry.host());
    let dest = world.bundle("three");
    let pull = ["pull", &image, "--plain-http", "--dest", &dest, "--base", &base];
    let looked = Transload::new().args(pull).arg("--dry-run").run().expect_code(0);
    assert!(looked.stdout.contains("disk: 0 B to write"), "{}", looked.stdout);
    assert!(!world.path("three").exists());
}
