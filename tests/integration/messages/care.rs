//! What `verify` and `prune` say.

use std::fs;

use transload_test_support::image::{Family, Image, samples};
use transload_test_support::scripted::ScriptedRegistry;

use super::{Scene, assert_said, store_with};

/// A scene with a directory `store` of five images that share a layer, and a sixth of several platforms.
fn scene() -> (Scene, Vec<Image>) {
    let scene = Scene::new();
    let mut images: Vec<Image> = (1..6)
        .map(|seed| samples::single(Family::Oci, "linux/amd64", seed))
        .collect();
    for (number, image) in images.iter().enumerate() {
        store_with(
            &scene,
            "store",
            "hub.example.com",
            &format!("team/app{number}"),
            "v1",
            image,
        );
    }
    images.push(samples::multi_platform(Family::Oci, 6));
    store_with(&scene, "store", "docker.io", "library/alpine", "3.19", &images[5]);
    (scene, images)
}

fn blob(scene: &Scene, image: &Image, at: usize) -> std::path::PathBuf {
    scene.path(&format!("store/blobs/{}", image.blobs[at].0.digest))
}

/// Leaves what nobody needs: a blob, a part of one, and a note.
fn litter(scene: &Scene) {
    let orphan = samples::single(Family::Oci, "linux/amd64", 9);
    fs::write(blob(scene, &orphan, 0), &orphan.blobs[0].1).expect("a writable folder");
    fs::create_dir_all(scene.path("store/.transload/partial")).expect("a writable folder");
    let partial = format!("store/.transload/partial/{}", orphan.blobs[1].0.digest);
    scene.write(&partial, "par");
    scene.write("store/blobs/notes.txt", "mine");
    scene.write("store/blobs/\u{1b}[2J", "a name that a terminal would obey");
}

/// Something of every kind, in one directory.
fn damage(scene: &Scene, images: &[Image]) {
    let manifests = |number: usize| format!("store/hub.example.com/team/app{number}/manifests");
    // The layer that all share.
    let shared = blob(scene, &images[0], 1);
    let size = fs::metadata(&shared).expect("a blob that is there").len();
    fs::write(&shared, vec![b'x'; usize::try_from(size).expect("a small blob")]).expect("a writable file");
    fs::remove_file(blob(scene, &images[0], 2)).expect("a blob that is there");
    fs::write(blob(scene, &images[1], 2), "short").expect("a writable file");
    let folder = blob(scene, &images[2], 2);
    fs::remove_file(&folder).expect("a blob that is there");
    fs::create_dir(&folder).expect("a writable folder");
    scene.write(&format!("{}/{}", manifests(3), images[3].digest()), "{}");
    scene.write(&format!("{}/layout", manifests(4)), "[\"v1\"]");
    scene.write(&format!("{}/v1", manifests(2)), "an old one");
    let child = &images[5].manifests[0].digest;
    let child = format!("store/registry-1.docker.io/library/alpine/manifests/{child}");
    fs::remove_file(scene.path(&child)).expect("a manifest that is there");
}

#[test]
fn a_whole_directory_and_what_is_in_it_besides() {
    let (scene, _) = scene();
    let whole = scene.said(&["verify", "store"], 0);
    litter(&scene);
    let littered = scene.said(&["verify", "store"], 0);
    let some = scene.said(&["verify", "store", "--pattern", "alpine"], 0);
    let none = scene.said(&["verify", "store", "--pattern", "nginx"], 0);
    assert_said!([whole, littered, some, none].join("\n"));
}

#[test]
fn everything_that_can_be_wrong() {
    let (scene, images) = scene();
    damage(&scene, &images);
    assert_said!(scene.said(&["verify", "store"], 1));
}

