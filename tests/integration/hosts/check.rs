//! What a host answers, and what is wrong.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};
use transload_test_support::RealRegistry;
use transload_test_support::image::{Family, samples};
use transload_test_support::real::{Auth, PASSWORD, Tls, USER};
use transload_test_support::scripted::{
    Action, Authentication, Fault, HarborProjects, HarborUser, Options, Referrers, Reply, ScriptedRegistry,
};

use super::{Machine, assert_said};

/// A file of `auths` for a host.
fn auths(machine: &Machine, host: &str, password: &str) {
    let entry = json!([{"repo": host, "username": USER, "password": password}]);
    machine.scene.write("auths.yaml", &entry.to_string());
}

#[test]
fn a_registry_that_is_as_it_should_be() {
    let mut machine = Machine::new();
    let registry = ScriptedRegistry::with(Options {
        tls: transload_test_support::scripted::Tls::Server,
        authentication: Authentication::Basic,
        referrers: Referrers::Filtered,
        ..Options::default()
    });
    registry.put_image("team/app", "v1", &samples::multi_platform(Family::Oci, 1));
    let host = registry.host().to_owned();
    machine.scene.name(&host, "hub.local");
    let ca = registry.ca_file().display().to_string();
    machine.scene.name(&ca, "ca.pem");
    auths(&machine, &host, PASSWORD);
    let name = format!("{host}/team/app:v1");
    let how = ["--ca-file", &ca, "--auths", "auths.yaml"];
    fn of<'a>(more: &[&'a str], how: &[&'a str]) -> Vec<&'a str> {
        [&["check"], more, how].concat()
    }
    let new = format!("{host}/team/new");
    let said = [
        machine.said(&of(&[&name], &how), "", 0),
        machine.said(&of(&[&new], &how), "", 0),
        machine.said(&of(&[&host, "--output", "json"], &how), "", 0),
        machine.said(&of(&[&new, "--no-push"], &how), "", 1),
    ];
    assert_said!(said.join("\n"));
    assert_eq!(registry.open_sessions(), 0, "the upload was cancelled");
    assert_eq!(registry.log().count("POST", "/blobs/uploads/"), 2);
}

#[test]
fn certificates_that_are_trusted_or_not() {
    let mut machine = Machine::new();
    let registry = RealRegistry::start(Tls::Server, Auth::Off);
    let host = registry.host();
    machine.scene.name(host, "127.0.0.1:443");
    let other = RealRegistry::start(Tls::Server, Auth::Off);
    let ca = registry.ca_file().display().to_string();
    let other_ca = other.ca_file().display().to_string();
    machine.scene.name(&ca, "ca.pem");
    machine.scene.name(&other_ca, "other-ca.pem");
    // Not a name of the certificate.
    let port = host.rsplit(':').next().expect("a port");
    let other_name = format!("[::ffff:127.0.0.1]:{port}");
    machine.scene.name(&other_name, "[::ffff:127.0.0.1]:443");
    let said = [
        machine.said(&["check", host], "", 1),
        machine.said(&["check", host, "--ca-file", &ca], "", 0),
        machine.said(&["check", host, "--ca-file", &other_ca], "", 1),
        machine.said(&["check", host, "--insecure"], "", 0),
        machine.said(&["check", &other_name, "--ca-file", &ca], "", 1),
        machine.said(&["check", host, "--plain-http"], "", 1),
    ];
    assert_said!(said.join("\n").replace(port, "443"));
    let json = machine
        .run(&["check", host, "--ca-file", &ca, "--output", "json"], "", 0)
        .stdout;
    let all: Value = serde_json::from_str(&json).expect("JSON");
    let tls = all[0]["facts"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|fact| fact["topic"] == "tls");
    let values = &tls.expect("a fact")["values"];
    assert_eq!(values["trusted_by"], json!(ca));
    assert_eq!(values["issuer"], json!("CN=transload test authority"));
}

