//! Tasks in the forms of KubeKey's own roles, from v4.0.0 on, each written for these tests.

use transload_policy::PlatformSet;

use super::*;

/// What a playbook of KubeKey's has set when these tasks run.
fn variables() -> Value {
    json!({
        "binary_dir": "{{ .work_dir }}/kube", "work_dir": "/srv/kubekey", "artifact_dir": "/srv/artifact",
        "download": {
            "arch": ["amd64", "arm64"], "download_image": true, "image_platform_all": false,
            "images": {"policy": "warn", "manifests": ["docker.io/calico/node:v3.28.2", "{{ .k8s_registry }}/pause:3.9"]},
        },
        "image_manifests": ["docker.io/calico/node:v3.28.2", "registry.k8s.io/pause:3.9"],
        "k8s_registry": "registry.k8s.io",
        "cri": {"registry": {"auths": [{"repo": "docker.io", "username": "me", "password": "p&w"}]}},
        "image_registry": {"auth": {"registry": "hub.example:5000", "username": "admin", "password": "p<>w"}},
    })
}

/// A list of platforms as the roles since v4.0.4 make it, folded as YAML folds it.
const PLATFORM: &str = "
    platform: >
      {{- $wanted := list }}
      {{- range .download.arch }}
        {{- $wanted = append $wanted (printf \"linux/%s\" .) }}
      {{- end }}
      {{- $wanted | toJson }}
    policy: \"{{ .download.images.policy }}\"";

struct Form {
    name: &'static str,
    text: String,
    platforms: &'static [&'static str],
    source: Option<&'static str>,
    /// Where the two images go.
    targets: [&'static str; 2],
    /// The registry that has credentials.
    login: Option<&'static str>,
}

fn forms() -> Vec<Form> {
    let both: &[&str] = &["linux/amd64", "linux/arm64"];
    let in_binary_dir = [
        "docker.io/calico/node:v3.28.2 in /srv/kubekey/kube/images",
        "registry.k8s.io/pause:3.9 in /srv/kubekey/kube/images",
    ];
    let pushed = [
        "hub.example:5000/calico/node:v3.28.2",
        "hub.example:5000/kubernetes/pause:3.9",
    ];
    let dest_of_push = "
    dest: >-
      {{- if and (eq .module.image.reference.registry \"registry.k8s.io\") (.module.image.reference.repository | contains \"/\" | not) -}}
      oci://{{ .image_registry.auth.registry }}/kubernetes/{{ .module.image.reference.repository }}:{{ .module.image.src.reference.reference }}
      {{- else -}}
      oci://{{ .image_registry.auth.registry }}/{{ .module.image.reference.repository }}:{{ .module.image.reference.reference }}
      {{- end -}}";
    let pull = format!(
        "
- name: fetch
  image:{PLATFORM}
    auths: \"{{{{ .cri.registry.auths | toJson }}}}\"
    manifests: \"{{{{ .download.images.manifests | toJson }}}}\"
    src: \"oci://{{{{ .module.image.reference.registry }}}}/{{{{ .module.image.reference.repository }}}}:{{{{ .module.image.reference.reference }}}}\"
    dest: \"local://{{{{ .binary_dir }}}}/images/\"
  when: .download.images.manifests | empty | not
"
    );
    vec![
        Form {
            name: "a copy from directory to directory, since v4.0.4",
            text: format!(
                "
- image:{PLATFORM}
    manifests: \"{{{{ .download.images.manifests | toJson }}}}\"
    src: \"local://{{{{ .binary_dir }}}}/images/\"
    dest: \"local://{{{{ .artifact_dir }}}}/images/\"
  when:
    - .download.images.manifests | empty | not
"
            ),
            platforms: both,
            source: Some("/srv/kubekey/kube/images"),
            targets: [
                "docker.io/calico/node:v3.28.2 in /srv/artifact/images",
                "registry.k8s.io/pause:3.9 in /srv/artifact/images",
            ],
            login: None,
        },
        Form {
            name: "a pull of a download role, since v4.0.4",
            text: pull.clone(),
            platforms: both,
            source: None,
            targets: in_binary_dir,
            login: Some("docker.io"),
        },
        Form {
            name: "a pull of a registry role, with tags and a list of conditions",
            text: pull.replace(
                "  when: .download.images.manifests | empty | not",
                "  tags: [\"image_registry\"]\n  when:\n    - .download.images.manifests | empty | not\n    - eq .download.images.policy \"warn\"",
            ),
            platforms: both,
            source: None,
            targets: in_binary_dir,
            login: Some("docker.io"),
        },
        Form {
            name: "a push whose auths is a list of one object, since v4.0.6",
            text: format!(
                "
- image:{PLATFORM}
    auths: >
      {{{{- $logins := list }}}}
      {{{{- $logins = append $logins .image_registry.auth }}}}
      {{{{- $logins | toJson }}}}
    manifests: \"{{{{ .download.images.manifests | toJson }}}}\"
    src: \"local://{{{{ .binary_dir }}}}/images/\"{dest_of_push}
"
            ),
            platforms: both,
            source: Some("/srv/kubekey/kube/images"),
            targets: pushed,
            login: Some("hub.example:5000"),
        },
        Form {
            name: "a push with an entry of auths, v4.0.4 and v4.0.5",
            text: format!(
                "
- image:{PLATFORM}
    auths:
      - registry: \"{{{{ .image_registry.auth.registry }}}}\"
        username: \"{{{{ .image_registry.auth.username }}}}\"
        password: \"{{{{ .image_registry.auth.password }}}}\"
        skip_tls_verify: true
    manifests: \"{{{{ .download.images.manifests | toJson }}}}\"
    src: \"local://{{{{ .binary_dir }}}}/images/\"{dest_of_push}
"
            ),
            platforms: both,
            source: Some("/srv/kubekey/kube/images"),
            targets: pushed,
            login: Some("hub.example:5000"),
        },
        Form {
            name: "a pull under `pull`, v4.0.0 to v4.0.2",
            text: "
- image:
    pull:
      auths: \"{{ .cri.registry.auths | toJson }}\"
      images_dir: >-
        {{ .binary_dir }}/images/
      manifests: \"{{ .image_manifests | toJson }}\"
  when:
    - .image_manifests | default list | empty | not
    - .download.download_image
"
            .to_owned(),
            platforms: &[],
            source: None,
            targets: in_binary_dir,
            login: Some("docker.io"),
        },
        Form {
            name: "a pull under `pull` with architectures alone, v4.0.3",
            text: "
- image:
    pull:
      platform: >-
        {{- if .download.image_platform_all }}
        *
        {{- else }}
        {{ .download.arch | toJson }}
        {{- end -}}
      auths: \"{{ .cri.registry.auths | toJson }}\"
      images_dir: \"{{ .binary_dir }}/images/\"
      manifests: \"{{ .image_manifests | toJson }}\"
"
            .to_owned(),
            platforms: both,
            source: None,
            targets: in_binary_dir,
            login: Some("docker.io"),
        },
        Form {
            name: "a push under `push` with a user of its own, v4.0.0 to v4.0.2",
            text: "
- image:
    push:
      images_dir: >-
        {{ .binary_dir }}/images/
      dest: >-
        {{ .image_registry.auth.registry }}/{{ .module.image.src.reference.repository }}:{{ .module.image.src.reference.reference }}
      username: >-
        {{ .image_registry.auth.username }}
      password: >-
        {{ .image_registry.auth.password }}
      skip_tls_verify: true
"
            .to_owned(),
            platforms: &[],
            source: Some("/srv/kubekey/kube/images"),
            targets: ["hub.example:5000/calico/node:v3.28.2", "hub.example:5000/pause:3.9"],
            login: Some("hub.example:5000"),
        },
        Form {
            name: "a push under `push` with auths, v4.0.3",
            text: "
- image:
    push:
      auths:
        - repo: \"{{ .image_registry.auth.registry }}\"
          username: \"{{ .image_registry.auth.username }}\"
          password: \"{{ .image_registry.auth.password }}\"
          insecure: true
      images_dir: \"{{ .binary_dir }}/images/\"
      dest: >-
        {{- if eq .module.image.src.reference.registry \"registry.k8s.io\" -}}
        {{ .image_registry.auth.registry }}/registry.k8s.io/{{ .module.image.src.reference.repository }}:{{ .module.image.src.reference.reference }}
        {{- else -}}
        {{ .image_registry.auth.registry }}/{{ .module.image.src.reference.repository }}:{{ .module.image.src.reference.reference }}
        {{- end -}}
"
            .to_owned(),
            platforms: &[],
            source: Some("/srv/kubekey/kube/images"),
            targets: ["hub.example:5000/calico/node:v3.28.2", "hub.example:5000/registry.k8s.io/pause:3.9"],
            login: Some("hub.example:5000"),
        },
        Form {
            name: "a copy under `copy`, v4.0.2 and v4.0.3",
            text: "
- image:
    copy:
      from:
        path: >-
          {{ .binary_dir }}/images/
        manifests: \"{{ .image_manifests | toJson }}\"
      to:
        path: >-
          {{ .artifact_dir }}/images/
"
            .to_owned(),
            platforms: &[],
            source: Some("/srv/kubekey/kube/images"),
            targets: [
                "docker.io/calico/node:v3.28.2 in /srv/artifact/images",
                "registry.k8s.io/pause:3.9 in /srv/artifact/images",
            ],
            login: None,
        },
    ]
}

#[test]
fn tasks_in_every_form_of_kubekeys_roles_are_taken() {
    for form in forms() {
        let job = job(&form.text, variables());
        let platforms = match form.platforms {
            [] => PlatformSet::All,
            wanted => PlatformSet::parse(wanted).unwrap(),
        };
        assert_eq!(job.platforms, platforms, "{}", form.name);
        if let Some(source) = form.source {
            assert_eq!(job.source.as_ref().unwrap().to_string(), source, "{}", form.name);
        }
        let mut images = job.images.clone();
        if images.is_empty() {
            // A push takes what the directory has.
            images = ["docker.io/calico/node:v3.28.2", "registry.k8s.io/pause:3.9"]
                .map(|name| name.parse().unwrap())
                .into();
        }
        assert_eq!(targets(&job, &images), form.targets, "{}", form.name);
        let logins: Vec<&str> = job.hosts.iter().map(|rule| rule.repo.as_str()).collect();
        assert_eq!(
            logins,
            form.login.into_iter().collect::<Vec<_>>(),
            "{}",
            form.name
        );
        assert!(
            job.hosts.iter().all(|rule| rule.credential.is_some()),
            "{}",
            form.name
        );
    }
}

#[test]
fn the_earlier_forms_take_all_platforms_by_a_star() {
    for platform in ["\"*\"", "[\"*\"]", "all"] {
        let text = format!("- image: {{pull: {{manifests: a, images_dir: /x, platform: {platform}}}}}");
        assert_eq!(job(&text, empty()).platforms, PlatformSet::All, "{platform}");
    }
    // Today's form doesn't guess.
    let text = "- image: {manifests: a, dest: 'local:///x', platform: [amd64]}";
    assert!(messages(text, empty())[0].contains("`platform`"));
}
