//! What people are told, to the letter.

use super::*;

/// Values of one key each, beside a manifest and a destination that are right.
#[test]
fn wrong_values_are_told_at_their_place() {
    let with = |key: &str| format!("- image:\n    manifests: alpine\n    dest: local:///x\n    {key}\n");
    let cases = [
        (
            "polcy: strict",
            "4:5: `image` has no key `polcy` (hint: did you mean `policy`?)",
        ),
        (
            "plain_http: true",
            "4:5: `image` has no key `plain_http` (hint: `plain_http` stands in an entry of `auths`)",
        ),
        (
            "ca_file: /a",
            "4:5: `image` has no key `ca_file` (hint: `ca_file` stands in an entry of `auths`)",
        ),
        (
            "retries: 3",
            "4:5: `image` has no key `retries` (hint: `retries` stands beside `image`, not under it)",
        ),
        (
            "zzz: 1",
            "4:5: `image` has no key `zzz` (hint: the keys are manifests, platform, policy, single, pattern, auths, src, dest, skip_tls_verify, index, referrers, link, untagged, rename, strip_registry, prefix, check_existing, verify, trust, create_projects, base, delta, only, volume_size, volume_command, volumes, missing, pull, push, copy)",
        ),
        (
            "policy: Strict",
            "4:13: `policy` must be strict or warn, not \"Strict\" (hint: did you mean `strict`?)",
        ),
        ("policy: [strict]", "4:13: `policy` must be text, not a list"),
        ("policy:", "4:12: `policy` must be text, not nothing"),
        (
            "index: sparse",
            "4:12: `index` must be filtered or original, not \"sparse\"",
        ),
        (
            "referrers: signatures",
            "4:16: `referrers`: \"signatures\" isn't a type of referrers: expected none, all, or artifact types such as application/spdx+json, and sig, att and sbom for cosign's tags, separated by commas",
        ),
        (
            "pattern: 'a['",
            "4:16: `pattern` isn't a regular expression: unclosed character class",
        ),
        (
            "pattern: 3",
            "4:14: `pattern` must be text, not the number 3 (hint: put it in quotes)",
        ),
        (
            "platform: [linux/amd64, linux]",
            "4:29: `platform`: invalid platform \"linux\": a platform is os/architecture or os/architecture/variant, for example linux/arm64",
        ),
        (
            "platform: amd64",
            "4:15: `platform`: invalid platform \"amd64\": a platform is os/architecture or os/architecture/variant, for example linux/arm64 (hint: did you mean linux/amd64?)",
        ),
        (
            "platform: {os: linux}",
            "4:15: `platform` must be a list of texts or one text, not a mapping",
        ),
        (
            "platform: [[linux/amd64]]",
            "4:16: `platform` must hold texts, not a list",
        ),
        (
            "platform: [3.10]",
            "4:16: `platform` must hold texts, not the number 3.10 (hint: put it in quotes)",
        ),
        (
            "skip_tls_verify: maybe",
            "4:22: `skip_tls_verify` must be true or false, not the text \"maybe\"",
        ),
        (
            "skip_tls_verify: 1",
            "4:22: `skip_tls_verify` must be true or false, not the number 1",
        ),
        ("src: 5", "4:10: `src` must be text, not the number 5"),
        (
            "src: https://docker.io",
            "4:10: `src`: https:// isn't a kind of place (hint: write docker.io alone)",
        ),
        ("src: local:///x/", "3:11: src and dest are the same directory"),
        (
            "auths: hub.kubekey",
            "4:12: `auths` must be a list of mappings, not a text",
        ),
        (
            "auths: {repo: hub.kubekey}",
            "4:12: `auths` must be a list of mappings, not a mapping",
        ),
        (
            "auths: [hub.kubekey]",
            "4:13: an entry of `auths` must be a mapping, not a text",
        ),
        (
            "auths: [{host: a}]",
            "4:14: an entry of `auths` has no key `host` (hint: the keys are repo, registry, username, password, insecure, skip_tls_verify, plain_http, ca_file, cert_file, key_file)",
        ),
        (
            "auths: [{repo: a, user: b}]",
            "4:23: an entry of `auths` has no key `user` (hint: did you mean `username`?)",
        ),
        (
            "auths: [{repo: a, username: b}]",
            "4:33: `username` needs a `password`",
        ),
        (
            "auths: [{repo: a, password: b}]",
            "4:33: `password` needs a `username`",
        ),
        (
            "auths: [{repo: a, username: '', password: b}]",
            "4:33: `username` is empty, and `password` isn't",
        ),
        (
            "auths: [{repo: a, username: b, password: ''}]",
            "4:46: `password` is empty, and `username` isn't",
        ),
        (
            "auths: [{repo: a, username: b, password: 123456}]",
            "4:46: `password` must be text, not a number: put it in quotes",
        ),
        (
            "auths: [{repo: a, ca_file: /no/such.pem}]",
            "4:32: `ca_file`: /no/such.pem: there is no such file",
        ),
        (
            "auths: [{repo: a, ca_file: /}]",
            "4:32: `ca_file`: /: this is a directory, not a file",
        ),
        (
            "auths: [{repo: a, cert_file: /dev/null}]",
            "4:34: `cert_file` needs the `key_file` that belongs to it",
        ),
        (
            "auths: [{repo: a, key_file: /dev/null}]",
            "4:33: `key_file` needs the `cert_file` that belongs to it",
        ),
        (
            "auths: [{repo: a, registry: b}]",
            "4:23: `registry` is another name for `repo`: give one of them",
        ),
        (
            "auths: [{repo: 'https://me:pw@a.b/'}]",
            "4:20: `repo` is a host, without https:// (hint: write `repo: a.b`)",
        ),
        (
            "auths: [{repo: 'http://a.b'}]",
            "4:20: `repo` is a host, without http:// (hint: write `repo: a.b` and `plain_http: true`)",
        ),
        (
            "auths: [{repo: a, plain_http: b}]",
            "4:35: `plain_http` must be true or false, not the text \"b\"",
        ),
        ("<<: 3", "4:5: `<<` takes a mapping or a list of mappings"),
        (
            "src: {{ .x }}",
            "4:10: a list or a mapping can't be a key (a text that begins with {{ needs quotes around it)",
        ),
        (
            "create_projects: everybody",
            "4:22: `create_projects` must be true or false or private or public, not the text \"everybody\"",
        ),
        (
            "create_projects: [public]",
            "4:22: `create_projects` must be true or false or private or public, not a list",
        ),
        (
            "create_projects: public",
            "4:22: a directory has no projects to create (hint: leave `create_projects` out, or give a registry as `dest`)",
        ),
        ("dest: local:///y", "4:5: the key `dest` is repeated"),
    ];
    for (key, expected) in cases {
        assert_eq!(messages(&with(key), empty()), [expected], "{key}");
    }
}

