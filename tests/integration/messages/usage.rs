//! Arguments that can't be meant: told all at once, before anything moves.

use transload_test_support::image::{Family, samples};
use transload_test_support::kubekey::{self, Generation};

use super::{Scene, assert_said};

/// A scene with a directory `store` that holds two images.
fn with_store() -> Scene {
    let scene = Scene::new();
    for (repository, seed) in [("team/app", 1), ("team/web", 2)] {
        let image = samples::single(Family::Oci, "linux/amd64", seed);
        let store = scene.path("store");
        kubekey::write(
            &store,
            "hub.example.com",
            repository,
            "v1",
            &image,
            Generation::Third,
        );
    }
    scene
}

#[test]
fn commands_and_options_that_do_not_exist_are_told_with_those_that_do() {
    let scene = Scene::new();
    let commands: [&[&str]; 9] = [
        &["pul", "alpine"],
        &["pull"],
        &["pull", "alpine"],
        &["pull", "alpine", "--dest", "out", "--platfrom", "linux/amd64"],
        &["pull", "alpine", "--dest", "out", "--policy", "Warn"],
        &["pull", "alpine", "--dest", "out", "--jobs", "0"],
        &["pull", "alpine", "--dest", "out", "--retries", "-1"],
        &["run"],
        &["list", ".", "--quiet", "--verbose"],
    ];
    let said: Vec<String> = commands.iter().map(|args| scene.said(args, 2)).collect();
    assert_said!(said.join("\n"));
    assert!(!scene.path("out").exists());
}

#[test]
fn names_and_patterns_that_are_none() {
    let scene = Scene::new();
    assert_said!(scene.refusals(&[
        &["pull", "Alpine", "alpine:", "alpine@sha256:12", "--dest", "out"],
        &["pull", "https://hub.example.com/app:1", "--dest", "out"],
        &[
            "pull",
            "alpine",
            "--dest",
            "out",
            "--platform",
            "linux,linux/arm/v7/x"
        ],
        &["pull", "alpine", "--dest", "out", "--pattern", "a(b"],
        &["pull", "alpine", "--dest", "out", "--pattern", "*calico*"],
        &["pull", "alpine", "--dest", "out", "--pattern", "a{1000}{1000}"],
        &[
            "pull",
            "ALPINE",
            "--dest",
            "out",
            "--platform",
            "amd64",
            "--pattern",
            "["
        ],
    ]));
}

#[test]
fn what_was_pasted_with_an_image_is_told() {
    let scene = Scene::new();
    scene.write(
        "images.txt",
        "  image: nginx:1.25\n- \"quay.io/team/app:v1\",\nhub.example.com/charts/x:1.2.3+up4  # from Chart.yaml\n",
    );
    let said = scene.refusals(&[
        &["pull", "image: nginx:1.25", "'nginx:1.25'", "--dest", "out"],
        &["pull", "docker://hub.example.com/app:1", "--dest", "out"],
        &["pull", "--images-file", "images.txt", "--dest", "out"],
        &["pull", "alpine", "--dest", "out", "--platform", "amd64,arm/v7"],
    ]);
    let inspect = [
        "docker pull nginx:1.25",
        "hub.example.com/charts/x:1.2.3+up4",
        "hub.example.com/app:*",
    ];
    let inspected = inspect.map(|image| scene.said(&["inspect", image], 2));
    assert_said!([said, inspected.join("\n")].concat());
    assert!(!scene.path("out").exists());
}

#[test]
fn places_of_other_tools_are_no_folders_of_their_names() {
    let scene = with_store();
    let pull = |dest: &'static str| ["pull", "alpine", "--dest", dest];
    let push = |src: &'static str| ["push", "--src", src, "--dest", "hub.example.com"];
    let copy = |dest: &'static str| ["copy", "--src", "store", "--dest", dest];
    assert_said!(scene.refusals(&[
        &pull("local:/x"),
        &pull("ostree:x"),
        &pull("oci:"),
        &pull("https://hub.example.com/mirror"),
        &pull("file:///x"),
        &push("dir:store"),
        &push("docker-daemon:app:v1"),
        &copy("dir:x"),
        &copy("docker://hub.example.com/mirror"),
        &["pull", "alpine", "--src", "docker:x", "--dest", "out"],
        &[
            "pull",
            "docker-archive:x.tar",
            "containers-storage:alpine",
            "--dest",
            "out"
        ],
        &["copy", "local:/x", "--dest", "./out"],
    ]));
    let made = std::fs::read_dir(scene.path(".")).expect("a folder").count();
    assert_eq!(made, 1, "only the directory that was there");
}

