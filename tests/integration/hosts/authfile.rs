//! `--authfile`: the one file that logins are in.

use std::fs;

use serde_json::json;
use transload_test_support::RealRegistry;
use transload_test_support::image::{Family, samples};
use transload_test_support::real::{Auth, PASSWORD, Tls, USER};

use super::{Machine, assert_said, mode};

#[test]
fn every_command_logs_in_with_the_file_that_login_wrote_and_logout_empties() {
    let mut machine = Machine::plain();
    let registry = RealRegistry::start(Tls::Off, Auth::Htpasswd);
    registry.push("team/app", "v1", &samples::single(Family::Oci, "linux/amd64", 1));
    let host = registry.host();
    machine.scene.name(host, "hub.local");
    let name = format!("{host}/team/app:v1");
    let here = |args: &[&str]| {
        let args = [args, &["--authfile", "auth.json"]].concat();
        machine.run(&args, PASSWORD, 0)
    };
    here(&["login", host, "--username", USER, "--password-stdin"]);
    assert_eq!(mode(machine.scene.path("auth.json")), 0o600);
    here(&["check", &name]);
    here(&["inspect", &name]);
    here(&["pull", &name, "--dest", "./images"]);
    here(&["push", "--src", "./images", "--dest", &format!("{host}/mirror")]);
    here(&["diff", "./images", host, "--one-way"]);
    here(&["inventory", host, "--out", "have.tli"]);
    let have = fs::read_to_string(machine.scene.path("have.tli")).expect("an inventory");
    assert!(have.contains(&name), "{have}");
    here(&["copy", &name, "--dest", "bundle:./bundle"]);
    here(&["verify", "bundle:./bundle", "--against", host]);
    here(&[
        "copy",
        "--src",
        "bundle:./bundle",
        "--dest",
        host,
        "--receipt",
        "receipt.json",
    ]);
    here(&["verify", "--receipt", "receipt.json", "--against", host]);
    here(&["logout", host]);
    let left = fs::read_to_string(machine.scene.path("auth.json")).expect("the file stays");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&left).expect("JSON"),
        json!({"auths": {}})
    );
    let args = ["logout", host, "--authfile"];
    let mut said = machine.said(&[&args[..], &["auth.json"]].concat(), "", 0);
    said += &machine.said(&[&args[..], &["missing.json"]].concat(), "", 2);
    assert_said!(said);
}

#[test]
fn a_bare_name_in_the_environment_is_a_file_in_the_current_directory() {
    for variable in ["REGISTRY_AUTH_FILE", "TRANSLOAD_AUTHFILE"] {
        let mut machine = Machine::plain();
        machine.envs.push((variable, "auth.json".to_owned()));
        let args = ["login", "hub.local", "-u", USER, "--password-stdin", "--no-check"];
        machine.run(&args, PASSWORD, 0);
        let entries = fs::read_to_string(machine.scene.path("auth.json")).expect("a file");
        assert!(entries.contains("hub.local"), "{variable}: {entries}");
        let output = machine.run(&["logout", "hub.local"], "", 0);
        assert!(
            output.stdout.starts_with("logged out"),
            "{variable}: {}",
            output.stdout
        );
    }
}