#[test]
fn what_was_mended_and_what_was_not() {
    let (mut scene, images) = scene();
    let registry = ScriptedRegistry::start();
    scene.name(registry.host(), "mirror.example.com");
    for (number, image) in images.iter().enumerate().skip(1) {
        registry.put_image(&format!("team/app{number}"), "v1", image);
    }
    registry.put_image("library/alpine", "3.19", &images[5]);
    damage(&scene, &images);
    let repair = [
        "verify",
        "store",
        "--repair",
        "--src",
        registry.host(),
        "--plain-http",
        "--retries",
        "0",
    ];
    assert_said!(scene.said(&repair, 1));
}

#[test]
fn a_damaged_directory_for_programs() {
    let scene = Scene::new();
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    store_with(&scene, "store", "hub.example.com", "team/app", "v1", &image);
    litter(&scene);
    fs::remove_file(blob(&scene, &image, 2)).expect("a blob that is there");
    assert_said!(scene.said(&["verify", "store", "--output", "json"], 1));
}

#[test]
fn what_a_prune_removes_and_would_remove() {
    let (scene, _) = scene();
    litter(&scene);
    scene.write(
        "keep.txt",
        "hub.example.com/team/app0:v1\nalpine:3.19\nalpine:3.20 # not pulled yet\n",
    );
    let said = [
        scene.said(&["prune", "store", "--dry-run"], 0),
        scene.said(&["prune", "store", "--yes"], 0),
        scene.said(&["prune", "store", "--yes"], 0),
        scene.said(
            &["prune", "store", "--keep-pattern", "app[0-3]|alpine", "--dry-run"],
            0,
        ),
        scene.said(&["prune", "store", "--yes", "--keep-file", "keep.txt"], 0),
        scene.said(
            &[
                "prune",
                "store",
                "--yes",
                "--keep-pattern",
                "alpine",
                "--output",
                "json",
            ],
            0,
        ),
        scene.said(&["list", "store"], 0),
    ];
    assert_said!(said.join("\n"));
}

#[test]
fn a_prune_that_is_refused() {
    let (scene, images) = scene();
    scene.write("empty.txt", "# nothing yet\n");
    scene.write("wrong.txt", "alpine:3.19\nALPINE\n");
    scene.write("other.txt", "alpine:3.20\n");
    let manifest = format!("store/hub.example.com/team/app3/manifests/{}", images[3].digest());
    let mut said = vec![
        scene.said(&["prune", "store", "--yes", "--keep-file", "empty.txt"], 2),
        scene.said(&["prune", "store", "--yes", "--keep-file", "wrong.txt"], 2),
        scene.said(&["prune", "store", "--yes", "--keep-file", "other.txt"], 2),
        scene.said(&["prune", "store", "--keep-pattern", "nginx", "--dry-run"], 2),
        scene.said(
            &[
                "prune",
                "store",
                "--yes",
                "--keep-pattern",
                "a",
                "--keep-file",
                "other.txt",
            ],
            2,
        ),
        scene.said(&["prune", "stor", "--yes"], 2),
        scene.said(&["prune", "store"], 2),
        scene.said(&["prune", "store", "--keep", "other.txt"], 2),
    ];
    scene.write(&manifest, "{}");
    said.push(scene.said(&["prune", "store", "--yes"], 1));
    assert_said!(said.join("\n"));
}

#[test]
fn a_verify_that_is_refused() {
    let (store, _) = scene();
    let scene = Scene::new();
    scene.write("notes.txt", "mine");
    let said = [
        scene.said(&["verify", "missing"], 2),
        scene.said(&["verify", "."], 2),
        scene.said(&["verify", ".", "--src", "hub.example.com"], 2),
        scene.said(&["verify", ".", "--pattern", "("], 2),
        store.said(&["verify", "store", "--repair", "--src", "./store"], 2),
        store.said(&["verify", "store", "--repair", "--plain-http"], 2),
        store.said(&["verify", "store", "--repair", "--ca-file", "missing.pem"], 2),
    ];
    assert_said!(said.join("\n"));
}
