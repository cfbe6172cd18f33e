//! The module's values: templates, lists, types, and what follows from them.

use transload_policy::{Mode, PlatformSet};
use transload_registry_client::Visibility;
use transload_test_support::ScriptedRegistry;
use transload_test_support::scripted::{Options, Tls};
use transload_transfer::job::{Endpoint, IndexMode};

use super::*;

fn variables() -> Value {
    json!({
        "images": ["a:1", "b:2"],
        "none": [],
        "nothing": null,
        "one": "c:3",
        "json": "[\"d:4\", \"e:5\"]",
        "arches": ["linux/amd64", "linux/arm64"],
        "registry": "hub.kubekey",
        "insecure": true,
        "n": 7,
        "auths": [{"repo": "hub.kubekey", "username": "me", "password": "{{ `a{{b}}c` }}"}],
    })
}

#[test]
fn lists_come_in_many_forms() {
    let cases: [(&str, &[&str]); 17] = [
        ("alpine", &["alpine"]),
        ("[alpine, busybox]", &["alpine", "busybox"]),
        ("['x:{{ .n }}']", &["x:7"]),
        ("'{{ .images }}'", &["a:1", "b:2"]),
        ("'{{ .images | toJson }}'", &["a:1", "b:2"]),
        ("'{{- .images | toJson -}}'", &["a:1", "b:2"]),
        ("\"{{ .images | toJson }}\\n\"", &["a:1", "b:2"]),
        ("'{{ .one }}'", &["c:3"]),
        ("'{{ .json }}'", &["d:4", "e:5"]),
        ("['{{ .images }}', '{{ .one }}', f]", &["a:1", "b:2", "c:3", "f"]),
        ("'[\"a\", \"b\"]'", &["a", "b"]),
        ("'[\"{{ .one }}\", b]'", &["c:3", "b"]),
        ("\"- a\\n- b\\n\"", &["a", "b"]),
        ("['', a]", &["a"]),
        ("['{{ .none }}', a]", &["a"]),
        ("['{{ .nothing }}', a]", &["a"]),
        ("' a '", &["a"]),
    ];
    for (manifests, expected) in cases {
        let job = job(
            &format!("- image: {{manifests: {manifests}, dest: 'local:///x'}}"),
            variables(),
        );
        assert_eq!(images(&job), expected, "{manifests}");
    }
}

#[test]
fn projects_are_created_private_unless_public_is_said_and_never_unless_it_is_asked_for() {
    let (private, public) = (Some(Visibility::Private), Some(Visibility::Public));
    for (said, expected) in [
        ("true", private),
        ("private", private),
        ("public", public),
        ("' public '", public),
        ("'{{ .insecure }}'", private),
        ("'{{ if .insecure }}public{{ end }}'", public),
        ("false", None),
        ("'no'", None),
    ] {
        let task = format!("- image: {{manifests: a, dest: hub.local, create_projects: {said}}}");
        assert_eq!(job(&task, variables()).create_projects, expected, "{said}");
    }
    assert_eq!(
        job("- image: {manifests: a, dest: hub.local}", variables()).create_projects,
        None
    );
}

/// With a source directory, "no list" would mean all of its images.
fn from_a_directory(manifests: &str) -> String {
    format!("- image:\n    src: local:///y\n    dest: local:///x\n    manifests: {manifests}\n")
}

#[test]
fn a_list_that_a_template_leaves_empty_moves_nothing_and_says_so() {
    for manifests in [
        "'{{ .none }}'",
        "'{{ .none | toJson }}'",
        "'{{ .nothing }}'",
        "['{{ .nothing }}']",
        "'[]'",
    ] {
        let loaded = loaded(&from_a_directory(manifests), &options(variables()));
        assert!(loaded.jobs.is_empty(), "{manifests}");
        assert_eq!(loaded.skipped.len(), 1, "{manifests}");
        assert_eq!(
            loaded.warnings[0].message(),
            "`manifests` is empty: the task has nothing to do",
            "{manifests}"
        );
    }
}

#[test]
fn a_list_that_was_written_empty_is_a_mistake() {
    for (manifests, column) in [("[]", 16), ("''", 16), ("null", 16), ("['']", 16), ("", 15)] {
        assert_eq!(
            messages(&from_a_directory(manifests), variables()),
            [format!(
                "4:{column}: `manifests` is empty (hint: list the images, or leave `manifests` out to take all that `src` has)"
            )],
            "{manifests}"
        );
    }
    assert_eq!(
        messages("- image: {manifests: [], dest: 'local:///x'}", empty()),
        ["1:22: `manifests` is empty (hint: list the images)"]
    );
}

#[test]
fn an_image_that_is_named_twice_moves_once() {
    let text =
        "- image: {manifests: [alpine, alpine, 'docker.io/library/alpine:latest', b], dest: 'local:///x'}";
    assert_eq!(images(&job(text, empty())), ["alpine", "b"]);
    assert_eq!(
        warnings(text, empty()),
        [
            "1:31: alpine is in the list twice: it is moved once",
            "1:39: docker.io/library/alpine:latest and alpine are the same image: it is moved once",
        ]
    );
}

