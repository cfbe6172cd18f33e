//! `docs/plan.schema.json` describes what `--output json` gives.

use serde_json::{Value, json};
use transload_test_support::image::{Family, samples};
use transload_test_support::scripted::{Authentication, Options, ScriptedRegistry};

use super::super::Scene;
use super::scene;
use crate::schemas::flaws;

const SCHEMA: &str = "plan.schema.json";

#[track_caller]
fn assert_described(scene: &Scene, args: &[&str], code: i32) -> Value {
    let output = scene.run(args, code);
    let plan: Value = serde_json::from_str(&output.stdout).expect("JSON and nothing else");
    assert_eq!(flaws(SCHEMA, &plan), [""; 0], "{args:?}\n{plan:#}");
    plan
}

#[test]
fn plans_of_every_kind_are_as_the_schema_says() {
    let scene = scene();
    let registry = ScriptedRegistry::with(Options {
        authentication: Authentication::Basic,
        ..Options::default()
    });
    registry.put_image("team/app", "v1", &samples::single(Family::Oci, "linux/amd64", 1));
    scene.write(
        "auths.yaml",
        &json!([{"repo": registry.host(), "username": "tester", "password": "wrong", "plain_http": true}])
            .to_string(),
    );
    scene.write(
        "tasks.yaml",
        "- name: gather\n  image: {src: 'local://store', dest: 'local://out', platform: windows/amd64, policy: warn}\n\
         - name: hand on\n  image: {src: 'local://out', dest: 'local://other'}\n",
    );
    let image = format!("{}/team/app:v1", registry.host());
    let json = ["--dry-run", "--output", "json"];
    let kinds = |args: &[&str], code| {
        let plan = assert_described(&scene, &[args, &json[..]].concat(), code);
        let images = plan["tasks"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|task| task["images"].as_array().cloned().unwrap_or_default());
        images
            .map(|image| image["action"].as_str().map(str::to_owned).unwrap_or_default())
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds(&["run", "tasks.yaml"], 0), ["skip", "move"]);
    assert_eq!(
        kinds(
            &[
                "copy",
                "--src",
                "store",
                "--dest",
                "./out",
                "--platform",
                "linux/arm64"
            ],
            1
        ),
        ["move", "fail"]
    );
    assert_eq!(
        kinds(
            &[
                "pull",
                &image,
                "--dest",
                "out",
                "--auths",
                "auths.yaml",
                "--retries",
                "0"
            ],
            1
        ),
        ["fail"]
    );
    scene.run(&["copy", "--src", "store", "--dest", "./out"], 0);
    assert_eq!(
        kinds(&["copy", "--src", "store", "--dest", "./out"], 0),
        ["none", "none"]
    );
}

/// Or the test above would show nothing.
#[test]
fn what_is_not_as_the_schema_says_is_found() {
    let plan = json!({"version": 2, "tool": 5, "tasks": [{"name": "x"}], "more": true});
    let found = flaws(SCHEMA, &plan);
    for part in [
        "/version: 1 was expected",
        "/tool: 5 is not of type",
        "/tasks/0: \"images\" is a required property",
        "'more' was unexpected",
        ": \"totals\" is a required property",
    ] {
        assert!(found.iter().any(|flaw| flaw.contains(part)), "{part}: {found:#?}");
    }
}
