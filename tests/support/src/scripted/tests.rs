//! The scripted registry, asked by hand.

mod faults;
mod kinds;
mod secure;

use std::io::{BufReader, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use super::*;
use crate::http::{Endpoint, Response, read_body, read_head};
use crate::image::{Family, samples};

const PATIENCE: Duration = Duration::from_secs(10);

fn ask(registry: &ScriptedRegistry, method: &str, target: &str, body: &[u8]) -> Response {
    ask_with(registry, method, target, &[], body)
}

fn ask_with(
    registry: &ScriptedRegistry,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    endpoint(registry).request(method, target, headers, body).unwrap()
}

fn endpoint(registry: &ScriptedRegistry) -> Endpoint {
    let certificates = registry.certificates.as_ref();
    Endpoint {
        tls: certificates.map(|(authority, _)| authority.client()),
        ..Endpoint::plain(registry.host())
    }
}

fn seeded(options: Options) -> (ScriptedRegistry, Digest, Vec<u8>) {
    let registry = ScriptedRegistry::with(options);
    let bytes = crate::image::noise(1, 1000);
    let digest = Digest::of(&bytes);
    registry.put_blob("a", &digest, &bytes);
    (registry, digest, bytes)
}

/// The path and query of a response's Location.
fn location(answer: &Response) -> String {
    let location = answer.head.header("location").expect("a Location");
    match location.split_once("//") {
        Some((_, rest)) => rest[rest.find('/').expect("a path")..].to_owned(),
        None => location.to_owned(),
    }
}

#[test]
fn ranges_are_answered_as_asked() {
    let (registry, digest, bytes) = seeded(Options::default());
    let target = format!("/v2/a/blobs/{digest}");
    let table: [(&str, u16, &[u8], Option<&str>); 5] = [
        ("bytes=0-", 206, &bytes, Some("bytes 0-999/1000")),
        ("bytes=990-", 206, &bytes[990..], Some("bytes 990-999/1000")),
        ("bytes=10-19", 206, &bytes[10..20], Some("bytes 10-19/1000")),
        ("bytes=1000-", 416, b"", Some("bytes */1000")),
        ("nonsense", 200, &bytes, None),
    ];
    for (range, status, body, content_range) in table {
        let answer = ask_with(&registry, "GET", &target, &[("Range", range)], b"");
        assert_eq!((answer.status, answer.body.as_slice()), (status, body), "{range}");
        assert_eq!(answer.head.header("content-range"), content_range, "{range}");
    }
    let (deaf, ..) = seeded(Options {
        ignore_range: true,
        ..Options::default()
    });
    let answer = ask_with(&deaf, "GET", &target, &[("Range", "bytes=5-")], b"");
    assert_eq!((answer.status, answer.body), (200, bytes));
}

#[test]
fn an_upload_takes_chunks_in_order_at_the_newest_location() {
    let registry = ScriptedRegistry::start();
    let digest = Digest::of(b"hello world");
    let first = location(&ask(&registry, "POST", "/v2/a/blobs/uploads/", b""));
    let answer = ask_with(&registry, "PATCH", &first, &[("Content-Range", "0-5")], b"hello ");
    assert_eq!((answer.status, answer.head.header("range")), (202, Some("0-5")));
    let second = location(&answer);
    assert_ne!(first, second);
    assert_eq!(
        ask(&registry, "PATCH", &first, b"world").status,
        400,
        "an old Location"
    );
    let gap = ask_with(
        &registry,
        "PATCH",
        &second,
        &[("Content-Range", "7-11")],
        b"world",
    );
    assert_eq!((gap.status, gap.head.header("range")), (416, Some("0-5")));
    let answer = ask(&registry, "GET", &first, b"");
    assert_eq!((answer.status, location(&answer)), (204, second.clone()));
    let answer = ask(&registry, "PUT", &format!("{second}&digest={digest}"), b"world");
    assert_eq!(answer.status, 201);
    assert_eq!(
        registry.blob("a", &digest).as_deref(),
        Some(b"hello world".as_slice())
    );
    assert_eq!(registry.open_sessions(), 0);
}

#[test]
fn a_wrong_digest_is_refused_and_a_session_can_be_cancelled() {
    let registry = ScriptedRegistry::start();
    let session = location(&ask(&registry, "POST", "/v2/a/blobs/uploads/", b""));
    let digest = Digest::of(b"other");
    assert_eq!(
        ask(&registry, "PUT", &format!("{session}&digest={digest}"), b"x").status,
        400
    );
    let session = location(&ask(&registry, "POST", "/v2/a/blobs/uploads/", b""));
    assert_eq!(registry.open_sessions(), 1);
    assert_eq!(ask(&registry, "DELETE", &session, b"").status, 204);
    assert_eq!(ask(&registry, "GET", &session, b"").status, 404);
    assert!(registry.blobs().is_empty());
}

#[test]
fn a_mount_copies_or_begins_an_upload() {
    for (refuse_mount, from, status) in [(false, "a", 201), (false, "b", 202), (true, "a", 202)] {
        let (registry, digest, _) = seeded(Options {
            refuse_mount,
            ..Options::default()
        });
        let target = format!("/v2/new/blobs/uploads/?mount={digest}&from={from}");
        assert_eq!(
            ask(&registry, "POST", &target, b"").status,
            status,
            "{refuse_mount} {from}"
        );
        assert_eq!(registry.blob("new", &digest).is_some(), status == 201);
    }
}

#[test]
fn a_manifest_needs_its_parts_first() {
    let registry = ScriptedRegistry::start();
    let image = samples::multi_platform(Family::Oci, 1);
    let headers = [("Content-Type", image.root.media_type.as_str())];
    let early = ask_with(
        &registry,
        "PUT",
        "/v2/a/manifests/v1",
        &headers,
        &image.root.bytes,
    );
    assert_eq!(early.status, 404, "{}", String::from_utf8_lossy(&early.body));
    crate::push_plain(registry.host(), "a", "v1", &image);
    assert!(registry.has_image("a", "v1", &image));
    assert!(!registry.has_image("a", "v2", &image));
    let wrong = [("Content-Type", "application/vnd.oci.image.manifest.v1+json")];
    let answer = ask_with(&registry, "PUT", "/v2/a/manifests/v2", &wrong, &image.root.bytes);
    assert_eq!(answer.status, 400);
    assert_eq!(registry.tags("a"), ["v1"]);
}

#[test]
fn tags_come_in_pages() {
    let registry = ScriptedRegistry::with(Options {
        page_size: Some(2),
        ..Options::default()
    });
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    for tag in ["c", "a", "b"] {
        registry.put_image("x", tag, &image);
    }
    let first = ask(&registry, "GET", "/v2/x/tags/list", b"");
    assert_eq!(first.body, br#"{"name":"x","tags":["a","b"]}"#);
    let link = format!(
        "<http://{}/v2/x/tags/list?last=b&n=2>; rel=\"next\"",
        registry.host()
    );
    assert_eq!(first.head.header("link"), Some(link.as_str()));
    let second = ask(&registry, "GET", "/v2/x/tags/list?last=b&n=2", b"");
    assert_eq!(second.body, br#"{"name":"x","tags":["c"]}"#);
    assert_eq!(second.head.header("link"), None);
}

#[test]
fn a_connection_is_kept_and_chunks_are_understood() {
    let (registry, digest, bytes) = seeded(Options {
        chunked_answers: true,
        ..Options::default()
    });
    let mut stream = TcpStream::connect(registry.host()).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    for _ in 0..2 {
        write!(stream, "GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let head = read_head(&mut reader).unwrap().unwrap();
        assert_eq!(head.header("content-length"), None);
        assert_eq!(read_body(&mut reader, &head).unwrap(), bytes);
    }
    let session = location(&ask(&registry, "POST", "/v2/a/blobs/uploads/", b""));
    let request =
        format!("PATCH {session} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let head = read_head(&mut reader).unwrap().unwrap();
    assert_eq!(head.header("range"), Some("0-2"));
    let requests = registry.log().requests();
    assert_eq!(requests[0].connection, requests[3].connection);
    assert_ne!(requests[0].connection, requests[2].connection);
}

#[test]
fn redirected_blobs_refuse_credentials() {
    let (registry, digest, bytes) = seeded(Options {
        redirect_blobs: true,
        ..Options::default()
    });
    let answer = ask(&registry, "GET", &format!("/v2/a/blobs/{digest}"), b"");
    assert_eq!(answer.status, 307);
    let content = Endpoint::plain(registry.content_host().unwrap());
    let target = location(&answer);
    let range = [("Range", "bytes=998-")];
    assert_eq!(
        content.request("GET", &target, &range, b"").unwrap().body,
        bytes[998..]
    );
    let secret = [("Authorization", "Basic x")];
    assert_eq!(content.request("GET", &target, &secret, b"").unwrap().status, 400);
    let decoded = target.replace("%2F", "/");
    assert_eq!(content.request("GET", &decoded, &[], b"").unwrap().status, 403);
    let log = registry.log().requests();
    assert_eq!(log[2].listener, Listener::Content);
    assert_eq!(log[2].header("authorization"), Some("Basic x"));
}

#[test]
fn tokens_have_scopes_and_can_be_revoked() {
    let authentication = Authentication::Bearer {
        anonymous: true,
        oauth2: true,
    };
    let (registry, digest, _) = seeded(Options {
        authentication,
        ..Options::default()
    });
    let target = format!("/v2/a/blobs/{digest}");
    let refused = ask(&registry, "GET", &target, b"");
    let challenge = format!(
        "Bearer realm=\"http://{}/token\",service=\"scripted\",scope=\"repository:a:pull\"",
        registry.host()
    );
    assert_eq!(refused.head.header("www-authenticate"), Some(challenge.as_str()));
    let with_token = |token: &str, method: &str, target: &str| {
        let header = format!("Bearer {token}");
        let answer = ask_with(&registry, method, target, &[("Authorization", &header)], b"");
        let challenge = answer.head.header("www-authenticate").unwrap_or_default();
        let error = challenge.split_once("error=").map(|(_, error)| error.to_owned());
        (answer.status, error)
    };
    let token_of = |answer: &Response, name: &str| {
        let answer: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        answer[name].as_str().expect(name).to_owned()
    };
    let scope = "scope=repository%3Aa%3Apull%2Cpush";
    let anonymous = token_of(&ask(&registry, "GET", &format!("/token?{scope}"), b""), "token");
    assert_eq!(with_token(&anonymous, "GET", &target), (200, None));
    let insufficient = Some("\"insufficient_scope\"".to_owned());
    assert_eq!(
        with_token(&anonymous, "POST", "/v2/a/blobs/uploads/"),
        (401, insufficient)
    );

    let form = format!("grant_type=refresh_token&refresh_token={REFRESH_TOKEN}&{scope}");
    let known = token_of(&ask(&registry, "POST", "/token", form.as_bytes()), "access_token");
    assert_eq!(with_token(&known, "POST", "/v2/a/blobs/uploads/"), (202, None));
    let wrong = ask(
        &registry,
        "POST",
        "/token",
        b"grant_type=refresh_token&refresh_token=x",
    );
    assert_eq!(wrong.status, 401);

    registry.revoke_tokens();
    assert_eq!(
        with_token(&known, "GET", &target),
        (401, Some("\"invalid_token\"".to_owned()))
    );
}
