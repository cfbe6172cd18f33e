//! TLS servers that behave as no proper registry does.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use rustls::pki_types::PrivateKeyDer;
use transload_registry_client::{ErrorKind, HostRule, Network, RetryPolicy};

use crate::help::*;

/// A server with a certificate for this name. It opens uploads, and refuses blobs without reading them.
struct Server {
    host: String,
    ca_file: PathBuf,
    _folder: tempfile::TempDir,
}

fn serve(name: &str) -> Server {
    serve_as(name, rcgen::IsCa::NoCa)
}

/// The certificate is its own authority, as `openssl req -x509` makes it, where it is marked as one.
fn serve_as(name: &str, is_ca: rcgen::IsCa) -> Server {
    serve_with(name, |params| params.is_ca = is_ca)
}

fn serve_with(name: &str, change: impl FnOnce(&mut rcgen::CertificateParams)) -> Server {
    let mut params = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
    change(&mut params);
    let signing_key = rcgen::KeyPair::generate().unwrap();
    let cert = params.self_signed(&signing_key).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    // It ends with the test's process: nothing waits for it.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let config = Arc::clone(&config);
            thread::spawn(move || {
                let connection = rustls::ServerConnection::new(config).unwrap();
                answer(BufReader::new(rustls::StreamOwned::new(
                    connection,
                    stream.unwrap(),
                )))
            });
        }
    });
    Server {
        host,
        ca_file,
        _folder: folder,
    }
}

fn answer(
    mut stream: BufReader<rustls::StreamOwned<rustls::ServerConnection, std::net::TcpStream>>,
) -> Option<()> {
    loop {
        let mut first = String::new();
        stream.read_line(&mut first).ok().filter(|count| *count > 0)?;
        let mut line = String::new();
        while stream.read_line(&mut line).ok()? > 2 {
            line.clear();
        }
        let reply = if first.starts_with("PUT") {
            let body = r#"{"errors":[{"code":"DENIED","message":"quota exceeded"}]}"#;
            format!(
                "HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )
        } else {
            "HTTP/1.1 202 Accepted\r\nLocation: /v2/a/b/blobs/uploads/1\r\nContent-Length: 0\r\n\r\n"
                .to_owned()
        };
        stream.get_mut().write_all(reply.as_bytes()).ok()?;
        stream.get_mut().flush().ok()?;
        if first.starts_with("PUT") {
            return None;
        }
    }
}

fn rule(server: &Server) -> HostRule {
    let mut rule = HostRule::new(server.host.clone());
    rule.ca_file = Some(server.ca_file.clone());
    rule
}

#[test]
fn a_refusal_in_the_middle_of_an_upload_is_seen_through_tls() {
    let server = serve("127.0.0.1");
    let client = builder()
        .plain_http(Some(false))
        .hosts(vec![rule(&server)])
        .build()
        .unwrap();
    let bytes = content(20_000_000);
    let repository = format!("{}/a/b", server.host).parse().unwrap();
    for _ in 0..5 {
        let pushed = client.push_blob(
            &repository,
            &descriptor(&bytes),
            &mut opener(&bytes, &mut Vec::new()),
        );
        let error = pushed.unwrap_err();
        assert_eq!(
            (error.status(), error.message()),
            (Some(403), Some("quota exceeded")),
            "{error}"
        );
    }
}

#[test]
fn a_certificate_for_another_name_is_explained() {
    let server = serve("other.example");
    let client = builder()
        .plain_http(Some(false))
        .retry(RetryPolicy::attempts(3))
        .hosts(vec![rule(&server)])
        .build()
        .unwrap();
    let repository = format!("{}/a/b", server.host).parse().unwrap();
    let error = client.manifest(&repository, &tag("v1")).unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ErrorKind::Network {
                network: Network::CertificateName,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.hint().unwrap().contains("use a name that is in it"));
}

#[test]
fn a_certificate_that_is_its_own_authority_is_trusted_where_it_is_given_and_for_its_name_alone() {
    let authority = || rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let (mine, other) = (
        serve_as("127.0.0.1", authority()),
        serve_as("other.example", authority()),
    );
    let ask = |server: &Server, given: Option<&Server>| {
        let mut rule = HostRule::new(server.host.clone());
        rule.ca_file = given.map(|given| given.ca_file.clone());
        let client = builder().plain_http(Some(false)).hosts(vec![rule]);
        let client = client.retry(RetryPolicy::attempts(1)).build().unwrap();
        let repository = format!("{}/a/b", server.host).parse().unwrap();
        client.manifest(&repository, &tag("v1")).unwrap_err()
    };
    let answered = ask(&mine, Some(&mine));
    assert_eq!(answered.status(), Some(202), "{answered}");
    for (error, expected) in [
        (ask(&other, Some(&other)), Network::CertificateName),
        (ask(&mine, Some(&other)), Network::UnknownIssuer),
        (ask(&mine, None), Network::UnknownIssuer),
    ] {
        let network = match error.kind() {
            ErrorKind::Network { network, .. } => Some(*network),
            _ => None,
        };
        assert_eq!(network, Some(expected), "{error}");
    }
}

#[test]
fn a_certificate_that_is_its_own_authority_is_held_to_its_usages_and_its_names() {
    let authority = |change: fn(&mut rcgen::CertificateParams)| {
        serve_with("127.0.0.1", |params| {
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            change(params);
        })
    };
    let for_clients = authority(|params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    let for_others = authority(|params| {
        params.name_constraints = Some(rcgen::NameConstraints {
            permitted_subtrees: vec![rcgen::GeneralSubtree::IpAddress(
                rcgen::CidrSubnet::from_v4_prefix([10, 0, 0, 0], 8),
            )],
            excluded_subtrees: Vec::new(),
        });
    });
    for (server, reason) in [
        (
            for_clients,
            "does not allow extended key usage for server authentication",
        ),
        (for_others, "its name constraints don't allow it for this host"),
    ] {
        let client = builder().plain_http(Some(false)).hosts(vec![rule(&server)]);
        let client = client.retry(RetryPolicy::attempts(1)).build().unwrap();
        let repository = format!("{}/a/b", server.host).parse().unwrap();
        let error = client.manifest(&repository, &tag("v1")).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Network { network: Network::Certificate, message } if message.contains(reason)),
            "{error}"
        );
        assert!(
            error.hint().unwrap().contains("isn't for a server"),
            "{:?}",
            error.hint()
        );
    }
}
