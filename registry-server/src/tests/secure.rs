//! TLS, clients' certificates and passwords.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto};

use super::*;
use crate::TlsFiles;

type TlsClient = Client<StreamOwned<ClientConnection, TcpStream>>;

/// An authority, with a certificate of it for `localhost`, which is for servers and clients.
struct Authority(PathBuf);

impl Authority {
    fn create(folder: &Path, name: &str) -> Self {
        let folder = folder.join(name);
        fs::create_dir(&folder).unwrap();
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new([]).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_certificate = ca.self_signed(&ca_key).unwrap();
        let issuer = Issuer::new(ca, ca_key);
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["localhost".to_owned()])
            .unwrap()
            .signed_by(&key, &issuer);
        fs::write(folder.join("ca.pem"), ca_certificate.pem()).unwrap();
        fs::write(folder.join("certificate.pem"), certificate.unwrap().pem()).unwrap();
        fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
        Self(folder)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn files(&self) -> TlsFiles {
        TlsFiles::new(self.file("certificate.pem"), self.file("key.pem"))
    }

    /// Connects to a server, whose authority this must be. Nothing is agreed on until bytes are sent.
    fn connect(&self, server: &Running, identity: Option<&Authority>) -> TlsClient {
        let certificate = |path: PathBuf| CertificateDer::from_pem_file(path).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate(self.file("ca.pem"))).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let key = PrivateKeyDer::from_pem_file(identity.file("key.pem")).unwrap();
                let chain = vec![certificate(identity.file("certificate.pem"))];
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
        Client::new(StreamOwned::new(
            connection,
            TcpStream::connect(server.address).unwrap(),
        ))
    }
}

/// Returns whether a client gets an answer.
fn is_served(mut client: TlsClient) -> bool {
    let request = b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let sent = client.stream.get_mut().write_all(request);
    sent.is_ok() && client.rest().ends_with(b"hello")
}

fn with_tls(files: TlsFiles) -> Options {
    Options {
        tls: Some(files),
        ..patient()
    }
}

#[test]
fn everything_goes_over_tls_too() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::create(folder.path(), "a");
    let server = Running::with(with_tls(authority.files()));
    let mut client = authority.connect(&server, None);
    assert_eq!(client.get("/who").text(), "None");
    assert!(client.get("/file").body == pattern()[1..], "they differ");
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n");
    client.send(vec![b'x'; 300_000]);
    assert_eq!(client.answer().body, vec![b'x'; 300_000]);
    client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /reader HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().text(), "hello");
    assert_eq!(client.answer().body.len(), 200_000);
}

#[test]
fn plain_http_to_a_tls_port_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::create(folder.path(), "a");
    let server = Running::with(with_tls(authority.files()));
    let mut client = server.connect();
    client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("https"));
}

#[test]
fn a_handshake_that_comes_too_slowly_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::create(folder.path(), "a");
    let mut options = with_tls(authority.files());
    options.head_deadline = SHORT;
    let server = Running::with(options);
    let mut client = server.connect();
    client.send([0x16, 3, 1]);
    assert_eq!(client.rest(), b"");
}

#[test]
fn only_clients_with_a_certificate_of_the_authority_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::create(folder.path(), "a");
    let stranger = Authority::create(folder.path(), "b");
    let mut files = authority.files();
    files.client_ca = Some(authority.file("ca.pem"));
    let server = Running::with(with_tls(files));
    assert!(is_served(authority.connect(&server, Some(&authority))));
    assert!(!is_served(authority.connect(&server, None)));
    assert!(!is_served(authority.connect(&server, Some(&stranger))));
}

#[test]
fn a_reload_changes_the_certificate_of_new_connections_only() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (
        Authority::create(folder.path(), "a"),
        Authority::create(folder.path(), "b"),
    );
    let server = Running::with(with_tls(old.files()));
    let mut before = old.connect(&server, None);
    assert_eq!(before.get("/hello").status, 200);

    fs::write(old.file("key.pem"), "broken").unwrap();
    let error = server.handle.reload().unwrap_err().to_string();
    assert!(error.contains("key.pem: there is no private key"), "{error}");
    assert!(is_served(old.connect(&server, None)), "the old certificate stays");

    for name in ["certificate.pem", "key.pem"] {
        fs::copy(new.file(name), old.file(name)).unwrap();
    }
    server.handle.reload().unwrap();
    assert!(is_served(new.connect(&server, None)));
    assert!(!is_served(old.connect(&server, None)));
    assert_eq!(before.get("/hello").status, 200, "it goes on");
}

#[test]
fn files_that_make_no_tls_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (
        Authority::create(folder.path(), "a"),
        Authority::create(folder.path(), "b"),
    );
    let encrypted = folder.path().join("encrypted.pem");
    fs::write(
        &encrypted,
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    )
    .unwrap();
    let missing = folder.path().join("missing.pem");
    let with_ca = |path: PathBuf| TlsFiles {
        client_ca: Some(path),
        ..first.files()
    };
    for (files, part) in [
        (TlsFiles::new(&missing, first.file("key.pem")), "certificate /"),
        (
            TlsFiles::new(first.file("key.pem"), first.file("key.pem")),
            "no certificate (PEM)",
        ),
        (TlsFiles::new(first.file("certificate.pem"), &missing), "key /"),
        (
            TlsFiles::new(first.file("certificate.pem"), first.file("certificate.pem")),
            "no private key",
        ),
        (
            TlsFiles::new(first.file("certificate.pem"), &encrypted),
            "openssl pkey",
        ),
        (
            TlsFiles::new(first.file("certificate.pem"), second.file("key.pem")),
            "doesn't match",
        ),
        (with_ca(missing.clone()), "client CA /"),
        (with_ca(first.file("key.pem")), "no certificate (PEM)"),
    ] {
        let bound = Server::bind("127.0.0.1:0".parse().unwrap(), with_tls(files));
        let error = bound.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn requests_need_a_user_of_the_htpasswd_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("htpasswd");
    fs::write(&path, format!("anna:{}\n", bcrypt::hash("secret", 4).unwrap())).unwrap();
    let server = Running::with(Options {
        htpasswd: Some(path),
        ..patient()
    });
    let mut client = server.connect();
    for path in ["/who", "/metrics", "/nothing"] {
        let refused = client.get(path);
        assert_eq!(refused.status, 401, "{path}");
        assert!(
            refused.head.contains("WWW-Authenticate: Basic realm="),
            "{}",
            refused.head
        );
        assert!(refused.text().contains("\"UNAUTHORIZED\""));
    }
    assert_eq!(client.get("/healthz").status, 200, "anyone may ask for health");
    for (user, status) in [("anna:secret", 200), ("anna:wrong", 401), ("bert:secret", 401)] {
        let encoded = BASE64_STANDARD.encode(user);
        client.send(format!(
            "GET /who HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {encoded}\r\n\r\n"
        ));
        let answer = client.answer();
        assert_eq!(answer.status, status, "{user}");
        if status == 200 {
            assert_eq!(answer.text(), "Some(\"anna\")");
        }
    }
}
