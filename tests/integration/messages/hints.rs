//! The failures that people meet most often, and what to do about each. `docs/messages.md` lists them with the tests that show them: here
//! are those that no other module of these shows.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

use serde_json::json;
use transload_reference::Digest;
use transload_test_support::image::{Family, ImageBuilder, samples};
use transload_test_support::real::{PASSWORD, USER};
use transload_test_support::scripted::{
    Authentication, Fault, Harbor, Options, Project, Reply, ScriptedRegistry, Tls,
};
use transload_test_support::{ExfatImage, Transload, may_mount};

use super::registries::{PULL, answer, pull_with, registry, said};
use super::{Scene, assert_said, store_with};

/// A pull of an image of a host that is nowhere but in a test.
const PULL_FAR: [&str; 6] = [
    "pull",
    "hub.example.com/team/app:v1",
    "--dest",
    "out",
    "--retries",
    "0",
];

/// Answers every connection with these bytes, once the head of a request, or what comes instead of one, is there.
fn answering(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on the loopback");
    let address = listener
        .local_addr()
        .expect("a bound listener has an address")
        .to_string();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut line = String::new();
            let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            stream.write_all(bytes).ok();
        }
    });
    address
}

/// A port that was free a moment ago, and that nobody listens at.
fn nobody() -> String {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port on the loopback");
    free.local_addr()
        .expect("a bound listener has an address")
        .to_string()
}

/// What a program says that is run with variables of its own.
#[track_caller]
fn transcript(scene: &Scene, args: &[&str], change: impl FnOnce(Transload) -> Transload) -> String {
    let output = change(scene.program(args)).run().expect_code(1);
    scene.transcript(args, &output)
}

/// What servers of HTTPS make of plain HTTP: a page, as nginx has it, or an alert of TLS.
#[test]
fn plain_http_at_a_tls_port() {
    let page = Reply::status(400)
        .header("Content-Type", "text/html")
        .body("<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>");
    let page = pull_with(Fault::new("*", "/manifests/", answer(page)));
    let host = answering(b"\x15\x03\x01\x00\x02\x02\x46");
    let mut scene = Scene::new();
    scene.name(&host, "hub.example.com");
    let image = format!("{host}/team/app:v1");
    let alert = scene.said(
        &["pull", &image, "--dest", "out", "--retries", "0", "--plain-http"],
        1,
    );
    assert_said!([page, alert].join("\n"));
}

#[test]
fn a_way_out_of_https() {
    let (scene, registry) = registry(Options {
        tls: Tls::Server,
        ..Options::default()
    });
    let ca_file = registry.ca_file().display().to_string();
    let args = [
        "pull",
        "HUB/team/app:v1",
        "--dest",
        "out",
        "--retries",
        "0",
        "--ca-file",
        &ca_file,
    ];
    let told = |reply: Reply| {
        registry.fault(Fault::new("GET", "/manifests/", answer(reply)).nth(1));
        let text = said(&scene, &registry, &args, 1).replace(&ca_file, "ca.pem");
        registry.clear_faults();
        text
    };
    let redirect = Reply::status(307).header("Location", "http://hub.example.net/v2/team/app/manifests/v1");
    let realm = Reply::status(401).header(
        "WWW-Authenticate",
        "Bearer realm=\"http://hub.example.net/service/token\"",
    );
    assert_said!([told(redirect), told(realm)].join("\n"));
}

/// What registries behind proxies say of themselves: a token server without its port, an upload by https where there is none.
#[test]
fn an_address_that_the_registry_names_and_that_does_not_answer() {
    let (mut scene, registry) = registry(Options::default());
    let tokens = nobody();
    scene.name(tokens.clone(), "tokens.example.com:443");
    let challenge = format!("Bearer realm=\"http://{tokens}/service/token\",service=\"harbor-registry\"");
    let realm = Reply::status(401).header("WWW-Authenticate", &challenge);
    registry.fault(Fault::new("*", "/manifests/", answer(realm)).every());
    let args = ["pull", "HUB/team/app:v1", "--dest", "out", "--retries", "0"];
    let mut text = said(&scene, &registry, &args, 1);
    registry.clear_faults();
    let storage = format!("http://{tokens}/signed?x=1");
    let redirect = Reply::status(307).header("Location", &storage);
    registry.fault(Fault::new("GET", "/blobs/", answer(redirect)).every());
    text += &said(&scene, &registry, &[&args[..], &["--jobs", "1"]].concat(), 1);
    let image = samples::single(Family::Oci, "linux/amd64", 2);
    store_with(&scene, "store", "hub.example.org", "team/web", "v2", &image);
    let own = format!("https://{}/v2/mirror/team/web/blobs/uploads/1", registry.host());
    let session = Reply::status(202).header("Location", &own);
    registry.fault(Fault::new("POST", "/blobs/uploads/", answer(session)).every());
    let push = ["push", "--src", "store", "--dest", "HUB/mirror", "--plain-http"];
    text += &said(
        &scene,
        &registry,
        &[&push[..], &["--jobs", "1", "--retries", "0"]].concat(),
        1,
    );
    assert_said!(text);
}

