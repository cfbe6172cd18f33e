//! One image, in a directory or a registry.

use std::fs;

use transload_test_support::image::{Family, ImageBuilder, Style, samples};
use transload_test_support::scripted::ScriptedRegistry;

use super::{Scene, assert_said, store_with};

#[test]
fn images_of_every_kind_in_a_directory() {
    let scene = Scene::new();
    let single = samples::single(Family::Docker, "linux/arm64/v8", 1);
    for (repository, image) in [
        ("team/single", &single),
        (
            "team/multi",
            &samples::index_of(Family::Oci, &["linux/amd64", "linux/arm/v7"], 2),
        ),
        ("team/attested", &samples::attested_of(&["linux/amd64"], 3)),
        ("team/chart", &samples::helm_chart("cilium", "1.16.1")),
        ("team/sbom", &samples::artifact(&single)),
    ] {
        store_with(&scene, "store", "hub.example.com", repository, "v1", image);
    }
    let said: Vec<String> = ["single", "multi", "attested", "chart", "sbom"]
        .iter()
        .map(|name| {
            let image = format!("hub.example.com/team/{name}:v1");
            scene.said(&["inspect", &image, "--src", "store"], 0)
        })
        .collect();
    assert_said!(said.join("\n"));
}

#[test]
fn an_image_in_its_registry_and_in_a_mirror_for_programs_too() {
    let mut scene = Scene::new();
    let registry = ScriptedRegistry::start();
    scene.name(registry.host(), "hub.example.com");
    let image = samples::attested_of(&["linux/amd64"], 1);
    registry.put_image("team/app", "v1", &image);
    registry.put_image(
        "mirror/library/alpine",
        "3.19",
        &samples::multi_platform(Family::Oci, 2),
    );
    let own = format!("{}/team/app:v1", registry.host());
    let mirror = format!("{}/mirror", registry.host());
    let said = [
        scene.said(&["inspect", &own, "--output", "json"], 0),
        scene.said(
            &[
                "inspect",
                "alpine:3.19",
                "--src",
                &mirror,
                "--platform",
                "linux/arm/v7",
            ],
            0,
        ),
        scene.said(&["inspect", &format!("{}/team/app:v2", registry.host())], 1),
    ];
    assert_said!(said.join("\n"));
    // Only layers stay where they are.
    let reads = registry.log().count("GET", "/blobs/");
    assert_eq!(reads, 3, "the configs of two manifests, and of one");
}

#[test]
fn raw_is_the_manifest_byte_for_byte() {
    let scene = Scene::new();
    let registry = ScriptedRegistry::start();
    let image = samples::multi_platform(Family::Docker, 1);
    store_with(&scene, "store", "hub.example.com", "team/app", "v1", &image);
    registry.put_image("team/app", "v1", &image);
    let there = format!("{}/team/app:v1", registry.host());
    let here: &[&str] = &[
        "inspect",
        "hub.example.com/team/app:v1",
        "--src",
        "store",
        "--raw",
    ];
    for args in [here, &["inspect", &there, "--raw"]] {
        assert_eq!(scene.run(args, 0).stdout.as_bytes(), image.root.bytes);
        let of_platform = [args, &["--platform", "linux/arm/v6"]].concat();
        let said = scene.run(&of_platform, 0).stdout;
        assert!(
            image.manifests[..4]
                .iter()
                .any(|child| child.bytes == said.as_bytes())
        );
        assert!(said.contains("manifest.v2+json"), "{said}");
    }
    let refused = [
        scene.said(&[here, &["--platform", "linux/s390x"]].concat(), 1),
        scene.said(&[here, &["--platform", "linux/arm"]].concat(), 1),
    ];
    assert_said!(refused.join("\n"));
}

#[test]
fn what_a_directory_lacks_of_an_image_is_told_on_purpose_or_not() {
    let mut scene = Scene::new();
    let registry = ScriptedRegistry::start();
    scene.name(registry.host(), "hub.example.com");
    let image = samples::index_of(Family::Oci, &["linux/amd64", "linux/arm64"], 1);
    registry.put_image("team/app", "v1", &image);
    let name = format!("{}/team/app:v1", registry.host());
    let sparse = [
        "pull",
        &name,
        "--dest",
        "./sparse",
        "--platform",
        "linux/amd64",
        "--index",
        "original",
    ];
    scene.run(&sparse, 0);
    let left_out = scene.said(&["inspect", &name, "--src", "sparse"], 0);
    let listed = scene.said(&["list", "sparse"], 0);

    store_with(&scene, "broken", "hub.example.com", "team/app", "v1", &image);
    let child = format!(
        "broken/hub.example.com/team/app/manifests/{}",
        image.manifests[1].digest
    );
    fs::remove_file(scene.path(&child)).expect("a manifest that is there");
    for at in [0, 2] {
        let blob = format!("broken/blobs/{}", image.blobs[at].0.digest);
        fs::remove_file(scene.path(&blob)).expect("a blob that is there");
    }
    let args = ["inspect", "hub.example.com/team/app:v1", "--src", "broken"];
    let missing = scene.said(&args, 1);
    let for_programs = scene.run(&[&args[..], &["--output", "json"]].concat(), 1).stdout;
    for part in ["\"whole\": false", "\"state\": \"missing\""] {
        assert!(for_programs.contains(part), "{for_programs}");
    }
    assert_said!([left_out, listed, missing].join("\n"));
}

#[test]
fn texts_of_an_images_maker_are_not_obeyed_by_a_terminal() {
    let scene = Scene::new();
    let image = ImageBuilder::new(Family::Oci)
        .platform("linux/amd64")
        .layer(&[("a", b"b")])
        .annotation("org.example", "\u{1b}[2Jall is well\u{202e}")
        .style(Style::Compact)
        .build();
    store_with(&scene, "store", "hub.example.com", "team/app", "v1", &image);
    let said = scene
        .run(&["inspect", "hub.example.com/team/app:v1", "--src", "store"], 0)
        .stdout;
    assert!(
        said.contains("org.example = \\u{1b}[2Jall is well\\u{202e}"),
        "{said}"
    );
    assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said}");
}

#[test]
fn arguments_that_name_no_image_and_images_that_are_not_there() {
    let scene = Scene::new();
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    store_with(&scene, "store", "hub.example.com", "team/app", "v1", &image);
    fs::create_dir(scene.path("empty")).expect("a writable folder");
    fs::create_dir(scene.path("downloads")).expect("a writable folder");
    scene.write("downloads/notes.txt", "mine");
    let commands: [(&[&str], i32); 9] = [
        (&["inspect", "store"], 2),
        (&["inspect", "Alpine"], 2),
        (&["inspect", "alpine", "--src", "./missing"], 2),
        (&["inspect", "alpine", "--src", "./downloads"], 2),
        (&["inspect", "alpine", "--src", "./empty"], 1),
        (&["inspect", "hub.example.com/team/app:v2", "--src", "store"], 1),
        (&["inspect", "alpine", "--platform", "linux/"], 2),
        (&["inspect", "alpine", "--raw", "--output", "json"], 2),
        (&["inspect", "alpine", "--src", "local://~/images"], 2),
    ];
    let said: Vec<String> = commands
        .iter()
        .map(|(args, code)| scene.said(args, *code))
        .collect();
    assert_said!(said.join("\n"));
}
