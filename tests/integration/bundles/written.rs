//! Bundles that are written and imported over bad links, by killed processes, and onto full or simple disks.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use transload_test_support::image::{Family, Image, ImageBuilder};
use transload_test_support::link::{Link, LinkConditions};
use transload_test_support::real::{Auth, Tls};
use transload_test_support::{ExfatImage, RealRegistry, Transload};

use super::World;
use crate::content::{assert_is, tree};

/// How many bytes of each image's own layer.
const LAYER: u64 = 400_000;
/// How many images there are with one.
const IMAGES: u64 = 6;

/// An image with a layer of its own.
fn image(own: u64) -> Image {
    ImageBuilder::new(Family::Oci)
        .platform("linux/amd64")
        .noise_layer(1000 + own, LAYER as usize)
        .build()
}

/// The names of so many images behind a link.
fn names(world: &World, link: &Link) -> Vec<String> {
    (0..IMAGES)
        .map(|own| {
            world
                .registry
                .put_image(&format!("team/app{own}"), "v1", &image(own));
            format!("{}/team/app{own}:v1", link.host())
        })
        .collect()
}

fn link(to: &str, rate: u64) -> Link {
    let conditions = LinkConditions {
        rate: Some(rate),
        ..LinkConditions::default()
    };
    Link::start(to, conditions)
}

/// Runs the program and kills it once this holds; false where it ended before.
pub(super) fn kill_once(program: Transload, mut is_time: impl FnMut() -> bool) -> bool {
    let mut running = program.spawn();
    while !running.has_ended() {
        if is_time() {
            running.kill();
            return running.wait().signal == Some(9);
        }
        thread::sleep(Duration::from_micros(500));
    }
    running.wait().expect_code(0);
    false
}

#[test]
fn blobs_of_a_bundle_come_over_several_connections_at_once() {
    let world = World::new();
    let link = link(world.registry.host(), LAYER);
    let names = names(&world, &link);
    let pull = Transload::new().arg("pull").args(names).arg("--plain-http");
    let began = Instant::now();
    let dest = ["--dest", &world.bundle("one"), "--volume-size", "300K"];
    pull.args(dest).run().expect_code(0);
    // One after another, each layer takes a second.
    let taken = began.elapsed();
    assert!(taken < Duration::from_secs(IMAGES), "{taken:?}");
    Transload::new()
        .args(["verify", &world.bundle("one")])
        .run()
        .expect_code(0);
}

#[test]
fn a_bundle_whose_writing_was_killed_is_completed_to_the_same_bytes() {
    let world = World::new();
    let link = link(world.registry.host(), 2_000_000);
    let names = names(&world, &link);
    let pull = |name: &str, size: &str| {
        let dest = world.bundle(name);
        let program = Transload::new().arg("pull").args(&names).arg("--plain-http");
        program.args(["--quiet", "--dest", &dest, "--volume-size", size])
    };
    // Whole blobs, blobs in parts, and one volume.
    for size in ["1M", "100K", "1G"] {
        let (whole, cut) = (format!("whole-{size}"), format!("cut-{size}"));
        pull(&whole, size).run().expect_code(0);
        let mut kills = 0;
        for share in 1..8 {
            let (begin, most) = (link.bytes_from_server(), IMAGES * LAYER / 12 * share);
            if !kill_once(pull(&cut, size), || link.bytes_from_server() - begin > most) {
                break;
            }
            kills += 1;
        }
        assert!(kills > 1, "{kills}");
        pull(&cut, size).run().expect_code(0);
        let bundle = |name: &str| tree(world.path(name).to_str().expect("a plain name"));
        assert_is(&bundle(&cut), &bundle(&whole));
    }
}

#[test]
fn an_import_that_was_killed_goes_on_and_ends_whole() {
    let world = World::new();
    let plain = Link::start(world.registry.host(), LinkConditions::default());
    let names = names(&world, &plain);
    let pull = Transload::new().arg("pull").args(names).arg("--plain-http");
    let bundle = world.bundle("one");
    pull.args(["--dest", &bundle, "--volume-size", "300K"])
        .run()
        .expect_code(0);
    let there = RealRegistry::start(Tls::Off, Auth::Off);
    let link = link(there.host(), 1_000_000);
    let dest = format!("{}/mirror", link.host());
    let push = || {
        let program = Transload::new().args(["push", "--src", &bundle, "--dest", &dest]);
        program.arg("--plain-http")
    };
    let mut kills = 0;
    for share in 1..6 {
        let (begin, most) = (link.bytes_to_server(), IMAGES * LAYER / 10 * share);
        if !kill_once(push(), || link.bytes_to_server() - begin > most) {
            break;
        }
        kills += 1;
    }
    assert!(kills > 0);
    push().run().expect_code(0);
    let against = ["verify", &bundle, "--against", &dest, "--plain-http"];
    Transload::new().args(against).run().expect_code(0);
    let again = push().run().expect_code(0);
    assert!(!again.stderr.contains("  moved "), "{}", again.stderr);
}

