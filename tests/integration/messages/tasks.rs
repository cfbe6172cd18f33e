//! Mistakes in task files: file, line, column and what to do, before anything moves.

use transload_test_support::image::{Family, samples};
use transload_test_support::kubekey::{self, Generation};

use super::{Scene, assert_said};

/// What is said to each of these texts as a task file.
#[track_caller]
fn refused(texts: &[&str]) -> String {
    refused_in(&Scene::new(), texts, &[])
}

#[track_caller]
fn refused_in(scene: &Scene, texts: &[&str], more: &[&str]) -> String {
    let mut said = String::new();
    for text in texts {
        scene.write("tasks.yaml", text);
        said += &scene.refusal(&[&["run", "tasks.yaml"], more].concat());
        said.push('\n');
    }
    said
}

#[test]
fn keys_that_do_not_exist_are_told_with_the_one_that_was_meant() {
    assert_said!(refused(&[
        "- name: pull\n  image:\n    manifest: [alpine:3.19]\n    dest: local:///scene/out\n",
        "- name: pull\n  image:\n    manifests: [alpine:3.19]\n    dest: local:///scene/out\n    plain_http: true\n",
        "- name: pull\n  imge:\n    manifests: [alpine:3.19]\n",
        "- name: pull\n  retry: 3\n  image: {manifests: [alpine:3.19], dest: 'local:///scene/out'}\n",
        "- name: list\n  shell: ls\n",
        "- name: pull\n  image:\n    pull: {manifests: [alpine], image_dir: /scene/out}\n",
    ]));
}

#[test]
fn values_of_the_wrong_kind() {
    assert_said!(refused(&[
        "- image:\n    manifests: [3.19]\n    dest: local:///scene/out\n    platform: {os: linux}\n    policy: Strict\n    \
         skip_tls_verify: maybe\n    auths: hub.example.com\n    src: 5\n",
        "- image: {manifests: [alpine], dest: 'local:///scene/out', platform: [amd64, linux/arm/v7]}\n",
        "- image: {manifests: [Alpine, 'https://hub.example.com/app:1', 'app@sha256:12'], dest: 'local:///scene/out'}\n",
        "- image:\n    manifests: []\n    dest: local:///scene/out\n",
        "- image:\n    src: local:///scene/store\n    dest: local:///scene/out\n    manifests:\n",
    ]));
}

#[test]
fn patterns_and_templates_are_shown_where_they_are_wrong() {
    let scene = Scene::new();
    let texts = [
        "- image:\n    manifests: alpine\n    dest: local:///scene/out\n    pattern: '^docker\\.io/(calico|coredns'\n",
        "- image:\n    manifests: alpine\n    dest: local:///scene/out\n    pattern: '*calico*'\n",
        "- image:\n    manifests: alpine\n    dest: '{{ .registri }}/mirror'\n",
        "- image:\n    manifests: alpine\n    dest: 'hub.example.com/{{ .module.image.src.reference.repo }}'\n",
        "- image:\n    manifests: alpine\n    dest: 'hub.example.com/{{ .registry | uper }}'\n",
        "- image:\n    manifests: alpine\n    dest: 'hub.example.com/{{ .registry '\n",
        "- image:\n    manifests: alpine\n    dest: {{ .registry }}/mirror\n",
        "- image:\n    manifests: alpine\n    dest: >-\n      {{- if .registry -}}\n      {{ .registri }}/mirror\n      {{- end -}}\n",
        "- image: {manifests: alpine, dest: 'local:///scene/out'}\n  when: .registry == 'x'\n",
    ];
    assert_said!(refused_in(&scene, &texts, &["--set", "registry=hub.example.com"]));
}

#[test]
fn places_that_are_none_or_do_not_go_together() {
    assert_said!(refused(&[
        "- image: {manifests: alpine}\n",
        "- image: {manifests: alpine, dest: ''}\n",
        "- image: {manifests: alpine, dest: 'local://'}\n",
        "- image: {manifests: alpine, dest: /scene/out}\n",
        "- image: {manifests: alpine, dest: hub}\n",
        "- image: {manifests: alpine, dest: 'http://me:hunter2@hub.example.com:5000'}\n",
        "- image: {manifests: alpine, src: 'local:///scene/out', dest: 'local:///scene/out/'}\n",
        "- image: {src: docker.io, dest: 'local:///scene/out'}\n",
        "- image: {dest: 'local:///scene/out'}\n",
        "- image: {manifests: [a, b], src: 'docker.io/library/a:1', dest: 'local:///scene/out'}\n",
        "- image: {manifests: [alpine, busybox], dest: 'hub.example.com/app:1'}\n",
        "- image: {manifests: alpine, dest: 'docker.io'}\n",
        "- image: {manifests: alpine, dest: 'local://~/images'}\n",
    ]));
}