#[test]
fn images_that_have_no_way_are_told() {
    let cases = [
        (
            "manifests: a",
            "1:10: `image` needs `dest`, the place where the images go (hint: give `dest: local:///a/directory` or a registry)",
        ),
        (
            "dest: 'local:///x'",
            "1:10: without `manifests`, `src` must say which images: a directory, or one image (hint: list the images in `manifests`)",
        ),
        (
            "src: docker.io, dest: 'local:///x'",
            "1:16: a registry's images can't be listed (hint: list the images in `manifests`)",
        ),
        (
            "src: 'local:///y/{{ .module.image.reference.registry }}', dest: 'local:///x'",
            "1:16: this template needs an image's names, and no image is named (hint: list the images in `manifests`)",
        ),
        (
            "manifests: [a, b], dest: 'hub.kubekey/a:1'",
            "1:36: a and b would both go to hub.kubekey/a:1 (hint: give `dest` a registry or a namespace alone: each image's own name follows)",
        ),
        (
            "manifests: ['a/x:1', 'b/x:1'], dest: 'hub.kubekey/x:{{ .module.image.reference.reference }}'",
            "1:48: a/x:1 and b/x:1 would both go to hub.kubekey/x:1",
        ),
        (
            "manifests: [a, b], src: 'docker.io/library/a:1', dest: 'local:///x'",
            "1:35: src is the one image docker.io/library/a:1, and manifests names 2 (hint: give `src` as docker.io alone)",
        ),
        (
            "manifests: 'hub.kubekey/a:1', dest: hub.kubekey",
            "1:47: hub.kubekey/a:1 would be copied onto itself: hub.kubekey/a:1",
        ),
        (
            "manifests: a, src: docker.io, dest: docker.io",
            "1:47: a would be copied onto itself: docker.io/library/a:latest",
        ),
        (
            "manifests: [Foo], dest: 'local:///x'",
            "1:23: `manifests`: invalid reference \"Foo\": uppercase letters in the repository (repositories are lowercase; only tags may have capitals)",
        ),
        (
            "manifests: ['image: nginx:1.25'], dest: 'local:///x'",
            "1:23: `manifests`: \"image: nginx:1.25\" is more than an image's name (hint: leave out `image:`: nginx:1.25)",
        ),
        (
            "manifests: ['hub.local/charts/x:1.2.3+up4'], dest: 'local:///x'",
            "1:23: `manifests`: invalid reference \"hub.local/charts/x:1.2.3+up4\": a tag has letters, digits, '_', '.' and '-' only, and starts with a letter, a digit or '_' (hint: Helm writes a chart's version with _ in place of +: hub.local/charts/x:1.2.3_up4)",
        ),
        (
            "manifests: [a], dest: 'ostree:/x'",
            "1:33: `dest`: \"ostree:/x\": unknown place `ostree:` (hint: places on disks are written local://PATH, oci:DIR[:NAME], oci-archive:FILE[:NAME], docker-archive:FILE[:NAME], -, bundle:DIR; a folder of that name is ./ostree:/x; for the storage of another tool, copy through one of these, such as with skopeo copy)",
        ),
        (
            "manifests: [a], dest: 'local:/x'",
            "1:33: `dest`: \"local:/x\": unknown place `local:` (hint: write local:///x; a folder of that name is ./local:/x)",
        ),
        (
            "manifests: [3], dest: 'local:///x'",
            "1:23: `manifests` must hold texts, not the number 3 (hint: put it in quotes)",
        ),
        (
            "manifests: '[a', dest: 'local:///x'",
            "1:22: `manifests` holds a list as text, and it can't be read: this isn't valid YAML: did not find expected ',' or ']', while parsing a flow sequence",
        ),
    ];
    for (image, expected) in cases {
        assert_eq!(
            messages(&format!("- image: {{{image}}}"), empty()),
            [expected],
            "{image}"
        );
    }
}

