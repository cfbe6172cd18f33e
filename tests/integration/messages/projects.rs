//! Projects of a Harbor: what a plan, a run and a failure say of them.

use serde_json::json;
use transload_test_support::image::{Family, samples};
use transload_test_support::real::{PASSWORD, USER};
use transload_test_support::scripted::{HarborProjects, HarborUser, Options, ScriptedRegistry};

use super::{Scene, assert_said, store_with};

/// A scene with a directory of two images, and a registry called `hub.example.com`.
fn scene(harbor: Option<HarborProjects>) -> (Scene, ScriptedRegistry) {
    let registry = ScriptedRegistry::with(Options {
        harbor_projects: harbor,
        ..Options::bearer(true)
    });
    let mut scene = Scene::new();
    scene.name(registry.host(), "hub.example.com");
    for repository in ["apps/one", "tools/two"] {
        let image = samples::single(Family::Oci, "linux/amd64", 1);
        store_with(&scene, "images", "docker.io", repository, "v1", &image);
    }
    let entry =
        json!([{"repo": registry.host(), "username": USER, "password": PASSWORD, "plain_http": true}]);
    scene.write("auths.yaml", &entry.to_string());
    (scene, registry)
}

fn said(scene: &Scene, registry: &ScriptedRegistry, more: &[&str], code: i32) -> String {
    let args = [
        "push",
        "--src",
        "images",
        "--dest",
        registry.host(),
        "--jobs",
        "1",
        "--retries",
        "0",
    ];
    scene.said(&[&args, more].concat(), code) + "\n"
}

const AUTHS: [&str; 2] = ["--auths", "auths.yaml"];

#[test]
fn projects_that_would_be_created_and_were() {
    let (scene, registry) = scene(Some(HarborProjects::default()));
    registry.create_project("tools", false);
    let create = [&AUTHS[..], &["--create-projects"]].concat();
    let mut all = said(&scene, &registry, &[&create[..], &["--dry-run"]].concat(), 0);
    all += &said(&scene, &registry, &create, 0);
    assert_said!(all);
}

#[test]
fn projects_that_are_created_are_told_to_programs() {
    let (scene, registry) = scene(Some(HarborProjects::default()));
    let args = [&AUTHS[..], &["--create-projects", "public", "--progress", "json"]].concat();
    let told = said(&scene, &registry, &args, 0);
    let line =
        |project: &str| format!(r#""registry":"hub.example.com","project":"{project}","public":true}}"#);
    assert!(
        told.contains(&line("apps")) && told.contains(&line("tools")),
        "{told}"
    );
}

#[test]
fn projects_that_cant_be_created() {
    let (scene_of_member, closed) = scene(Some(HarborProjects {
        admin_only: true,
        user: HarborUser::Member,
    }));
    let create = [&AUTHS[..], &["--create-projects"]].concat();
    let mut all = said(&scene_of_member, &closed, &create, 1);
    all += &said(
        &scene_of_member,
        &closed,
        &["--plain-http", "--create-projects"],
        1,
    );
    let (scene, plain) = scene(None);
    all += &said(&scene, &plain, &create, 1);
    all += &said(&scene, &plain, &[&create[..], &["--dry-run"]].concat(), 1);
    assert_said!(all);
}
