//! Mistakes within a value, such as a template's: the caret is under them, in the file where it has the value letter by letter.

use super::*;

#[track_caller]
fn shown(text: &str, expected: &str) {
    assert_eq!(errors(text, &options(json!({"a": 1}))).to_string(), expected);
}

#[test]
fn a_bad_template_is_told_at_its_place() {
    let cases = [
        (
            "manifests: ['{{ .nope }}'], dest: 'local:///x'",
            "1:27: the template in `manifests`: there is no variable `.nope`: there is `.a`",
        ),
        (
            "manifests: ['{{ uper .a }}'], dest: 'local:///x'",
            "1:27: the template in `manifests`: there is no function `uper` (hint: did you mean `upper`?)",
        ),
        (
            "manifests: ['{{.nope}}'], dest: 'local:///x'",
            "1:26: the template in `manifests`: there is no variable `.nope`: there is `.a`",
        ),
        (
            "manifests: a, dest: 'hub.kubekey/{{ .nope }}'",
            "1:47: the template in `dest`: there is no variable `.nope`: there is `.a`",
        ),
        (
            "manifests: a, dest: 'hub.kubekey/{{ .module.image.nope }}'",
            "1:60: the template in `dest`: `.module.image` has no `nope`: it has `reference` and `src`",
        ),
        // No image is known, and still.
        (
            "src: 'local:///x', dest: 'hub.kubekey/{{ .module.image.nope }}'",
            "1:65: the template in `dest`: `.module.image` has no `nope`: it has `reference` and `src`",
        ),
        (
            "manifests: a, dest: 'local:///x', auths: [{repo: a, username: b, password: '{{ .nope }}'}]",
            "1:86: the template in `password`: there is no variable `.nope`: there is `.a`",
        ),
        (
            "manifests: a, dest: 'local:///x', pattern: '*calico'",
            "1:55: `pattern` isn't a regular expression: repetition operator missing expression (hint: patterns are regular expressions: for \"anything\" write .*)",
        ),
    ];
    for (image, expected) in cases {
        let text = format!("- image: {{{image}}}");
        let found = messages(&text, json!({"a": 1})).join("\n");
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn carets_are_under_all_that_is_wrong() {
    shown(
        "- image:\n    manifests: a\n    dest: hub.kubekey/{{ .module.image.reference.registy }}\n",
        "t.yaml:3:49: the template in `dest`: `.module.image.reference` has no `registy`: it has `reference`, `registry` and `repository`
  |
3 |     dest: hub.kubekey/{{ .module.image.reference.registy }}
  |                                                 ^^^^^^^^
  hint: did you mean `registry`?",
    );
}

#[test]
fn in_lines_that_are_kept_the_place_is_the_lines_own() {
    shown(
        "- image:
    manifests: a
    dest: |
      {{ if .a }}
        hub.kubekey/{{ .nope }}
      {{ end }}
",
        "t.yaml:5:24: the template in `dest`: there is no variable `.nope`: there is `.a`
  |
5 |         hub.kubekey/{{ .nope }}
  |                        ^^^^^",
    );
}

#[test]
fn text_that_the_file_writes_otherwise_is_shown_beside_the_place() {
    shown(
        "- image:
    manifests: a
    dest: >-
      {{- if .a -}}
      hub.kubekey/{{ .nope }}
      {{- end -}}
",
        "t.yaml:3:11: the template in `dest`: there is no variable `.nope`: there is `.a`
  |
3 |     dest: >-
  |           ^
  in: {{- if .a -}} hub.kubekey/{{ .nope }} {{- end -}}
                                   ^^^^^",
    );
    shown(
        "- image: {manifests: a, dest: \"hub.kubekey/{{ eq .nope \\\"x\\\" }}\"}",
        "t.yaml:1:31: the template in `dest`: there is no variable `.nope`: there is `.a`
  |
1 | - image: {manifests: a, dest: \"hub.kubekey/{{ eq .nope \\\"x\\\" }}\"}
  |                               ^
  in: hub.kubekey/{{ eq .nope \"x\" }}
                        ^^^^^",
    );
}

#[test]
fn a_condition_is_shown_as_it_was_written() {
    let with = |when: &str| format!("- image: {{manifests: a, dest: 'local:///x'}}\n  when: {when}\n");
    shown(
        &with(".a == nope"),
        "t.yaml:2:12: the condition in `when`: unexpected `=`
  |
2 |   when: .a == nope
  |            ^
  hint: `eq A B` compares",
    );
    shown(
        &with("'{{ eq .a .nope.x }}'"),
        "t.yaml:2:19: the condition in `when`: there is no variable `.nope`: there is `.a`
  |
2 |   when: '{{ eq .a .nope.x }}'
  |                   ^^^^^",
    );
}

#[test]
fn a_template_with_a_password_is_not_shown() {
    let text = "- image: {manifests: a, dest: hub.kubekey, auths: [{repo: a, username: b, password: \"hunter2{{ .nope \\\"\\\" }}\"}]}";
    let shown = errors(text, &options(json!({"a": 1}))).to_string();
    assert!(!shown.contains("hunter2"), "{shown}");
}

/// An image's names stand at the root of a destination's template too, unless a variable has the name or it would be the host.
#[test]
fn a_destination_has_short_names_of_the_image_where_no_variable_has_them() {
    let of = |dest: &str, variables: Value| {
        let text = format!("- image: {{manifests: 'a.io/team/x:v1', dest: '{dest}'}}\n");
        first_target(&job(&text, variables))
    };
    let short = "hub.kubekey/{{ .registry }}/{{ .repository }}:{{ .tag }}-x";
    assert_eq!(of(short, empty()), "hub.kubekey/a.io/team/x:v1-x");
    let theirs = json!({"registry": "hub.kubekey", "tag": "mine"});
    assert_eq!(
        of("{{ .registry }}/m/{{ .repository }}:{{ .tag }}", theirs),
        "hub.kubekey/m/team/x:mine"
    );
    let text = "- image: {manifests: a, dest: '{{ .registry }}/m'}\n";
    let said = messages(text, empty()).join("\n");
    assert!(said.contains("there is no variable `.registry`"), "{said}");
}

#[test]
fn rules_change_names_at_the_destination_of_a_task() {
    let text = "- image: {manifests: 'a.io/team/x:v1', dest: hub.kubekey, rename: ['/team/=/t/', 'x:=y:'], prefix: m}\n";
    let job = job(text, empty());
    let renamed = job.images[0].renamed(&job.renaming).unwrap();
    let target = job.destination.target(&renamed).unwrap();
    assert_eq!(target.reference().to_string(), "hub.kubekey/m/t/y:v1");
    let wrong =
        "- image: {manifests: a, dest: hub.kubekey, rename: ['ok=fine', '(=x', none], prefix: 'A B'}\n";
    let said = messages(wrong, empty());
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(
        said[0].starts_with("1:64: `rename`: not a regular expression"),
        "{said:?}"
    );
    assert!(
        said[2].contains("`prefix`: \"A B\" can't be the prefix"),
        "{said:?}"
    );
}
