//! Asking for a password on a terminal.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use serde_json::json;
use transload_test_support::RealRegistry;
use transload_test_support::image::{Family, samples};
use transload_test_support::real::{Auth, PASSWORD, Tls, USER};

use super::Machine;
use crate::messages::store_with;

/// What a person sees who answers each question once it is there, and the exit status. `script` is the terminal.
fn talk(machine: &Machine, args: &[&str], answers: &[(&str, &str)]) -> (String, Option<i32>) {
    let program = machine.scene.program(&[]).program().display().to_string();
    let command = format!("{program} {}", args.join(" "));
    std::fs::create_dir_all(machine.path("")).expect("a writable folder");
    let mut child = Command::new("script")
        .args([
            "--quiet",
            "--return",
            "--flush",
            "--command",
            &command,
            "/dev/null",
        ])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", machine.path(""))
        .env("SHELL", "/bin/sh")
        .envs(machine.envs.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("no script (Debian package bsdutils): {error}"));
    let mut keys = child.stdin.take().expect("stdin is piped");
    let mut screen = child.stdout.take().expect("stdout is piped");
    let mut seen: Vec<u8> = Vec::new();
    let mut from = 0;
    let mut byte = [0];
    for (question, answer) in answers {
        // The program has a time limit of its own for whatever it waits for but these.
        while !String::from_utf8_lossy(&seen[from..]).contains(question) {
            let count = screen.read(&mut byte).unwrap_or(0);
            assert!(
                count > 0,
                "no \"{question}\" in {}",
                String::from_utf8_lossy(&seen)
            );
            seen.push(byte[0]);
        }
        from = seen.len();
        keys.write_all(answer.as_bytes())
            .expect("somebody reads the keys");
    }
    // A terminal that is gone is told as an error.
    while screen.read(&mut byte).is_ok_and(|count| count > 0) {
        seen.push(byte[0]);
    }
    drop(keys);
    let code = child.wait().expect("the program ends").code();
    (String::from_utf8_lossy(&seen).into_owned(), code)
}

#[test]
fn a_password_is_asked_for_and_not_shown() {
    let machine = Machine::plain();
    let registry = RealRegistry::start(Tls::Off, Auth::Htpasswd);
    let host = registry.host();
    let answers = [
        ("User name for", "tester\n"),
        ("Password of tester: ", "wrong\u{15}correct:horsf\u{7f}e\r"),
    ];
    let (seen, code) = talk(&machine, &["login", host], &answers);
    assert_eq!(code, Some(0), "{seen}");
    assert!(
        seen.contains(&format!("logged in to {host} as {USER}: accepted")),
        "{seen}"
    );
    for secret in [PASSWORD, "wrong", "horsf"] {
        assert!(!seen.contains(secret), "{seen}");
    }
    let entry = machine.json(".docker/config.json")["auths"][host].clone();
    assert_eq!(entry, json!({"auth": "dGVzdGVyOmNvcnJlY3Q6aG9yc2U="}));
}

#[test]
fn ctrl_c_ends_the_question_and_stores_nothing() {
    let machine = Machine::new();
    let answers = [("Password of tester: ", "corr\u{3}")];
    let args = ["login", "127.0.0.1:1", "--username", "tester"];
    let (seen, code) = talk(&machine, &args, &answers);
    assert_eq!(code, Some(130), "{seen}");
    assert!(!machine.path(".docker").exists());
}

#[test]
fn prune_asks_on_a_terminal_and_deletes_after_yes_alone() {
    let machine = Machine::plain();
    std::fs::create_dir_all(machine.path("")).expect("a writable folder");
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    for name in ["team/app", "team/web"] {
        store_with(
            &machine.scene,
            "home/store",
            "hub.example.com",
            name,
            "v1",
            &image,
        );
    }
    let store = machine.path("store").display().to_string();
    let args = ["prune", &store, "--keep-pattern", "team/app"];
    let web = machine.path("store/hub.example.com/team/web");
    for (answer, code, stays) in [("\n", 1, true), ("no\n", 1, true), ("y\n", 0, false)] {
        let (seen, status) = talk(&machine, &args, &[("Delete this? [y/N] ", answer)]);
        assert_eq!(status, Some(code), "{answer:?} {seen}");
        assert!(
            seen.contains("would remove  hub.example.com/team/web:v1"),
            "{seen}"
        );
        assert_eq!(seen.contains("Nothing was removed."), stays, "{seen}");
        assert_eq!(web.exists(), stays, "{answer:?}");
    }
    let (seen, status) = talk(&machine, &args, &[]);
    assert_eq!(status, Some(0), "nothing to delete, nothing to ask: {seen}");
}
