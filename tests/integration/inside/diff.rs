//! What one place has and another lacks.

use std::fs;

use serde_json::{Value, json};
use transload_test_support::RealRegistry;
use transload_test_support::image::{Family, samples};
use transload_test_support::real::{Auth, Tls};
use transload_test_support::scripted::{Action, Fault, Options, Referrers, Reply, ScriptedRegistry};

use super::{Scene, assert_said, store_with};

/// A directory `a` of three images, and `b` with one of them, another one under a second's name, and one more.
fn stores() -> Scene {
    let scene = Scene::new();
    let image = |seed| samples::single(Family::Oci, "linux/amd64", seed);
    for (store, repository, tag, seed) in [
        ("a", "team/app", "v1", 1),
        ("a", "team/web", "v1", 2),
        ("a", "team/db", "v1", 3),
        ("b", "team/app", "v1", 1),
        ("b", "team/web", "v1", 4),
        ("b", "team/app", "v2", 5),
    ] {
        store_with(&scene, store, "hub.example.com", repository, tag, &image(seed));
    }
    scene
}

#[test]
fn two_directories() {
    let scene = stores();
    let said = [
        scene.said(&["diff", "./a", "./a"], 0),
        scene.said(&["diff", "./a", "./b"], 1),
        scene.said(&["diff", "./b", "./a", "--pattern", "web|v2"], 1),
        scene.said(
            &["diff", "./a", "./b", "--pattern", "team/db", "--output", "json"],
            1,
        ),
    ];
    assert_said!(said.join("\n"));
}

#[test]
fn bytes_are_counted_once_whichever_images_lack_them() {
    let scene = stores();
    let said = scene.run(&["diff", "./a", "./b", "--output", "json"], 1).stdout;
    let found: Value = serde_json::from_str(&said).expect("JSON");
    let (web, db) = (
        samples::single(Family::Oci, "linux/amd64", 2),
        samples::single(Family::Oci, "linux/amd64", 3),
    );
    let here = samples::single(Family::Oci, "linux/amd64", 1);
    let mut lacking = std::collections::BTreeMap::new();
    for (blob, _) in web.blobs.iter().chain(&db.blobs) {
        if here.blob(&blob.digest).is_none() {
            lacking.insert(blob.digest.clone(), blob.size);
        }
    }
    let bytes: u64 = lacking.values().sum();
    assert_eq!(
        found["b_lacks"],
        json!({"blobs": lacking.len(), "bytes": bytes, "manifests": 0, "referrers": 0})
    );
    assert_eq!(found["same"], json!(false));
}

#[test]
fn a_copy_that_lost_something_on_its_way_is_incomplete() {
    let scene = Scene::new();
    let image = samples::index_of(Family::Oci, &["linux/amd64", "linux/arm64"], 1);
    for store in ["a", "b", "c"] {
        store_with(&scene, store, "hub.example.com", "team/app", "v1", &image);
    }
    fs::remove_file(scene.path(&format!("b/blobs/{}", image.blobs[0].0.digest)))
        .expect("a blob that is there");
    let child = format!(
        "c/hub.example.com/team/app/manifests/{}",
        image.manifests[0].digest
    );
    fs::remove_file(scene.path(&child)).expect("a manifest that is there");
    let said = [
        scene.said(&["diff", "./a", "./b"], 1),
        scene.said(&["diff", "./a", "./c"], 1),
    ];
    assert_said!(said.join("\n"));
}

#[test]
fn a_directory_and_where_it_is_pushed_to() {
    let mut scene = stores();
    let registry = RealRegistry::start(Tls::Off, Auth::Off);
    scene.name(registry.host(), "hub.local");
    let mirror = format!("{}/mirror", registry.host());
    let template = format!(
        "{}/flat/{{{{ base .module.image.src.reference.repository }}}}:{{{{ .module.image.src.reference.reference }}}}",
        registry.host()
    );
    let before = scene.said(&["diff", "./a", &mirror], 1);
    scene.run(&["push", "--src", "a", "--dest", &mirror], 0);
    scene.run(&["push", "--src", "a", "--dest", &template], 0);
    let said = [
        before,
        scene.said(&["diff", "./a", &mirror], 0),
        scene.said(&["diff", "./a", &template], 0),
        scene.said(&["diff", &mirror, "./a", "--output", "json"], 0),
        scene.said(&["diff", "./b", &mirror], 1),
        scene.said(&["diff", &mirror, "./b", "--pattern", "web"], 1),
    ];
    assert_said!(said.join("\n"));
}

