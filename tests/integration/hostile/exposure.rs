//! Passwords, and who could read them.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use transload_test_support::scripted::{Authentication, Options};

use super::*;

/// `tester:Pa55-hunter2+word`, as Basic credentials have it.
const BASIC: &str = "dGVzdGVyOlBhNTUtaHVudGVyMit3b3Jk";

fn write(path: &Path, text: &str, mode: u32) {
    fs::create_dir_all(path.parent().expect("a path in a folder")).expect("a writable folder");
    fs::write(path, text).expect("a writable folder");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a file of this user");
}

fn warnings(output: &Output) -> Vec<&str> {
    output
        .stderr
        .lines()
        .filter(|line| line.contains("chmod 600"))
        .collect()
}

/// What is said of a file that others may use, in this way.
fn warning(path: &str, what: &str, mode: u32) -> String {
    format!("other users may {what} the secrets in {path} (mode {mode:03o}): chmod 600 {path}")
}

#[test]
fn files_of_secrets_that_others_may_read_or_change_are_warned_of_once() {
    let (_registry, _, name) = good();
    let secret = format!("- {{repo: hub.example, username: tester, password: {PASSWORD}}}\n");
    let task = |password: &str| {
        format!(
            "- image: {{manifests: '{name}', dest: 'local://images', auths: [{{repo: hub.example, username: tester, password: {password}}}]}}\n"
        )
    };
    let modes = [
        (0o644, Some("read")),
        (0o640, Some("read")),
        (0o620, Some("change")),
        (0o666, Some("read and change")),
        (0o600, None),
        (0o400, None),
    ];
    let arena = Arena::new();
    let path = |name: &str| arena.here().join(name);
    for (number, (mode, what)) in modes.into_iter().enumerate() {
        // Every mode with a file of one kind, and each kind with a mode.
        for (holder, args) in [
            (
                "auths.yaml",
                &["pull", &name, "--dest", "images", "--auths", "auths.yaml"][..],
            ),
            (
                "vars.yaml",
                &["run", "task.yaml", "--vars", "vars.yaml", "--vars", "vars.yaml"],
            ),
            ("literal.yaml", &["run", "literal.yaml"]),
        ]
        .into_iter()
        .take(if number == 0 { 3 } else { 1 })
        {
            write(&path("auths.yaml"), &secret, mode);
            write(&path("vars.yaml"), &format!("password: {PASSWORD}\n"), mode);
            write(&path("task.yaml"), &task("'{{ .password }}'"), mode);
            write(&path("literal.yaml"), &task(PASSWORD), mode);
            let output = arena.program(args).run().expect_code(0);
            arena.check(&output, holder);
            let expected: Vec<String> = what
                .iter()
                .map(|what| format!("warning: {}", warning(holder, what, mode)))
                .collect();
            assert_eq!(warnings(&output), expected, "{holder} {mode:o}");
            assert!(!output.stderr.contains(PASSWORD));
        }
    }
    write(&path("auths.yaml"), &secret, 0o644);
    let quiet = [
        "pull",
        &name,
        "--dest",
        "images",
        "--auths",
        "auths.yaml",
        "--quiet",
    ];
    let output = arena.program(&quiet).run().expect_code(0);
    assert_eq!(warnings(&output), [] as [&str; 0]);
    // What holds no secret is anybody's.
    for (holder, text, args) in [
        (
            "auths.yaml",
            "- {repo: hub.example, insecure: true}\n",
            &["pull", &name, "--dest", "images", "--auths", "auths.yaml"][..],
        ),
        (
            "auths.yaml",
            "[]\n",
            &["pull", &name, "--dest", "images", "--auths", "auths.yaml"],
        ),
        (
            "vars.yaml",
            "registry: hub.example\npassword: ''\n",
            &["run", "open.yaml", "--vars", "vars.yaml"],
        ),
    ] {
        write(&path(holder), text, 0o644);
        write(
            &path("open.yaml"),
            &format!("- image: {{manifests: '{name}', dest: 'local://images'}}\n"),
            0o644,
        );
        let output = arena.program(args).run().expect_code(0);
        assert_eq!(warnings(&output), [] as [&str; 0], "{text}");
    }
}

