//! Hostile servers: each of their answers ends in a short and plain error.

mod endless;

use std::sync::mpsc;
use std::time::{Duration, Instant};

use transload_reference::{Descriptor, Digest, Identifier, MediaType, Repository};
use transload_registry_client::{Client, Error, ErrorKind, Lookup, Network, RetryPolicy, Timeouts};
use transload_test_support::ScriptedRegistry;
use transload_test_support::image::{Family, gzip, samples};
use transload_test_support::scripted::{Action, Authentication, Fault, Options, Raw, Reply};

use crate::help::*;

/// Generous: a hang would last for ever.
const PATIENCE: Duration = Duration::from_secs(60);
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\n";

fn once() -> Client {
    builder().retry(RetryPolicy::attempts(1)).build().unwrap()
}

/// A client that waits only so long for a document, and for a byte.
fn hasty(document: Duration, idle: Duration) -> Client {
    let mut timeouts = Timeouts::default();
    timeouts.document = document;
    timeouts.idle = idle;
    builder()
        .retry(RetryPolicy::attempts(1))
        .timeouts(timeouts)
        .build()
        .unwrap()
}

fn bearer() -> ScriptedRegistry {
    ScriptedRegistry::with(Options::bearer(true))
}

/// Returns the error of work that has to end; its message is short and plain.
#[track_caller]
fn fails<T: Send + 'static>(case: &str, work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Error {
    let (done, result) = mpsc::channel();
    std::thread::spawn(move || done.send(work().map(|_| ())));
    let result = result
        .recv_timeout(PATIENCE)
        .unwrap_or_else(|_| panic!("{case}: it hangs, or panicked"));
    let error = result.err().unwrap_or_else(|| panic!("{case}: it was taken"));
    let message = format!("{error} {}", error.hint().unwrap_or_default());
    assert!(
        message.chars().count() < 2500,
        "{case}: {} characters",
        message.len()
    );
    assert!(!message.contains(|c: char| c.is_control()), "{case}: {message:?}");
    error
}

/// Reads the manifest `v1` while every request to a path gets this answer; returns the error.
#[track_caller]
fn manifest(registry: &ScriptedRegistry, path: &str, case: &str, action: Action) -> Error {
    registry.clear_faults();
    registry.fault(Fault::new("*", path, action).every());
    let (client, repository) = (once(), repository(registry, "a"));
    fails(case, move || client.manifest(&repository, &tag("v1")))
}

fn raw(start: impl Into<Vec<u8>>, forever: impl Into<Vec<u8>>) -> Action {
    Action::Raw(Raw::new(start).forever(forever))
}

