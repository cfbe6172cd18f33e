//! Bundles: what one side lacks goes over, whatever was lost on the way is named, and nothing moves twice.

mod receipts;
mod signing;

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;
use transload_test_support::image::{Family, Image, ImageBuilder};
use transload_test_support::real::{Auth, Tls};
use transload_test_support::{RealRegistry, ScriptedRegistry, Transload};

use crate::content::{assert_is, tree};
use crate::serve::Served;

/// An image with a layer that all share, and one of its own.
fn image(own: u64) -> Image {
    ImageBuilder::new(Family::Oci)
        .platform("linux/amd64")
        .noise_layer(1, 200_000)
        .noise_layer(100 + own, 150_000)
        .build()
}

/// Two months of images in a registry, and a folder.
struct World {
    registry: ScriptedRegistry,
    dir: TempDir,
}

impl World {
    fn new() -> World {
        let registry = ScriptedRegistry::start();
        for (repository, tag, own) in [
            ("lib/debian", "12", 1),
            ("team/app", "v1", 2),
            ("team/app", "v2", 3),
            ("team/new", "v1", 4),
        ] {
            registry.put_image(repository, tag, &image(own));
        }
        let dir = tempfile::tempdir().expect("a temporary folder");
        World { registry, dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn bundle(&self, name: &str) -> String {
        format!("bundle:{}", self.path(name).display())
    }

    /// Pulls images into a place.
    fn pull(&self, images: &[&str], more: &[&str]) {
        let host = self.registry.host();
        let names = images.iter().map(|image| format!("{host}/{image}"));
        let program = Transload::new()
            .arg("pull")
            .args(names)
            .args(more.iter().copied());
        program.arg("--plain-http").run().expect_code(0);
    }

    fn months(&self) {
        self.pull(
            &["lib/debian:12", "team/app:v1"],
            &["--dest", &self.bundle("one")],
        );
        let base = self.path("one/BUNDLE.json").display().to_string();
        let limit = ["--base", &base, "--volume-size", "100K"];
        let dest = self.bundle("two");
        let more: Vec<&str> = ["--dest", &dest].into_iter().chain(limit).collect();
        self.pull(&["lib/debian:12", "team/app:v2", "team/new:v1"], &more);
    }
}

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
        refused.stderr.contains("of 3 images are neither here nor there"),
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
        lacking.stdout.contains("is neither here nor there"),
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
fn a_disk_that_is_full_ends_the_writing_and_the_next_run_goes_on_to_the_same_bytes() {
    let world = World::new();
    let images = ["lib/debian:12", "team/app:v1", "team/new:v1"];
    world.pull(&images, &["--dest", &world.bundle("whole")]);
    let names = images.map(|image| format!("{}/{image}", world.registry.host()));
    let dest = world.bundle("cut");
    let pull = || {
        let program = Transload::new().arg("pull").args(&names);
        program.args(["--dest", &dest, "--plain-http"])
    };
    // No file may have more than 200 KiB.
    let limit = ["-c", "ulimit -f 200; exec \"$@\"", "bash"];
    let refused = pull().under("bash", limit).run().expect_code(1);
    let told = &refused.stderr;
    assert!(told.contains("cut/vol-0001.tar.partial"), "{told}");
    assert!(!world.path("cut/BUNDLE.json").exists());
    let kept = fs::metadata(world.path("cut/vol-0001.tar.partial"));
    assert!(kept.expect("what came").len() > 100_000);
    pull().run().expect_code(0);
    let bundle = |name: &str| tree(world.path(name).to_str().expect("a plain name"));
    assert_is(&bundle("cut"), &bundle("whole"));
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

#[test]
fn a_bundle_is_served_from_several_folders_with_blobs_larger_than_a_volume() {
    let world = World::new();
    let whole = world.bundle("whole");
    world.pull(
        &["lib/debian:12", "team/app:v1"],
        &["--dest", &whole, "--volume-size", "100K"],
    );
    fs::create_dir(world.path("second")).expect("a writable folder");
    fs::rename(
        world.path("whole/vol-0002.tar"),
        world.path("second/vol-0002.tar"),
    )
    .expect("a second volume");
    let second = world.path("second").display().to_string();
    let served = Served::start(&[&whole, "--volumes", &second]);
    let name = format!("{}/team/app:v1", world.registry.host());
    let dest = world.path("pulled").display().to_string();
    let pull = [
        "pull",
        &name,
        "--src",
        served.host(),
        "--plain-http",
        "--dest",
        &dest,
    ];
    Transload::new().args(pull).run().expect_code(0);
    Transload::new().args(["verify", &dest]).run().expect_code(0);
    // A part of one, over the border of two volumes.
    let image = image(2);
    let (descriptor, bytes) = image
        .blobs
        .iter()
        .max_by_key(|(_, bytes)| bytes.len())
        .expect("layers");
    let part = served.part(
        &format!("/v2/team/app/blobs/{}", descriptor.digest),
        20_000..180_000,
    );
    assert!(part == bytes[20_000..180_000], "they differ");
    let refused = Transload::new()
        .args(["serve", &dest, "--volumes", &second])
        .run()
        .expect_code(2);
    assert!(
        refused.stderr.contains("is no bundle, and has no volumes"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_bundle_with_a_gap_is_not_served() {
    let world = World::new();
    world.months();
    let serve = ["serve", &world.bundle("two"), "--listen", "127.0.0.1:0"];
    let refused = Transload::new().args(serve).run().expect_code(2);
    let told = "lacks something that its images need, and can't be served";
    assert!(refused.stderr.contains(told), "{}", refused.stderr);
}

#[test]
fn arguments_that_fit_no_bundle_are_refused() {
    let world = World::new();
    let dir = world.path("images").display().to_string();
    for (arguments, told) in [
        (
            vec!["pull", "a.b/c:1", "--dest", &dir, "--base", "have.tli"],
            "it says how a bundle is written",
        ),
        (
            vec!["pull", "a.b/c:1", "--dest", "bundle:x", "--volume-size", "1K"],
            "a volume has 65536 bytes at least",
        ),
        (
            vec!["push", "--src", "bundle:nowhere", "--dest", "a.b"],
            "has no BUNDLE.json",
        ),
        (
            vec!["push", "--src", &dir, "--dest", "a.b", "--volumes", "x"],
            "is no bundle, and has no volumes",
        ),
    ] {
        let refused = Transload::new()
            .args(arguments.iter().copied())
            .run()
            .expect_code(2);
        assert!(refused.stderr.contains(told), "{arguments:?}: {}", refused.stderr);
    }
}