#[test]
fn a_registry_that_wants_a_client_certificate_shows_its_own_all_the_same() {
    let mut machine = Machine::new();
    let registry = RealRegistry::start(Tls::Mutual, Auth::Off);
    machine.scene.name(registry.host(), "hub.local");
    let ca = registry.ca_file().display().to_string();
    machine.scene.name(&ca, "ca.pem");
    let mut said = machine.said(&["check", registry.host(), "--ca-file", &ca], "", 1);
    let entry = json!([{"repo": registry.host(), "ca_file": ca, "cert_file": registry.cert_file(), "key_file": registry.key_file()}]);
    machine.scene.write("auths.yaml", &entry.to_string());
    said += &machine.said(&["check", registry.host(), "--auths", "auths.yaml"], "", 0);
    assert_said!(said);
}

#[test]
fn credentials_that_are_missing_wrong_or_right() {
    let mut machine = Machine::plain();
    let passwords = RealRegistry::start(Tls::Off, Auth::Htpasswd);
    machine.scene.name(passwords.host(), "passwords.local");
    let tokens = RealRegistry::start(
        Tls::Off,
        Auth::Token {
            lifetime: Duration::from_secs(300),
        },
    );
    machine.scene.name(tokens.host(), "tokens.local");
    tokens.push("team/app", "v1", &samples::single(Family::Oci, "linux/amd64", 1));
    let mut said = Vec::new();
    for host in [passwords.host(), tokens.host()] {
        let name = format!("{host}/team/app");
        said.push(machine.said(&["check", &name], "", 1));
        for (password, code) in [("wrong", 1), (PASSWORD, 0)] {
            auths(&machine, host, password);
            said.push(machine.said(&["check", &name, "--auths", "auths.yaml"], "", code));
        }
    }
    machine.log_in(passwords.host());
    said.push(machine.said(&["check", passwords.host()], "", 0));
    machine.write(".docker/config.json", r#"{"credsStore": "of-nobody"}"#);
    said.push(machine.said(&["check", passwords.host()], "", 1));
    // The token server's port is up to chance.
    let realm = said.join("\n");
    let realm = realm
        .split("token of http://")
        .nth(1)
        .and_then(|rest| rest.split('/').next());
    machine
        .scene
        .name(realm.expect("a token server").to_owned(), "tokens.local:5001");
    assert_said!(machine.scene.shown(&said.join("\n")));
}

#[test]
fn rights_and_projects_that_are_missing() {
    let mut machine = Machine::new();
    let harbor = ScriptedRegistry::start();
    machine.scene.name(harbor.host(), "harbor.local");
    let missing = Reply::status(404).error("NOT_FOUND", "project team not found");
    harbor.fault(Fault::new("*", "/v2/team/", Action::Answer(missing)).every());
    let denied = Reply::status(403).error("DENIED", "requested access to the resource is denied");
    harbor.fault(Fault::new("POST", "/v2/readonly/", Action::Answer(denied)).every());
    let challenge = Reply::status(401)
        .header(
            "WWW-Authenticate",
            "Bearer realm=\"https://harbor.local/service/token\",service=\"harbor-registry\"",
        )
        .error("UNAUTHORIZED", "unauthorized");
    let team = format!("{}/team/app", harbor.host());
    let readonly = format!("{}/readonly/app", harbor.host());
    harbor.put_image(
        "readonly/app",
        "v1",
        &samples::single(Family::Oci, "linux/amd64", 1),
    );
    let mut said = machine.said(&["check", &team], "", 1);
    said += &machine.said(&["check", &readonly], "", 1);
    said += &machine.said(&["check", &readonly, "--no-push"], "", 0);
    harbor.clear_faults();
    harbor.fault(Fault::new("GET", "/v2/", Action::Answer(challenge)).every());
    let output = machine
        .run(&["check", harbor.host(), "--output", "json"], "", 1)
        .stdout;
    let all: Value = serde_json::from_str(&output).expect("JSON");
    let login = all[0]["facts"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|fact| fact["topic"] == "login");
    assert_eq!(login.expect("a fact")["values"]["product"], json!("Harbor"));
    assert_said!(said);
}

#[test]
fn whether_the_user_may_create_projects_at_a_harbor() {
    let mut said = Vec::new();
    for (admin_only, user) in [
        (false, HarborUser::Member),
        (true, HarborUser::Member),
        (true, HarborUser::SystemRobot),
    ] {
        let mut machine = Machine::plain();
        let harbor = ScriptedRegistry::with(Options {
            harbor_projects: Some(HarborProjects { admin_only, user }),
            ..Options::bearer(true)
        });
        machine.scene.name(harbor.host(), "harbor.local");
        auths(&machine, harbor.host(), PASSWORD);
        let missing = format!("{}/team/app", harbor.host());
        said.push(machine.said(&["check", &missing, "--auths", "auths.yaml"], "", 1));
        assert!(harbor.projects().is_empty(), "a look creates nothing");
    }
    assert_said!(said.join("\n"));
}

#[test]
fn hosts_that_are_no_registry_or_are_not_there() {
    let mut machine = Machine::new();
    let portal = ScriptedRegistry::start();
    machine.scene.name(portal.host(), "portal.local");
    let page = Reply::status(404)
        .header("Content-Type", "text/html")
        .body("<html>Log in</html>");
    portal.fault(Fault::new("GET", "/v2/", Action::Answer(page)).every());
    let silent = ScriptedRegistry::start();
    machine.scene.name(silent.host(), "silent.local");
    silent.fault(Fault::new("GET", "/v2/", Action::Answer(Reply::status(401))).every());
    let plain = ScriptedRegistry::start();
    let said = [
        machine.said(&["check", portal.host()], "", 1),
        machine.said(&["check", silent.host()], "", 1),
        machine.said(&["check", "127.0.0.1:1", "no-such-host.invalid"], "", 1),
        machine.said(&["check", "https://hub.local/x"], "", 2),
        machine.said(&["check", "hub.local/UPPER"], "", 2),
        machine.said(&["check"], "", 2),
    ];
    assert_said!(said.join("\n"));
    // HTTPS, where plain HTTP is spoken.
    let entry = json!([{"repo": plain.host(), "plain_http": false}]);
    machine.scene.write("auths.yaml", &entry.to_string());
    let output = machine.run(&["check", plain.host(), "--auths", "auths.yaml"], "", 1);
    let hint = format!("{} speaks plain HTTP", plain.host());
    assert!(
        output.stdout.contains("BAD  tls ") && output.stdout.contains(&hint),
        "{}",
        output.stdout
    );
}

/// A proxy that opens no tunnel.
fn proxy(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody comes");
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count > 0) {
            head.push(byte[0]);
        }
        stream.write_all(answer.as_bytes()).expect("somebody reads");
        String::from_utf8_lossy(&head).into_owned()
    });
    (address, thread)
}

#[test]
fn a_proxy_is_named_without_its_password_and_what_it_refuses_is_told() {
    let mut machine = Machine::new();
    let (address, thread) = proxy("HTTP/1.1 403 Forbidden\r\n\r\n");
    machine
        .envs
        .push(("HTTPS_PROXY", format!("http://user:s3cret@{address}")));
    machine.scene.name(&address, "proxy.local:3128");
    let said = machine.said(&["check", "hub.example.com/team/app"], "", 1);
    let head = thread.join().expect("the proxy ends");
    assert!(
        head.starts_with("CONNECT hub.example.com:443 HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(
        head.contains("Proxy-Authorization: Basic dXNlcjpzM2NyZXQ="),
        "{head}"
    );
    assert!(!said.contains("s3cret"), "{said}");
    assert_said!(said);
}