#[test]
fn images_that_a_pattern_leaves_out_need_no_way() {
    let text = "- image: {manifests: [a, b], pattern: '/a:', dest: 'hub.kubekey/a:1'}";
    assert_eq!(images(&job(text, empty())), ["a", "b"]);
}

#[test]
fn all_mistakes_are_told_at_once_in_the_files_order() {
    let text = "
- name: first
  image:
    manifest: [a]
    platform: [linux]
    dest: 5
- name: second
  imge: {}
- name: third
  image: {manifests: [A], dest: 'local:///x', auths: [{repo: a, username: b}]}
  retry: 1
";
    assert_eq!(
        errors(text, &LoadOptions::default()).to_string(),
        "t.yaml:4:5: `image` has no key `manifest`
  |
4 |     manifest: [a]
  |     ^
  hint: did you mean `manifests`?

t.yaml:5:16: `platform`: invalid platform \"linux\": a platform is os/architecture or os/architecture/variant, for example linux/arm64
  |
5 |     platform: [linux]
  |                ^

t.yaml:6:11: `dest` must be text, not the number 5
  |
6 |     dest: 5
  |           ^

t.yaml:8:3: this task uses the module `imge`, and only `image` tasks run here
  |
8 |   imge: {}
  |   ^
  hint: did you mean `image`?

t.yaml:10:23: `manifests`: invalid reference \"A\": uppercase letters in the repository (repositories are lowercase; only tags may have capitals)
   |
10 |   image: {manifests: [A], dest: 'local:///x', auths: [{repo: a, username: b}]}
   |                       ^

t.yaml:10:75: `username` needs a `password`
   |
10 |   image: {manifests: [A], dest: 'local:///x', auths: [{repo: a, username: b}]}
   |                                                                           ^

t.yaml:11:3: a task has no key `retry`
   |
11 |   retry: 1
   |   ^
  hint: did you mean `retries`?"
    );
}

