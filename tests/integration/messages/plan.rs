//! `--dry-run`: what would move, and nothing moves.

use transload_test_support::image::{Family, samples};
use transload_test_support::real::{PASSWORD, USER};
use transload_test_support::scripted::{Authentication, Options, ScriptedRegistry};

use super::{Scene, assert_said, store_with};

/// A scene with a directory `store` that holds images of several platforms and of one.
fn scene() -> Scene {
    let scene = Scene::new();
    let several = samples::multi_platform(Family::Oci, 1);
    let one = samples::single(Family::Docker, "linux/amd64", 2);
    store_with(&scene, "store", "hub.example.com", "team/app", "v1", &several);
    store_with(&scene, "store", "hub.example.com", "team/web", "v2", &one);
    scene
}

#[test]
fn into_a_directory_that_is_not_there_yet() {
    let scene = scene();
    let copy = ["copy", "--src", "store", "--dest", "./out", "--dry-run"];
    let all = scene.said(&copy, 0);
    let some = scene.said(
        &[&copy[..], &["--platform", "linux/amd64,linux/arm64"]].concat(),
        1,
    );
    let with_warnings = scene.said(
        &[&copy[..], &["--platform", "linux/arm64", "--policy", "warn"]].concat(),
        0,
    );
    let none = scene.said(
        &[&copy[..], &["--platform", "windows/amd64", "--policy", "warn"]].concat(),
        0,
    );
    let no_match = scene.said(&[&copy[..], &["--pattern", "nginx"]].concat(), 0);
    assert!(!scene.path("out").exists());
    assert_said!([all, some, with_warnings, none, no_match].join("\n"));
}

#[test]
fn into_a_registry_that_has_a_part_of_it() {
    let mut scene = scene();
    let registry = ScriptedRegistry::with(Options {
        authentication: Authentication::Basic,
        ..Options::default()
    });
    scene.name(registry.host(), "hub.example.org");
    registry.put_image(
        "mirror/team/web",
        "v2",
        &samples::single(Family::Docker, "linux/amd64", 2),
    );
    let auths = format!(
        "- {{repo: {}, username: {USER}, password: '{PASSWORD}', plain_http: true}}\n",
        registry.host()
    );
    scene.write("auths.yaml", &auths);
    let before = registry.blobs();
    let dest = format!("{}/mirror", registry.host());
    let said = scene.said(
        &[
            "push",
            "--src",
            "store",
            "--dest",
            &dest,
            "--auths",
            "auths.yaml",
            "--dry-run",
            "--retries",
            "0",
        ],
        0,
    );
    assert_said!(said);
    assert_eq!(registry.blobs(), before);
    assert_eq!(registry.log().count("POST", ""), 0);
    assert_eq!(registry.log().count("PUT", ""), 0);
}

#[test]
fn of_several_tasks_of_which_one_needs_another() {
    let scene = scene();
    scene.write(
        "tasks.yaml",
        "- name: gather\n  image: {src: 'local://store', dest: 'local://out'}\n\
         - name: when asked\n  when: .wanted\n  image: {src: 'local://store', dest: 'local://out'}\n\
         - name: hand on\n  image: {src: 'local://out', dest: 'local://other'}\n",
    );
    assert_said!(scene.said(&["run", "tasks.yaml", "--set", "wanted=false", "--dry-run"], 0));
    assert!(!scene.path("out").exists());
}
