//! The schema takes what the reader takes, and refuses what the reader refuses for its shape.

use std::fs;

use jsonschema::Validator;

use super::*;
use crate::committed::{assert_current, root};
use crate::task::keys::{
    AUTH, BLOCK, COPY, FROM, IMAGE, INCLUDE, PLAY, PULL, PUSH, ROLE, TASK, TO, Table, VERIFY,
};
use crate::task::{schema, yaml};

fn validator() -> Validator {
    jsonschema::draft202012::options()
        .build(&schema())
        .expect("a schema")
}

/// What is wrong with a task file by the schema.
fn refusals(validator: &Validator, text: &str) -> Vec<String> {
    let parsed = yaml::parse(text).unwrap_or_else(|error| panic!("{text}\n{error:?}"));
    let value = Value::from(&parsed.documents[0]);
    validator
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[test]
fn the_committed_schema_is_current() {
    assert_current("docs/task.schema.json", &format!("{:#}\n", schema()));
}

#[test]
fn the_schema_is_one() {
    jsonschema::meta::validate(&schema()).expect("a schema of the draft that it names");
}

/// Every task file in the repository.
fn task_files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for folder in ["examples", "cli/tests/data/tasks", "cli/src/commands"] {
        for entry in fs::read_dir(root().join(folder)).expect("a folder of the repository") {
            let path = entry.expect("a readable folder").path();
            if path.extension().is_some_and(|ending| ending == "yaml") {
                files.push((
                    path.display().to_string(),
                    fs::read_to_string(&path).expect("a text"),
                ));
            }
        }
    }
    files.sort();
    files
}

/// Every block of YAML in the documentation that is a list of tasks.
fn blocks() -> Vec<(String, String)> {
    let mut pages = vec![root().join("README.md")];
    pages.extend(
        fs::read_dir(root().join("docs"))
            .expect("a folder")
            .map(|entry| entry.expect("a readable folder").path()),
    );
    pages.retain(|page| page.extension().is_some_and(|ending| ending == "md"));
    let mut blocks = Vec::new();
    for page in pages {
        let text = fs::read_to_string(&page).expect("a page of text");
        for block in text
            .split("\n```yaml\n")
            .skip(1)
            .filter_map(|rest| rest.split("\n```").next())
        {
            if block.contains("image:\n") {
                blocks.push((page.display().to_string(), block.to_owned()));
            }
        }
    }
    blocks
}

#[test]
fn every_task_file_in_the_repository_is_right_by_it() {
    let validator = validator();
    let (files, blocks) = (task_files(), blocks());
    assert!(
        files.len() > 12 && blocks.len() > 3,
        "{} {}",
        files.len(),
        blocks.len()
    );
    for (name, text) in files.into_iter().chain(blocks) {
        let refusals = refusals(&validator, &text);
        // It has tasks of other modules: for the reader, too, it is right with --image-tasks-only alone.
        let is_playbook = name.ends_with("/plays.yaml");
        assert_eq!(refusals.is_empty(), !is_playbook, "{name}\n{text}\n{refusals:?}");
    }
}

/// The tasks of the documentation are right by the reader, too.
#[test]
fn every_task_in_the_documentation_loads() {
    let variables = json!({
        "registry": "harbor.example.com", "password": "x", "hub_password": "x", "version": "3.20", "mirror": "mirror.example.com",
    });
    for (page, text) in blocks() {
        // Files that the task names aren't there.
        let text = text
            .lines()
            .filter(|line| !line.contains("ca_file:"))
            .collect::<Vec<_>>()
            .join("\n")
            .replace(" keys:", " with:");
        if let Err(errors) = load_str("t.yaml", &text, &options(variables.clone())) {
            panic!("{page}\n{text}\n{errors}");
        }
    }
}

