//! Reads certificates and keys, once, before any request.

use std::path::Path;
use std::sync::OnceLock;

use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::secure::{ClientIdentity, provider};

/// The settings that decide how TLS is spoken. Requests with equal ones share connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Identity {
    pub insecure: bool,
    /// The rule whose `ca_file` is trusted, too.
    pub roots_of: Option<usize>,
    /// The rule whose client certificate is shown.
    pub client_of: Option<usize>,
}

/// Reads the certificates in a file.
pub(crate) fn read_ca(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = read_certificates("ca_file", path)?;
    let mut store = RootCertStore::empty();
    for certificate in &certificates {
        let added = store.add(certificate.clone());
        added.map_err(|error| {
            format!(
                "ca_file {}: a certificate in it can't be used: {error}",
                path.display()
            )
        })?;
    }
    Ok(certificates)
}

/// Reads a client certificate and its key.
pub(crate) fn read_client(cert_file: &Path, key_file: &Path) -> Result<ClientIdentity, String> {
    let chain = read_certificates("cert_file", cert_file)?;
    let pem = read("key_file", key_file)?;
    let fail = |what: &str| format!("key_file {}: {what}", key_file.display());
    if contains(&pem, b"ENCRYPTED") {
        return Err(fail(
            "its key is encrypted, and transload can't ask for the password; `openssl pkey` decrypts it",
        ));
    }
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| fail("there is no private key (PEM) in it"))?;
    let config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(RootCertStore::empty())
        .with_client_auth_cert(chain.clone(), key.clone_key());
    config.map_err(|error| {
        fail(&format!(
            "it doesn't match the certificate in {}: {error}",
            cert_file.display()
        ))
    })?;
    Ok(ClientIdentity { chain, key })
}

fn read_certificates(what: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = read(what, path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(|error| format!("{what} {}: {error}", path.display()))?;
    if certificates.is_empty() {
        return Err(format!(
            "{what} {}: there is no certificate (PEM) in it",
            path.display()
        ));
    }
    Ok(certificates)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

fn read(what: &str, path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{what} {}: {error}", path.display()))
}

/// Returns the system's authorities. Unreadable ones are left out.
pub(crate) fn system_roots() -> &'static [CertificateDer<'static>] {
    static ROOTS: OnceLock<Vec<CertificateDer<'static>>> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            log::warn!("a certificate of this system can't be read: {error}");
        }
        found.certs
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_hold_no_certificate_or_key_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "nothing here").unwrap();
        let broken = folder.path().join("broken.pem");
        std::fs::write(
            &broken,
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        )
        .unwrap();
        let missing = folder.path().join("missing.pem");
        for (path, part) in [
            (&empty, "no certificate"),
            (&broken, "can't be used"),
            (&missing, "No such file"),
        ] {
            let message = read_ca(path).unwrap_err();
            assert!(
                message.contains(part) && message.contains(&*path.to_string_lossy()),
                "{message}"
            );
        }
        assert!(read_client(&empty, &empty).unwrap_err().contains("cert_file"));
    }

    #[test]
    fn an_encrypted_key_is_distinguished_from_none() {
        let folder = tempfile::tempdir().unwrap();
        let certificate = folder.path().join("cert.pem");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        for text in [
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
        ] {
            let key = folder.path().join("key.pem");
            std::fs::write(&key, text).unwrap();
            let message = read_client(&certificate, &key).unwrap_err();
            assert!(message.contains("its key is encrypted"), "{message}");
        }
    }
}