#[test]
fn ends_that_are_in_each_others_place() {
    let scene = with_store();
    assert_said!(scene.refusals(&[
        &["push", "--src", "hub.example.com/mirror", "--dest", "./store"],
        &["push", "--src", "hub.example.com:5000", "--dest", "store"],
        &["pull", "--src", "./store", "--dest", "hub.example.com", "app:1"],
        &[
            "pull",
            "--src",
            "local:///store",
            "--dest",
            "hub.example.com/mirror",
            "app:1"
        ],
    ]));
}

#[test]
fn a_directory_of_images_that_is_given_as_an_image() {
    let scene = with_store();
    std::fs::create_dir(scene.path("alpine")).expect("a writable folder");
    assert_said!(scene.refusals(&[
        &["copy", "store", "--dest", "./out"],
        &["copy", "./store", "--dest", "hub.example.com"],
        &["pull", "store", "alpine", "--dest", "out"],
    ]));
    // A folder that happens to have an image's name.
    std::fs::create_dir(scene.path("hub")).expect("a writable folder");
    let pull = [
        "pull",
        "hub",
        "--src",
        "127.0.0.1:1",
        "--dest",
        "out",
        "--retries",
        "0",
    ];
    assert!(scene.run(&pull, 1).stderr.contains("127.0.0.1:1"));
}

#[test]
fn files_and_folders_that_are_not_what_is_wanted() {
    let scene = with_store();
    let tar = |name: &str| {
        let mut header = vec![0; 1024];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[257..262].copy_from_slice(b"ustar");
        header
    };
    std::fs::write(scene.path("saved.tar"), tar("blobs/")).expect("a writable folder");
    std::fs::write(scene.path("packed.tar"), tar("images/")).expect("a writable folder");
    std::fs::write(scene.path("packed.tgz"), b"\x1f\x8b\x08").expect("a writable folder");
    let said = scene.refusals(&[
        &["push", "--src", "saved.tar", "--dest", "hub.example.com"],
        &[
            "push",
            "--src",
            "packed.tar",
            "--dest",
            "hub.example.com",
            "--dry-run",
        ],
        &["copy", "--src", "./packed.tgz", "--dest", "hub.example.com"],
        &["pull", "alpine", "--dest", "new.tar.gz"],
        &["push", "--src", "oci:saved.tar", "--dest", "hub.example.com"],
        &["push", "--src", "oci-archive:store", "--dest", "hub.example.com"],
        &[
            "push",
            "--src",
            "oci-archive:missing.tar",
            "--dest",
            "hub.example.com",
        ],
    ]);
    assert_said!(
        said + &scene.said(&["list", "saved.tar"], 2)
            + &scene.said(&["copy", "--src", "store", "--dest", "./saved.tar"], 1)
    );
    // A folder of such a name is one.
    std::fs::create_dir(scene.path("old.tar")).expect("a writable folder");
    scene.run(&["copy", "--src", "store", "--dest", "./old.tar"], 0);
}

#[test]
fn a_directory_without_images_has_nothing_to_push() {
    let scene = with_store();
    std::fs::create_dir(scene.path("empty")).expect("a writable folder");
    scene.write(
        "tasks.yaml",
        "- image: {src: local://empty, dest: hub.example.com}\n",
    );
    let push = ["push", "--src", "empty", "--dest", "hub.example.com"];
    let said: Vec<String> = [
        &push[..],
        &[&push[..], &["--dry-run"]].concat(),
        &[&push[..], &["--pattern", "app"]].concat(),
        &["copy", "--src", "./empty", "--dest", "./out"],
        &["run", "tasks.yaml"],
        &["run", "tasks.yaml", "--dry-run"],
    ]
    .iter()
    .map(|args| scene.said(args, 1))
    .collect();
    assert_said!(said.join("\n"));
    assert!(!scene.path("out").exists());
    let none = [
        "copy",
        "--src",
        "./store",
        "--dest",
        "./out",
        "--pattern",
        "/none",
    ];
    assert!(scene.run(&none, 0).stderr.contains("matches no image (of 2)"));
}