#[test]
fn broken_task_files_are_refused_by_both() {
    let validator = validator();
    let cases = [
        "3",
        "[]",
        "- alpine",
        "- {name: x}",
        "- {name: x, shell: ls}",
        "- {image: alpine}",
        "- {image: {manifests: [alpine]}}",
        "- {image: {dest: hub.kubekey}}",
        "- {image: {dest: hub.kubekey, manifests: []}}",
        "- {image: {dest: hub.kubekey, manifests: }}",
        "- {image: {dest: hub.kubekey, manifests: [3.19]}}",
        "- {image: {dest: hub.kubekey, manifest: [alpine]}}",
        "- {image: {dest: hub.kubekey, manifests: alpine, platform: {os: linux}}}",
        "- {image: {dest: hub.kubekey, manifests: alpine, policy: lax}}",
        "- {image: {dest: hub.kubekey, manifests: alpine, index: sparse}}",
        "- {image: {dest: hub.kubekey, manifests: alpine, pattern: 3}}",
        "- {image: {dest: hub.kubekey, manifests: alpine, skip_tls_verify: maybe}}",
        "- {image: {dest: {repo: hub.kubekey}, manifests: alpine}}",
        "- {image: {dest: hub.kubekey, manifests: alpine, pull: {}}}",
        "- {image: {dest: hub.kubekey, manifests: alpine, auths: {repo: hub.kubekey}}}",
        "- {image: {dest: hub.kubekey, manifests: alpine, auths: [hub.kubekey]}}",
        "- {image: {dest: hub.kubekey, manifests: alpine, auths: [{username: me}]}}",
        "- {image: {dest: hub.kubekey, manifests: alpine, auths: [{username: me, password: 3}]}}",
        "- {image: {dest: hub.kubekey, manifests: alpine, auths: [{repo: a.b, registry: a.b}]}}",
        "- {image: {dest: hub.kubekey, manifests: alpine, auths: [{repo: a.b, insecure: true, skip_tls_verify: true}]}}",
        "- {image: {dest: hub.kubekey, manifests: alpine, auths: [{repo: a.b, key_file: /dev/null}]}}",
        "- {image: {dest: hub.kubekey, manifests: alpine, auths: [{repo: a.b, token: x}]}}",
        "- {image: {dest: hub.kubekey, manifests: alpine}, retries: -1}",
        "- {image: {dest: hub.kubekey, manifests: alpine}, retries: often}",
        "- {image: {dest: hub.kubekey, manifests: alpine}, when: 3}",
        "- {image: {dest: hub.kubekey, manifests: alpine}, when: {a: b}}",
        "- {image: {dest: hub.kubekey, manifests: alpine}, loop: 3}",
        "- {image: {dest: hub.kubekey, manifests: alpine}, vars: [a]}",
        "- {image: {dest: hub.kubekey, manifests: alpine}, nmae: x}",
        "- {image: {dest: hub.kubekey, manifests: alpine}, manifests: alpine}",
        "- {image: {pull: {images_dir: /tmp/x}}}",
        "- {image: {pull: {images_dir: /tmp/x, manifests: alpine, skip_tls_verify: true, skipTLSVerify: true}}}",
        "- {image: {push: {images_dir: /tmp/x}}}",
        "- {image: {push: {dest: hub.kubekey}}}",
        "- {image: {copy: {from: {path: /tmp/x}}}}",
        "- {image: {copy: {from: {path: /tmp/x}, to: {}}}}",
        "- {image: {copy: {from: {}, to: {path: /tmp/x}}}}",
        "- {image: {copy: {from: {path: /tmp/x, images_dir: /tmp/x}, to: {path: /tmp/y}}}}",
        "- {image: {copy: {from: {path: /tmp/x, type: dir}, to: {path: /tmp/y}}}}",
        "- {block: alpine}",
        "- {block: [{name: x}]}",
        "- {block: [{image: {dest: hub.kubekey, manifests: alpine}}], rescue: {}}",
        "- {include_tasks: [a.yaml]}",
        "- {include_tasks: a.yaml, image: {dest: hub.kubekey, manifests: alpine}}",
        "- {hosts: all, tasks: alpine}",
        "- {hosts: all, task: []}",
        "- {hosts: all, tasks: [{hosts: all, tasks: []}]}",
        "- {hosts: all, roles: x}",
        "- {hosts: all, roles: [{vars: {}}]}",
        "- {hosts: all, roles: [{role: x, task: []}]}",
    ];
    for text in cases {
        assert_ne!(refusals(&validator, text), Vec::<String>::new(), "{text}");
        errors(text, &options(empty()));
    }
}

