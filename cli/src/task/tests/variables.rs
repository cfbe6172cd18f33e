//! `--vars`, `--set` and `--auths`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::task::{load, load_auths, load_variables};

fn file(folder: &TempDir, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn sets(sets: &[&str]) -> Vec<String> {
    sets.iter().map(|set| set.to_string()).collect()
}

#[test]
fn later_files_win_and_assignments_win_over_files() {
    let folder = TempDir::new().unwrap();
    let files = [
        file(
            &folder,
            "a.yaml",
            "a: {b: 1, c: 2}\nlist: [1, 2]\nkept: x\n8080: port\n",
        ),
        file(
            &folder,
            "b.json",
            r#"{"a": {"c": 3, "d": {"e": 4}}, "list": [3]}"#,
        ),
        file(&folder, "empty.yaml", "# nothing\n"),
    ];
    let variables = load_variables(
        &files,
        &sets(&["a.d.e=5", "a.d.f=text", "new.deep=[x, 1]", "a.b={g: h}"]),
    )
    .unwrap();
    assert_eq!(
        variables,
        json!({
            "a": {"b": {"g": "h"}, "c": 3, "d": {"e": 5, "f": "text"}},
            "list": [3],
            "kept": "x",
            "8080": "port",
            "new": {"deep": ["x", 1]},
        })
        .into()
    );
}

#[test]
fn an_assignment_has_the_type_that_yaml_gives_it() {
    let cases = [
        ("n=3", json!(3)),
        ("n=3.5", json!(3.5)),
        ("n=true", json!(true)),
        ("n=null", json!(null)),
        ("n=", json!("")),
        ("n=\"3\"", json!("3")),
        ("n=a=b", json!("a=b")),
        ("n=v1.2.3", json!("v1.2.3")),
        ("n={{ .m }}", json!("{{ .m }}")),
        ("n=*.example.com", json!("*.example.com")),
        ("n=@x", json!("@x")),
        ("n=%x", json!("%x")),
        ("n=[\"a\",\"b\"]", json!(["a", "b"])),
        (" n = 3", json!(3)),
    ];
    for (set, expected) in cases {
        assert_eq!(
            load_variables(&[], &sets(&[set])).unwrap(),
            json!({"n": expected}).into(),
            "{set}"
        );
    }
}

/// Scalars that YAML reads as numbers or booleans, and some that it might.
const LIKE_NUMBERS: [&str; 22] = [
    "1.10",
    "1.0",
    "1e3",
    "0x1F",
    "0o17",
    "0b11",
    "012",
    "08",
    "+1",
    "1_000",
    ".5",
    "-0.0",
    "1.",
    "18446744073709551616",
    "0xFFFFFFFFFFFFFFFFFFFF",
    ".inf",
    ".NaN",
    "True",
    "false",
    "yes",
    "on",
    "2024-01-01",
];

#[test]
fn a_scalar_is_rendered_as_it_was_written_wherever_it_comes_from() {
    let folder = TempDir::new().unwrap();
    for text in LIKE_NUMBERS {
        let file = |name: &str, text: String| file(&folder, name, text);
        let task = |around: &str| {
            format!(
                "- {{{around}name: '<{{{{ .v }}}}>', image: {{manifests: [alpine], dest: hub.kubekey}}}}\n"
            )
        };
        let inner = task("");
        let ways = [
            (
                "a task's vars",
                task(&format!("vars: {{v: {text}}}, ")),
                [].into(),
                vec![],
            ),
            (
                "a play's vars",
                format!("- vars:\n    v: {text}\n  tasks:\n  {inner}"),
                [].into(),
                vec![],
            ),
            (
                "a block's vars",
                format!("- vars: {{v: {text} }}\n  block:\n  {inner}"),
                [].into(),
                vec![],
            ),
            (
                "an anchor",
                task(&format!("vars: {{a: &a {text}, v: *a}}, ")),
                [].into(),
                vec![],
            ),
            (
                "another variable",
                task(&format!("vars: {{a: [{text}], v: '{{{{ first .a }}}}'}}, ")),
                [].into(),
                vec![],
            ),
            (
                "a second document",
                format!(
                    "{}---\n{}",
                    task("when: false, "),
                    task(&format!("vars: {{v: {text}}}, "))
                ),
                [].into(),
                vec![],
            ),
            (
                "--vars",
                inner.clone(),
                vec![file("v.yaml", format!("v: {text}  # as written\n"))],
                vec![],
            ),
            ("--set", inner.clone(), [].into(), vec![format!("v={text}")]),
            (
                "a list of --set",
                inner.replace(".v", "index .v 0"),
                [].into(),
                vec![format!("v=[{text}]")],
            ),
        ];
        let expected = format!("<{text}>");
        for (way, tasks, files, sets) in ways {
            let options = LoadOptions {
                variables: Arc::new(load_variables(&files, &sets).unwrap()),
                ..LoadOptions::default()
            };
            assert_eq!(names(&loaded(&tasks, &options)), [&expected], "{way}: {tasks}");
        }
        let looped = format!("loop: [{text}, x], ");
        let looped = task(&looped).replace(".v", ".item");
        let rounds = [format!("{expected} (1 of 2)"), "<x> (2 of 2)".to_owned()];
        assert_eq!(names(&loaded(&looped, &LoadOptions::default())), rounds);
        let list = task(&format!(
            "vars: {{list: [{text}]}}, loop: '{{{{ .list | toJson }}}}', "
        ));
        let of_json = loaded(&list.replace(".v", ".item"), &LoadOptions::default());
        if serde_json::from_str::<serde_json::Number>(text).is_ok() {
            assert_eq!(names(&of_json), [format!("{expected} (1 of 1)")]);
        }
    }
}

#[test]
fn numbers_in_json_files_keep_their_texts() {
    let folder = TempDir::new().unwrap();
    let file = file(&folder, "v.json", r#"{"v": 1.10, "w": [1.0, 1e3]}"#);
    let options = LoadOptions {
        variables: Arc::new(load_variables(&[file], &[]).unwrap()),
        ..LoadOptions::default()
    };
    let tasks = "- {name: '{{ .v }} {{ .w | join `,` }}', image: {manifests: [alpine], dest: hub.kubekey}}";
    assert_eq!(names(&loaded(tasks, &options)), ["1.10 1.0,1e3"]);
}

#[test]
fn numbers_and_booleans_keep_their_types_in_conditions() {
    let variables = load_variables(&[], &sets(&["v=1.10", "n=0x10", "debug=false", "big=True"])).unwrap();
    let options = LoadOptions {
        variables: Arc::new(variables),
        ..LoadOptions::default()
    };
    for (condition, holds) in [
        ("eq .v 1.1", true),
        ("lt .v 1.2", true),
        ("eq .n 16", true),
        (".debug", false),
        ("not .debug", true),
        (".big", true),
        ("eq .big true", true),
        ("'{{ .big }}'", true),
        ("'{{ .debug }}'", false),
    ] {
        let tasks =
            format!("- {{name: x, when: {condition}, image: {{manifests: [alpine], dest: hub.kubekey}}}}");
        assert_eq!(loaded(&tasks, &options).jobs.len() == 1, holds, "{condition}");
    }
}

#[test]
fn a_numbers_text_is_shown_where_text_is_wanted() {
    assert_eq!(
        messages("- {name: 1.10, image: {manifests: [1.0], dest: 0x1F}}", empty()),
        [
            "1:10: `name` must be text, not the number 1.10 (hint: put it in quotes)",
            "1:36: `manifests` must hold texts, not the number 1.0 (hint: put it in quotes)",
            "1:48: `dest` must be text, not the number 0x1F",
        ]
    );
}

#[test]
fn bad_variables_are_told_together_and_without_their_values() {
    let folder = TempDir::new().unwrap();
    let list = file(&folder, "list.yaml", "- a\n");
    let two = file(&folder, "two.yaml", "a: 1\n---\nb: 2\n");
    let twice = file(
        &folder,
        "twice.yaml",
        "password: one-secret\npassword: two-secret\n",
    );
    let errors = load_variables(
        &[
            list.clone(),
            two.clone(),
            twice.clone(),
            folder.path().join("missing.yaml"),
        ],
        &sets(&[
            "three-secret",
            "=four-secret",
            "a..b=five-secret",
            "token=[six-secret",
        ]),
    )
    .unwrap_err();
    let shown = errors.to_string();
    let expected = format!(
        "{}:1:1: a file of variables must be a mapping of names to values, not a list
  |
1 | - a
  | ^

{}:3:1: a file of variables has one YAML document, and this is the second
  |
3 | b: 2
  | ^

{}:2:1: the key `password` is repeated
  |
2 | password: ***
  | ^

{}: there is no such file

--set: an assignment is NAME=VALUE, and this one has no \"=\"

--set: \"\" isn't a variable's name
  hint: names are separated by single dots, as in a.b.c=value

--set: \"a..b\" isn't a variable's name
  hint: names are separated by single dots, as in a.b.c=value

--set: the value of token can't be read",
        list.display(),
        two.display(),
        twice.display(),
        folder.path().join("missing.yaml").display(),
    );
    assert!(shown.starts_with(&expected), "{shown}");
    assert!(!shown.contains("-secret"), "{shown}");
}

#[test]
fn files_that_are_no_text_are_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("missing.yaml");
    let latin = file(&folder, "latin.yaml", b"a: 1\nb: caf\xe9\n");
    let utf16 = file(&folder, "utf16.yaml", b"\xff\xfea\0");
    let cases = [
        (missing.as_path(), "there is no such file".to_owned()),
        (folder.path(), "this is a directory, not a file".to_owned()),
        (&latin, "this isn't UTF-8 text (line 2, byte 12)".to_owned()),
        (
            &utf16,
            "this isn't UTF-8 text (line 1, byte 1)\n  hint: it looks like UTF-16: save it as UTF-8"
                .to_owned(),
        ),
    ];
    for (path, expected) in cases {
        let error = load(path, &LoadOptions::default()).unwrap_err();
        assert_eq!(error.to_string(), format!("{}: {expected}", path.display()));
    }
    let relative = load(Path::new("no/such.yaml"), &LoadOptions::default()).unwrap_err();
    assert!(
        relative
            .to_string()
            .starts_with("no/such.yaml: there is no such file\n  hint: the current directory is ")
    );
}

#[test]
fn a_byte_order_mark_is_no_text() {
    let folder = TempDir::new().unwrap();
    let path = file(
        &folder,
        "t.yaml",
        "\u{feff}- image: {manifests: a, dest: 'local:///x'}\n",
    );
    assert_eq!(load(&path, &LoadOptions::default()).unwrap().jobs.len(), 1);
}

#[test]
fn a_file_of_credentials_is_a_list_or_a_mapping_with_one() {
    let folder = TempDir::new().unwrap();
    let variables = Arc::new(json!({"password": "hunter2"}).into());
    let texts = [
        "- {repo: hub.kubekey, username: me, password: '{{ .password }}', plain_http: true}\n",
        "auths:\n  - {registry: hub.kubekey, username: me, password: hunter2, plain_http: true}\n",
        "auths: '[{\"repo\": \"hub.kubekey\", \"username\": \"me\", \"password\": \"hunter2\", \"plain_http\": true}]'\n",
    ];
    for text in texts {
        let rules = load_auths(&file(&folder, "auths.yaml", text), &variables).unwrap();
        assert_eq!(rules.len(), 1, "{text}");
        assert_eq!(rules[0].repo, "hub.kubekey");
        assert_eq!(rules[0].plain_http, Some(true));
        assert!(rules[0].credential.is_some());
    }
    let path = file(
        &folder,
        "auths.yaml",
        "- {username: me, password: hunter2}\n- 3\n",
    );
    let shown = load_auths(&path, &variables).unwrap_err().to_string();
    let expected = format!(
        "{0}:1:3: this entry has no `repo`, and neither src nor dest names the registry that it is for
  |
1 | - {{username: me, password: ***
  |   ^
  hint: add `repo: the.registry`

{0}:2:3: an entry of `auths` must be a mapping, not the number 3
  |
2 | - 3
  |   ^",
        path.display()
    );
    assert_eq!(shown, expected);
}

#[test]
fn variables_are_templates_wherever_they_come_from() {
    let task = "image: {manifests: ['{{ .name }}:1'], dest: 'local://{{ .root }}/{{ .name }}'}";
    let ways = [
        (
            "--vars or --set",
            format!("- {task}\n"),
            json!({"root": "/var/{{ .sub }}", "sub": "{{ .deep.er }}", "deep": {"er": "lib"}, "name": "a"}),
        ),
        (
            "a task's vars, in any order",
            format!(
                "- {task}\n  vars: {{root: '/var/{{{{ .sub }}}}', sub: '{{{{ .deep.er }}}}', deep: {{er: lib}}, name: a}}\n"
            ),
            empty(),
        ),
        (
            "a play's and a block's vars",
            format!(
                "- vars: {{root: '/var/{{{{ .sub }}}}', sub: lib}}\n  tasks:\n    - vars: {{name: '{{{{ lower \"A\" }}}}'}}\n      block:\n        - {task}\n"
            ),
            empty(),
        ),
        (
            "vars over --vars",
            format!("- {task}\n  vars: {{root: '/var/{{{{ .sub }}}}', name: a}}\n"),
            json!({"sub": "{{ .other }}", "other": "lib"}),
        ),
        (
            "an item of a loop",
            format!(
                "- {task}\n  loop: ['{{{{ .first }}}}']\n  vars: {{root: '/var/{{{{ .sub }}}}', sub: lib, name: '{{{{ .item }}}}'}}\n"
            ),
            json!({"first": "{{ .second }}", "second": "a"}),
        ),
        (
            "a template that a template gives",
            format!("- {task}\n"),
            json!({"root": "/var/{{ .one }}", "one": "{{ `{{ .two }}` }}", "two": "lib", "name": "a"}),
        ),
    ];
    for (way, text, variables) in ways {
        let job = job(&text, variables);
        assert_eq!(
            (images(&job), job.destination.to_string()),
            (vec!["a:1"], "/var/lib/a".to_owned()),
            "{way}"
        );
    }
}

#[test]
fn variables_that_use_an_images_names_are_rendered_for_each_image() {
    let text = "
- image:
    manifests: [docker.io/library/alpine:3.19, registry.k8s.io/pause:3.9]
    dest: '{{ .target }}:{{ .tag }}'
  vars: {target: '{{ .hub }}/{{ .path }}', tag: '{{ .module.image.reference.reference }}'}
";
    let variables =
        json!({"hub": "hub.kubekey", "path": "mirror/{{ .module.image.src.reference.repository | base }}"});
    let job = job(text, variables);
    assert_eq!(
        targets(&job, &job.images),
        ["hub.kubekey/mirror/alpine:3.19", "hub.kubekey/mirror/pause:3.9"]
    );
}

#[test]
fn values_keep_their_types_through_variables_that_are_templates() {
    let text = "- {image: {manifests: '{{ .all }}', dest: 'local:///x', auths: '{{ .logins | toJson }}'}, when: .push}\n";
    let variables = json!({
        "all": "{{ concat .first .second }}", "first": ["a"], "second": ["{{ .b }}"], "b": "b:2", "push": "{{ .on }}", "on": true,
        "logins": [{"repo": "{{ .hub }}", "username": "me", "password": "{{ .secret }}"}], "hub": "hub.kubekey", "secret": "p<&>w",
    });
    let job = job(text, variables);
    assert_eq!(images(&job), ["a", "b:2"]);
    assert_eq!(job.hosts[0].repo, "hub.kubekey");
    assert!(job.hosts[0].credential.is_some());
}

#[test]
fn variables_that_need_themselves_are_an_error_that_names_the_cycle() {
    let cases = [
        (
            "- image: {manifests: a, dest: 'local://{{ .root }}'}",
            json!({"root": "{{ .a }}/x", "a": "{{ .b }}", "b": "{{ .root }}"}),
            "1:43: the template in `dest`: the variable `.root` refers to itself: `.root` → `.a` → `.b` → `.root` (hint: give one of them a value without a template)",
        ),
        (
            "- {image: {manifests: a, dest: 'local://{{ .x }}'}, vars: {x: '{{ .y }}', y: '{{ .x }}'}}",
            empty(),
            "1:67: the template in `x`: the variable `.y` refers to itself: `.y` → `.x` → `.y` (hint: give one of them a value without a template)",
        ),
        (
            "- image: {manifests: '{{ .list | toJson }}', dest: 'local:///x'}",
            json!({"list": ["a", "{{ first .list }}"]}),
            "1:26: the template in `manifests`: the variable `.list[1]` refers to itself: `.list[1]` → `.list[1]` (hint: give one of them a value without a template)",
        ),
    ];
    for (text, variables, expected) in cases {
        assert_eq!(messages(text, variables), [expected], "{text}");
    }
}

#[test]
fn a_variable_that_cannot_be_rendered_is_named_without_its_text() {
    let text = "- image: {manifests: a, dest: 'local:///x', auths: [{repo: a, username: b, password: '{{ .login }}'}]}";
    let variables = json!({"login": "hunter2{{ .nope }}"});
    let shown = errors(text, &options(variables)).to_string();
    assert!(
        shown.contains("the variable `.login` is a template itself: there is no variable `.nope`"),
        "{shown}"
    );
    assert!(!shown.contains("hunter2"), "{shown}");
    for password in ["x{{hunter2", "{{hunter2}}"] {
        let shown = errors(text, &options(json!({"login": password}))).to_string();
        assert!(
            shown.contains("the variable `.login` has `{{` in it and can't be read as a template"),
            "{shown}"
        );
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn variables_that_nothing_uses_may_be_wrong() {
    let text = "- image: {manifests: '{{ .a }}', dest: 'local:///x'}";
    assert_eq!(
        images(&job(
            text,
            json!({"a": "b", "unused": "{{ .nope", "more": "{{ .gone }}"})
        )),
        ["b"]
    );
}

#[test]
fn no_braces_get_into_a_name_or_a_path() {
    for (text, expected) in [
        (
            "- image: {manifests: a, dest: 'local:///x/{{ `{{` }} .a }}'}",
            "1:31: the template in `dest` gives \"local:///x/{{ .a }}\", which is a template again (hint: name the variable by itself, as in {{ .name }}: then its own templates are rendered, too)",
        ),
        (
            "- image: {manifests: '{{ `{{` }} .a }}', dest: 'local:///x'}",
            "1:22: the template in `manifests` gives \"{{ .a }}\", which is a template again (hint: name the variable by itself, as in {{ .name }}: then its own templates are rendered, too)",
        ),
    ] {
        assert_eq!(messages(text, json!({"a": 1})), [expected]);
    }
    let text =
        "- image: {manifests: a, dest: 'local:///x/{{ .module.image.reference.repository }}/{{ `{{` }}'}";
    let found = messages(text, empty()).join("\n");
    assert!(
        found.contains("which isn't a place: it is still a template"),
        "{found}"
    );
}
