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
