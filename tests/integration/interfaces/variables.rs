//! Flags by variables of the environment.

use super::Scene;

#[test]
fn variables_stand_for_flags_and_flags_win() {
    let scene = Scene::with_tags(&["v1"]);
    let name = scene.name("team/app:v1");
    let args = ["pull", &name, "--dest", "out", "--dry-run"];
    let plain = || {
        scene
            .program(args)
            .env("TRANSLOAD_RETRIES", "0")
            .env("TRANSLOAD_PLAIN_HTTP", "1")
    };
    plain().run().expect_code(0);
    plain()
        .env("TRANSLOAD_PLATFORM", "linux/s390x")
        .run()
        .expect_code(1);
    plain()
        .env("TRANSLOAD_PLATFORM", "linux/s390x")
        .env("TRANSLOAD_POLICY", "warn")
        .run()
        .expect_code(0);
    plain()
        .env("TRANSLOAD_PLATFORM", "linux/s390x")
        .args(["--platform", "linux/amd64"])
        .run()
        .expect_code(0);
    scene.write(
        "auths.yaml",
        format!("- {{repo: '{}', plain_http: true}}\n", scene.registry.host()),
    );
    scene
        .program(args)
        .env("TRANSLOAD_AUTHS", "auths.yaml")
        .run()
        .expect_code(0);
    // A switch can be off, and an empty variable is none: --locked needs --lock.
    for (value, code) in [("no", 0), ("0", 0), ("", 0), ("False", 0), ("YES", 2), ("1", 2)] {
        plain().env("TRANSLOAD_LOCKED", value).run().expect_code(code);
    }
    plain().env("TRANSLOAD_JOBS", "").run().expect_code(0);
    let quiet = plain().env("TRANSLOAD_QUIET", "1").run().expect_code(0);
    assert!(quiet.stdout.contains("team/app:v1"), "{}", quiet.stdout);
}

/// Who typed nothing wrong is told where it comes from.
#[test]
fn a_wrong_variable_is_named() {
    let scene = Scene::with_tags(&[]);
    for (variable, value, flag) in [
        ("TRANSLOAD_INSECURE", "maybe", "'--insecure'"),
        ("TRANSLOAD_JOBS", "many", "'--jobs <N>'"),
        ("TRANSLOAD_POLICY", "lax", "'--policy <POLICY>'"),
    ] {
        let program = scene
            .program(["pull", "alpine", "--dest", "out"])
            .env(variable, value);
        let output = program.run().expect_code(2);
        assert!(output.stderr.contains(flag), "{}", output.stderr);
        assert!(
            output
                .stderr
                .ends_with(&format!("\nSet in the environment: {variable}.\n")),
            "{}",
            output.stderr
        );
    }
    let help = scene
        .program(["pull", "--help"])
        .env("TRANSLOAD_AUTHS", "/home/me/secret.yaml")
        .run()
        .expect_code(0);
    assert!(help.stdout.contains("[env: TRANSLOAD_AUTHS]"), "{}", help.stdout);
    assert!(!help.stdout.contains("secret.yaml"), "{}", help.stdout);
}

/// What is set for all commands gives way where a command has no use for it, or a flag excludes it.
#[test]
fn a_variable_never_breaks_a_command_that_it_is_not_for() {
    let scene = Scene::with_tags(&["v1"]);
    let name = scene.name("team/app:v1");
    let pull = ["pull", &name, "--dest", "out"];
    for (args, variables, code) in [
        // The form of a plan, or of a list, is nothing to a transfer, nor to another command.
        (
            &pull[..],
            &[("TRANSLOAD_OUTPUT", "json"), ("TRANSLOAD_PLAIN_HTTP", "1")][..],
            0,
        ),
        (&["list", "out"], &[("TRANSLOAD_OUTPUT", "tree")], 0),
        (&["verify", "out"], &[("TRANSLOAD_OUTPUT", "tree")], 0),
        (
            &["inspect", &name, "--src", "out", "--raw"],
            &[
                ("TRANSLOAD_OUTPUT", "json"),
                ("TRANSLOAD_PLATFORM", "linux/amd64,linux/arm64"),
            ],
            0,
        ),
        // A report is of a transfer.
        (
            &[&pull[..], &["--dry-run"]].concat(),
            &[("TRANSLOAD_REPORT", "report.json"), ("TRANSLOAD_PLAIN_HTTP", "1")],
            0,
        ),
        (&["list", "out", "-v"], &[("TRANSLOAD_QUIET", "1")], 0),
        (&["list", "out", "-q"], &[("TRANSLOAD_VERBOSE", "2")], 0),
        // No registry takes part.
        (
            &["copy", "--src", "out", "--dest", "./copy"],
            &[("TRANSLOAD_PLAIN_HTTP", "1"), ("TRANSLOAD_CREATE_PROJECTS", "1")],
            0,
        ),
        (
            &["copy", "--src", "out", "--dest", "./copy", "--plain-http"],
            &[],
            2,
        ),
        (
            &["inspect", &name, "--tls-verify=true", "--plain-http"],
            &[("TRANSLOAD_INSECURE", "1")],
            0,
        ),
        (
            &["version"],
            &[("TRANSLOAD_JOBS", "many"), ("TRANSLOAD_POLICY", "lax")],
            0,
        ),
    ] {
        let program = variables
            .iter()
            .fold(scene.program(args.iter().copied()), |program, (name, value)| {
                program.env(*name, *value)
            });
        let output = program.run();
        assert_eq!(
            output.code,
            Some(code),
            "{args:?} {variables:?}\n{}",
            output.stderr
        );
    }
}
