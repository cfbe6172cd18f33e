//! Where credentials go, and when they don't.

use std::fs;

use serde_json::{Value, json};
use transload_test_support::RealRegistry;
use transload_test_support::image::{Family, samples};
use transload_test_support::real::{Auth, PASSWORD, Tls, USER};
use transload_test_support::scripted::{
    Action, Authentication, Fault, Options, REFRESH_TOKEN, Reply, ScriptedRegistry,
};

use super::{Machine, assert_said, mode};

/// `tester:correct:horse` in base64.
const RIGHT: &str = "dGVzdGVyOmNvcnJlY3Q6aG9yc2U=";

const CONFIG: &str = ".docker/config.json";

fn tokens() -> Auth {
    Auth::Token {
        lifetime: std::time::Duration::from_secs(300),
    }
}

#[test]
fn a_password_is_stored_once_the_registry_has_accepted_it_and_used_from_then_on() {
    for auth in [Auth::Htpasswd, tokens()] {
        let mut machine = Machine::plain();
        let registry = RealRegistry::start(Tls::Off, auth);
        let host = registry.host().to_owned();
        machine.scene.name(&host, "hub.local");
        let image = samples::single(Family::Oci, "linux/amd64", 1);
        registry.push("team/app", "v1", &image);
        let said = machine.log_in(&host);
        assert_eq!(machine.json(CONFIG), json!({"auths": {&host: {"auth": RIGHT}}}));
        assert_eq!(
            (mode(machine.path(CONFIG)), mode(machine.path(".docker"))),
            (0o600, 0o700)
        );
        let name = format!("{host}/team/app:v1");
        if auth == Auth::Htpasswd {
            assert_said!("accepted", said);
            machine.run(&["pull", &name, "--dest", "./images"], "", 0);
        }
        machine.run(&["check", &name], "", 0);
        machine.run(&["logout", &host], "", 0);
        machine.run(&["check", &name], "", 1);
    }
}

#[test]
fn what_is_refused_or_cannot_be_tried_is_not_stored() {
    let mut machine = Machine::new();
    let registry = RealRegistry::start(Tls::Server, Auth::Htpasswd);
    machine.scene.name(registry.host(), "hub.local");
    let ca = registry.ca_file().display().to_string();
    machine.scene.name(&ca, "ca.pem");
    let host = registry.host();
    fn login<'a>(more: &[&'a str]) -> Vec<&'a str> {
        [&["login"], more, &["--username", USER, "--password-stdin"]].concat()
    }
    let token_server = ScriptedRegistry::with(Options::bearer(true));
    machine.scene.name(token_server.host(), "tokens.local");
    let said = [
        machine.said(&login(&[host, "--ca-file", &ca]), "wrong\n", 1),
        machine.said(&login(&[token_server.host(), "--plain-http"]), "wrong\n", 1),
        machine.said(&login(&[host]), PASSWORD, 1),
        machine.said(&login(&["127.0.0.1:1"]), PASSWORD, 1),
        machine.said(&login(&["127.0.0.1:1", "--ca-file", "missing.pem"]), PASSWORD, 2),
        machine.said(&login(&["https://someone:secret@hub.local/"]), PASSWORD, 2),
        machine.said(&login(&["hub.local/UPPER"]), PASSWORD, 2),
        machine.said(&login(&[host, "--password", PASSWORD]), "", 2),
        machine.said(&["login", host, "--password-stdin"], PASSWORD, 2),
        machine.said(&["login", host, "--username", USER], PASSWORD, 2),
        machine.said(
            &["login", host, "--username", "a:b", "--password-stdin"],
            PASSWORD,
            2,
        ),
        machine.said(&login(&[host]), "\n", 2),
    ];
    assert!(!machine.path(CONFIG).exists());
    let mut said = said.join("\n").replace(PASSWORD, "PASSWORD");
    said += &machine.said(&login(&["127.0.0.1:1", "--no-check"]), PASSWORD, 0);
    assert_eq!(
        machine.json(CONFIG),
        json!({"auths": {"127.0.0.1:1": {"auth": RIGHT}}})
    );
    assert_said!(said);
}

#[test]
fn a_password_among_the_arguments_is_warned_of_and_shown_nowhere() {
    let mut machine = Machine::plain();
    let registry = RealRegistry::start(Tls::Off, Auth::Htpasswd);
    machine.scene.name(registry.host(), "hub.local");
    let output = machine.run(
        &["login", registry.host(), "-u", USER, "-p", PASSWORD, "-vvv"],
        "",
        0,
    );
    assert!(
        output
            .stderr
            .starts_with("warning: others on this machine can read --password in the process list"),
        "{}",
        output.stderr
    );
    for text in [&output.stdout, &output.stderr] {
        assert!(!text.contains(PASSWORD) && !text.contains(RIGHT), "{text}");
    }
}

#[test]
fn everything_else_in_the_file_stays_and_a_link_stays_a_link() {
    let machine = Machine::plain();
    let registry = RealRegistry::start(Tls::Off, Auth::Htpasswd);
    let host = registry.host();
    let before = json!({
        "auths": {
            "other.example": {"auth": "b3RoZXI6eA==", "identitytoken": "kept"},
            format!("https://{host}/v2/"): {"auth": "b2xkOm9sZA==", "identitytoken": "old", "email": "a@b"},
        },
        "HttpHeaders": {"User-Agent": "Docker-Client"},
        "detachKeys": "ctrl-e,e",
    });
    machine.write("elsewhere/shared.json", &before.to_string());
    fs::create_dir_all(machine.path(".docker")).expect("a writable folder");
    std::os::unix::fs::symlink("../elsewhere/shared.json", machine.path(CONFIG)).expect("a link can be made");
    machine.log_in(host);
    let expected = |mut document: Value| {
        let entries = document["auths"].as_object_mut().expect("an object");
        entries.remove(&format!("https://{host}/v2/"));
        document
    };
    let mut after = expected(before.clone());
    after["auths"][host] = json!({"auth": RIGHT, "email": "a@b"});
    assert_eq!(machine.json("elsewhere/shared.json"), after);
    let link = fs::symlink_metadata(machine.path(CONFIG)).expect("a link that is there");
    assert!(link.is_symlink());
    let names: Vec<_> = fs::read_dir(machine.path("elsewhere"))
        .expect("a folder")
        .collect();
    assert_eq!(names.len(), 1, "{names:?}");

    machine.run(&["logout", host], "", 0);
    assert_eq!(machine.json(CONFIG), expected(before));
}

