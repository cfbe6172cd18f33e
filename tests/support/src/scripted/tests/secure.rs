//! TLS, and who speaks it to whom.

use std::io::Read as _;

use super::*;

#[test]
fn a_certificate_of_the_authority_is_shown_and_asked_for() {
    for tls in [Tls::Server, Tls::Mutual] {
        let (registry, digest, bytes) = seeded(Options {
            tls,
            redirect_blobs: true,
            ..Options::default()
        });
        let endpoint = endpoint(&registry);
        let answer = endpoint
            .request("GET", &format!("/v2/a/blobs/{digest}"), &[], b"")
            .unwrap();
        let content = format!("https://{}/content/a/{digest}", registry.content_host().unwrap());
        assert!(answer.head.header("location").unwrap().starts_with(&content));
        let there = Endpoint {
            host: registry.content_host().unwrap().to_owned(),
            ..endpoint.clone()
        };
        assert_eq!(
            there.request("GET", &location(&answer), &[], b"").unwrap().body,
            bytes
        );
        for file in [registry.ca_file(), registry.cert_file(), registry.key_file()] {
            let text = std::fs::read_to_string(file).unwrap();
            assert!(text.starts_with("-----BEGIN "), "{text}");
        }
    }
}

#[test]
fn addresses_say_https() {
    let registry = ScriptedRegistry::with(Options {
        tls: Tls::Server,
        authentication: Authentication::Bearer {
            anonymous: true,
            oauth2: false,
        },
        ..Options::default()
    });
    let refused = endpoint(&registry).request("GET", "/v2/", &[], b"").unwrap();
    let realm = format!("Bearer realm=\"https://{}/token\"", registry.host());
    assert!(
        refused
            .head
            .header("www-authenticate")
            .unwrap()
            .starts_with(&realm)
    );
}

#[test]
fn the_wrong_protocol_is_answered_without_tls() {
    let secure = ScriptedRegistry::with(Options {
        tls: Tls::Server,
        ..Options::default()
    });
    let answer = raw(secure.host(), b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.contains("HTTPS server"),
        "{answer}"
    );
    let plain = ScriptedRegistry::start();
    let answer = raw(plain.host(), b"\x16\x03\x01\x00\x05hello");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(plain.log().requests().is_empty());
}

fn raw(host: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(host).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    // The server leaves the request unread, so a reset may follow the answer.
    stream.read_to_end(&mut answer).ok();
    String::from_utf8_lossy(&answer).into_owned()
}
