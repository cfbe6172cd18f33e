//! What KubeKey's documentation and its own roles show.

use transload_policy::{Mode, PlatformSet};
use transload_transfer::job::Endpoint;

use super::*;

#[test]
fn the_four_documented_examples_load_as_they_are() {
    let pull = job(
        include_str!("../../../tests/data/tasks/documented-1-pull.yaml"),
        empty(),
    );
    assert_eq!(pull.name, "pull images");
    assert_eq!(
        images(&pull),
        [
            "docker.io/kubesphere/ks-apiserver:v4.1.3",
            "docker.io/kubesphere/ks-controller-manager:v4.1.3"
        ]
    );
    assert!(matches!(&pull.platforms, PlatformSet::Some(platforms) if platforms.len() == 2));
    assert_eq!(pull.mode, Mode::Strict);
    assert_eq!(
        pull.source.as_ref().map(Endpoint::to_string).as_deref(),
        Some("docker.io")
    );
    assert_eq!(
        first_target(&pull),
        "docker.io/kubesphere/ks-apiserver:v4.1.3 in /tmp/images"
    );

    let push = job(
        include_str!("../../../tests/data/tasks/documented-2-push.yaml"),
        empty(),
    );
    assert_eq!(first_target(&push), "hub.kubekey/library/alpine:3.19");
    assert_eq!(
        push.source
            .as_ref()
            .and_then(Endpoint::local)
            .map(|place| place.path()),
        Some("/tmp/images".as_ref())
    );

    let copy = job(
        include_str!("../../../tests/data/tasks/documented-3-copy.yaml"),
        empty(),
    );
    assert_eq!(
        first_target(&copy),
        "docker.io/calico/apiserver:v3.28.2 in /tmp/others/images"
    );

    let pattern = job(
        include_str!("../../../tests/data/tasks/documented-4-copy-pattern.yaml"),
        empty(),
    );
    assert!(pattern.images.is_empty());
    assert!(pattern.pattern.is_some());
    assert_eq!(
        pattern.destination.local().map(|place| place.path()),
        Some("/tmp/others/images".as_ref())
    );
}

#[test]
fn the_examples_of_the_repository_are_the_documented_ones() {
    let pairs = [
        (
            include_str!("../../../../examples/pull.yaml"),
            include_str!("../../../tests/data/tasks/documented-1-pull.yaml"),
        ),
        (
            include_str!("../../../../examples/push.yaml"),
            include_str!("../../../tests/data/tasks/documented-2-push.yaml"),
        ),
        (
            include_str!("../../../../examples/copy.yaml"),
            include_str!("../../../tests/data/tasks/documented-3-copy.yaml"),
        ),
        (
            include_str!("../../../../examples/copy-pattern.yaml"),
            include_str!("../../../tests/data/tasks/documented-4-copy-pattern.yaml"),
        ),
    ];
    for (example, documented) in pairs {
        let without_comments: String = example
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(without_comments, documented);
    }
}

#[test]
fn kubekeys_push_role_loads_and_renders() {
    let variables = json!({
        "binary_dir": "/opt/kubekey",
        "image_manifests": ["registry.k8s.io/pause:3.9", "registry.k8s.io/coredns/coredns:v1.11.1", "calico/cni:v3.28.2"],
        "image_registry": {"auth": {"registry": "dockerhub.kubekey.local"}},
        "cri": {"registry": {"auths": [
            {"repo": "dockerhub.kubekey.local", "username": "admin", "password": "Harbor12345", "insecure": true},
        ]}},
    });
    let job = job(
        include_str!("../../../tests/data/tasks/kubekey-push-role.yaml"),
        variables,
    );
    assert_eq!(
        targets(&job, &job.images),
        [
            "dockerhub.kubekey.local/kubernetes/pause:3.9",
            "dockerhub.kubekey.local/coredns/coredns:v1.11.1",
            "dockerhub.kubekey.local/calico/cni:v3.28.2",
        ]
    );
    assert_eq!(
        job.source
            .as_ref()
            .and_then(Endpoint::local)
            .map(|place| place.path()),
        Some("/opt/kubekey/images".as_ref())
    );
    assert_eq!(job.hosts.len(), 1);
    assert_eq!(job.hosts[0].repo, "dockerhub.kubekey.local");
    assert_eq!(job.hosts[0].insecure, Some(true));
}