#[test]
fn every_key_reaches_the_job() {
    let registry = ScriptedRegistry::with(Options {
        tls: Tls::Mutual,
        ..Options::default()
    });
    let files = [
        ("CA", registry.ca_file()),
        ("CERT", registry.cert_file()),
        ("KEY", registry.key_file()),
    ];
    let text = "
- image:
    manifests: a
    platform: '{{ .arches }}'
    policy: warn
    pattern: '^docker'
    index: original
    referrers: 'sig, application/spdx+json'
    skip_tls_verify: '{{ .insecure }}'
    src: '{{ .registry }}/mirror'
    dest: local:///x
    auths:
      - repo: hub.kubekey/mirror/
        username: me
        password: secret
        skip_tls_verify: 'no'
        plain_http: 'true'
        ca_file: CA
        cert_file: CERT
        key_file: KEY
";
    let with_files = files.iter().fold(text.to_owned(), |text, (name, path)| {
        text.replace(&format!(": {name}\n"), &format!(": {}\n", path.display()))
    });
    let job = job(&with_files, variables());
    assert!(matches!(&job.platforms, PlatformSet::Some(platforms) if platforms.len() == 2));
    assert_eq!(job.mode, Mode::Warn);
    assert_eq!(job.index, IndexMode::Original);
    assert_eq!(job.referrers.to_string(), "application/spdx+json,sig");
    assert!(job.skip_tls_verify && job.pattern.is_some());
    assert_eq!(
        job.source.as_ref().map(Endpoint::to_string).as_deref(),
        Some("hub.kubekey/mirror")
    );
    let [rule] = &job.hosts[..] else {
        panic!("{:?}", job.hosts)
    };
    assert_eq!(rule.repo, "hub.kubekey/mirror");
    assert_eq!((rule.insecure, rule.plain_http), (Some(false), Some(true)));
    let [ca, cert, key] = files.map(|(_, path)| Some(path));
    assert_eq!(
        (&rule.ca_file, &rule.cert_file, &rule.key_file),
        (&ca, &cert, &key)
    );
    assert!(rule.credential.is_some());
}

#[test]
fn all_platforms_are_meant_by_all_and_by_none() {
    for platform in ["all", "[all]", "[]", "''", "[linux/amd64, all]"] {
        let job = job(
            &format!("- image: {{manifests: a, dest: 'local:///x', platform: {platform}}}"),
            empty(),
        );
        assert!(matches!(job.platforms, PlatformSet::All), "{platform}");
    }
}

#[test]
fn anchors_and_merge_keys_work() {
    let text = "
- image: &common
    manifests: &list [a, b]
    dest: local:///x
- image:
    <<: *common
    dest: local:///y
- image:
    <<: [{policy: warn}, *common]
    manifests: *list
";
    let loaded = loaded(text, &LoadOptions::default());
    let shown: Vec<_> = loaded
        .jobs
        .iter()
        .map(|job| (images(job), job.destination.to_string(), job.mode))
        .collect();
    assert_eq!(
        shown,
        [
            (vec!["a", "b"], "/x".to_owned(), Mode::Strict),
            (vec!["a", "b"], "/y".to_owned(), Mode::Strict),
            (vec!["a", "b"], "/x".to_owned(), Mode::Warn),
        ]
    );
}

#[test]
fn places_without_an_images_names_are_rendered_at_once() {
    let text = "- image: {manifests: a, src: 'local://{{ .registry }}/y', dest: '{{ .registry }}/x'}";
    let job = job(text, variables());
    assert_eq!(
        job.source
            .as_ref()
            .and_then(Endpoint::local)
            .map(|place| place.path()),
        Some("hub.kubekey/y".as_ref())
    );
    assert_eq!(
        job.destination
            .named_registry()
            .map(|registry| registry.to_string())
            .as_deref(),
        Some("hub.kubekey")
    );
}

#[test]
fn an_entry_without_a_host_covers_the_one_registry_that_is_named() {
    let of = |places: &str| {
        format!("- image: {{manifests: a, {places}, auths: [{{username: me, password: secret}}]}}")
    };
    let cases = [
        ("dest: hub.kubekey", "hub.kubekey"),
        (
            "dest: 'hub.kubekey/{{ .module.image.reference.repository }}'",
            "hub.kubekey",
        ),
        (
            "dest: '{{ .registry }}/{{ .module.image.reference.repository }}:x'",
            "hub.kubekey",
        ),
        ("src: mirror.example, dest: 'local:///x'", "mirror.example"),
        ("src: hub.kubekey/a, dest: hub.kubekey/b", "hub.kubekey"),
    ];
    for (places, host) in cases {
        assert_eq!(job(&of(places), variables()).hosts[0].repo, host, "{places}");
    }
    let failures = [
        (
            "src: mirror.example, dest: hub.kubekey",
            "this entry has no `repo`, and src and dest name several registries: mirror.example, hub.kubekey",
        ),
        (
            "dest: 'local:///x'",
            "this entry has no `repo`, and neither src nor dest names the registry that it is for",
        ),
        (
            "src: '{{ .module.image.reference.registry }}/x', dest: 'local:///x'",
            "this entry has no `repo`, and neither src nor dest names the registry that it is for",
        ),
    ];
    for (places, expected) in failures {
        let text = of(places);
        let errors = errors(&text, &options(variables()));
        assert_eq!(errors.problems()[0].message(), expected, "{places}");
        assert_eq!(errors.problems()[0].hint(), Some("add `repo: the.registry`"));
        assert!(!errors.to_string().contains("secret"), "{errors}");
    }
}

#[test]
fn credentials_come_from_a_variable_and_may_have_braces_as_a_literal() {
    let text = "- image: {manifests: a, dest: hub.kubekey, auths: '{{ .auths }}'}";
    assert!(job(text, variables()).hosts[0].credential.is_some());
    let empty_ones = "- image: {manifests: a, dest: hub.kubekey, auths: [{username: '', password: ''}]}";
    assert!(job(empty_ones, empty()).hosts[0].credential.is_none());
    for auths in ["", "[]", "''", "'{{ .none }}'", "'{{ .nothing | toJson }}'"] {
        let text = format!("- image:\n    manifests: a\n    dest: hub.kubekey\n    auths: {auths}\n");
        assert!(job(&text, variables()).hosts.is_empty(), "{auths}");
    }
}
