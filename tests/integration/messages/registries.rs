//! What is told of registries that fail: operation, side, image, address without secrets, cause, and what to do.

use std::net::TcpListener;

use transload_test_support::image::{Family, samples};
use transload_test_support::scripted::{
    Action, Authentication, Fault, Options, Reply, ScriptedRegistry, Tls,
};

use super::{Scene, assert_said};

pub(super) const PULL: [&str; 9] = [
    "pull",
    "HUB/team/app:v1",
    "--dest",
    "out",
    "--jobs",
    "1",
    "--retries",
    "0",
    "--plain-http",
];

/// A registry with one image, and a scene in which it is called `hub.example.com`.
pub(super) fn registry(options: Options) -> (Scene, ScriptedRegistry) {
    let registry = ScriptedRegistry::with(options);
    registry.put_image("team/app", "v1", &samples::single(Family::Oci, "linux/amd64", 1));
    let mut scene = Scene::new();
    scene.name(registry.host(), "hub.example.com");
    (scene, registry)
}

/// What a command says, with `HUB` in place of the registry's address in its arguments.
#[track_caller]
pub(super) fn said(scene: &Scene, registry: &ScriptedRegistry, args: &[&str], code: i32) -> String {
    let args: Vec<String> = args
        .iter()
        .map(|arg| arg.replace("HUB", registry.host()))
        .collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    scene.said(&args, code)
}

/// What a pull says that fails by this fault.
#[track_caller]
pub(super) fn pull_with(fault: Fault) -> String {
    let (scene, registry) = registry(Options::default());
    registry.fault(fault.every());
    said(&scene, &registry, &PULL, 1)
}

pub(super) fn answer(reply: Reply) -> Action {
    Action::Answer(reply)
}

#[test]
fn nobody_answers() {
    // The port was free a moment ago, and nobody listens at it.
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port on the loopback");
    let host = free
        .local_addr()
        .expect("a bound listener has an address")
        .to_string();
    drop(free);
    let mut scene = Scene::new();
    scene.name(&host, "hub.example.com");
    let image = format!("{host}/team/app:v1");
    let once = scene.said(
        &["pull", &image, "--dest", "out", "--retries", "0", "--plain-http"],
        1,
    );
    // A registry that is being started is waited for, and one that isn't there not for long.
    let usual = scene.said(&["pull", &image, "--dest", "out", "--plain-http"], 1);
    assert_said!(format!("{once}\n{usual}"));
}

#[test]
fn the_connection_is_not_the_one_that_is_expected() {
    let (scene, registry_with_tls) = registry(Options {
        tls: Tls::Server,
        ..Options::default()
    });
    let pull = ["pull", "HUB/team/app:v1", "--dest", "out", "--retries", "0"];
    let unknown_issuer = said(&scene, &registry_with_tls, &pull, 1);
    let not_http = said(&scene, &registry_with_tls, &PULL, 1);

    let (plain_scene, plain) = registry(Options::default());
    // Nothing but TLS will do.
    plain_scene.write(
        "auths.yaml",
        &format!("- {{repo: {}, plain_http: false}}\n", plain.host()),
    );
    let not_tls = said(
        &plain_scene,
        &plain,
        &[&pull[..], &["--auths", "auths.yaml"]].concat(),
        1,
    );

    let (mutual_scene, mutual) = registry(Options {
        tls: Tls::Mutual,
        ..Options::default()
    });
    let ca_file = mutual.ca_file().display().to_string();
    let with_ca = [&pull[..], &["--ca-file", ca_file.as_str()]].concat();
    let no_certificate = said(&mutual_scene, &mutual, &with_ca, 1).replace(&ca_file, "ca.pem");
    assert_said!([unknown_issuer, not_http, not_tls, no_certificate].join("\n"));
}

#[test]
fn the_registry_wants_credentials_or_others() {
    let (scene, registry) = registry(Options {
        authentication: Authentication::Basic,
        ..Options::default()
    });
    let without = said(&scene, &registry, &PULL, 1);
    let auths = format!(
        "- {{repo: {}, username: tester, password: wrong-secret, plain_http: true}}\n",
        registry.host()
    );
    scene.write("auths.yaml", &auths);
    let wrong = said(
        &scene,
        &registry,
        &[&PULL[..], &["--auths", "auths.yaml"]].concat(),
        1,
    );
    assert_said!([without, wrong].join("\n"));
}

#[test]
fn the_token_server_refuses() {
    let (scene, registry) = registry(Options::bearer(false));
    let without = said(&scene, &registry, &PULL, 1);
    let auths = format!(
        "- {{repo: {}, username: tester, password: wrong-secret, plain_http: true}}\n",
        registry.host()
    );
    scene.write("auths.yaml", &auths);
    let wrong = said(
        &scene,
        &registry,
        &[&PULL[..], &["--auths", "auths.yaml"]].concat(),
        1,
    );
    assert_said!([without, wrong].join("\n"));
}

#[test]
fn the_registry_says_no() {
    let denied = Reply::status(403).error("DENIED", "requested access to the resource is denied");
    let unknown = Reply::status(404).error("MANIFEST_UNKNOWN", "manifest unknown");
    let quota = Reply::status(429)
        .header("ratelimit-limit", "100;w=21600")
        .error("TOOMANYREQUESTS", "You have reached your pull rate limit.");
    let page = Reply::status(200)
        .header("Content-Type", "text/html")
        .body("<html><title>Log in</title></html>");
    let said = [
        pull_with(Fault::new("*", "/manifests/", answer(denied))),
        pull_with(Fault::new("*", "/manifests/", answer(unknown))),
        pull_with(Fault::new("*", "/manifests/", answer(quota))),
        pull_with(Fault::new("*", "/manifests/", answer(page))),
        pull_with(Fault::new("GET", "/blobs/", answer(Reply::status(404)))),
    ];
    assert_said!(said.join("\n"));
}

