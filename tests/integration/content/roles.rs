//! A site's way through KubeKey's roles: pull, copy to the medium, push, by tasks in the forms of its playbooks and with variables that are
//! templates.

use std::fs;

use transload_test_support::ScriptedRegistry;
use transload_test_support::image::{Family, samples};
use transload_test_support::real::{PASSWORD, USER};
use transload_test_support::scripted::{Authentication, Options};

use super::{assert_holds, folder, held, run_tasks, within};

const TASKS: &str = r#"
- name: download
  tags: [download]
  image:
    platform: >
      {{- $wanted := list }}
      {{- range .download.arch }}
        {{- $wanted = append $wanted (printf "linux/%s" .) }}
      {{- end }}
      {{- $wanted | toJson }}
    policy: "{{ .download.images.policy }}"
    auths: "{{ .cri.registry.auths | toJson }}"
    manifests: "{{ .download.images.manifests | toJson }}"
    src: "oci://{{ .module.image.reference.registry }}/{{ .module.image.reference.repository }}:{{ .module.image.reference.reference }}"
    dest: "local://{{ .binary_dir }}/images/"
  when:
    - .download.images.manifests | empty | not
    - .download.wanted
- name: pack
  tags: [download]
  image:
    platform: "{{ .platforms | toJson }}"
    manifests: "{{ .download.images.manifests | toJson }}"
    src: "local://{{ .binary_dir }}/images/"
    dest: "local://{{ .artifact_dir }}/images/"
  vars:
    platforms: ["linux/{{ index .download.arch 0 }}", linux/arm64]
- name: push
  tags: [push]
  image:
    auths: >
      {{- $logins := list }}
      {{- $logins = append $logins .hub.auth }}
      {{- $logins | toJson }}
    manifests: "{{ .download.images.manifests | toJson }}"
    src: "local://{{ .artifact_dir }}/images/"
    dest: >-
      {{- if (.module.image.reference.repository | contains "/" | not) -}}
      oci://{{ .hub.auth.registry }}/kubernetes/{{ .module.image.reference.repository }}:{{ .module.image.src.reference.reference }}
      {{- else -}}
      oci://{{ .target }}:{{ .module.image.reference.reference }}
      {{- end -}}
- name: push as before v4.0.3
  tags: [old]
  image:
    push:
      images_dir: >-
        {{ .artifact_dir }}/images/
      dest: >-
        {{ .hub.auth.registry }}/old/{{ .module.image.src.reference.repository }}:{{ .module.image.src.reference.reference }}
      auths: [{repo: "{{ .hub.auth.registry }}", plain_http: true, username: "{{ .hub.auth.username }}", password: "{{ .hub.auth.password }}"}]
- name: for a hub by its name
  when: .hub.auth.registry
  tags: [push]
  image: {manifests: nothing, dest: "local://{{ .artifact_dir }}/images"}
"#;

#[test]
fn tasks_in_the_forms_of_kubekeys_roles_pull_pack_and_push() {
    let (source, dirs) = (ScriptedRegistry::start(), folder());
    let hub = ScriptedRegistry::with(Options {
        authentication: Authentication::Basic,
        ..Options::default()
    });
    let [pause, node] =
        [1, 2].map(|seed| samples::index_of(Family::Oci, &["linux/amd64", "linux/arm64"], seed));
    source.put_image("pause", "3.9", &pause);
    source.put_image("calico/node", "v3.28.2", &node);
    let variables = within(&dirs, "variables.yaml");
    fs::write(
        &variables,
        format!(
            r#"
work_dir: {root}
binary_dir: "{{{{ .work_dir }}}}/binary"
artifact_dir: "{{{{ .work_dir }}}}/artifact"
from: {source}
download:
  wanted: "TRUE"
  arch: [amd64, arm64]
  images:
    policy: warn
    manifests: ["{{{{ .from }}}}/pause:3.9", "{{{{ .from }}}}/calico/node:v3.28.2"]
cri: {{registry: {{auths: [{{repo: "{{{{ .from }}}}", plain_http: true}}]}}}}
hub:
  auth: {{registry: "{hub}", username: "{USER}", password: "{PASSWORD}", plain_http: true}}
target: "{{{{ .hub.auth.registry }}}}/mirror/{{{{ .module.image.reference.repository }}}}"
"#,
            root = within(&dirs, "site"),
            source = source.host(),
            hub = hub.host(),
        ),
    )
    .unwrap();
    let run = |tag: &str, more: &[&str]| {
        run_tasks(TASKS, &[&["--vars", &variables, "--tags", tag], more].concat(), 0)
    };

    let planned = run("download", &["--dry-run"]);
    assert!(planned.stdout.contains("pause:3.9"), "{}", planned.stdout);
    assert!(!dirs.path().join("site").exists());

    run("download", &[]);
    for made in ["binary", "artifact"] {
        let names = ["pause:3.9", "calico/node:v3.28.2"].map(|name| format!("{}/{name}", source.host()));
        let [first, second] = names;
        assert_holds(
            &within(&dirs, &format!("site/{made}/images")),
            &[held(first, &pause), held(second, &node)],
        );
    }

    let pushed = run("push", &[]);
    assert!(
        hub.tags("kubernetes/pause").contains(&"3.9".to_owned()),
        "{}",
        pushed.stdout
    );
    assert!(
        hub.tags("mirror/calico/node").contains(&"v3.28.2".to_owned()),
        "{}",
        pushed.stdout
    );
    let told = format!(
        "`when` gives \"{}\", and only true runs a task: this one doesn't run",
        hub.host()
    );
    assert_eq!(pushed.stderr.matches(&told).count(), 1, "{}", pushed.stderr);
    assert!(
        pushed
            .stderr
            .contains("skipped for a hub by its name: its `when` is false"),
        "{}",
        pushed.stderr
    );

    run("old", &[]);
    assert!(hub.tags("old/calico/node").contains(&"v3.28.2".to_owned()));
}

#[test]
fn a_variable_that_needs_itself_ends_the_run_before_anything_is_written() {
    let dirs = folder();
    let dest = within(&dirs, "images");
    let output = run_tasks(
        "- image: {manifests: alpine, dest: 'local://{{ .root }}'}\n",
        &[
            "--set",
            &format!("root={dest}{{{{ .sub }}}}"),
            "--set",
            "sub={{ .root }}",
        ],
        2,
    );
    let told = "the variable `.root` refers to itself: `.root` → `.sub` → `.root`";
    assert!(output.stderr.contains(told), "{}", output.stderr);
    assert_eq!(fs::read_dir(dirs.path()).unwrap().count(), 0);
}