#[test]
fn text_that_is_no_yaml_is_told_with_what_to_do() {
    let cases = [
        (
            "- image:\n    dest: {{ .registry }}/x\n",
            "t.yaml:2:26: this isn't valid YAML: did not find expected key, while parsing a block mapping at line 2 column 5
  |
2 |     dest: {{ .registry }}/x
  |                          ^
  hint: a text that begins with {{ needs quotes around it",
        ),
        (
            "- image:\n\tdest: x\n",
            "t.yaml:2:1: this isn't valid YAML: found character that cannot start any token, while scanning for the next token
  |
2 |  dest: x
  | ^
  hint: YAML is indented with spaces, not with tabs",
        ),
        (
            "!vault x\n",
            "t.yaml:1:1: YAML tags (`!name`) have no meaning here
  |
1 | !vault x
  | ^",
        ),
        (
            "- a\nb",
            "t.yaml:2:2: this isn't valid YAML: could not find expected ':', while scanning a simple key at line 2 column 1
  |
2 | b
  |  ^",
        ),
        (
            "# lines of an old Mac\r- a\r- !b c\r",
            "t.yaml:3:3: YAML tags (`!name`) have no meaning here
  |
3 | - !b c
  |   ^",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(errors(text, &LoadOptions::default()).to_string(), expected);
    }
}

#[test]
fn what_a_value_holds_does_nothing_to_a_terminal() {
    for (key, told) in [
        (
            r#"dest: "lo\tcal\u001b[2J""#,
            r#"`dest`: invalid registry "lo\tcal\u{1b}[2J""#,
        ),
        (r#"dest: "x\t\u0085\u001b[2Jy://z""#, "y:// isn't"),
        (r#""im\u001b[2Jage": 1"#, "`image` has no key `im"),
    ] {
        let text = format!("- image:\n    manifests: alpine\n    {key}\n");
        let shown = errors(&text, &LoadOptions::default()).to_string();
        assert!(
            !shown.contains(|letter: char| letter != '\n' && letter.is_control()),
            "{shown:?}"
        );
        assert!(shown.contains(told), "{shown}");
    }
}

#[test]
fn carets_stand_below_wide_letters_and_in_long_lines() {
    let wide = errors("- {name: 镜像, imag: x}", &LoadOptions::default()).to_string();
    assert!(
        wide.contains("\n1 | - {name: 镜像, imag: x}\n  |          \u{3000}\u{3000}  ^\n"),
        "{wide}"
    );
    let long = format!(
        "- {{name: {}, imag: x, vars: {}}}",
        "a".repeat(200),
        "b".repeat(200)
    );
    let long = errors(&long, &LoadOptions::default()).to_string();
    let lines: Vec<&str> = long.lines().collect();
    let caret = lines[3].chars().position(|c| c == '^').unwrap();
    assert!(
        lines[2]
            .chars()
            .skip(caret)
            .collect::<String>()
            .starts_with("imag: x"),
        "{long}"
    );
    assert!(lines[2].chars().count() < 140, "{long}");
    let escape = errors("- \"\\e[31m\": x\n- \u{9b}31m: x", &LoadOptions::default()).to_string();
    assert!(
        !escape.contains('\u{1b}') && !escape.contains('\u{9b}'),
        "{escape:?}"
    );
}

#[test]
fn passwords_are_never_shown() {
    let texts = [
        "- image: {manifests: a, dest: hub.kubekey, auths: [{username: me, password: hunter2hunter2, nope: 1}]}",
        "- image:\n    manifests: a\n    dest: hub.kubekey\n    auths:\n      - username: me\n        password: hunter2hunter2\n        password: again-hunter2\n",
        "- image:\n    manifests: a\n    dest: hub.kubekey\n    auths:\n      - password: >-\n          hunter2hunter2\n",
        "- image: {manifests: a, dest: hub.kubekey, auths: '[{\"password\": \"hunter2hunter2\"}]'}",
        "- image: {manifests: a, dest: hub.kubekey, auths: '[{\"password\": \"hunter2hunter2\"'}",
        "- image: {manifests: a, dest: hub.kubekey, auths: '{{ .auths }}'}",
        "- image: {manifests: a, dest: hub.kubekey, auths: '{{ .secret }}'}",
        "- image: {manifests: a, dest: hub.kubekey, auths: [{repo: x, username: 3, password: '{{ .secret }}'}]}",
        "- image: {manifests: a, dest: 'https://me:hunter2hunter2@hub.kubekey'}",
        "- image: {manifests: a, dest: 'local:///x', policy: hunter2hunter2}\n- vars: {password: hunter2hunter2}\n  image: {}\n",
        "- image: {manifests: a, dest: hub.kubekey, auths: [{username: me, password: [hunter2hunter2]}]}",
        "- image: {manifests: a, dest: hub.kubekey, auths: [{username: me, password: \"hunter2hunter2]}]}",
    ];
    let variables = json!({"secret": "hunter2hunter2", "auths": [{"username": "me", "password": "hunter2hunter2", "nope": 1}]});
    for text in texts {
        let shown = errors(text, &options(variables.clone())).to_string();
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(
            !format!("{:?}", errors(text, &options(variables.clone()))).contains("hunter2"),
            "{shown}"
        );
    }
}

#[test]
fn options_do_not_show_their_variables() {
    let shown = format!("{:?}", options(json!({"password": "hunter2"})));
    assert_eq!(shown, "LoadOptions { tags: [], image_tasks_only: false, .. }");
}

#[test]
fn many_mistakes_are_counted() {
    let text = "- image: {manifests: a, dest: 'local:///x', nope: 1}\n".repeat(60);
    let errors = errors(&text, &LoadOptions::default());
    assert_eq!((errors.problems().len(), errors.count()), (50, 60));
    assert!(errors.to_string().ends_with("\n\nand 10 more problems"));
}