#[test]
fn the_registry_has_trouble_of_its_own() {
    let (scene, registry) = registry(Options::default());
    let reply = Reply::status(503).error("UNAVAILABLE", "storage is down");
    registry.fault(Fault::new("*", "/manifests/", answer(reply)).every());
    let args = [
        "pull",
        "HUB/team/app:v1",
        "--dest",
        "out",
        "--retries",
        "1",
        "--plain-http",
        "-v",
    ];
    let text = said(&scene, &registry, &args, 1);
    assert_eq!(registry.log().count("GET", "/manifests/"), 2);
    assert_said!(text);
}

#[test]
fn what_comes_is_not_what_was_announced() {
    let said = [
        pull_with(Fault::new("GET", "/manifests/", Action::Corrupt { at: 3 })),
        pull_with(Fault::new("GET", "/blobs/", Action::Corrupt { at: 3 })),
        pull_with(Fault::new("GET", "/blobs/", Action::Truncate { after: 10 })),
        pull_with(Fault::new("GET", "/blobs/", Action::Reset { after: Some(10) })),
    ];
    assert_said!(said.join("\n"));
}

#[test]
fn images_of_schema_1_are_refused_by_name() {
    let (scene, registry) = registry(Options::default());
    registry.put_image("team/app", "v1", &samples::schema1("team/app", "v1"));
    assert_said!(said(&scene, &registry, &PULL, 1));
}

#[test]
fn the_destination_fails_and_is_named_as_such() {
    let push = |fault: Fault| {
        let (scene, registry) = registry(Options::default());
        let image = samples::single(Family::Oci, "linux/amd64", 2);
        super::store_with(&scene, "store", "hub.example.org", "team/web", "v2", &image);
        registry.fault(fault.every());
        let args = [
            "push",
            "--src",
            "store",
            "--dest",
            "HUB/mirror",
            "--jobs",
            "1",
            "--retries",
            "0",
            "--plain-http",
        ];
        said(&scene, &registry, &args, 1)
    };
    let denied = Reply::status(403).error("DENIED", "requested access to the resource is denied");
    let unknown = Reply::status(404).error("NAME_UNKNOWN", "project mirror not found");
    let too_large = Reply::status(413)
        .header("Content-Type", "text/html")
        .body("<html><h1>413 Request Entity Too Large</h1></html>");
    let full = Reply::status(507).error("UNKNOWN", "no space left on device");
    let said = [
        push(Fault::new("POST", "/blobs/uploads/", answer(denied))),
        push(Fault::new("POST", "/blobs/uploads/", answer(unknown))),
        push(Fault::new("PUT", "/blobs/uploads/", answer(too_large))),
        push(Fault::new("PUT", "/manifests/", answer(full))),
    ];
    assert_said!(said.join("\n"));
}

/// A password is refused once, and that is said once, with the images that wait for it.
#[test]
fn a_wrong_password_is_one_message_for_all_images() {
    let scene = Scene::new();
    let registry = ScriptedRegistry::with(Options {
        authentication: Authentication::Basic,
        ..Options::default()
    });
    let names: Vec<String> = (0..12)
        .map(|number| format!("{}/team/app{number}:v1", registry.host()))
        .collect();
    let auths = format!(
        "- repo: {}\n  username: tester\n  password: wrong\n  plain_http: true\n",
        registry.host()
    );
    scene.write("auths.yaml", &auths);
    let args = ["pull", "--dest", "out", "--auths", "auths.yaml"];
    let args: Vec<&str> = args.into_iter().chain(names.iter().map(String::as_str)).collect();
    let said = scene.run(&args, 1).stderr;
    let heading = format!(
        "  12 images: source: {} refused tester's password (auths entry ",
        registry.host()
    );
    assert!(said.contains(&heading), "{said}");
    assert_eq!(said.matches("refused tester's password").count(), 1, "{said}");
    assert_eq!(
        said.matches("refused the user name or the password").count(),
        1,
        "{said}"
    );
    let named = names
        .iter()
        .filter(|name| said.contains(&format!("    {name}\n")));
    assert_eq!(named.count(), 8, "{said}");
    assert!(said.contains("    and 4 more\n"), "{said}");
    let requests = registry.log().requests();
    let sent = requests
        .iter()
        .filter(|request| request.header("authorization").is_some());
    assert_eq!(sent.count(), 1);
}

/// A refused password is looked for where it was given.
#[test]
fn a_wrong_password_of_creds_names_that_option() {
    let scene = Scene::new();
    let registry = ScriptedRegistry::with(Options {
        authentication: Authentication::Basic,
        ..Options::default()
    });
    let image = format!("{}/team/app:v1", registry.host());
    let args = [
        "pull",
        &image,
        "--dest",
        "out",
        "--plain-http",
        "--creds",
        "tester:wrong",
    ];
    let said = scene.run(&args, 1).stderr;
    assert!(said.contains("refused tester's password (--creds)"), "{said}");
}

/// "Run it again" is for what may pass; a name that doesn't exist won't come to exist.
#[test]
fn an_unknown_host_is_not_said_to_be_worth_another_run() {
    let scene = Scene::new();
    let said = scene
        .run(&["pull", "nobody.invalid/app:v1", "--dest", "out"], 1)
        .stderr;
    assert!(said.contains("check the spelling of nobody.invalid"), "{said}");
    assert!(!said.contains("Run the same command again"), "{said}");
}
