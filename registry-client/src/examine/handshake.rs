//! A TLS handshake that accepts every certificate, to show it, and verifies it afterwards.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::core::lock;
use crate::secure::{CertificateVerifier, provider};

/// Returns the certificates that a server shows, its own first.
pub(super) fn certificates(
    stream: &mut (impl Read + Write),
    name: &ServerName<'static>,
) -> Result<Vec<CertificateDer<'static>>, io::Error> {
    let recorder = Arc::new(Recorder {
        signatures: CertificateVerifier::new(RootCertStore::empty(), &[]).map_err(io::Error::other)?,
        seen: Mutex::default(),
    });
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&recorder) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let mut connection = ClientConnection::new(Arc::new(config), name.clone()).map_err(io::Error::other)?;
    let mut result = Ok(());
    while connection.is_handshaking() && result.is_ok() {
        result = connection.complete_io(stream).map(drop);
    }
    let seen = std::mem::take(&mut *lock(&recorder.seen));
    // A server that wants a client certificate ends the handshake after it has shown its own.
    if seen.is_empty() {
        result?;
    }
    Ok(seen)
}

/// Verifies a chain, its own certificate first, against these authorities.
pub(super) fn verify(
    chain: &[CertificateDer<'static>],
    name: &ServerName<'_>,
    roots: RootCertStore,
    given: &[CertificateDer<'static>],
) -> Result<(), rustls::Error> {
    let (own, others) = chain
        .split_first()
        .ok_or(rustls::CertificateError::UnknownIssuer)?;
    let judge = CertificateVerifier::new(roots, given)?;
    judge
        .verify_server_cert(own, others, name, &[], UnixTime::now())
        .map(drop)
}

#[derive(Debug)]
struct Recorder {
    /// Verifies a handshake's signatures, but no certificate.
    signatures: CertificateVerifier,
    seen: Mutex<Vec<CertificateDer<'static>>>,
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let all = [own].into_iter().chain(others);
        *lock(&self.seen) = all.map(|certificate| certificate.clone().into_owned()).collect();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signatures.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signatures.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.supported_verify_schemes()
    }
}
