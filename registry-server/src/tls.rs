//! The server's certificate, read again when asked.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use rustls::{RootCertStore, crypto};

use crate::Error;
use crate::lock::lock;

/// The files that make a server speak TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsFiles {
    /// The server's certificate and those that lead to its authority (PEM).
    pub certificate: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
    /// Authorities (PEM). If set, each client must show a certificate of one of them.
    pub client_ca: Option<PathBuf>,
}

impl TlsFiles {
    /// Names a certificate and its key. Clients need no certificate.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            certificate: certificate.into(),
            key: key.into(),
            client_ca: None,
        }
    }

    fn read(&self) -> Result<ServerConfig, Error> {
        let provider = Arc::new(crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::of_file(CERTIFICATE, &self.certificate, error))?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let fail = |error: &dyn ToString| Error::of_file(CLIENT_CA, path, error.to_string());
                let mut roots = RootCertStore::empty();
                for certificate in read_certificates(CLIENT_CA, path)? {
                    roots.add(certificate).map_err(|error| fail(&error))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().map_err(|error| fail(&error))?)
            }
        };
        let chain = read_certificates(CERTIFICATE, &self.certificate)?;
        let mut config = builder
            .with_single_cert(chain, read_key(&self.key)?)
            .map_err(|error| {
                let message = format!(
                    "it doesn't match the certificate in {}: {error}",
                    self.certificate.display()
                );
                Error::of_file(KEY, &self.key, message)
            })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

const CERTIFICATE: &str = "certificate";
const KEY: &str = "key";
const CLIENT_CA: &str = "client CA";

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| Error::of_file(what, path, error))
}

fn read_certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let pem = read(what, path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => {
            Err(Error::of_file(what, path, "there is no certificate (PEM) in it"))
        }
        certificates => certificates.map_err(|error| Error::of_file(what, path, error)),
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let pem = read(KEY, path)?;
    if pem.windows(9).any(|part| part == b"ENCRYPTED") {
        let message = "it is encrypted, and transload can't ask for the password; `openssl pkey` decrypts it";
        return Err(Error::of_file(KEY, path, message));
    }
    PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|_| Error::of_file(KEY, path, "there is no private key (PEM) in it"))
}

/// The TLS configuration of new connections.
#[derive(Debug)]
pub(crate) struct Tls {
    files: TlsFiles,
    current: Mutex<Arc<ServerConfig>>,
}

impl Tls {
    pub fn read(files: TlsFiles) -> Result<Self, Error> {
        let current = Mutex::new(Arc::new(files.read()?));
        Ok(Self { files, current })
    }

    /// Reads the files again. Where that fails, what was read before stays.
    pub fn reload(&self) -> Result<(), Error> {
        let config = Arc::new(self.files.read()?);
        *lock(&self.current) = config;
        Ok(())
    }

    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&lock(&self.current))
    }
}
