//! Credential helpers: `store` and `erase`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use transload_test_support::RealRegistry;
use transload_test_support::real::{Auth, PASSWORD, Tls, USER};

use super::{Machine, assert_said};

/// A helper that keeps what it is given in a file beside it, and notes what it is asked. In place of its keeper it can be locked.
const HELPER: &str = r#"#!/bin/sh
here=$(dirname "$0")
read -r input
echo "$1" >> "$here/asked"
[ -e "$here/locked" ] && { echo 'the keychain is locked' >&2; exit 1; }
case $1 in
store) echo "$input" > "$here/kept";;
get) [ -e "$here/kept" ] || { echo 'credentials not found in native keychain'; exit 1; }; cat "$here/kept";;
erase) rm "$here/kept";;
esac
"#;

fn with_helper(registry: &str, config: &Value) -> Machine {
    let mut machine = Machine::plain();
    machine.scene.name(registry, "hub.local");
    machine.write("bin/docker-credential-scripted", HELPER);
    let program = machine.path("bin/docker-credential-scripted");
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).expect("a file of this user");
    let path = std::env::var("PATH").expect("a search path");
    let bin = machine.path("bin").display().to_string();
    machine.envs.push(("PATH", format!("{bin}:{path}")));
    machine.write(".docker/config.json", &config.to_string());
    machine
}

fn text(machine: &Machine, name: &str) -> String {
    fs::read_to_string(machine.path(name)).unwrap_or_default()
}

#[test]
fn a_helper_that_the_file_names_keeps_the_password_and_the_file_does_not() {
    let registry = RealRegistry::start(Tls::Off, Auth::Htpasswd);
    let host = registry.host();
    for config in [
        json!({"credsStore": "scripted", "auths": {host: {"auth": "b2xkOm9sZA=="}}}),
        json!({"credHelpers": {host: "scripted"}}),
    ] {
        let machine = with_helper(host, &config);
        let mut said = machine.log_in(host);
        let kept: Value = serde_json::from_str(&text(&machine, "bin/kept")).expect("JSON");
        assert_eq!(
            kept,
            json!({"ServerURL": host, "Username": USER, "Secret": PASSWORD})
        );
        let mut expected = config.clone();
        expected["auths"] = json!({host: {}});
        assert_eq!(machine.json(".docker/config.json"), expected);
        machine.run(&["check", host], "", 0);
        said += &machine.said(&["logout", host], "", 0);
        said += &machine.said(&["logout", host], "", 0);
        assert_eq!(text(&machine, "bin/kept"), "");
        assert_eq!(machine.json(".docker/config.json")["auths"], json!({}));
        assert_said!(said);
    }
}

#[test]
fn a_helper_that_fails_is_told_and_a_namespace_is_not_its_to_keep() {
    let registry = RealRegistry::start(Tls::Off, Auth::Htpasswd);
    let machine = with_helper(
        registry.host(),
        &json!({"credHelpers": {registry.host(): "scripted"}}),
    );
    let args = |name: &str| ["login", name, "--username", USER, "--password-stdin"].map(str::to_owned);
    let team = args(&format!("{}/team", registry.host()));
    let mut said = machine.said(&team.each_ref().map(String::as_str), PASSWORD, 1);
    machine.write("bin/locked", "");
    let all = args(registry.host());
    said += &machine.said(&all.each_ref().map(String::as_str), PASSWORD, 1);
    said += &machine.said(&["logout", registry.host()], "", 1);
    assert_eq!(text(&machine, "bin/kept"), "");
    assert!(!said.contains(PASSWORD), "{said}");
    assert_said!(said);
}
