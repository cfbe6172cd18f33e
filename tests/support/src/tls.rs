//! A private certificate authority with one server and one client.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Whom the server's certificate is for: the loopback, and two names that a test can make lead there.
const NAMES: [&str; 4] = [
    "localhost",
    "127.0.0.1",
    "hosts.registry.test",
    "dns.registry.test",
];

/// How a registry is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tls {
    /// Plain HTTP.
    #[default]
    Off,
    /// HTTPS with a certificate of a private authority, for `localhost`, `127.0.0.1` and names below `registry.test`.
    Server,
    /// HTTPS as before, for these names, too: a [`crate::proxy::Proxy`] can make them lead there.
    Named(&'static [&'static str]),
    /// HTTPS for the same names as [`Tls::Server`], for clients with a certificate of that authority only.
    Mutual,
}

impl Tls {
    fn names(self) -> Vec<&'static str> {
        let more = match self {
            Tls::Named(names) => names,
            _ => &[],
        };
        NAMES.iter().chain(more).copied().collect()
    }
}

/// Files in PEM, and a client that uses them.
///
/// The names of the client's files are those that containers' tools look for in a `certs.d` folder.
#[derive(Debug)]
pub(crate) struct Authority {
    dir: PathBuf,
    client: Arc<ClientConfig>,
    roots: Arc<RootCertStore>,
    server: CertificateDer<'static>,
    server_key: PrivatePkcs8KeyDer<'static>,
}

impl Authority {
    /// Makes all keys and certificates, and writes them into `dir`.
    pub(crate) fn create(dir: &Path, tls: Tls) -> Authority {
        fs::create_dir_all(dir).expect("a writable temporary folder");
        let ca_key = new_key();
        let mut ca_params = params("transload test authority", &[]);
        ca_params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = ca_params.self_signed(&ca_key).expect("a valid authority");
        let issuer = Issuer::new(ca_params, ca_key);

        let server_key = new_key();
        let mut server = params("transload test registry", &tls.names());
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let server = server.signed_by(&server_key, &issuer).expect("a valid server");

        let client_key = new_key();
        let mut client = params("transload test client", &[]);
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let client = client.signed_by(&client_key, &issuer).expect("a valid client");

        for (name, text) in [
            ("ca.crt", ca.pem()),
            ("server.pem", server.pem()),
            ("server-key.pem", server_key.serialize_pem()),
            ("client.cert", client.pem()),
            ("client.key", client_key.serialize_pem()),
        ] {
            fs::write(dir.join(name), text).expect("a writable temporary folder");
        }
        let mut roots = RootCertStore::empty();
        roots.add(ca.der().clone()).expect("a valid authority");
        Authority {
            dir: dir.to_owned(),
            client: Arc::new(client_config(roots.clone(), client.der(), &client_key)),
            roots: Arc::new(roots),
            server: server.der().clone(),
            server_key: server_key.serialize_der().into(),
        }
    }

    /// A server with the authority's certificate; one that is mutual serves nobody else's clients.
    pub(crate) fn server(&self, mutual: bool) -> Arc<ServerConfig> {
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("ring has every safe version");
        let config = if mutual {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&self.roots), provider());
            config.with_client_cert_verifier(verifier.build().expect("the authority is a root"))
        } else {
            config.with_no_client_auth()
        };
        let key = PrivateKeyDer::from(self.server_key.clone_key());
        let config = config.with_single_cert(vec![self.server.clone()], key);
        Arc::new(config.expect("a key that fits its certificate"))
    }

    /// The folder, in the form of `certs.d`.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A client that trusts the authority and shows the client's certificate where it is asked.
    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.client)
    }
}

pub(crate) fn new_key() -> KeyPair {
    KeyPair::generate().expect("a random key of P-256")
}

pub(crate) fn params(name: &str, subjects: &[&str]) -> CertificateParams {
    let subjects: Vec<String> = subjects.iter().map(|&subject| subject.to_owned()).collect();
    let mut params = CertificateParams::new(subjects).expect("plain host names");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn client_config(roots: RootCertStore, cert: &CertificateDer<'static>, key: &KeyPair) -> ClientConfig {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring has every safe version")
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![cert.clone()], key)
        .expect("a key that fits its certificate")
}
