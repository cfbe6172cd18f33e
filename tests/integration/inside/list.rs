//! What a directory holds.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use transload_test_support::image::{Family, Image, samples};

use super::{Scene, assert_said, store_with};

/// A directory `store` of images that share layers, of one platform, of several and of none.
fn scene() -> (Scene, Vec<Image>) {
    let scene = Scene::new();
    let images = vec![
        samples::multi_platform(Family::Oci, 1),
        samples::single(Family::Docker, "linux/amd64", 2),
        samples::attested(3),
        samples::helm_chart("cilium", "1.16.1"),
    ];
    for (image, (registry, repository, tag)) in images.iter().zip([
        ("docker.io", "library/alpine", "3.19"),
        ("quay.io", "calico/node", "v3.28"),
        ("quay.io", "calico/cni", "v3.28"),
        ("quay.io", "cilium/charts", "1.16.1"),
    ]) {
        store_with(&scene, "store", registry, repository, tag, image);
    }
    store_with(&scene, "store", "quay.io", "calico/node", "latest", &images[1]);
    (scene, images)
}

#[test]
fn a_directory_as_table_tree_names_and_json() {
    let (scene, _) = scene();
    let said = [
        scene.said(&["list", "store"], 0),
        scene.said(&["list", "store", "--output", "tree"], 0),
        scene.said(&["list", "store", "--output", "names"], 0),
        scene.said(&["list", "store", "--output", "json", "--pattern", "alpine"], 0),
    ];
    assert_said!(said.join("\n"));
}

#[test]
fn images_are_chosen_by_name_and_platform_and_sorted_by_size() {
    let (scene, _) = scene();
    let said = [
        scene.said(&["list", "store", "--pattern", "calico"], 0),
        scene.said(&["list", "store", "--platform", "linux/arm64,linux/arm/v6"], 0),
        scene.said(&["list", "store", "--sort", "size"], 0),
        scene.said(&["list", "store", "--platform", "windows/amd64"], 0),
        scene.said(
            &[
                "list",
                "store",
                "--pattern",
                "cilium",
                "--platform",
                "linux/amd64",
            ],
            0,
        ),
        scene.said(&["list", "store", "--platform", "linux/amd64/x/y"], 2),
    ];
    assert_said!(said.join("\n"));
}

#[test]
fn sizes_add_up() {
    let (scene, images) = scene();
    let listed: Value =
        serde_json::from_str(&scene.run(&["list", "store", "--output", "json"], 0).stdout).expect("JSON");
    let of = |name: &str| {
        let all = listed["images"].as_array().expect("a list");
        all.iter()
            .find(|image| image["image"] == name)
            .expect("an image")
            .clone()
    };
    let alpine = of("docker.io/library/alpine:3.19");
    assert_eq!(alpine["size"], json!(images[0].blob_bytes()));
    // All samples have their first layer in common, and here nothing else.
    let common = images[0]
        .blobs
        .iter()
        .find(|(blob, _)| images[2].blob(&blob.digest).is_some());
    let (common, _) = common.expect("a layer in common");
    assert_eq!(alpine["shared"], json!(common.size));
    // One under two names shares all.
    let node = of("quay.io/calico/node:v3.28");
    assert_eq!(
        (&node["size"], &node["shared"]),
        (&json!(images[1].blob_bytes()), &node["size"])
    );
    let mut distinct = std::collections::BTreeMap::new();
    for (blob, _) in images.iter().flat_map(|image| &image.blobs) {
        distinct.insert(blob.digest.clone(), blob.size);
    }
    assert_eq!(listed["bytes"], json!(distinct.values().sum::<u64>()));
    assert_eq!(listed["blobs"], json!(distinct.len()));
}

#[test]
fn what_is_damaged_is_told_and_hides_nothing_else() {
    let (scene, images) = scene();
    let alpine = format!(
        "store/registry-1.docker.io/library/alpine/manifests/{}",
        images[0].manifests[0].digest
    );
    fs::remove_file(scene.path(&alpine)).expect("a manifest that is there");
    scene.write(
        &format!("store/quay.io/calico/cni/manifests/{}", images[2].digest()),
        "{}",
    );
    scene.write("store/quay.io/cilium/charts/manifests/layout", "[");
    let said = [
        scene.said(&["list", "store"], 1),
        scene.said(
            &["list", "store", "--output", "tree", "--pattern", "calico/cni"],
            1,
        ),
        scene.said(
            &["list", "store", "--output", "json", "--pattern", "calico/cni"],
            1,
        ),
        scene.said(&["list", "store", "--output", "names"], 1),
    ];
    assert_said!(said.join("\n"));
}

#[test]
fn no_blob_is_read_but_the_config_of_an_image_that_tells_its_platform_nowhere_else() {
    let (scene, images) = scene();
    let before = scene.run(&["list", "store"], 0).stdout;
    let config = &images[1]
        .blobs
        .iter()
        .find(|(blob, _)| blob.media_type.is_image_config());
    let kept = config
        .as_ref()
        .expect("an image has a config")
        .0
        .digest
        .to_string();
    for entry in fs::read_dir(scene.path("store/blobs")).expect("a folder of blobs") {
        let path = entry.expect("a readable folder").path();
        if !path.ends_with(&kept) {
            fs::remove_file(path).expect("a removable file");
        }
    }
    assert_eq!(scene.run(&["list", "store"], 0).stdout, before);
}

#[test]
fn whoever_stops_reading_makes_nothing_panic() {
    let scene = Scene::new();
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    store_with(&scene, "store", "hub.example.com", "team/app", "v1", &image);
    // More than a pipe holds.
    let tags: serde_json::Map<String, Value> = (0..2000)
        .map(|number| (format!("v{number}"), json!(image.digest())))
        .collect();
    scene.write(
        "store/hub.example.com/team/app/manifests/layout",
        &Value::Object(tags).to_string(),
    );
    for form in ["table", "tree", "names", "json"] {
        let mut child = Command::new(scene.program(&[]).program())
            .args(["list", "store", "--output", form])
            .current_dir(scene.path("."))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("the program ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*said), (Some(0), ""), "{form}");
    }
}
