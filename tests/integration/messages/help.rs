//! `--help` of the program and of each command.

use super::{Scene, assert_said};

#[test]
fn the_program_tells_its_commands() {
    let scene = Scene::new();
    assert_said!(scene.said(&["--help"], 0));
    assert_said!("the_program_tells_its_commands_short", scene.said(&["-h"], 0));
    let without_arguments = scene.run(&[], 2);
    assert_eq!(without_arguments.stdout, "");
    assert_eq!(without_arguments.stderr, scene.run(&["-h"], 0).stdout);
}

#[test]
fn each_command_tells_its_arguments() {
    for command in [
        "run",
        "pull",
        "push",
        "copy",
        "list",
        "inspect",
        "diff",
        "verify",
        "prune",
        "login",
        "logout",
        "check",
        "init",
        "images",
        "completions",
        "man",
        "version",
        "serve",
    ] {
        assert_said!(command, Scene::new().said(&[command, "--help"], 0));
        assert_said!(format!("{command}_short"), Scene::new().said(&[command, "-h"], 0));
    }
}