#[test]
fn places_that_are_none() {
    let scene = with_store();
    assert_said!(scene.refusals(&[
        &["pull", "alpine", "--dest", ""],
        &["pull", "alpine", "--dest", "local://"],
        &["pull", "alpine", "--dest", "hub.example.com/mirror"],
        &["pull", "alpine", "--dest", "oci://hub.example.com/mirror"],
        &["pull", "alpine", "--dest", "out", "--src", "./store"],
        &[
            "push",
            "--src",
            "store",
            "--dest",
            "http://me:hunter2@hub.example.com:5000/x"
        ],
        &["push", "--src", "store", "--dest", "https://hub.example.com"],
        &["push", "--src", "store", "--dest", "hub"],
        &["push", "--src", "store", "--dest", "./out"],
        &["push", "--src", "store", "--dest", "hub.example.com:99999"],
        &[
            "push",
            "--src",
            "hub.example.com:5000",
            "--dest",
            "hub.example.com"
        ],
        &["push", "--src", "missing", "--dest", "hub.example.com"],
        &["copy", "--src", "store", "--dest", "out"],
        &["copy", "--src", "store", "--dest", "./store/"],
        &["copy", "--src", "store", "--dest", "store/../store"],
        &["copy", "--src", "hub.example.com", "--dest", "./out"],
        &["copy", "--dest", "./out"],
    ]));
}

/// The name of a registry stays one where a folder happens to have it.
#[test]
fn a_folder_with_a_registrys_name_is_no_place_to_push_to() {
    let scene = with_store();
    std::fs::create_dir(scene.path("hub.example.com")).expect("a writable folder");
    assert_said!(scene.said(
        &[
            "push",
            "--src",
            "store",
            "--dest",
            "hub.example.com",
            "--pattern",
            "/none",
            "--dry-run"
        ],
        0
    ));
}

#[test]
fn templates_and_destinations_that_fit_no_image() {
    let scene = with_store();
    assert_said!(scene.refusals(&[
        &["push", "--src", "store", "--dest", "hub.example.com/x:{{ .tag"],
        &["push", "--src", "store", "--dest", "hub.example.com/{{ .module.image.reference.repo }}"],
        &["push", "--src", "store", "--dest", "hub.example.com/{{ uper .module.image.reference.registry }}"],
        &["push", "--src", "store", "--dest", "https://{{ .module.image.reference.repository }}"],
        &[
            "push",
            "--src",
            "store",
            "--dest",
            "{{ if eq .module.image.reference.repository \"team/web\" }}hub{{ else }}hub.example.com/x{{ end }}",
        ],
        &["push", "--src", "store", "--dest", "mirror.example.com/app:1"],
        &["copy", "hub.example.com/team/app:v1", "--dest", "hub.example.com"],
        &["copy", "a:1", "b:1", "--src", "hub.example.com/app:1", "--dest", "./out"],
    ]));
}

#[test]
fn files_that_are_not_there_or_not_what_they_should_be() {
    let scene = with_store();
    scene.write("empty.txt", "# nothing\n\n");
    scene.write(
        "images.txt",
        "alpine:3.19\n  Alpine:3.19   # by mistake\nbusybox:\n",
    );
    scene.write(
        "auths.yaml",
        "- repo: hub.example.com\n  user: me\n- {repo: https://hub.example.com, username: me}\n",
    );
    scene.write("ca.pem", "this is no certificate\n");
    let pull = |more: &[&'static str]| [&["pull", "alpine", "--dest", "out"], more].concat();
    let commands = [
        pull(&["--images-file", "missing.txt"]),
        pull(&["--images-file", "images.txt"]),
        vec!["pull", "--images-file", "empty.txt", "--dest", "out"],
        pull(&["--auths", "missing.yaml"]),
        pull(&["--auths", "auths.yaml"]),
        pull(&["--auths", "."]),
        pull(&["--src", "hub.example.com", "--ca-file", "missing.pem"]),
        pull(&["--src", "hub.example.com", "--ca-file", "ca.pem"]),
        vec![
            "push",
            "--src",
            "store",
            "--dest",
            "{{ .module.image.reference.registry }}",
            "--plain-http",
        ],
        vec![
            "pull",
            "a.example.com/x",
            "b.example.com/x",
            "--dest",
            "out",
            "--ca-file",
            "ca.pem",
        ],
    ];
    let said: Vec<String> = commands.iter().map(|args| scene.refusal(args)).collect();
    assert_said!(said.join("\n"));
}

#[test]
fn directories_that_cannot_be_listed() {
    let scene = with_store();
    std::fs::create_dir(scene.path("empty")).expect("a writable folder");
    std::fs::create_dir(scene.path("downloads")).expect("a writable folder");
    scene.write("downloads/notes.txt", "mine");
    scene.write("file", "");
    let commands: [(&[&str], i32); 6] = [
        (&["list", "missing"], 2),
        (&["list", "file"], 2),
        (&["list", "downloads"], 2),
        (&["list", "store", "--pattern", "["], 2),
        (&["list", "empty"], 0),
        (&["list", "store", "--pattern", "nginx"], 0),
    ];
    let said: Vec<String> = commands
        .iter()
        .map(|(args, code)| scene.said(args, *code))
        .collect();
    assert_said!(said.join("\n"));
}
