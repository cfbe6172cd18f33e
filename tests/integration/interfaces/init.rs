//! `transload init`.

use std::fs;

use super::{Scene, image};

#[test]
fn a_task_file_is_written_and_never_over_another_one_unasked() {
    let scene = Scene::with_tags(&[]);
    let init = |args: &[&str], code: i32| scene.program([&["init"], args].concat()).run().expect_code(code);
    let stdout = init(&["-"], 0);
    assert_eq!(stdout.stderr, "");
    let output = init(&[], 0);
    assert_eq!(output.stdout, "");
    assert_eq!(
        output.stderr,
        "wrote tasks.yaml: edit it, then see what it would do with `transload run tasks.yaml --dry-run`\n"
    );
    let read = |name: &str| fs::read_to_string(scene.path(name)).expect("a text");
    assert_eq!(read("tasks.yaml"), stdout.stdout);
    scene.write("mine.yaml", "mine\n");
    let output = init(&["mine.yaml"], 2);
    assert_eq!(
        output.stderr,
        "error: mine.yaml: this exists already, and stays as it is\n  hint: give another name, - for stdout, or --force to replace it\n"
    );
    assert_eq!(read("mine.yaml"), "mine\n");
    init(&["mine.yaml", "--force"], 0);
    assert_eq!(read("mine.yaml"), stdout.stdout);
    assert!(
        init(&["no/such/tasks.yaml"], 2)
            .stderr
            .starts_with("error: no/such/tasks.yaml: it can't be written: ")
    );
}

#[test]
fn a_dry_run_accepts_what_is_written() {
    let scene = Scene::with_tags(&[]);
    for (repository, tag) in [("k8s/pause", "3.10"), ("k8s/library/alpine", "3.20")] {
        let index = transload_test_support::image::samples::index_of(
            transload_test_support::image::Family::Oci,
            &["linux/amd64", "linux/arm64/v8"],
            1,
        );
        scene.registry.put_image(repository, tag, &index);
    }
    let written = scene.program(["init", "-"]).run().expect_code(0).stdout;
    // The images come from a registry that is here, by the setting for a mirror.
    let mirror = format!("src: {}/k8s", scene.registry.host());
    let tasks = written.replacen("#src: mirror.example.com/k8s", &mirror, 1);
    assert_ne!(tasks, written);
    let with_auths = tasks.replacen("    #auths:\n", "    auths: [{plain_http: true}]\n", 1);
    let output = scene
        .program(["run", "-", "--dry-run"])
        .stdin(with_auths)
        .run()
        .expect_code(0);
    assert!(output.stdout.contains("/k8s/pause:3.10"), "{}", output.stdout);
    assert!(
        output.stderr.contains("skipped push the directory to a registry"),
        "{}",
        output.stderr
    );
}

#[test]
fn the_schema_is_that_of_the_documentation() {
    let scene = Scene::with_tags(&["v1"]);
    scene.registry.put_image("team/app", "v1", &image());
    let printed = scene
        .program(["init", "--schema", "-"])
        .run()
        .expect_code(0)
        .stdout;
    assert_eq!(printed, include_str!("../../../docs/task.schema.json"));
    scene.program(["init", "--schema"]).run().expect_code(0);
    assert_eq!(
        fs::read_to_string(scene.path("task.schema.json")).expect("a text"),
        printed
    );
}