#[test]
fn credential_files_of_other_tools_are_warned_of_once() {
    let registry = ScriptedRegistry::with(Options {
        authentication: Authentication::Basic,
        ..Options::default()
    });
    let arena = Arena::new();
    let names = [evil(&registry), format!("{}/evil/other:v1", registry.host())];
    let with_secret = json!({"auths": {registry.host(): {"auth": BASIC}}}).to_string();
    let with_token = json!({"auths": {"other.example": {"identitytoken": "abcdef"}}}).to_string();
    let without =
        json!({"auths": {"other.example": {}}, "credsStore": "", "credHelpers": {"third.example": "x"}})
            .to_string();
    for (file, variable) in [("auth.json", "REGISTRY_AUTH_FILE"), (".docker/config.json", "")] {
        for (text, mode, what) in [
            (&with_secret, 0o644, Some("read")),
            (&with_token, 0o604, Some("read")),
            (&with_secret, 0o622, Some("change")),
            (&with_secret, 0o600, None),
            (&without, 0o644, None),
        ] {
            let program = arena.program(&["pull", "--dest", "images", "--plain-http", &names[0], &names[1]]);
            let program = if variable.is_empty() {
                program.env("REGISTRY_AUTH_FILE", "")
            } else {
                program
            };
            let path = program.home().join(file);
            write(&path, text, mode);
            let output = program.run().expect_code(1);
            let expected: Vec<String> = what
                .iter()
                .map(|what| warning(&path.display().to_string(), what, mode))
                .collect();
            let told = warnings(&output);
            assert_eq!(told.len(), expected.len(), "{file} {mode:o}\n{}", output.stderr);
            assert!(
                told.iter()
                    .zip(&expected)
                    .all(|(told, expected)| told.ends_with(expected)),
                "{told:?}"
            );
            assert!(!output.stderr.contains(BASIC));
        }
    }
}