/// A task file with this under a key of this table, and otherwise right.
fn with(table: &Table, key: &str, value: &Value) -> Value {
    let set = |mut base: Value| {
        base[key] = value.clone();
        base
    };
    let image = |image: Value| json!([{"image": image}]);
    let task = json!({"image": {"dest": "hub.kubekey", "manifests": "alpine:1"}});
    let partner = match key {
        "username" => "password",
        "password" => "username",
        _ => "plain_http",
    };
    match table.name {
        "image" if ["pull", "push", "copy"].contains(&key) => image(json!({key: value})),
        "image" => image(set(json!({"dest": "hub.kubekey", "manifests": "alpine:1"}))),
        "auth" => image(
            json!({"dest": "hub.kubekey", "manifests": "alpine:1", "auths": [set(json!({partner: "true"}))]}),
        ),
        "verify" => image(
            json!({"dest": "hub.kubekey", "manifests": "alpine:1", "verify": [set(json!({"with": "true"}))]}),
        ),
        "pull" => image(json!({"pull": set(json!({"images_dir": "/tmp/x", "manifests": "alpine:1"}))})),
        "push" => {
            let mut push = set(json!({"images_dir": "/tmp/x", "dest": "hub.kubekey"}));
            if partner != "plain_http" {
                push[partner] = json!("x");
            }
            image(json!({"push": push}))
        }
        "copy" => image(json!({"copy": set(json!({"from": {"path": "/tmp/x"}, "to": {"path": "/tmp/y"}}))})),
        "copy.from" => {
            let base = if key == "images_dir" {
                json!({})
            } else {
                json!({"path": if key == "type" { "hub.kubekey" } else { "/tmp/x" }, "manifests": "alpine:1"})
            };
            image(json!({"copy": {"from": set(base), "to": {"path": "/tmp/y"}}}))
        }
        "copy.to" => {
            let base = if key == "images_dir" {
                json!({})
            } else {
                json!({"path": if key == "type" { "hub.kubekey" } else { "/tmp/y" }})
            };
            image(json!({"copy": {"from": {"path": "/tmp/x"}, "to": set(base)}}))
        }
        "task" => json!([set(task)]),
        "block" => json!([set(json!({"block": [task]}))]),
        "play" if key == "import_playbook" => json!([set(json!({})), task]),
        "play" => json!([set(json!({"tasks": [task]}))]),
        "include" if key == "import_tasks" => json!([set(json!({})), task]),
        "include" => json!([set(json!({"include_tasks": "t.yaml"})), task]),
        "role" => json!([{"roles": [set(json!({"role": "r"}))], "tasks": [task]}]),
        other => panic!("a table that the test doesn't know: {other}"),
    }
}

const TABLES: [&Table; 13] = [
    &IMAGE, &AUTH, &VERIFY, &PULL, &PUSH, &COPY, &FROM, &TO, &TASK, &BLOCK, &PLAY, &INCLUDE, &ROLE,
];

/// Whether a table's keys name other files, which a text alone can't.
fn names_files(table: &Table, key: &str) -> bool {
    ["include", "role"].contains(&table.name)
        || (table.name == "play" && ["roles", "vars_files", "import_playbook"].contains(&key))
}

