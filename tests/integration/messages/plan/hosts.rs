//! How each registry would be reached, as whom, and what it says to that.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};
use transload_test_support::image::{Family, samples};
use transload_test_support::real::{PASSWORD, USER};
use transload_test_support::scripted::{Authentication, Options, ScriptedRegistry, Tls};

use super::super::{Scene, assert_said, store_with};

/// `tester` and its password in the form that files of credentials have.
const AUTH: &str = "dGVzdGVyOmNvcnJlY3Q6aG9yc2U=";

/// A registry that asks for a password, with the image `team/app:v1`, called `hub.example.com`; and a place for credentials.
struct Machine {
    scene: Scene,
    registry: ScriptedRegistry,
}

impl Machine {
    fn new(authentication: Authentication, tls: Tls) -> Machine {
        let registry = ScriptedRegistry::with(Options {
            authentication,
            tls,
            ..Options::default()
        });
        registry.put_image("team/app", "v1", &samples::single(Family::Oci, "linux/amd64", 1));
        let mut scene = Scene::new();
        scene.name(registry.host(), "hub.example.com");
        Machine { scene, registry }
    }

    fn write(&self, name: &str, content: &Value) {
        self.scene.write(name, &content.to_string());
    }

    /// What is told of the hosts of a pull with these variables and further arguments.
    #[track_caller]
    fn told(&self, variables: &[(&str, &str)], more: &[&str], code: i32) -> String {
        let image = format!("{}/team/app:v1", self.registry.host());
        let args = [
            &["pull", &image, "--dest", "out", "--retries", "0", "--dry-run"],
            more,
        ]
        .concat();
        let program = self.scene.program(&args).env("REGISTRY_AUTH_FILE", "");
        let program = variables
            .iter()
            .fold(program, |program, (name, value)| program.env(name, value));
        let output = program.run().expect_code(code);
        for secret in [PASSWORD, AUTH] {
            assert!(
                !output.stdout.contains(secret) && !output.stderr.contains(secret),
                "a password is told"
            );
        }
        let shown = self.scene.shown(&output.stdout);
        let (_, hosts) = shown.split_once("  host: ").expect("something of hosts");
        let (hosts, _) = hosts.split_once("  disk: ").expect("something of disks");
        format!("  host: {hosts}")
    }
}

#[test]
fn credentials_are_told_with_where_they_are_from() {
    let machine = Machine::new(Authentication::Basic, Tls::Off);
    let host = machine.registry.host();
    machine.write(
        "auths.yaml",
        &json!([{"repo": format!("{host}/team"), "username": USER, "password": PASSWORD, "plain_http": true}]),
    );
    machine.write("config.json", &json!({"auths": {host: {"auth": AUTH}}}));
    machine.write(
        "auth.json",
        &json!({"auths": {format!("{host}/team"): {"auth": AUTH}}}),
    );
    std::fs::create_dir(machine.scene.path("helped")).expect("a writable folder");
    machine.write("helped/config.json", &json!({"credsStore": "scripted"}));
    let helper =
        format!("#!/bin/sh\ncat > /dev/null\necho '{{\"Username\":\"{USER}\",\"Secret\":\"{PASSWORD}\"}}'\n");
    let program = machine.scene.path("docker-credential-scripted");
    std::fs::write(&program, helper).expect("a writable folder");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("a file of this user");
    let folder = machine.scene.dir.path().display().to_string();
    let path = format!("{folder}:{}", std::env::var("PATH").expect("a search path"));
    let (auth_file, helped) = (format!("{folder}/auth.json"), format!("{folder}/helped"));
    let plain = &["--plain-http"][..];
    let told = [
        machine.told(&[], &["--auths", "auths.yaml"], 0),
        machine.told(&[("DOCKER_CONFIG", &folder)], plain, 0),
        machine.told(&[("REGISTRY_AUTH_FILE", &auth_file)], plain, 0),
        machine.told(&[("DOCKER_CONFIG", &helped), ("PATH", &path)], plain, 0),
        machine.told(&[], plain, 1),
    ];
    assert_said!(told.join("\n"));
}