#[test]
fn other_tags_of_a_registry_count_unless_only_one_way_is_asked_for() {
    let mut scene = stores();
    let registry = ScriptedRegistry::start();
    scene.name(registry.host(), "hub.local");
    for (repository, tag, seed) in [
        ("team/app", "v1", 1),
        ("team/app", "v2", 5),
        ("team/app", "v3", 6),
    ] {
        registry.put_image(
            repository,
            tag,
            &samples::single(Family::Oci, "linux/amd64", seed),
        );
    }
    let both_ways = scene.said(&["diff", "./b", registry.host(), "--pattern", "team/app"], 1);
    let one_way = scene.said(
        &[
            "diff",
            "./b",
            registry.host(),
            "--pattern",
            "team/app",
            "--one-way",
        ],
        0,
    );
    registry.fault(Fault::new(
        "GET",
        "/tags/list",
        Action::Answer(Reply::status(405)),
    ));
    let no_list = scene.said(&["diff", "./b", registry.host(), "--pattern", "team/app"], 0);
    assert_said!([both_ways, one_way, no_list].join("\n"));
}

#[test]
fn what_cannot_be_compared_is_trouble_and_no_difference() {
    let mut scene = stores();
    let registry = ScriptedRegistry::start();
    scene.name(registry.host(), "hub.local");
    let refusal = Reply::status(403).error("DENIED", "requested access to the resource is denied");
    registry.fault(Fault::new("*", "/team/web/", Action::Answer(refusal)).every());
    let one_refused = scene.said(&["diff", "./a", registry.host(), "--one-way"], 2);
    let nobody = scene.said(&["diff", "./a", "127.0.0.1:1", "--retries", "0"], 2);
    scene.write("b/hub.example.com/team/app/manifests/layout", "[");
    fs::create_dir(scene.path("empty")).expect("a writable folder");
    let said = [
        one_refused,
        nobody,
        scene.said(&["diff", "./a", "./b"], 2),
        scene.said(&["diff", "./a", "./missing"], 2),
        scene.said(&["diff", "./a", "missing"], 2),
        scene.said(&["diff", "hub.local", "quay.io"], 2),
        scene.said(&["diff", "./a", "hub.local/all/images:v1"], 2),
        scene.said(&["diff", "./a", "./b", "--pattern", "("], 2),
        scene.said(&["diff", "./empty", "./empty"], 0),
        scene.said(&["diff", "./a", "./empty", "--pattern", "db"], 1),
    ];
    assert_said!(said.join("\n"));
}

#[test]
fn referrers_that_one_side_lacks_are_counted_and_a_registry_is_asked_only_where_some_are_here() {
    let mut scene = Scene::new();
    let registry = ScriptedRegistry::with(Options {
        referrers: Referrers::Filtered,
        ..Options::default()
    });
    scene.name(registry.host(), "hub.local");
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    registry.put_image("team/app", "v1", &image);
    registry.put_image("team/app", "sbom", &samples::artifact(&image));
    let name = format!("{}/team/app:v1", registry.host());
    let pull = |dest: &str, referrers: &str| {
        scene.run(
            &[
                "pull",
                &name,
                "--dest",
                dest,
                "--referrers",
                referrers,
                "--plain-http",
            ],
            0,
        );
    };
    pull("with", "all");
    pull("without", "none");
    let lacks = |a: &str, b: &str, code| {
        let said = scene
            .run(
                &["diff", a, b, "--output", "json", "--pattern", "team/app:v1$"],
                code,
            )
            .stdout;
        let found: Value = serde_json::from_str(&said).expect("JSON");
        (
            found["a_lacks"]["referrers"].clone(),
            found["b_lacks"]["referrers"].clone(),
        )
    };
    assert_eq!(lacks("./with", "./with", 0), (json!(0), json!(0)));
    assert_eq!(lacks("./with", "./without", 1), (json!(0), json!(1)));
    assert_eq!(lacks("./without", "./with", 1), (json!(1), json!(0)));
    let said = scene.run(&["diff", "./with", "./without"], 1).stdout;
    assert!(said.contains("1 referrer"), "{said}");

    registry.log().clear();
    assert_eq!(lacks("./without", registry.host(), 0), (json!(0), json!(0)));
    assert_eq!(registry.log().count("GET", "/referrers/"), 0, "none is here");
    assert_eq!(lacks("./with", registry.host(), 0), (json!(0), json!(0)));
    assert!(registry.log().count("GET", "/referrers/") > 0);
    let bare = ScriptedRegistry::start();
    bare.put_image("team/app", "v1", &image);
    assert_eq!(lacks("./with", bare.host(), 1), (json!(0), json!(1)));
}
