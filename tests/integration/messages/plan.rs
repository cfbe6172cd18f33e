//! `--dry-run`: what would move, and nothing moves.

mod hosts;
mod schema;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use transload_test_support::image::{Family, samples};
use transload_test_support::real::{PASSWORD, USER};
use transload_test_support::scripted::{Authentication, Options, ScriptedRegistry};

use super::{Scene, assert_said, store_with};

/// A scene with a directory `store` that holds images of several platforms and of one.
fn scene() -> Scene {
    let scene = Scene::new();
    let several = samples::multi_platform(Family::Oci, 1);
    let one = samples::single(Family::Docker, "linux/amd64", 2);
    store_with(&scene, "store", "hub.example.com", "team/app", "v1", &several);
    store_with(&scene, "store", "hub.example.com", "team/web", "v2", &one);
    scene
}

#[test]
fn into_a_directory_that_is_not_there_yet() {
    let scene = scene();
    let copy = ["copy", "--src", "store", "--dest", "./out", "--dry-run"];
    let all = scene.said(&copy, 0);
    let some = scene.said(
        &[&copy[..], &["--platform", "linux/amd64,linux/arm64"]].concat(),
        1,
    );
    let with_warnings = scene.said(
        &[&copy[..], &["--platform", "linux/arm64", "--policy", "warn"]].concat(),
        0,
    );
    let none = scene.said(
        &[&copy[..], &["--platform", "windows/amd64", "--policy", "warn"]].concat(),
        0,
    );
    let no_match = scene.said(&[&copy[..], &["--pattern", "nginx"]].concat(), 0);
    assert!(!scene.path("out").exists());
    assert_said!([all, some, with_warnings, none, no_match].join("\n"));
}

#[test]
fn into_a_registry_that_has_a_part_of_it() {
    let mut scene = scene();
    let registry = ScriptedRegistry::with(Options {
        authentication: Authentication::Basic,
        ..Options::default()
    });
    scene.name(registry.host(), "hub.example.org");
    registry.put_image(
        "mirror/team/web",
        "v2",
        &samples::single(Family::Docker, "linux/amd64", 2),
    );
    let auths = format!(
        "- {{repo: {}, username: {USER}, password: '{PASSWORD}', plain_http: true}}\n",
        registry.host()
    );
    scene.write("auths.yaml", &auths);
    let before = registry.blobs();
    let dest = format!("{}/mirror", registry.host());
    let said = scene.said(
        &[
            "push",
            "--src",
            "store",
            "--dest",
            &dest,
            "--auths",
            "auths.yaml",
            "--dry-run",
            "--retries",
            "0",
        ],
        0,
    );
    assert_said!(said);
    assert_eq!(registry.blobs(), before);
    assert_eq!(registry.log().count("POST", ""), 0);
    assert_eq!(registry.log().count("PUT", ""), 0);
}

#[test]
fn of_several_tasks_of_which_one_needs_another() {
    let scene = scene();
    scene.write(
        "tasks.yaml",
        "- name: gather\n  image: {src: 'local://store', dest: 'local://out'}\n\
         - name: when asked\n  when: .wanted\n  image: {src: 'local://store', dest: 'local://out'}\n\
         - name: hand on\n  image: {src: 'local://out', dest: 'local://other'}\n",
    );
    assert_said!(scene.said(&["run", "tasks.yaml", "--set", "wanted=false", "--dry-run"], 0));
    assert!(!scene.path("out").exists());
}

/// What `--output json` gives, in the words of `docs/plan.schema.json`.
#[test]
fn for_programs() {
    let scene = scene();
    let copy = [
        "copy",
        "--src",
        "store",
        "--dest",
        "./out",
        "--dry-run",
        "--output",
        "json",
    ];
    let args = [&copy[..], &["--platform", "linux/amd64,linux/arm64"]].concat();
    let said = scene.said(&args, 1);
    let without_space: Vec<String> = said
        .lines()
        .map(|line| match line.split_once("\"bytes_free\": ") {
            Some((before, _)) => format!("{before}\"bytes_free\": SPACE,"),
            None => line.to_owned(),
        })
        .collect();
    let version = concat!("transload ", env!("CARGO_PKG_VERSION"));
    assert_said!(without_space.join("\n").replace(version, "transload VERSION"));
}

/// `--output` is about the plan, on every command that has one.
#[test]
fn a_form_without_a_plan_is_refused() {
    let scene = scene();
    scene.write(
        "tasks.yaml",
        "- name: gather\n  image: {src: 'local://store', dest: 'local://out'}\n",
    );
    let said = scene.refusals(&[
        &["run", "tasks.yaml", "--output", "json"],
        &[
            "pull",
            "hub.example.com/team/app:v1",
            "--dest",
            "out",
            "--output",
            "json",
        ],
        &[
            "push",
            "--src",
            "store",
            "--dest",
            "hub.example.com",
            "--output",
            "text",
        ],
        &["copy", "--src", "store", "--dest", "./out", "--output", "json"],
    ]);
    assert_said!(said);
}