#[test]
fn the_deprecated_forms_are_todays_form_and_say_so() {
    let loaded = loaded(
        include_str!("../../../tests/data/tasks/deprecated.yaml"),
        &LoadOptions::default(),
    );
    let [pull, push, copy, hub] = &loaded.jobs[..] else {
        panic!("{:?}", loaded.jobs)
    };

    assert_eq!(images(pull), ["docker.io/kubesphere/ks-apiserver:v4.1.3"]);
    assert!(pull.source.is_none());
    assert_eq!(
        pull.destination.local().map(|place| place.path()),
        Some("/tmp/images".as_ref())
    );
    assert!(matches!(&pull.platforms, PlatformSet::Some(platforms) if platforms.len() == 1));

    assert!(push.images.is_empty());
    assert!(push.pattern.is_some());
    assert_eq!(
        push.source
            .as_ref()
            .and_then(Endpoint::local)
            .map(|place| place.path()),
        Some("/tmp/images".as_ref())
    );
    assert_eq!(
        push.destination
            .named_registry()
            .map(|registry| registry.to_string())
            .as_deref(),
        Some("hub.kubekey")
    );
    // KubeKey's push lets `skip_tls_verify` hold for its `auths`, too.
    assert!(push.skip_tls_verify && push.hosts[0].insecure == Some(true));

    assert_eq!(
        first_target(copy),
        "docker.io/calico/apiserver:v3.28.2 in /tmp/others/images"
    );
    assert_eq!(
        copy.source
            .as_ref()
            .and_then(Endpoint::local)
            .map(|place| place.path()),
        Some("/tmp/images".as_ref())
    );
    assert!(copy.pattern.is_some());

    assert!(hub.source.is_none());
    assert_eq!(first_target(hub), "hub.kubekey/calico/apiserver:v3.28.2");
    assert_eq!(hub.hosts[0].repo, "docker.io");
    assert_eq!(hub.hosts[0].insecure, None);

    let warnings: Vec<String> = loaded.warnings.iter().map(short).collect();
    assert_eq!(
        warnings[0],
        "3:5: `pull` is deprecated (hint: write manifests, platform, auths and `dest: local://…` right under `image`)"
    );
    assert_eq!(warnings.len(), 4);
}

#[test]
fn mistakes_in_deprecated_forms_are_told_in_their_own_words() {
    let cases = [
        (
            "pull: {images_dir: /x}",
            "1:17: `pull` needs `manifests`, the images to pull",
        ),
        (
            "pull: {manifests: [a]}",
            "1:17: `pull` needs `images_dir`, the directory of images",
        ),
        (
            "pull: {manifests: [a], images_dir: ''}",
            "1:46: `pull.images_dir` is empty",
        ),
        (
            "pull: {manifests: [a], images_dir: /x, src: b}",
            "1:50: `pull` has no key `src` (hint: the keys are images_dir, manifests, auths, platform, skip_tls_verify, skipTLSVerify)",
        ),
        (
            "push: {images_dir: /x}",
            "1:17: `push` needs `dest`, the registry to push to",
        ),
        (
            "push: {images_dir: /x, dest: 'h.x/{{ .y }}', src_patern: a}",
            "1:56: `push` has no key `src_patern` (hint: did you mean `src_pattern`?)",
        ),
        ("push: [a]", "1:17: `push` must be a mapping, not a list"),
        ("copy: {from: {path: /x}}", "1:17: `copy` needs `to`"),
        (
            "copy: {from: {}, to: {path: /x}}",
            "1:24: `copy.from` needs `path`, the directory of images",
        ),
        (
            "copy: {from: {path: /x, type: dir}, to: {path: /y}}",
            "1:41: `type` must be file or hub, not the text \"dir\"",
        ),
        (
            "copy: {from: {path: /x}, to: {path: /x/}}",
            "1:47: src and dest are the same directory",
        ),
        (
            "copy: {from: {type: hub, manifests: [a], skip_tls_verify: true}, to: {type: hub, path: hub.kubekey}}",
            "1:69: `skip_tls_verify` of one side can't be kept apart from the other side's (hint: give each registry that needs it an entry in `auths` with `insecure: true`)",
        ),
        (
            "dest: /x, pull: {manifests: [a], images_dir: /x}",
            "1:11: `dest` can't stand beside `pull`, which is a whole task by itself",
        ),
    ];
    for (image, expected) in cases {
        let text = format!("- image: {{{image}}}");
        assert_eq!(messages(&text, json!({"y": 1}))[0], expected, "{text}");
    }
}
