//! `docs/plan.schema.json` describes what `--output json` gives.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};
use transload_test_support::image::{Family, samples};
use transload_test_support::scripted::{Authentication, Options, ScriptedRegistry};

use super::super::Scene;
use super::scene;

fn schema() -> Value {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = tests.join("../docs/plan.schema.json");
    let text = fs::read_to_string(path).expect("a schema in the documentation");
    serde_json::from_str(&text).expect("JSON")
}

/// What of a value isn't as the schema says. Only the words that the schema has are understood; another one is an error, so that nothing
/// goes unchecked.
fn flaws(root: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let mut flaw = |text: String| found.push(format!("{at}: {text}"));
    for (word, wanted) in schema.as_object().expect("a schema is an object") {
        match word.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" => {}
            "$ref" => {
                let name = wanted
                    .as_str()
                    .and_then(|text| text.strip_prefix("#/$defs/"))
                    .expect("a reference within");
                flaws(root, &root["$defs"][name], value, at, found);
                return;
            }
            "type" => {
                let kinds = wanted.as_array().cloned().unwrap_or_else(|| vec![wanted.clone()]);
                if !kinds.iter().any(|kind| is_of(kind, value)) {
                    flaw(format!("{value} isn't of the type {wanted}"));
                }
            }
            "const" if wanted != value => flaw(format!("{value} isn't {wanted}")),
            "const" => {}
            "enum" => {
                if !wanted.as_array().is_some_and(|all| all.contains(value)) {
                    flaw(format!("{value} is none of {wanted}"));
                }
            }
            "minimum" => {
                if value
                    .as_i64()
                    .is_some_and(|value| value < wanted.as_i64().unwrap_or_default())
                {
                    flaw(format!("{value} is less than {wanted}"));
                }
            }
            "required" => {
                for name in wanted.as_array().into_iter().flatten().filter_map(Value::as_str) {
                    if value.as_object().is_some_and(|fields| !fields.contains_key(name)) {
                        flaw(format!("{name} is missing"));
                    }
                }
            }
            "properties" | "additionalProperties" | "items" => {}
            other => panic!("the schema has the word {other}, which isn't understood here"),
        }
    }
    let properties = schema
        .get("properties")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    for (name, value) in value.as_object().unwrap_or(&Map::new()) {
        let at = format!("{at}.{name}");
        match (properties.get(name), schema.get("additionalProperties")) {
            (Some(known), _) => flaws(root, known, value, &at, found),
            (None, Some(Value::Bool(false))) => found.push(format!("{at} isn't described")),
            (None, Some(other)) => flaws(root, other, value, &at, found),
            (None, None) => {}
        }
    }
    if let Some(items) = schema.get("items") {
        for (number, value) in value.as_array().into_iter().flatten().enumerate() {
            flaws(root, items, value, &format!("{at}[{number}]"), found);
        }
    }
}

fn is_of(kind: &Value, value: &Value) -> bool {
    match kind.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("null") => value.is_null(),
        other => panic!("the schema has the type {other:?}, which isn't understood here"),
    }
}

#[track_caller]
fn assert_described(scene: &Scene, args: &[&str], code: i32) -> Value {
    let output = scene.run(args, code);
    let plan: Value = serde_json::from_str(&output.stdout).expect("JSON and nothing else");
    let schema = schema();
    let mut found = Vec::new();
    flaws(&schema, &schema, &plan, "plan", &mut found);
    assert_eq!(found, [""; 0], "{args:?}\n{plan:#}");
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
    let schema = schema();
    let mut found = Vec::new();
    let plan = json!({"version": 2, "tool": 5, "tasks": [{"name": "x"}], "more": true});
    flaws(&schema, &schema, &plan, "plan", &mut found);
    for part in [
        "plan.version: 2 isn't 1",
        "plan.tool: 5 isn't",
        "plan.tasks[0]: images is missing",
        "plan.more isn't described",
        "plan: totals is missing",
    ] {
        assert!(
            found.iter().any(|flaw| flaw.starts_with(part)),
            "{part}: {found:#?}"
        );
    }
}
