//! Templates as KubeKey's documentation and its roles write them.

use serde_json::json;
use transload_template::{Template, Value};

fn image(registry: &str, repository: &str, tag: &str) -> Value {
    let reference = json!({"registry": registry, "repository": repository, "reference": tag});
    json!({
        "image_registry": {"auth": {"registry": "hub.kubekey"}},
        "module": {"image": {"src": {"reference": reference}, "reference": reference}},
    })
    .into()
}

/// As YAML folds it (`dest: >-`): lines joined by blanks.
const PUSH_ROLE_FOLDED: &str = r#"{{- if and (eq .module.image.reference.registry "registry.k8s.io") (.module.image.reference.repository | contains "/" | not) -}} oci://{{ .image_registry.auth.registry }}/kubernetes/{{ .module.image.reference.repository }}:{{ .module.image.src.reference.reference }} {{- else -}} oci://{{ .image_registry.auth.registry }}/{{ .module.image.reference.repository }}:{{ .module.image.reference.reference }} {{- end -}}"#;

/// As YAML keeps it (`dest: |`).
const PUSH_ROLE_LINES: &str = r#"
{{- if and (eq .module.image.reference.registry "registry.k8s.io") (.module.image.reference.repository | contains "/" | not) -}}
oci://{{ .image_registry.auth.registry }}/kubernetes/{{ .module.image.reference.repository }}:{{ .module.image.src.reference.reference }}
{{- else -}}
oci://{{ .image_registry.auth.registry }}/{{ .module.image.reference.repository }}:{{ .module.image.reference.reference }}
{{- end -}}
"#;

#[test]
fn the_push_role_puts_kubernetes_own_images_under_kubernetes() {
    let cases = [
        (
            "registry.k8s.io",
            "pause",
            "3.9",
            "oci://hub.kubekey/kubernetes/pause:3.9",
        ),
        (
            "registry.k8s.io",
            "coredns/coredns",
            "v1.11.1",
            "oci://hub.kubekey/coredns/coredns:v1.11.1",
        ),
        (
            "docker.io",
            "library/alpine",
            "3.19",
            "oci://hub.kubekey/library/alpine:3.19",
        ),
        ("quay.io", "etcd", "v3", "oci://hub.kubekey/etcd:v3"),
    ];
    for text in [PUSH_ROLE_FOLDED, PUSH_ROLE_LINES] {
        let template = Template::parse(text).unwrap();
        for (registry, repository, tag, expected) in cases {
            assert_eq!(
                template.render(&image(registry, repository, tag)).unwrap(),
                expected
            );
        }
    }
}

#[test]
fn the_push_role_names_its_variables() {
    let template = Template::parse(PUSH_ROLE_FOLDED).unwrap();
    assert_eq!(
        template.variables(),
        [
            "image_registry.auth.registry",
            "module.image.reference.reference",
            "module.image.reference.registry",
            "module.image.reference.repository",
            "module.image.src.reference.reference",
        ]
    );
}

#[test]
fn the_documented_push_keeps_repository_and_tag() {
    let template = Template::parse(
        "hub.kubekey/{{ .module.image.src.reference.repository }}:{{ .module.image.src.reference.reference }}",
    );
    let rendered = template
        .unwrap()
        .render(&image("docker.io", "library/alpine", "3.19"));
    assert_eq!(rendered.unwrap(), "hub.kubekey/library/alpine:3.19");
}

#[test]
fn lists_come_as_json() {
    let template = Template::parse("{{ .image_manifests | toJson }}").unwrap();
    let variables = json!({"image_manifests": ["docker.io/library/alpine:3.19", "a<b>&c"]}).into();
    assert_eq!(
        template.render(&variables).unwrap(),
        r#"["docker.io/library/alpine:3.19","a\u003cb\u003e\u0026c"]"#
    );
}
