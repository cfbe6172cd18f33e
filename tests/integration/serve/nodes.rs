//! Programs of nodes read the files that `--print-config` writes, and find the server.

use std::env;
use std::process::{Command, Output};

use transload_test_support::go;
use transload_test_support::kubekey::{self, Generation};

use super::{Scene, Served, transload};

/// The name of the scene's image.
const IMAGE: &str = "hub.example.com/team/app:v1";

/// Runs a program without the caller's settings.
fn succeeds(command: &mut Command, scene: &Scene) -> String {
    let path = env::var_os("PATH").unwrap_or_default();
    command
        .env_clear()
        .env("PATH", path)
        .env("HOME", scene.path("home"));
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("a program");
    assert!(
        status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&stderr)
    );
    String::from_utf8_lossy(&stdout).into_owned()
}

#[test]
fn k3s_takes_images_of_every_registry_from_the_server() {
    // k3s's own reader of its file and its client, as a program.
    let Some(wharfie) = go::program("wharfie", "github.com/rancher/wharfie@v0.7.1") else {
        return;
    };
    let scene = Scene::new();
    let (images, node, out) = (scene.path("images"), scene.path("node"), scene.path("out"));
    let served = Served::start(&[&images]);
    served.configure("k3s", &images, &node);
    let mut pull = Command::new(wharfie);
    pull.args([
        "--private-registry",
        &format!("{node}/registries.yaml"),
        IMAGE,
        &out,
    ]);
    succeeds(&mut pull, &scene);
    assert_eq!(scene.read("out/etc/name"), "app");
}

#[test]
fn cri_o_takes_images_of_the_places_registries_from_the_server() {
    let made = go::program_of(include_str!("nodes/crio.go"), "go.podman.io/image/v5 v5.38.0");
    let Some((_folder, reader)) = made else {
        return;
    };
    let scene = Scene::new();
    let (images, node) = (scene.path("images"), scene.path("node"));
    let served = Served::start(&[&images]);
    served.configure("crio", &images, &node);
    let mut read = Command::new(reader);
    read.args([&format!("{node}/registries.conf"), IMAGE]);
    let told = succeeds(&mut read, &scene);
    assert_eq!(told, format!("{}/{IMAGE} true\n", served.host()));
}

#[test]
fn kubekey_takes_images_by_the_names_in_its_configuration() {
    let Some(kk) = go::program("kk", "github.com/kubesphere/kubekey/v4/cmd/kk@latest") else {
        return;
    };
    let scene = Scene::new();
    let (images, out) = (scene.path("kubernetes"), scene.path("out"));
    kubekey::write(
        images.as_ref(),
        "registry.k8s.io",
        "pause",
        "3.10",
        &super::image(),
        Generation::Third,
    );
    let served = Served::start(&[&images]);
    served.configure("kubekey", &images, &scene.path("node"));
    let playbook = format!(
        "- hosts: [localhost]
  gather_facts: false
  tasks:
    - name: pull
      image:
        manifests: [registry.k8s.io/pause:3.10]
        src: 'oci://{{{{ .image_registry.k8sio_registry }}}}/pause:3.10'
        dest: local://{out}
        auths: [{{registry: '{}', plain_http: true}}]
",
        served.host(),
    );
    let mut run = Command::new(kk);
    run.args(["run", &scene.write("playbook.yaml", &playbook)])
        .args(["-c", &scene.path("node/config.yaml")])
        .args(["--workdir", &scene.path("work")])
        .current_dir(scene.path(""));
    succeeds(&mut run, &scene);
    let listed = transload(&["list", &out]).stdout;
    assert!(listed.contains("registry.k8s.io/pause:3.10"), "{listed}");
    transload(&["verify", &out]);
}
