//! The documentation's examples and those that the repository carries, as they are but for hosts and folders.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use transload_test_support::image::{Family, Image, samples};
use transload_test_support::kubekey::{self, Generation};
use transload_test_support::{RealRegistry, Transload};

use super::{assert_holds, folder, held, run_tasks, transload, within};

/// The text of an example in both of its forms: as the documentation has it, and as `examples/` has it, with comments.
fn texts(documented: &str, carried: &str) -> [String; 2] {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    [
        root.join("cli/tests/data/tasks").join(documented),
        root.join("examples").join(carried),
    ]
    .map(|path| fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// Puts something else in the place of a host or folder, which must be there.
fn with(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "{old} isn't in\n{text}");
    text.replace(old, new)
}

fn image(seed: u64) -> Image {
    samples::multi_platform(Family::Docker, seed)
}

/// A directory with these images of Docker Hub, as KubeKey writes it.
fn kubekeys(dir: &str, images: &[(&str, &str, &Image)]) {
    for (repository, tag, image) in images {
        kubekey::write(
            dir.as_ref(),
            "docker.io",
            repository,
            tag,
            image,
            Generation::Third,
        );
    }
}

#[test]
fn images_are_pulled_from_a_registry() {
    let registry = RealRegistry::plain();
    for (repository, seed) in [("ks-apiserver", 1), ("ks-controller-manager", 2)] {
        registry.push(&format!("kubesphere/{repository}"), "v4.1.3", &image(seed));
    }
    let left = [1, 2].map(|seed| samples::index_of(Family::Docker, &["linux/amd64", "linux/arm64/v8"], seed));
    for text in texts("documented-1-pull.yaml", "pull.yaml") {
        let dirs = folder();
        let text = with(
            &text,
            "src: \"docker.io\"",
            &format!("src: \"{}\"", registry.host()),
        );
        run_tasks(
            &with(&text, "local:///tmp/", &format!("local://{}", within(&dirs, ""))),
            &[],
            0,
        );
        assert_holds(
            &within(&dirs, "images"),
            &[
                held("docker.io/kubesphere/ks-apiserver:v4.1.3", &left[0]),
                held("docker.io/kubesphere/ks-controller-manager:v4.1.3", &left[1]),
            ],
        );
    }
}

#[test]
fn images_are_pushed_to_a_registry() {
    let dirs = folder();
    let images = within(&dirs, "images");
    let (alpine, other) = (image(1), image(2));
    kubekeys(
        &images,
        &[
            ("library/alpine", "3.19", &alpine),
            ("library/other", "3.19", &other),
        ],
    );
    for text in texts("documented-2-push.yaml", "push.yaml") {
        let registry = RealRegistry::plain();
        let text = with(&text, "hub.kubekey", registry.host());
        run_tasks(
            &with(&text, "local:///tmp/images/", &format!("local://{images}/")),
            &[],
            0,
        );
        assert!(registry.has_image("library/alpine", "3.19", &alpine));
        assert_eq!(registry.manifest("library/other", "3.19"), None);
    }
}

#[test]
fn an_image_is_copied_between_directories() {
    let dirs = folder();
    let (calico, other) = (image(1), image(2));
    kubekeys(
        &within(&dirs, "images"),
        &[
            ("calico/apiserver", "v3.28.2", &calico),
            ("calico/other", "v3.28.2", &other),
        ],
    );
    for (number, text) in texts("documented-3-copy.yaml", "copy.yaml").iter().enumerate() {
        let others = within(&dirs, &format!("others{number}"));
        let images = format!("local://{}/", within(&dirs, "images"));
        let text = with(text, "local:///tmp/images/", &images);
        run_tasks(
            &with(&text, "local:///tmp/others/", &format!("local://{others}/")),
            &[],
            0,
        );
        let name = "docker.io/calico/apiserver:v3.28.2";
        assert_holds(&format!("{others}/images"), &[held(name, &calico)]);
    }
}

#[test]
fn what_a_pattern_matches_is_copied_between_directories() {
    let dirs = folder();
    let [apiserver, node, other] = [1, 2, 3].map(image);
    kubekeys(
        &within(&dirs, "images"),
        &[
            ("calico/apiserver", "v3.28.2", &apiserver),
            ("calico/node", "v3.28.2", &node),
            ("library/other", "1", &other),
        ],
    );
    for (number, text) in texts("documented-4-copy-pattern.yaml", "copy-pattern.yaml")
        .iter()
        .enumerate()
    {
        let others = within(&dirs, &format!("others{number}"));
        let images = format!("local://{}/", within(&dirs, "images"));
        let text = with(text, "local:///tmp/images/", &images);
        run_tasks(
            &with(&text, "local:///tmp/others/", &format!("local://{others}/")),
            &[],
            0,
        );
        assert_holds(
            &format!("{others}/images"),
            &[
                held("docker.io/calico/apiserver:v3.28.2", &apiserver),
                held("docker.io/calico/node:v3.28.2", &node),
            ],
        );
    }
}

#[test]
fn kubekeys_own_role_pushes_an_offline_bundle() {
    let (registry, dirs) = (RealRegistry::plain(), folder());
    let bundle = within(&dirs, "bundle/images");
    let images = [1, 2, 3, 4].map(image);
    let [pause, coredns, calico, unlisted] = &images;
    for (host, repository, tag, image) in [
        ("registry.k8s.io", "pause", "3.10", pause),
        ("registry.k8s.io", "coredns/coredns", "v1.11.1", coredns),
        ("docker.io", "calico/node", "v3.28.2", calico),
        ("docker.io", "calico/cni", "v3.28.2", unlisted),
    ] {
        kubekey::write(bundle.as_ref(), host, repository, tag, image, Generation::Third);
    }
    let role = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/tests/data/tasks/kubekey-push-role.yaml");
    let variables = within(&dirs, "variables.yaml");
    fs::write(
        &variables,
        "
cri: {registry: {auths: []}}
image_manifests:
  - registry.k8s.io/pause:3.10
  - registry.k8s.io/coredns/coredns:v1.11.1
  - calico/node:v3.28.2
image_registry: {auth: {registry: replaced.example.com}}
",
    )
    .unwrap();
    let [binary_dir, host] = [
        format!("binary_dir={}", within(&dirs, "bundle")),
        format!("image_registry.auth.registry={}", registry.host()),
    ];
    let run = [
        "run",
        role.to_str().unwrap(),
        "--vars",
        &variables,
        "--set",
        &binary_dir,
    ];
    transload(&[&run[..], &["--set", &host]].concat(), 0);
    assert!(registry.has_image("kubernetes/pause", "3.10", pause));
    assert!(registry.has_image("coredns/coredns", "v1.11.1", coredns));
    assert!(registry.has_image("calico/node", "v3.28.2", calico));
    assert_eq!(registry.manifest("calico/cni", "v3.28.2"), None);

    // Without a registry there is nothing to do: that is what its `when` says, and a run without a task is an error.
    let output = transload(
        &[&run[..], &["--set", "image_registry.auth.registry="]].concat(),
        2,
    );
    assert!(
        output.stderr.contains("no image task of this file runs"),
        "{}",
        output.stderr
    );
}

#[test]
fn the_quickstart_copies_two_platforms_of_the_images_that_it_asks_for() {
    let dirs = folder();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    symlink(examples.canonicalize().unwrap(), dirs.path().join("examples")).unwrap();
    for (outcome, number) in [("copied", 2), ("there already", 2)] {
        let program = Transload::new().args(["run", "examples/quickstart.yaml"]);
        let output = program.current_dir(dirs.path()).run().expect_code(0);
        let end = format!(": {number} {outcome}\n");
        assert!(output.stderr.contains(&end), "{}", output.stderr);
    }
    let made = within(&dirs, "target/quickstart");
    assert_eq!(
        transload(&["list", &made, "--output", "names"], 0).stdout,
        "hub.example.com/demo/hello:1.0  sha256:f19b9204653848d8e08248d247480005be8615e391f0e5c848596520457274cf\n\
         hub.example.com/demo/tools:2.1  sha256:e4c89a039baa95b3be32df437dc48cbd462106922ecfc6fee0e6ce3c40e73c94\n"
    );
    // A registry takes what is whole.
    let registry = RealRegistry::plain();
    let pushed = transload(&["push", "--src", &made, "--dest", registry.host()], 0);
    assert_eq!(
        pushed.stdout.matches("  linux/amd64,linux/arm64  ").count(),
        2,
        "{}",
        pushed.stdout
    );
}
