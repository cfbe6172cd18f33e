//! Files that are named on the command line.

use super::{Scene, image};

#[test]
fn a_file_of_images_may_have_comments_blank_lines_globs_and_marks_of_windows() {
    let scene = Scene::with_tags(&["v1", "v2", "v2.1", "v3"]);
    let host = scene.registry.host();
    let list = format!(
        "\u{feff}# the release\r\n\r\n  {host}/team/app:v1   # with a comment\r\n\t\r\n{host}/team/app:v2*\t# and a glob\r\n#{host}/team/app:v3\r\n"
    );
    scene.write("images.txt", &list);
    scene.pull(&["--images-file", "images.txt"], 0);
    assert_eq!(scene.held("out"), ["team/app:v1", "team/app:v2", "team/app:v2.1"]);
    // The same list says what stays, and comes by stdin.
    let keep = list.replace("v2*", "v2.*");
    scene
        .program(["prune", "out", "--yes", "--keep-file", "-"])
        .stdin(keep)
        .run()
        .expect_code(0);
    assert_eq!(scene.held("out"), ["team/app:v1", "team/app:v2.1"]);
    // A # within a name is no comment.
    scene.write("images.txt", format!("{host}/team/app:v1\n{host}/team/app#1\n"));
    let output = scene.pull(&["--images-file", "images.txt"], 2);
    assert!(
        output.stderr.starts_with("error: images.txt:2:1: "),
        "{}",
        output.stderr
    );
}

#[test]
fn every_file_that_is_read_may_be_stdin() {
    let scene = Scene::with_tags(&["v1"]);
    let name = scene.name("team/app:v1");
    let run = |args: &[&str], stdin: &str, code: i32| {
        let program = scene
            .program(args.iter().copied())
            .args(["--dry-run", "--retries", "0"]);
        program.stdin(stdin).run().expect_code(code)
    };
    let auths = format!("- {{repo: '{}', plain_http: true}}\n", scene.registry.host());
    let task = format!(
        "- image: {{manifests: ['{{{{ .name }}}}'], dest: 'local://out', auths: [{{repo: '{}', plain_http: true}}]}}\n",
        scene.registry.host()
    );
    scene.write("tasks.yaml", &task);
    run(
        &["pull", "--images-file", "-", "--plain-http", "--dest", "out"],
        &name,
        0,
    );
    run(&["pull", &name, "--auths", "-", "--dest", "out"], &auths, 0);
    run(
        &["run", "tasks.yaml", "--vars", "-"],
        &format!("name: {name}\n"),
        0,
    );
    run(&["run", "-", "--set", &format!("name={name}")], &task, 0);
    // Twice can't be.
    let output = run(
        &["pull", "--images-file", "-", "--auths", "-", "--dest", "out"],
        &name,
        2,
    );
    assert!(
        output.stderr.contains(
            "standard input: it is used twice, and can be read only once\n  hint: give - for one file only"
        ),
        "{}",
        output.stderr
    );
}

#[test]
fn the_authorities_of_a_registry_may_come_from_stdin() {
    use transload_test_support::scripted::{Options, ScriptedRegistry, Tls};
    let registry = ScriptedRegistry::with(Options {
        tls: Tls::Server,
        ..Options::default()
    });
    registry.put_image("team/app", "v1", &image());
    let authorities = std::fs::read_to_string(registry.ca_file()).expect("a certificate");
    let scene = Scene::with_tags(&[]);
    let name = format!("{}/team/app:v1", registry.host());
    let args = ["pull", &name, "--ca-file", "-", "--dest", "out", "--retries", "0"];
    scene.program(args).stdin(authorities).run().expect_code(0);
    scene.program(args).stdin("no certificate").run().expect_code(2);
}