/// Every file below a folder, with its content and the time of its last change; folders have none of the former.
fn tree(folder: &Path) -> BTreeMap<String, (Option<Vec<u8>>, SystemTime)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let changed = |path: &Path| {
            let metadata = fs::symlink_metadata(path).expect("a file that is there");
            metadata.modified().expect("a filesystem with times")
        };
        found.insert(folder.display().to_string(), (None, changed(&folder)));
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let content = fs::read(&path).expect("a readable file");
                found.insert(path.display().to_string(), (Some(content), changed(&path)));
            }
        }
    }
    found
}

/// Nothing is made, written or even touched: neither at the ends nor in the user's home.
#[test]
fn a_plan_makes_nothing_and_writes_nothing() {
    let scene = scene();
    let registry = ScriptedRegistry::start();
    let other = samples::single(Family::Oci, "linux/amd64", 7);
    registry.put_image("team/new", "v1", &other);
    store_with(&scene, "other", "hub.example.com", "team/other", "v1", &other);
    let image = format!("{}/team/new:v1", registry.host());
    scene.write(
        "tasks.yaml",
        &format!("- name: gather\n  image: {{manifests: ['{image}'], dest: 'local://other', auths: [{{repo: {}, plain_http: true}}]}}\n", registry.host()),
    );
    let commands: [&[&str]; 5] = [
        &["copy", "--src", "store", "--dest", "./out", "--dry-run"],
        &[
            "copy",
            "--src",
            "store",
            "--dest",
            "./other",
            "--dry-run",
            "--output",
            "json",
        ],
        &["pull", &image, "--dest", "other", "--plain-http", "--dry-run"],
        &[
            "push",
            "--src",
            "store",
            "--dest",
            registry.host(),
            "--plain-http",
            "--dry-run",
        ],
        &["run", "tasks.yaml", "--dry-run"],
    ];
    let before = tree(scene.dir.path());
    for args in commands {
        let program = scene.program(args);
        let home = program.home().to_owned();
        let kept = tempfile::tempdir().expect("a temporary folder");
        let output = program.env("XDG_STATE_HOME", kept.path()).run().expect_code(0);
        assert!(
            output.stdout.contains("to_move")
                || output.stdout.contains("  total: 1 image")
                || output.stdout.contains("  total: 2 images"),
            "{}",
            output.stdout
        );
        assert_eq!(
            fs::read_dir(kept.path()).expect("a folder").count(),
            0,
            "{args:?}"
        );
        assert!(!home.join(".local").exists(), "{args:?}");
        assert_eq!(tree(scene.dir.path()), before, "{args:?}");
    }
    assert_eq!(registry.tags("team/new"), ["v1"]);
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        assert_eq!(registry.log().count(method, ""), 0, "{method}");
    }
}

/// As many as a release of Kubernetes has, with layers in common.
#[test]
fn sixty_images_take_a_line_each_and_the_totals_come_last() {
    let registry = ScriptedRegistry::start();
    let scene = Scene::new();
    let mut list = String::new();
    for number in 0..60 {
        let name = format!("team/{}-{number}", "component".repeat(1 + number % 3));
        registry.put_image(
            &name,
            "v1.34.1",
            &samples::multi_platform(Family::Oci, number as u64 % 40),
        );
        list += &format!("{}/{name}:v1.34.1\n", registry.host());
    }
    scene.write("images.txt", &list);
    let output = scene.run(
        &[
            "pull",
            "--images-file",
            "images.txt",
            "--dest",
            "out",
            "--plain-http",
            "--dry-run",
        ],
        0,
    );
    let lines: Vec<&str> = output.stdout.lines().collect();
    let images: Vec<&&str> = lines.iter().filter(|line| line.starts_with("  move ")).collect();
    assert_eq!(images.len(), 60, "{}", output.stdout);
    let columns: Vec<Option<usize>> = images.iter().map(|line| line.find(registry.host())).collect();
    assert!(
        columns.iter().all(|at| *at == columns[0]),
        "the names aren't aligned:\n{}",
        output.stdout
    );
    assert!(lines.len() < 70, "{} lines:\n{}", lines.len(), output.stdout);
    assert!(
        lines.iter().all(|line| line.chars().count() <= 160),
        "{}",
        output.stdout
    );
    let last = lines.last().expect("a last line");
    assert!(last.starts_with("  total: 60 images (60 to move); "), "{last}");
}