/// What a push says, as a user whom the registry knows, that fails by this answer.
#[track_caller]
fn push_with(reply: Reply) -> String {
    push_that_fails(Fault::new("POST", "/blobs/uploads/", answer(reply)), Family::Oci)
}

/// The same of an image of this family.
#[track_caller]
fn push_that_fails(fault: Fault, family: Family) -> String {
    let (scene, registry) = registry(Options {
        authentication: Authentication::Basic,
        ..Options::default()
    });
    let image = samples::single(family, "linux/amd64", 2);
    store_with(&scene, "store", "hub.example.org", "team/web", "v2", &image);
    scene.write("auths.yaml", &auths(&registry));
    registry.fault(fault.every());
    let args = [
        "push",
        "--src",
        "store",
        "--dest",
        "HUB/mirror",
        "--auths",
        "auths.yaml",
        "--jobs",
        "1",
        "--retries",
        "0",
    ];
    said(&scene, &registry, &args, 1)
}

/// The user's credentials for a registry.
fn auths(registry: &ScriptedRegistry) -> String {
    format!(
        "- {{repo: {}, username: {USER}, password: '{PASSWORD}', plain_http: true}}\n",
        registry.host()
    )
}

/// As Harbor says it, which has it in several ways.
#[test]
fn no_such_project() {
    let push = [
        Reply::status(404).error("NOT_FOUND", "project mirror not found"),
        Reply::status(401).error("UNAUTHORIZED", "project mirror not found"),
    ];
    let mut said: Vec<String> = push.into_iter().map(push_with).collect();
    let pull = Reply::status(404).error("NOT_FOUND", "project team not found");
    said.push(pull_with(Fault::new("*", "/v2/team/app/", answer(pull))));
    assert_said!(said.join("\n"));
}

#[test]
fn a_registry_that_lacks_a_blob_that_it_took() {
    let lacking = Digest::of(b"a layer");
    let body = json!({
        "errors": [{"code": "MANIFEST_BLOB_UNKNOWN", "message": "blob unknown to registry", "detail": lacking}],
    });
    let refusal = Reply::status(404)
        .header("Content-Type", "application/json")
        .body(body.to_string());
    assert_said!(push_that_fails(
        Fault::new("PUT", "/manifests/", answer(refusal)),
        Family::Oci
    ));
}

#[test]
fn no_right_to_push() {
    let denied = Reply::status(403).error("DENIED", "requested access to the resource is denied");
    let harbor = Reply::status(401).error(
        "UNAUTHORIZED",
        "unauthorized to access repository: mirror/team/web, action: push: unauthorized to access repository: mirror/team/web, action: push",
    );
    assert_said!([push_with(denied), push_with(harbor)].join("\n"));
}

/// What a Harbor refuses for reasons of its own, in its words.
#[test]
fn what_a_harbor_refuses() {
    const PROJECTS: &[(&str, Project)] = &[
        ("cache", Project::ProxyCache),
        ("full", Project::Full),
        ("theirs", Project::PullOnly),
        ("mirror", Project::Open),
    ];
    let cases = [
        ("HUB/cache", false),
        ("HUB/full", false),
        ("HUB/theirs", false),
        ("HUB/nope", false),
        ("HUB/mirror", true),
    ];
    let mut told: Vec<String> = cases
        .into_iter()
        .map(|(dest, read_only)| {
            let harbor = Harbor {
                projects: PROJECTS,
                read_only,
            };
            push_to_harbor(harbor, dest, "team/web", |_| {})
        })
        .collect();
    let harbor = || Harbor {
        projects: &[("fixed", Project::Immutable)],
        read_only: false,
    };
    told.push(push_to_harbor(harbor(), "HUB/fixed", "team/web", |registry| {
        registry.put_image(
            "fixed/team/web",
            "v2",
            &samples::single(Family::Oci, "linux/amd64", 3),
        );
    }));
    told.push(push_to_harbor(harbor(), "HUB", "web", |_| {}));
    assert_said!(told.join("\n"));
}