#[test]
fn answers_that_make_no_sense_are_refused() {
    let registry = ScriptedRegistry::start();
    let cases = [
        (
            "a chunk of too many digits",
            format!("{OK}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffffff\r\n"),
        ),
        (
            "a chunk of the largest size",
            format!("{OK}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc"),
        ),
        (
            "a negative chunk",
            format!("{OK}Transfer-Encoding: chunked\r\n\r\n-5\r\nabc"),
        ),
        ("a negative length", format!("{OK}Content-Length: -1\r\n\r\n")),
        (
            "a length that is none",
            format!("{OK}Content-Length: 99999999999999999999999\r\n\r\n"),
        ),
        (
            "two lengths",
            format!("{OK}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        ),
        (
            "a length and chunks",
            format!("{OK}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
        ),
        (
            "no length but a promise",
            format!("{OK}Content-Length: 10\r\n\r\n{{}}"),
        ),
        ("another version", "HTTP/9.9 200 OK\r\n\r\n".to_owned()),
        ("status 0", "HTTP/1.1 000 Nothing\r\n\r\n".to_owned()),
        (
            "status 999",
            "HTTP/1.1 999 \u{1b}[31mX\r\nContent-Length: 0\r\n\r\n".to_owned(),
        ),
        ("another protocol", "SSH-2.0-OpenSSH_9.2\r\n".to_owned()),
        ("nothing", String::new()),
        ("a null byte", "HTTP/1.1 200 OK\r\nX: \0\r\n\r\n".to_owned()),
    ];
    for (case, start) in cases {
        manifest(&registry, "/manifests/v1", case, Action::Raw(Raw::new(start)));
    }
}

#[test]
fn encoded_answers_are_not_decoded() {
    let registry = bearer();
    registry.put_image("a", "v1", &samples::single(Family::Oci, "linux/amd64", 1));
    let bomb = gzip(&vec![b' '; 64 << 20]);
    let reply = |encoding: &str| {
        Action::Answer(
            Reply::status(200)
                .header("Content-Encoding", encoding)
                .body(bomb.clone()),
        )
    };
    for (path, encoding) in [
        ("/manifests/v1", "gzip"),
        ("/token", "gzip"),
        ("/manifests/v1", "br"),
        ("/manifests/v1", "gzip, gzip"),
    ] {
        let error = manifest(&registry, path, encoding, reply(encoding));
        let expected = format!("the answer is encoded as {encoding}, which transload didn't ask for");
        assert!(error.to_string().contains(&expected), "{path}: {error}");
    }
    registry.clear_faults();
    registry.fault(Fault::new("GET", "/tags/list", reply("gzip")).every());
    registry.fault(Fault::new("GET", "/blobs/", reply("deflate")).every());
    let (client, repository) = (once(), repository(&registry, "a"));
    let blob = descriptor(&[0; 64]);
    let error = client.tags(&repository).unwrap_err();
    assert!(error.to_string().contains("encoded as gzip"), "{error}");
    let error = client.open_blob(&repository, &blob, 0).unwrap_err();
    assert!(error.to_string().contains("encoded as deflate"), "{error}");
    // A name of kilobytes isn't quoted in kilobytes.
    let name = "x".repeat(30_000);
    manifest(&registry, "/manifests/v1", "a long name", reply(&name));
}

#[test]
fn a_document_that_comes_byte_by_byte_is_given_up() {
    let registry = bearer();
    let client = hasty(Duration::from_millis(600), Duration::from_secs(20));
    let drip =
        |start: &str, byte: &str| Action::Raw(Raw::new(start).forever(byte).pause(Duration::from_millis(50)));
    let cases = [
        (
            "/manifests/v1",
            drip(&format!("{OK}\r\n"), " "),
            "the answer wasn't whole after 0 s",
        ),
        (
            "/token",
            drip(&format!("{OK}\r\n"), " "),
            "the answer wasn't whole after 0 s",
        ),
        (
            "/manifests/v1",
            drip("HTTP/1.1 200 OK\r\n", "X"),
            "the answer's head took too long",
        ),
        ("/manifests/v1", drip("HTTP/1.1 403 No\r\n\r\n", " "), "403"),
        (
            "/manifests/v1",
            drip(
                &format!("{OK}Transfer-Encoding: chunked\r\n\r\n0\r\n"),
                "X: y\r\n",
            ),
            "no byte moved for too long",
        ),
        (
            "/tags/list",
            drip(&format!("{OK}\r\n"), " "),
            "the answer wasn't whole after 0 s",
        ),
    ];
    for (path, action, expected) in cases {
        registry.clear_faults();
        registry.fault(Fault::new("GET", path, action).every());
        let (client, repository) = (client.clone(), repository(&registry, "a"));
        let error = fails(path, move || match path {
            "/tags/list" => client.tags(&repository).map(|_| ()),
            _ => client.manifest(&repository, &tag("v1")).map(|_| ()),
        });
        assert!(error.to_string().contains(expected), "{path}: {error}");
    }
}

#[test]
fn a_blob_of_which_hardly_a_byte_comes_counts_as_stalled() {
    let registry = ScriptedRegistry::start();
    let client = hasty(Duration::from_secs(20), Duration::from_millis(300));
    let blob = descriptor(&content(100_000));
    let head = format!("{OK}Content-Length: 100000\r\n\r\n");
    let drip = Action::Raw(Raw::new(head).forever("x").pause(Duration::from_millis(30)));
    registry.fault(Fault::new("GET", "/blobs/", drip).every());
    let place = repository(&registry, "a");
    let error = fails("a blob", move || {
        read(&client, &place, &blob, 0).map_err(|error| error.downcast::<Error>().unwrap())
    });
    assert!(
        matches!(
            error.kind(),
            ErrorKind::Network {
                network: Network::Stalled,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("almost no byte moved"), "{error}");
}

#[test]
fn texts_of_a_registry_are_shown_on_one_line_escaped_and_cut() {
    let registry = bearer();
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\nerror: \u{202e}all is well\u{9b}31m";
    let shown = "\\u{1b}]0;owned\\u{7}\\u{1b}[2J error: \\u{202e}all is well\\u{9b}31m";
    for path in ["/manifests/v1", "/token"] {
        let error = manifest(
            &registry,
            path,
            path,
            Action::Answer(Reply::status(403).error(evil, evil)),
        );
        assert_eq!((error.code(), error.message()), (Some(shown), Some(shown)));
        let long = "x".repeat(20_000);
        let error = manifest(
            &registry,
            path,
            path,
            Action::Answer(Reply::status(403).error(&long, &long)),
        );
        assert!(error.message().unwrap().chars().count() <= 301);
    }
    let html = format!("<html>{evil}</html>");
    let error = manifest(
        &registry,
        "/manifests/v1",
        "html",
        Action::Answer(Reply::status(502).body(html)),
    );
    assert!(
        error.to_string().contains("a web page") && !error.to_string().contains("owned"),
        "{error}"
    );
    // Lists of tags that are none are quoted by the parser.
    registry.clear_faults();
    let page = format!(r#"{{"tags":"{}"}}"#, "y".repeat(1 << 20));
    registry.fault(Fault::new("GET", "/tags/list", Action::Answer(Reply::status(200).body(page))).every());
    let (client, repository) = (once(), repository(&registry, "a"));
    fails("tags", move || client.tags(&repository));
}

/// A digest header is believed only if it is true.
#[test]
fn lies_about_digests_are_not_believed() {
    let registry = ScriptedRegistry::start();
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    registry.put_image("a", "v1", &image);
    let place = repository(&registry, "a");
    for digest in [
        "sha256:../../../etc/passwd",
        "../../x",
        "",
        "sha256:abc",
        "md5:0",
        "\u{7f}",
    ] {
        registry.clear_faults();
        let header = vec![("Docker-Content-Digest".to_owned(), digest.to_owned())];
        registry.fault(Fault::new("*", "/manifests/", Action::Headers(header)).every());
        match once().resolve(&place, &tag("v1")) {
            Ok(found) => assert_eq!(found.digest, *image.digest(), "{digest}"),
            // A control character makes it no HTTP.
            Err(error) => assert!(digest.contains('\u{7f}'), "{digest}: {error}"),
        }
    }
    // Another manifest than the one that was asked for by its digest.
    registry.clear_faults();
    let asked = Identifier::Digest(Digest::of(b"another"));
    let reply = Reply::status(200)
        .header("Content-Type", image.root.media_type.as_str())
        .header("Docker-Content-Digest", Digest::of(b"another").as_str())
        .body(image.root.bytes.clone());
    registry.fault(Fault::new("GET", "/manifests/", Action::Answer(reply)).every());
    let error = fails("another manifest", move || once().manifest(&place, &asked));
    assert!(error.to_string().contains("isn't the requested one"), "{error}");
    // A registry that says that it stored something else.
    registry.clear_faults();
    let lie = vec![(
        "Docker-Content-Digest".to_owned(),
        Digest::of(b"another").to_string(),
    )];
    registry.fault(Fault::new("PUT", "/manifests/", Action::Headers(lie)).every());
    let manifest = once().manifest(&repository(&registry, "a"), &tag("v1")).unwrap();
    let place = repository(&registry, "a");
    let error = fails("a stored lie", move || {
        once().push_manifest(&place, &tag("v2"), &manifest)
    });
    assert!(
        error.to_string().contains("the registry stored sha256:"),
        "{error}"
    );
}

#[test]
fn addresses_that_a_registry_gives_lead_no_credential_elsewhere() {
    let registry = ScriptedRegistry::with(Options {
        authentication: Authentication::Basic,
        ..Options::default()
    });
    let elsewhere = ScriptedRegistry::start();
    let blob = put(&registry, "a", &content(1000));
    let client = client_of(user(), &registry);
    let place = repository(&registry, "a");
    // The registry gets the password before it sends us away.
    client.has_blob(&place, &blob.digest).unwrap();
    let away = format!("http://tester:{}@{}/gone?sig=1", "word", elsewhere.host());
    let redirect = |status| Action::Answer(Reply::status(status).header("Location", &away));
    registry.fault(Fault::new("GET", "/", redirect(307)).every());
    registry.fault(Fault::new("HEAD", "/", redirect(302)).every());
    registry.fault(Fault::new("PUT", "/manifests/", redirect(308)).every());
    registry.fault(Fault::new("POST", "/blobs/uploads/", redirect(202)).every());
    let manifest = transload_reference::RawManifest::parse(b"{}".to_vec(), None).unwrap();
    assert!(client.open_blob(&place, &blob, 0).is_err());
    assert!(client.manifest(&place, &tag("v1")).is_err());
    assert!(client.resolve(&place, &tag("v1")).is_err());
    assert!(client.tags(&place).is_err());
    assert!(client.push_manifest(&place, &tag("v1"), &manifest).is_err());
    let bytes = content(2000);
    assert!(
        client
            .push_blob(&place, &descriptor(&bytes), &mut opener(&bytes, &mut Vec::new()))
            .is_err()
    );
    let requests = elsewhere.log().requests();
    for (method, path) in [("GET", "/gone"), ("HEAD", "/gone"), ("PUT", "/gone")] {
        assert!(
            requests.iter().any(|request| request.is(method, path)),
            "{method}: it didn't follow"
        );
    }
    for request in &requests {
        assert_eq!(
            request.header("authorization"),
            None,
            "{} {}",
            request.method,
            request.path
        );
        assert_eq!(request.header("cookie"), None);
    }
}

/// Another host may ask for a password as it likes.
#[test]
fn a_challenge_of_another_host_gets_nothing() {
    let registry = ScriptedRegistry::with(Options {
        authentication: Authentication::Basic,
        ..Options::default()
    });
    let elsewhere = ScriptedRegistry::start();
    let blob = put(&registry, "a", &content(1000));
    let client = client_of(user(), &registry);
    let place = repository(&registry, "a");
    client.has_blob(&place, &blob.digest).unwrap();
    let away = Reply::status(307).header("Location", &format!("http://{}/blob", elsewhere.host()));
    registry.fault(Fault::new("GET", "/blobs/", Action::Answer(away)).every());
    for challenge in [
        "Basic realm=\"x\"".to_owned(),
        format!("Bearer realm=\"http://{}/token\"", elsewhere.host()),
    ] {
        elsewhere.clear_faults();
        let reply = Reply::status(401).header("WWW-Authenticate", &challenge);
        elsewhere.fault(Fault::new("*", "/", Action::Answer(reply)).every());
        let error = client.open_blob(&place, &blob, 0).unwrap_err();
        assert_eq!(error.status(), Some(401), "{challenge}: {error}");
    }
    let requests = elsewhere.log().requests();
    // An address that was signed may have expired: it is asked for anew, and nothing else.
    assert!(
        requests.iter().all(|request| request.path == "/blob"),
        "somebody asked for a token there"
    );
    assert!(
        requests
            .iter()
            .all(|request| request.header("authorization").is_none())
    );
}

/// Sizes that no disk has, and offsets beyond them.
#[test]
fn numbers_at_their_limits_overflow_nothing() {
    let registry = ScriptedRegistry::start();
    let mut blob = Descriptor::new(MediaType::OCI_LAYER, Digest::of(b"x"), u64::MAX);
    let (client, place) = (once(), repository(&registry, "a"));
    let max = u64::MAX;
    for (status, header, value) in [
        (206, "Content-Range", format!("bytes 5-{}/{max}", max - 1)),
        (206, "Content-Range", format!("bytes 0-{max}/{max}")),
        (206, "Content-Range", format!("bytes 5-{max}/*")),
        (200, "Content-Length", format!("{max}")),
        (416, "Content-Range", format!("bytes */{max}")),
    ] {
        registry.clear_faults();
        let start = format!("HTTP/1.1 {status} X\r\n{header}: {value}\r\n\r\nabc");
        registry.fault(Fault::new("GET", "/blobs/", Action::Raw(Raw::new(start))).every());
        for offset in [0, 5, max - 1, max] {
            // An error, now or at the first read, or nothing to read at all.
            let _ = read(&client, &place, &blob, offset);
        }
        let _ = client.has_blob(&place, &blob.digest);
    }
    blob.size = 10;
    registry.clear_faults();
    let range = Reply::status(202)
        .header("Location", "/v2/a/blobs/uploads/1")
        .header("Range", &format!("0-{}", max - 1));
    registry.fault(Fault::new("*", "/blobs/uploads/", Action::Answer(range)).every());
    let bytes = content(10);
    let pushed = client.push_blob(&place, &blob, &mut opener(&bytes, &mut Vec::new()));
    assert!(pushed.is_err());
}