/// Values of every shape under every key: the schema takes all that the reader takes, and refuses what the reader finds to be of the
/// wrong shape.
#[test]
fn reader_and_schema_agree_on_every_key() {
    let validator = validator();
    let variables =
        options(json!({"text": "hub.kubekey", "list": ["linux/amd64"], "yes": true, "number": 3}));
    let values = [
        json!(null),
        json!(true),
        json!(3),
        json!(-1),
        json!(1.5),
        json!(4_294_967_296_u64),
        json!(""),
        json!("hub.kubekey"),
        json!("linux/amd64"),
        json!("True"),
        json!(" off "),
        json!("3"),
        json!("strict"),
        json!("original"),
        json!("hub"),
        json!("null"),
        json!("[linux/amd64]"),
        json!("{{ .text }}"),
        json!("{{ .list }}"),
        json!("{{ .yes }}"),
        json!("{{ .number }}"),
        json!([]),
        json!(["linux/amd64"]),
        json!([""]),
        json!([3]),
        json!([null]),
        json!([true, ["x"]]),
        json!([{}]),
        json!({}),
        json!({"a": 1}),
    ];
    let (mut taken, mut refused) = (0, 0);
    for table in TABLES {
        for key in table.keys {
            for value in &values {
                let document = with(table, key.name, value);
                let is_right = validator.is_valid(&document);
                match load_str("t.yaml", &document.to_string(), &variables) {
                    Err(errors) if names_files(table, key.name) && is_only_about_files(&errors) => {
                        // These are judged by the tasks that they are for, and a role's by the role that is found.
                        let is_for_tasks = ["when", "ignore_errors"].contains(&key.name)
                            || (table.name == "role" && key.name != "role");
                        assert!(
                            is_right || is_for_tasks,
                            "the reader takes this but for its files, and the schema doesn't:\n{document}"
                        );
                        taken += 1;
                    }
                    Ok(_) => {
                        assert!(
                            is_right,
                            "the reader takes this, and the schema doesn't:\n{document}"
                        );
                        taken += 1;
                    }
                    Err(errors) => {
                        let told: Vec<&str> = errors
                            .problems()
                            .iter()
                            .map(|problem| problem.message())
                            .collect();
                        // Texts that come from templates, and the words in them, are the reader's alone to judge.
                        let is_rendered = value
                            .as_str()
                            .is_some_and(|text| text.contains("{{") || text.starts_with('['));
                        let is_shape = told.iter().any(|message| {
                            [" must be ", " must hold ", " has no key ", " needs `", "is empty"]
                                .iter()
                                .any(|part| message.contains(part))
                                && !message.starts_with("`copy.")
                                && !message.starts_with("`password` is empty")
                                && !message.starts_with("`username` is empty")
                                && !message.starts_with("`pull.images_dir` is empty")
                                && !message.starts_with("`push.images_dir` is empty")
                        });
                        if is_shape
                            && !is_rendered
                            && !told.iter().any(|message| message.contains("`: it is empty"))
                        {
                            assert!(
                                !is_right,
                                "the reader refuses this, and the schema doesn't:\n{document}\n{errors}"
                            );
                            refused += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(taken > 500 && refused > 500, "{taken} {refused}");
}

fn is_only_about_files(errors: &TaskErrors) -> bool {
    errors
        .problems()
        .iter()
        .all(|problem| problem.message().starts_with("other files can't be found"))
}

#[test]
fn every_keys_example_is_right() {
    let validator = validator();
    let variables = options(json!({"hub_password": "x", "password": "x"}));
    for table in TABLES {
        for key in table.keys.iter().filter(|key| !key.example.is_empty()) {
            let value = Value::from(&yaml::parse_one(key.example).unwrap().unwrap());
            let mut document = with(table, key.name, &value);
            if ["cert_file", "key_file", "ca_file", "keys", "verify", "trust"].contains(&key.name) {
                // Their files aren't there.
                continue;
            }
            if table.name == "auth" && key.name == "registry" || key.name == "repo" {
                document[0]["image"]["auths"][0]["username"] = json!("me");
                document[0]["image"]["auths"][0]["password"] = json!("x");
            }
            if key.name == "link" {
                document[0]["image"]["src"] = json!("local:///one");
                document[0]["image"]["dest"] = json!("local:///other");
            }
            match key.name {
                "base" | "delta" | "only" | "volume_size" | "volume_command" => {
                    document[0]["image"]["dest"] = json!("bundle:out");
                }
                "volumes" => document[0]["image"]["src"] = json!("bundle:in"),
                _ => {}
            }
            assert!(validator.is_valid(&document), "{document}");
            match load_str("t.yaml", &document.to_string(), &variables) {
                Err(errors) if !(names_files(table, key.name) && is_only_about_files(&errors)) => {
                    panic!("{document}\n{errors}");
                }
                _ => {}
            }
        }
    }
}