/// What a push of an image of this name to a Harbor says that refuses it.
#[track_caller]
fn push_to_harbor(harbor: Harbor, dest: &str, name: &str, fill: impl FnOnce(&ScriptedRegistry)) -> String {
    let (scene, registry) = registry(Options {
        harbor: Some(harbor),
        ..Options::bearer(false)
    });
    fill(&registry);
    let image = samples::single(Family::Oci, "linux/amd64", 2);
    store_with(&scene, "store", "hub.example.org", name, "v2", &image);
    scene.write("auths.yaml", &auths(&registry));
    let args = [
        "push",
        "--src",
        "store",
        "--dest",
        dest,
        "--auths",
        "auths.yaml",
        "--jobs",
        "1",
        "--retries",
        "0",
    ];
    said(&scene, &registry, &args, 1)
}

/// An image that a project's rules let nobody pull: its text is told to who would pull it.
#[test]
fn an_image_that_nobody_may_pull() {
    let (scene, registry) = registry(Options {
        harbor: Some(Harbor {
            projects: &[("team", Project::SignedOnly)],
            read_only: false,
        }),
        ..Options::default()
    });
    assert_said!(said(&scene, &registry, &PULL, 1));
}

#[test]
fn a_rate_limit_with_the_time_to_wait() {
    let busy = Reply::status(429)
        .header("Retry-After", "300")
        .error("TOOMANYREQUESTS", "slow down");
    let quota = Reply::status(429)
        .header("ratelimit-limit", "100;w=21600")
        .header("Retry-After", "4000")
        .error("TOOMANYREQUESTS", "You have reached your pull rate limit.");
    let said = [busy, quota].map(|reply| pull_with(Fault::new("*", "/manifests/", answer(reply))));
    assert_said!(said.join("\n"));
}

#[test]
fn a_platform_that_an_image_lacks() {
    let (scene, registry) = registry(Options::default());
    registry.put_image("team/app", "v1", &samples::multi_platform(Family::Oci, 1));
    let args = [&PULL[..], &["--platform", "linux/s390x,linux/arm64"]].concat();
    assert_said!(said(&scene, &registry, &args, 1));
}

#[test]
fn a_tag_that_does_not_exist_is_told_with_those_that_are_near() {
    let (scene, registry) = registry(Options {
        page_size: Some(4),
        ..Options::default()
    });
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    for tag in [
        "latest", "v1.33.5", "v1.34.0", "v1.34.1", "v1.34.2", "v1.34.10", "v2.0.0", "v10",
    ] {
        registry.put_image("team/app", tag, &image);
    }
    let mut args = PULL;
    args[1] = "HUB/team/app:v1.34.9";
    let near = said(&scene, &registry, &args, 1);
    // A tag is also asked for where the image is copied to a registry that has an older one.
    let (elsewhere, mirror) = super::registries::registry(Options::default());
    let args = [
        "copy",
        "HUB/team/app:1.34.1",
        "--dest",
        mirror.host(),
        "--plain-http",
        "--retries",
        "0",
    ];
    let copied = said(&scene, &registry, &args, 1).replace(mirror.host(), "mirror.example.com");
    drop(elsewhere);
    // A registry that names no tags, and one that names the very tag.
    let none = Reply::status(404).error("NAME_UNKNOWN", "repository name not known to registry");
    registry.fault(Fault::new("GET", "/tags/list", answer(none)).every());
    let unlisted = said(
        &scene,
        &registry,
        &[
            "pull",
            "HUB/team/app:v3",
            "--dest",
            "out",
            "--plain-http",
            "--retries",
            "0",
        ],
        1,
    );
    let unknown = Reply::status(404).error("MANIFEST_UNKNOWN", "manifest unknown");
    let listed = pull_with(Fault::new("*", "/manifests/", answer(unknown)));
    assert_said!([near, copied, unlisted, listed].join("\n"));
}