/// What a run is given in files is in no list of processes, and in no child's environment.
#[test]
fn passwords_are_in_no_list_of_processes_and_not_handed_to_helpers() {
    let registry = ScriptedRegistry::with(Options {
        authentication: Authentication::Basic,
        ..Options::default()
    });
    let arena = Arena::new();
    let (auths, vars, task) = (
        arena.here().join("auths.yaml"),
        arena.here().join("vars.yaml"),
        arena.here().join("task.yaml"),
    );
    write(
        &auths,
        &format!("- {{repo: other.example, username: tester, password: {PASSWORD}}}\n"),
        0o600,
    );
    write(&vars, &format!("password: {PASSWORD}\n"), 0o600);
    let entry = "{repo: other.example, username: tester, password: '{{ .password }}'}";
    write(
        &task,
        &format!(
            "- image: {{manifests: '{}', dest: 'local://images', auths: [{entry}]}}\n",
            evil(&registry)
        ),
        0o600,
    );
    // The helper tells what it sees: its environment, its arguments, and those of the program that called it.
    let seen = arena.here().join("seen");
    let script = format!(
        "#!/bin/sh\ncat > /dev/null\n{{ env; echo \"$@\"; tr '\\0' '\\n' < /proc/$PPID/cmdline; tr '\\0' '\\n' < /proc/$PPID/environ; }} >> {}\n\
         echo 'credentials not found in native keychain'; exit 1\n",
        seen.display()
    );
    write(&arena.here().join("bin/docker-credential-seen"), &script, 0o755);
    let path = format!(
        "{}:{}",
        arena.here().join("bin").display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let pulled = evil(&registry);
    for args in [
        &["pull", &pulled, "--dest", "images", "--auths", "auths.yaml"][..],
        &["run", "task.yaml", "--vars", "vars.yaml"],
    ] {
        fs::remove_file(&seen).ok();
        let program = arena.program(args).env("PATH", &path);
        write(
            &program.home().join("auth.json"),
            &json!({"credsStore": "seen"}).to_string(),
            0o600,
        );
        program.run().expect_code(1);
        let seen = fs::read_to_string(&seen).unwrap_or_default();
        assert!(
            seen.contains("\nget\n") && seen.contains(args[0]),
            "the helper wasn't asked: {seen}"
        );
        assert!(!seen.contains(PASSWORD), "{seen}");
    }
    let help = Transload::new()
        .args(["run", "--help"])
        .run()
        .expect_code(0)
        .stdout;
    let words: Vec<&str> = help.split_whitespace().collect();
    let advice = "keep passwords in a file for --vars";
    assert!(words.join(" ").contains(advice), "{help}");
}

/// A proxy's address may have a password in it.
#[test]
fn the_password_of_a_proxy_is_not_shown() {
    let arena = Arena::new();
    for url in [
        format!("http://tester:{PASSWORD}@127.0.0.1:1"),
        format!("http://tester:{PASSWORD}@"),
        format!("nonsense://tester:{PASSWORD}@x"),
    ] {
        for (more, rust_log) in [
            (&[][..], ""),
            (&["-vvv"], ""),
            (&[], "trace,ureq=trace,ureq_proto=trace"),
        ] {
            let args = [&["pull", "hub.example/a:1", "--dest", "images"], more].concat();
            let program = arena.program(&args).env("HTTPS_PROXY", &url);
            let program = if rust_log.is_empty() {
                program
            } else {
                program.env("RUST_LOG", rust_log)
            };
            let output = program.run();
            assert!(matches!(output.code, Some(1 | 2)), "{}", output.stderr);
            let said = format!("{}{}", output.stdout, output.stderr);
            assert!(
                !said.contains(PASSWORD) && !said.contains(BASIC),
                "{more:?} {rust_log}: {said}"
            );
        }
    }
}

/// Only root can play another user.
#[test]
fn what_another_user_laid_in_a_shared_directory_is_not_written_through() {
    use std::os::unix::fs::{MetadataExt, lchown, symlink};
    let arena = Arena::new();
    let registry = ScriptedRegistry::start();
    registry.put_image("team/app", "v1", &samples::single(Family::Oci, "linux/amd64", 1));
    let image = format!("{}/team/app:v1", registry.host());
    let shared = arena.here().join("shared");
    fs::create_dir(&shared).expect("a folder");
    if shared.metadata().expect("a folder").uid() != 0 {
        return;
    }
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).expect("a mode");
    let precious = arena.here().join("precious");
    fs::write(&precious, "").expect("a file");
    symlink(&precious, shared.join("link")).expect("a link");
    lchown(shared.join("link"), Some(12345), None).expect("another owner");
    for flag in ["--report", "--lock"] {
        let args = [
            "pull",
            &image,
            "--plain-http",
            "--dest",
            "out",
            flag,
            "shared/link",
        ];
        let output = arena.program(&args).run().expect_code(2);
        assert!(
            output.stderr.contains("shared/link belongs to another user")
                && output.stderr.contains("hint: choose"),
            "{}",
            output.stderr
        );
        assert!(registry.log().requests().is_empty(), "nothing is asked before");
        assert_eq!(fs::read_to_string(&precious).expect("the file"), "");
    }
    lchown(shared.join("link"), Some(0), None).expect("an own link");
    let args = [
        "pull",
        &image,
        "--plain-http",
        "--dest",
        "out",
        "--report",
        "shared/link",
    ];
    arena.program(&args).run().expect_code(0);
    assert!(
        fs::read_to_string(&precious)
            .expect("the file")
            .contains("\"status\"")
    );
}
