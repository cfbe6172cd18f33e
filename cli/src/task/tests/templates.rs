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
