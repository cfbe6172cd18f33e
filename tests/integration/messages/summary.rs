//! What became of a run: a line an image on stdout, totals and failures on stderr.

use std::fs;

use transload_test_support::image::{Family, samples};
use transload_test_support::scripted::{Action, Fault, Reply, ScriptedRegistry};

use super::{Scene, assert_said, store_with};

fn named(registry: &ScriptedRegistry) -> Scene {
    let mut scene = Scene::new();
    scene.name(registry.host(), "hub.example.com");
    scene
}

/// An image that moves, one that is there, one that is left out, and one that fails.
#[test]
fn copied_there_skipped_and_failed() {
    let registry = ScriptedRegistry::start();
    registry.put_image("team/app", "v1", &samples::multi_platform(Family::Oci, 1));
    registry.put_image(
        "team/arm",
        "v1",
        &samples::index_of(Family::Oci, &["linux/arm64"], 2),
    );
    registry.put_image(
        "team/web",
        "v1",
        &samples::single(Family::Docker, "linux/amd64", 3),
    );
    let scene = named(&registry);
    let image = |name: &str| format!("{}/team/{name}:v1", registry.host());
    let more = [
        "--dest",
        "out",
        "--platform",
        "linux/amd64",
        "--policy",
        "warn",
        "--plain-http",
        "--jobs",
        "1",
        "--retries",
        "0",
    ];
    let first = scene.said(&[&["pull", image("web").as_str()][..], &more].concat(), 0);
    let images = ["app", "web", "arm", "nothing"].map(image);
    let images: Vec<&str> = images.iter().map(String::as_str).collect();
    let second = scene.said(&[&["pull"][..], &images, &more].concat(), 1);
    let quiet = scene.said(&[&["pull", "--quiet"][..], &images, &more].concat(), 1);
    assert_said!([first, second, quiet].join("\n"));
}

#[test]
fn linked_and_then_there_between_directories() {
    let scene = Scene::new();
    for (name, seed) in [("app", 1), ("web", 2)] {
        let image = samples::single(Family::Oci, "linux/amd64", seed);
        store_with(&scene, "store", "hub.example.com", name, "v1", &image);
    }
    let args = [
        "copy", "--src", "store", "--dest", "./out", "--jobs", "1", "--link",
    ];
    let linked = scene.said(&args, 0);
    let there = scene.said(&args, 0);
    assert_said!([linked, there].join("\n"));
}

#[test]
fn mounted_within_a_registry() {
    let registry = ScriptedRegistry::start();
    registry.put_image("team/app", "v1", &samples::single(Family::Oci, "linux/amd64", 1));
    let scene = named(&registry);
    let (image, dest) = (
        format!("{}/team/app:v1", registry.host()),
        format!("{}/mirror", registry.host()),
    );
    assert_said!(scene.said(
        &["copy", &image, "--dest", &dest, "--plain-http", "--jobs", "1"],
        0
    ));
}

/// Advice that several failures have in common is given once.
#[test]
fn many_failures_of_several_tasks() {
    let registry = ScriptedRegistry::start();
    let denied = Reply::status(403).error("DENIED", "requested access to the resource is denied");
    registry.fault(Fault::new("*", "/v2/private/", Action::Answer(denied)).every());
    registry.put_image("team/app", "v1", &samples::single(Family::Oci, "linux/amd64", 1));
    let scene = named(&registry);
    let task = |name: &str, manifests: &str, more: &str| {
        format!(
            "- name: {name}\n  {more}\n  image:\n    manifests: [{manifests}]\n    src: {}\n    dest: local://out\n    \
             auths: [{{plain_http: true}}]\n",
            registry.host()
        )
    };
    let file = task(
        "public images",
        "'team/app:v1', 'team/app:v2', 'team/web:v1'",
        "retries: 0",
    ) + &task(
        "private images",
        "'private/a:v1', 'private/b:v1'",
        "ignore_errors: true",
    );
    scene.write("tasks.yaml", &file);
    assert_said!(scene.said(&["run", "tasks.yaml", "--jobs", "1", "--retries", "0"], 1));
}

#[test]
fn failures_that_are_ignored_leave_the_exit_status_alone() {
    let scene = Scene::new();
    fs::create_dir(scene.path("store")).expect("a writable folder");
    scene.write(
        "tasks.yaml",
        "- name: what there is\n  ignore_errors: true\n  image: {manifests: [app], src: 'local://store', dest: 'local://out'}\n",
    );
    assert_said!(scene.said(&["run", "tasks.yaml"], 0));
}

#[test]
fn foreign_layers_are_told_of() {
    let registry = ScriptedRegistry::start();
    let (image, _) = samples::foreign("https://layers.example.com/base");
    registry.put_image("team/windows", "v1", &image);
    let scene = named(&registry);
    let name = format!("{}/team/windows:v1", registry.host());
    assert_said!(scene.said(
        &["pull", &name, "--dest", "out", "--plain-http", "--jobs", "1"],
        0
    ));
}

#[test]
fn a_list_of_images_for_people_and_for_programs() {
    let scene = Scene::new();
    for (name, seed) in [("app", 1), ("web", 2)] {
        let image = samples::single(Family::Oci, "linux/amd64", seed);
        store_with(
            &scene,
            "store",
            "docker.io",
            &format!("library/{name}"),
            "v1",
            &image,
        );
    }
    let said = [
        scene.said(&["list", "store"], 0),
        scene.said(&["list", "store", "--output", "json"], 0),
        scene.said(&["list", "store", "--pattern", "web"], 0),
    ];
    assert_said!(said.join("\n"));
}