#[test]
fn a_directory_that_lacks_its_first_slash_is_told_where_it_is() {
    let scene = Scene::new();
    std::fs::create_dir(scene.path("store")).expect("a writable folder");
    let path = scene.path("store").display().to_string();
    scene.write(
        "tasks.yaml",
        &format!("- image: {{src: 'local:/{path}', dest: 'local:///scene/out'}}\n"),
    );
    let output = scene.run(&["run", "tasks.yaml"], 2);
    let hint = format!("\n  hint: there is one at {path}: with local://, that is local://{path}\n");
    assert!(output.stderr.contains(&hint), "{}", output.stderr);
}

#[test]
fn credentials_that_are_none() {
    let scene = Scene::new();
    scene.write("ca.pem", "this is no certificate\n");
    let with = |auths: &str| {
        format!(
            "- name: push\n  image:\n    manifests: alpine\n    dest: hub.example.com\n    auths:\n{auths}"
        )
    };
    let texts = [
        with("      - repo: https://hub.example.com\n        username: admin\n"),
        with("      - repo: hub.example.com\n        user: admin\n        password: hunter2\n"),
        with("      - repo: hub.example.com\n        ca_file: missing.pem\n"),
        with("      - repo: hub.example.com\n        ca_file: ca.pem\n"),
        with("      - repo: hub.example.com\n        cert_file: ca.pem\n"),
        with("      - repo: hub.example.com\n        cert_file: ca.pem\n        key_file: ca.pem\n"),
    ];
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    assert_said!(refused_in(&scene, &texts, &[]));
}

#[test]
fn files_that_are_no_task_files() {
    let scene = Scene::new();
    std::fs::write(scene.path("utf16.yaml"), b"\xff\xfe-\0 \0").expect("a writable folder");
    scene.write("variables.yaml", "- a\n- b\n");
    scene.write(
        "good.yaml",
        "- image: {manifests: alpine, dest: 'local:///scene/out'}\n",
    );
    let files = scene.refusals(&[
        &["run", "missing.yaml"],
        &["run", "."],
        &["run", "utf16.yaml"],
        &["run", "good.yaml", "--set", "registry"],
        &["run", "good.yaml", "--set", "a..b=c"],
        &["run", "good.yaml", "--set", "list=[a"],
        &[
            "run",
            "good.yaml",
            "--vars",
            "missing.yaml",
            "--vars",
            "variables.yaml",
        ],
    ]);
    let texts = refused_in(
        &scene,
        &[
            "",
            "[]\n",
            "hello\n",
            "{",
            "- image:\n\tdest: x\n",
            "<html><body>404</body></html>\n",
        ],
        &[],
    );
    assert_said!(files + &texts);
}

#[test]
fn directories_that_are_no_stores_stop_the_whole_file() {
    let scene = Scene::new();
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    kubekey::write(
        &scene.path("store"),
        "hub.example.com",
        "app",
        "v1",
        &image,
        Generation::Third,
    );
    std::fs::create_dir(scene.path("downloads")).expect("a writable folder");
    scene.write("downloads/notes.txt", "mine");
    scene.write("file", "");
    let texts = [
        "- name: good\n  image: {src: 'local://store', dest: 'local://out'}\n\
         - name: from nowhere\n  image: {src: 'local://missing', dest: 'local://out'}\n\
         - name: from elsewhere\n  image: {src: 'local://downloads', dest: 'local://out'}\n",
        "- name: into a folder of something else\n  image: {src: 'local://store', dest: 'local://downloads'}\n\
         - name: into a file\n  image: {src: 'local://store', dest: 'local://file'}\n",
    ];
    assert_said!(refused_in(&scene, &texts, &[]));
}

#[test]
fn tasks_that_would_take_a_tag_from_one_another_are_refused() {
    let scene = Scene::new();
    let image = samples::multi_platform(Family::Oci, 1);
    for store in ["store", "other"] {
        kubekey::write(
            &scene.path(store),
            "hub.example.com",
            "app",
            "v1",
            &image,
            Generation::Third,
        );
    }
    let texts = [
        "- name: each\n  loop: [amd64, arm64]\n  image:\n    src: local://store\n    platform: 'linux/{{ .item }}'\n    \
         dest: local://out\n",
        "- name: one\n  image: {src: 'local://store', dest: 'local://out'}\n\
         - name: another\n  image: {src: 'local://other', dest: 'local://out'}\n",
    ];
    assert_said!(refused_in(&scene, &texts, &[]));
    // The same again takes nothing away.
    let twice = "- image: {src: 'local://store', dest: 'local://out'}\n- image: {src: 'local://store', dest: 'local://out'}\n";
    scene.write("tasks.yaml", twice);
    scene.run(&["run", "tasks.yaml"], 0);
}