#[test]
fn a_proxy_that_refuses() {
    let told = |proxy: &str| {
        let mut scene = Scene::new();
        scene.name(proxy, "proxy.example.com:3128");
        let url = format!("http://{proxy}");
        transcript(&scene, &PULL_FAR, |program| program.env("HTTPS_PROXY", url))
    };
    let said = [
        nobody(),
        answering(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"),
        answering(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"),
    ]
    .map(|proxy| told(&proxy));
    assert_said!(said.join("\n"));
}

/// As zot says it, which takes Docker's manifests only where it is told to.
#[test]
fn no_docker_manifests() {
    let body = r#"{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid","detail":{"mediaType":"application/vnd.docker.distribution.manifest.v2+json"}}]}"#;
    let refusal = Reply::status(415).body(body);
    assert_said!(push_that_fails(
        Fault::new("PUT", "/manifests/", answer(refusal)),
        Family::Docker
    ));
}

#[test]
fn a_web_page_in_place_of_a_layer() {
    let page = Reply::status(200)
        .header("Content-Type", "text/html")
        .body("<html>Please log in</html>");
    assert_said!(pull_with(Fault::new("GET", "/blobs/", answer(page))));
}

/// Where names are looked for is in files that the program is given its own of: one resolver knows the name not to be, the other can't
/// be asked.
#[test]
fn a_name_that_nobody_knows_and_a_resolver_that_does_not_answer() {
    if !may_mount() {
        return;
    }
    let scene = Scene::new();
    scene.write("files.conf", "hosts: files\n");
    scene.write("dns.conf", "hosts: dns\n");
    scene.write(
        "resolv.conf",
        "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
    );
    let said = |conf: &str, retries: &str| {
        let script = format!(
            "mount --bind {conf} /etc/nsswitch.conf && mount --bind resolv.conf /etc/resolv.conf && exec \"$@\""
        );
        let args = [&PULL_FAR[..4], &["--retries", retries]].concat();
        transcript(&scene, &args, |program| {
            program.under("unshare", ["-m", "sh", "-c", &script, "sh"])
        })
    };
    // The usual number of tries: a name that doesn't exist gets one more, and no more.
    assert_said!([said("files.conf", "5"), said("dns.conf", "1")].join("\n"));
}

#[test]
fn a_disk_that_is_too_small() {
    let (scene, registry) = registry(Options::default());
    let blob = |letter: &str, size: u64| json!({"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": format!("sha256:{}", letter.repeat(64)), "size": size});
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob("a", 2),
        // A pebibyte.
        "layers": [blob("b", 1 << 50)],
    });
    let reply = Reply::status(200)
        .header("Content-Type", "application/vnd.oci.image.manifest.v1+json")
        .body(manifest.to_string());
    registry.fault(Fault::new("GET", "/manifests/", answer(reply)).every());
    let said = said(&scene, &registry, &PULL, 1);
    assert_eq!(registry.log().count("GET", "/blobs/"), 0);
    let without_space: Vec<String> = said
        .lines()
        .map(
            |line| match (line.split_once(", and "), line.strip_suffix(" are free")) {
                (Some((before, _)), Some(_)) => format!("{before}, and SPACE are free"),
                _ => line.to_owned(),
            },
        )
        .collect();
    assert_said!(without_space.join("\n"));
}

#[test]
fn a_disk_that_takes_no_colon() {
    let scene = Scene::new();
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    store_with(&scene, "store", "hub.example.com", "team/app", "v1", &image);
    let (file, disk) = (scene.path("exfat"), scene.path("usb"));
    fs::create_dir(&disk).expect("a writable folder");
    let Some(exfat) = ExfatImage::make(&file) else {
        return;
    };
    let args = ["copy", "--src", "store", "--dest", "./usb/images"];
    assert_said!(transcript(&scene, &args, |program| exfat.with(program, &disk, "\"$@\"")));
}

#[test]
fn a_limit_on_the_size_of_files() {
    let scene = Scene::new();
    let image = ImageBuilder::new(Family::Oci).noise_layer(1, 2 << 20).build();
    store_with(&scene, "store", "hub.example.com", "team/app", "v1", &image);
    let args = ["copy", "--src", "store", "--dest", "./out", "--jobs", "1"];
    let limited = ["-c", "ulimit -f 1000; exec \"$@\"", "sh"];
    assert_said!(transcript(&scene, &args, |program| program.under("sh", limited)));
}

/// The system says no, as it does to a user who may not write; root may everywhere.
#[test]
fn a_folder_that_may_not_be_written() {
    let scene = Scene::new();
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    store_with(&scene, "store", "hub.example.com", "team/app", "v1", &image);
    let args = ["copy", "--src", "store", "--dest", "./out", "--jobs", "1"];
    let refuse = [
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=?mkdir,mkdirat",
        "-e",
        "inject=?mkdir,mkdirat:error=EACCES",
    ];
    assert_said!(transcript(&scene, &args, |program| program.under("strace", refuse)));
}