#[test]
fn the_file_is_the_one_that_is_looked_into_first() {
    let registry = RealRegistry::start(Tls::Off, Auth::Htpasswd);
    let host = registry.host();
    let podman = ".config/containers/auth.json";
    let of_host = json!({"auths": {host: {"auth": "b2xkOm9sZA=="}}}).to_string();
    // What there is before, what the environment says, and where the password goes.
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [(&'static str, &'a str)], &'a str);
    let cases: [Case<'_>; 7] = [
        (&[], &[], CONFIG),
        (&[(podman, "{}")], &[], podman),
        (&[(podman, "{}"), (CONFIG, "{}")], &[], podman),
        // An older one that would be found first, or in its stead.
        (&[(CONFIG, of_host.as_str())], &[], CONFIG),
        (&[(podman, "{}")], &[("DOCKER_CONFIG", "ci")], "ci/config.json"),
        (&[(podman, of_host.as_str())], &[("DOCKER_CONFIG", "ci")], podman),
        (
            &[(podman, of_host.as_str())],
            &[("REGISTRY_AUTH_FILE", "only.json")],
            "only.json",
        ),
    ];
    for (files, variables, expected) in cases {
        let mut machine = Machine::plain();
        for (name, text) in files {
            machine.write(name, text);
        }
        for (name, value) in variables {
            let path = machine.path(value).display().to_string();
            machine.envs.push((name, path));
        }
        machine.log_in(host);
        let case = format!("{files:?} {variables:?}");
        assert_eq!(machine.json(expected)["auths"][host]["auth"], RIGHT, "{case}");
        machine.run(&["check", host], "", 0);
    }
}

#[test]
fn a_namespace_has_credentials_of_its_own_and_docker_hub_its_old_name() {
    let mut machine = Machine::plain();
    let registry = RealRegistry::start(Tls::Off, Auth::Htpasswd);
    machine.scene.name(registry.host(), "hub.local");
    let team = format!("{}/team", registry.host());
    let mut said = machine.log_in(&team);
    let hub = [
        "login",
        "docker.io",
        "-u",
        "anna",
        "--password-stdin",
        "--no-check",
    ];
    said += &machine.said(&hub, "x", 0);
    let entries = machine.json(CONFIG)["auths"].clone();
    assert_eq!(entries[&team]["auth"], RIGHT);
    assert_eq!(entries["https://index.docker.io/v1/"]["auth"], "YW5uYTp4");
    machine.run(&["check", &format!("{team}/app")], "", 0);
    machine.run(&["check", &format!("{}/other/app", registry.host())], "", 1);
    for name in [registry.host(), &team, &team, "index.docker.io"] {
        said += &machine.said(&["logout", name], "", 0);
    }
    assert_eq!(machine.json(CONFIG), json!({"auths": {}}));
    assert_said!(said);
}

#[test]
fn identity_tokens_are_tried_stored_and_used_as_such() {
    let machine = Machine::plain();
    let registry = ScriptedRegistry::with(Options {
        authentication: Authentication::Bearer {
            anonymous: false,
            oauth2: true,
        },
        ..Options::default()
    });
    registry.put_image("team/app", "v1", &samples::single(Family::Oci, "linux/amd64", 1));
    let host = registry.host();
    let args = ["login", host, "--username", "<token>", "--password-stdin"];
    machine.run(&args, "wrong", 1);
    machine.run(&args, REFRESH_TOKEN, 0);
    assert_eq!(
        machine.json(CONFIG)["auths"][host],
        json!({"auth": "PHRva2VuPjo=", "identitytoken": REFRESH_TOKEN})
    );
    machine.run(&["inspect", &format!("{host}/team/app:v1")], "", 0);
    // A password afterwards isn't hidden by the old token.
    machine.log_in(host);
    assert_eq!(machine.json(CONFIG)["auths"][host], json!({"auth": RIGHT}));
}

#[test]
fn a_registry_that_asks_nobody_and_files_that_cannot_be_used() {
    let mut machine = Machine::plain();
    let registry = ScriptedRegistry::start();
    machine.scene.name(registry.host(), "hub.local");
    let mut said = machine.log_in(registry.host());
    let broken = ScriptedRegistry::start();
    broken.fault(Fault::new("*", "/v2/", Action::Answer(Reply::status(503))).every());
    machine.scene.name(broken.host(), "broken.local");
    let args = ["login", broken.host(), "-u", USER, "--password-stdin"];
    said += &machine.said(&args, PASSWORD, 1);
    machine.write(CONFIG, "{\"auths\": \"secret");
    let args = ["login", registry.host(), "-u", USER, "--password-stdin"];
    said += &machine.said(&args, PASSWORD, 1);
    said += &machine.said(&["logout", registry.host()], "", 1);
    assert!(!said.contains("secret"), "{said}");
    let kept = fs::read_to_string(machine.path(CONFIG)).expect("a file that is there");
    assert_eq!(kept, "{\"auths\": \"secret");
    assert_said!(said);
}
