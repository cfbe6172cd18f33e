//! What is told of directories that lack something, are damaged, or can't be written.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use transload_test_support::image::{Family, Image, samples};

use super::{Scene, assert_said, store_with};

const COPY: [&str; 7] = ["copy", "--src", "store", "--dest", "./out", "--jobs", "1"];

/// A scene with a directory `store` that holds one image.
fn scene() -> (Scene, Image) {
    let scene = Scene::new();
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    store_with(&scene, "store", "hub.example.com", "team/app", "v1", &image);
    (scene, image)
}

fn blob(scene: &Scene, image: &Image, at: usize) -> std::path::PathBuf {
    scene.path(&format!("store/blobs/{}", image.blobs[at].0.digest))
}

#[test]
fn an_image_that_is_not_there_is_told_with_those_that_are_near() {
    let (scene, _) = scene();
    let said = scene.said(
        &[
            "copy",
            "hub.example.com/team/app:v2",
            "team/app:v1",
            "hub.example.com/team/web:v1",
            "--src",
            "store",
            "--dest",
            "./out",
            "--jobs",
            "1",
        ],
        1,
    );
    assert_said!(said);
}

#[test]
fn a_blob_or_manifest_is_missing_or_damaged() {
    let missing_blob = {
        let (scene, image) = scene();
        fs::remove_file(blob(&scene, &image, 0)).expect("a blob that is there");
        scene.said(&COPY, 1)
    };
    let short_blob = {
        let (scene, image) = scene();
        fs::write(blob(&scene, &image, 0), "short").expect("a writable folder");
        scene.said(&COPY, 1)
    };
    let missing_manifest = {
        let (scene, image) = scene();
        let name = format!("store/hub.example.com/team/app/manifests/{}", image.digest());
        fs::remove_file(scene.path(&name)).expect("a manifest that is there");
        scene.said(&COPY, 1)
    };
    let damaged_manifest = {
        let (scene, image) = scene();
        let name = format!("store/hub.example.com/team/app/manifests/{}", image.digest());
        fs::write(scene.path(&name), "{}").expect("a writable folder");
        scene.said(&COPY, 1)
    };
    let broken_layout = {
        let (scene, _) = scene();
        let name = "store/hub.example.com/team/app/manifests/layout";
        fs::write(scene.path(name), "{\"v1\": ").expect("a writable folder");
        scene.said(&COPY, 2)
    };
    assert_said!(
        [
            missing_blob,
            short_blob,
            missing_manifest,
            damaged_manifest,
            broken_layout
        ]
        .join("\n")
    );
}

#[test]
fn something_is_in_the_way_at_the_destination() {
    let (scene, image) = scene();
    fs::create_dir_all(scene.path(&format!("out/blobs/{}", image.blobs[0].0.digest)))
        .expect("a writable folder");
    scene.write("file", "");
    let in_the_way = scene.said(&COPY, 1);
    let below_a_file = scene.said(&["copy", "--src", "store", "--dest", "./file/out"], 2);
    assert_said!([in_the_way, below_a_file].join("\n"));
}

#[test]
fn a_folder_that_may_not_be_written_is_told_with_whom_to_ask() {
    let (scene, _) = scene();
    let locked = scene.path("locked");
    fs::create_dir(&locked).expect("a writable folder");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).expect("a folder of this user");
    // Root may write everywhere but where the kernel itself is the folder.
    let is_root = fs::create_dir(locked.join("trial")).is_ok();
    let dest = if is_root { "/sys/images" } else { "./locked/images" };
    let output = scene.run(&["copy", "--src", "store", "--dest", dest], 1);
    let told =
        format!("\n  hub.example.com/team/app:v1 in store -> {dest}\n    destination: making {dest}: ");
    assert!(output.stderr.contains(&told), "{}", output.stderr);
    let hints = [
        "\n  hint: this user has no permission there: check owner and permissions (ls -ld), or choose another directory\n",
        "\n  hint: the filesystem is mounted read-only\n",
    ];
    assert!(
        hints.iter().any(|hint| output.stderr.contains(hint)),
        "{}",
        output.stderr
    );
}