#[test]
fn a_wrong_password_is_told_as_such_and_one_that_nobody_asks_for_too() {
    let wrong = |machine: &Machine| {
        machine.write(
            "auths.yaml",
            &json!([{"repo": machine.registry.host(), "username": USER, "password": "wrong", "plain_http": true}]),
        );
    };
    let bearer = Authentication::Bearer {
        anonymous: true,
        oauth2: false,
    };
    let mut told = Vec::new();
    for (authentication, code) in [(Authentication::Basic, 1), (bearer, 1), (Authentication::Off, 0)] {
        let machine = Machine::new(authentication, Tls::Off);
        wrong(&machine);
        told.push(machine.told(&[], &["--auths", "auths.yaml"], code));
    }
    // A token for everybody is no login.
    told.push(Machine::new(bearer, Tls::Off).told(&[], &["--plain-http"], 0));
    assert_said!(told.join("\n"));
}

#[test]
fn certificates_and_proxies_are_told() {
    let machine = Machine::new(Authentication::Off, Tls::Mutual);
    let ca_file = machine.registry.ca_file().display().to_string();
    let folder = Path::new(&ca_file)
        .parent()
        .expect("a folder of certificates")
        .display()
        .to_string();
    let entry = json!({
        "repo": machine.registry.host(),
        "ca_file": ca_file,
        "cert_file": format!("{folder}/client.cert"),
        "key_file": format!("{folder}/client.key"),
    });
    machine.write("auths.yaml", &json!([entry]));
    let mutual = machine.told(&[], &["--auths", "auths.yaml"], 0);
    let untold = Machine::new(Authentication::Off, Tls::Server);
    let unknown = untold.told(&[], &[], 1);
    let insecure = untold.told(&[], &["--insecure"], 0);
    // Nobody listens at the proxy, and its password is nobody's business.
    let far = Scene::new();
    let args = [
        "pull",
        "hub.example.com/team/app:v1",
        "hub.example.com/team/web:v1",
        "--dest",
        "out",
        "--retries",
        "0",
        "--dry-run",
    ];
    let output = far
        .program(&args)
        .env("HTTPS_PROXY", format!("http://tester:{PASSWORD}@127.0.0.1:1"))
        .run()
        .expect_code(1);
    assert!(!output.stdout.contains(PASSWORD), "{}", output.stdout);
    let proxied = far.transcript(&args, &output);
    let told = [mutual, unknown, insecure, proxied].join("\n");
    assert_said!(told.replace(&folder, "/certs"));
}

/// A host with entries of `auths` for parts of it has a line for each; both sides are told of, sources first.
#[test]
fn each_way_of_reaching_a_host_has_its_line() {
    let machine = Machine::new(Authentication::Basic, Tls::Off);
    let host = machine.registry.host();
    let image = samples::single(Family::Oci, "linux/amd64", 2);
    machine.registry.put_image("open/web", "v1", &image);
    store_with(&machine.scene, "store", "hub.example.net", "x", "v1", &image);
    machine.write(
        "auths.yaml",
        &json!([
            {"repo": format!("{host}/team"), "username": USER, "password": PASSWORD, "plain_http": true},
            {"repo": host, "username": "nobody", "password": "wrong", "plain_http": true},
        ]),
    );
    let images = [format!("{host}/team/app:v1"), format!("{host}/open/web:v1")];
    let dest = format!("{host}/team/mirror");
    let args = [
        "copy",
        &images[0],
        &images[1],
        "--dest",
        &dest,
        "--auths",
        "auths.yaml",
        "--retries",
        "0",
        "--dry-run",
    ];
    assert_said!(machine.scene.said(&args, 1));
}