#[test]
fn an_import_into_a_registry_needs_no_disk_beside_the_bundle() {
    let world = World::new();
    world.months();
    let there = RealRegistry::start(Tls::Off, Auth::Off);
    let dest = format!("{}/mirror", there.host());
    let push = Transload::new().args(["push", "--src", &world.bundle("one"), "--dest", &dest]);
    // No file may have a byte.
    let limit = ["-c", "ulimit -f 0; exec \"$@\"", "bash"];
    let push = push.arg("--plain-http").under("bash", limit);
    push.run().expect_code(0);
}

#[test]
fn an_import_onto_a_full_disk_names_it_and_goes_on_once_there_is_room() {
    let world = World::new();
    world.months();
    let dest = format!("oci:{}", world.path("images").display());
    let copy = || Transload::new().args(["copy", "--src", &world.bundle("one"), "--dest", &dest]);
    // No file may have more than 100 KiB.
    let limit = ["-c", "ulimit -f 100; exec \"$@\"", "bash"];
    let refused = copy().under("bash", limit).run().expect_code(1);
    let told = &refused.stderr;
    assert!(told.contains("images/") && told.contains("hint: "), "{told}");
    copy().run().expect_code(0);
    Transload::new().args(["verify", &dest]).run().expect_code(0);
}

#[test]
fn a_bundle_on_exfat_is_the_same_as_elsewhere() {
    let world = World::new();
    let images = ["lib/debian:12", "team/app:v1", "team/app:v2", "team/new:v1"];
    let (file, disk) = (world.path("exfat"), world.path("disk"));
    fs::create_dir(&disk).expect("a writable folder");
    let Some(exfat) = ExfatImage::make(&file) else {
        return;
    };
    world.pull(
        &images,
        &["--dest", &world.bundle("elsewhere"), "--volume-size", "100K"],
    );
    let names = images.map(|image| format!("{}/{image}", world.registry.host()));
    let on_disk = format!("bundle:{}", disk.join("months").display());
    let program = Transload::new().arg("pull").args(names).arg("--plain-http");
    let program = program.args(["--dest", &on_disk, "--volume-size", "100K"]);
    let copied = world.path("copied");
    let script = format!("\"$@\" && cp -r \"$DISK/months\" '{}'", copied.display());
    exfat.with(program, &disk, &script).run().expect_code(0);
    let bundle = |name: &str| tree(world.path(name).to_str().expect("a plain name"));
    assert_is(&bundle("copied"), &bundle("elsewhere"));
}

#[test]
fn a_task_file_says_all_that_the_command_line_says_of_bundles() {
    let world = World::new();
    let (away, dir) = (world.path("away"), world.dir.path().display());
    fs::create_dir(&away).expect("a writable folder");
    let host = world.registry.host();
    let auths = format!("auths: [{{repo: '{host}', plain_http: true}}]");
    let tasks = format!(
        "- name: november\n  image: {{manifests: ['{host}/lib/debian:12'], {auths}, dest: 'bundle:{dir}/one'}}\n\
         - name: over there\n  image: {{src: 'bundle:{dir}/one', dest: 'oci:{dir}/there'}}\n"
    );
    let next = format!(
        "- name: december\n  image: {{manifests: ['{host}/team/app:v1', '{host}/team/new:v1'], {auths}, dest: 'bundle:{dir}/two',\n\
         \x20   base: ['{dir}/one/BUNDLE.json'], volume_size: 100K, volume_command: 'case $1 in *0002*) mv \"$1\" {dir}/away;; esac'}}\n\
         - name: what is there\n  ignore_errors: true\n  image: {{src: 'bundle:{dir}/two', dest: 'oci:{dir}/there', missing: '{dir}/want.tli'}}\n"
    );
    let again = format!(
        "- name: again\n  image: {{manifests: ['{host}/team/app:v1', '{host}/team/new:v1'], {auths}, dest: 'bundle:{dir}/again', only: '{dir}/want.tli'}}\n\
         - name: with the second bundle\n  image: {{src: 'bundle:{dir}/two', volumes: '{dir}/again', dest: 'oci:{dir}/there'}}\n"
    );
    for (name, tasks) in [
        ("first.yaml", tasks),
        ("second.yaml", next),
        ("third.yaml", again),
    ] {
        let file = world.path(name);
        fs::write(&file, tasks).expect("a writable folder");
        Transload::new().arg("run").arg(&file).run().expect_code(0);
    }
    assert!(away.join("vol-0002.tar").exists() && !world.path("two/vol-0002.tar").exists());
    let there = format!("oci:{}", world.path("there").display());
    Transload::new().args(["verify", &there]).run().expect_code(0);
    let listed = Transload::new().args(["list", &there]).run().expect_code(0);
    assert!(listed.stdout.contains("team/new:v1"), "{}", listed.stdout);
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
