//! TLS over ureq's connections, with a certificate verifier of our own: ureq can't trust a certificate that is its own authority.
//!
//! `openssl req -x509` makes such certificates, and many registries in closed networks show them. rustls refuses an authority as a server's
//! certificate, which RFC 5280, section 4.2.1.9, doesn't forbid. It is trusted if the operator gives that very certificate as `ca_file`.

use std::fmt;
use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
    StreamOwned,
};
use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use crate::self_signed;
use crate::tls::system_roots;
use crate::transport::is_cut;

/// A client certificate with its key.
#[derive(Debug)]
pub(crate) struct ClientIdentity {
    /// The certificate, and those that lead to its authority.
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Returns the settings for connections whose servers `verifier` verifies.
fn client_config(
    verifier: Arc<dyn ServerCertVerifier>,
    client: Option<&ClientIdentity>,
) -> Result<Arc<ClientConfig>, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let config = match client {
        Some(client) => builder.with_client_auth_cert(client.chain.clone(), client.key.clone_key())?,
        None => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

/// Accepts certificates that authorities vouch for, and given certificates of servers.
#[derive(Debug)]
pub(crate) struct CertificateVerifier {
    /// `None` if there is no authority at all.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    given: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl CertificateVerifier {
    /// Returns a verifier. `given` are the operator's certificates, of authorities or servers; `roots` include them.
    pub fn new(
        roots: RootCertStore,
        given: &[CertificateDer<'static>],
    ) -> Result<CertificateVerifier, rustls::Error> {
        let authorities = match roots.is_empty() {
            true => None,
            false => Some(
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
                    .build()
                    .map_err(|error| rustls::Error::General(error.to_string()))?,
            ),
        };
        Ok(CertificateVerifier {
            authorities,
            given: given.to_vec(),
            provider: provider(),
        })
    }
}

impl ServerCertVerifier for CertificateVerifier {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(authorities) = &self.authorities else {
            return Err(CertificateError::UnknownIssuer.into());
        };
        let verdict = authorities.verify_server_cert(own, others, name, ocsp, now);
        match verdict {
            // rustls has no error of its own for an authority as a server's certificate.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(_))) if is_self_signed(own) => {
                if !self.given.contains(own) {
                    return Err(CertificateError::UnknownIssuer.into());
                }
                self_signed::verify(own, name, now).map(|()| ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn is_self_signed(certificate: &CertificateDer<'_>) -> bool {
    Certificate::from_der(certificate)
        .is_ok_and(|parsed| parsed.tbs_certificate.subject == parsed.tbs_certificate.issuer)
}

/// Accepts every certificate, if the user asks for that.
#[derive(Debug)]
struct AcceptAll(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The certificates to trust and to show.
#[derive(Default)]
pub(crate) struct TlsSettings {
    /// Whether to accept every certificate.
    pub insecure: bool,
    /// Certificates to trust besides the system's.
    pub given: Vec<CertificateDer<'static>>,
    pub client: Option<Arc<ClientIdentity>>,
}

impl TlsSettings {
    fn config(&self) -> Result<Arc<ClientConfig>, rustls::Error> {
        if self.insecure {
            return client_config(Arc::new(AcceptAll(provider())), self.client.as_deref());
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(system_roots().iter().chain(&self.given).cloned());
        client_config(
            Arc::new(CertificateVerifier::new(roots, &self.given)?),
            self.client.as_deref(),
        )
    }
}

/// The TLS configuration for one end of connections.
#[derive(Default)]
pub(crate) struct TlsContext {
    settings: TlsSettings,
    /// Made for the first connection that needs it: plain HTTP needs no authorities.
    config: OnceLock<Arc<ClientConfig>>,
}

impl TlsContext {
    pub fn new(settings: TlsSettings) -> TlsContext {
        TlsContext {
            settings,
            config: OnceLock::new(),
        }
    }

    fn config(&self) -> Result<Arc<ClientConfig>, rustls::Error> {
        if let Some(config) = self.config.get() {
            return Ok(Arc::clone(config));
        }
        let made = self.settings.config()?;
        // Connections that begin together share one store of sessions.
        Ok(Arc::clone(self.config.get_or_init(|| made)))
    }
}

/// Wraps connections to `https` URLs in TLS.
pub(crate) struct TlsConnector {
    pub target: Arc<TlsContext>,
    /// The proxy's, if there is one. A registry's settings and client certificate aren't for it.
    pub proxy: Option<Arc<TlsContext>>,
}

impl fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConnector").finish_non_exhaustive()
    }
}

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = Either<In, TlsTransport>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        let Some(transport) = chained else {
            return Ok(None);
        };
        if !details.needs_tls() || transport.is_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let host = details.uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host)
            .map_err(|_| Error::Tls("the host's name can't be one of a certificate"))?;
        // ureq connects to the proxy itself with the agent's settings less the proxy.
        let proxy = self.proxy.as_ref().filter(|_| details.config.proxy().is_none());
        let context = proxy.unwrap_or(&self.target);
        let mut connection = ClientConnection::new(context.config()?, name.to_owned())?;
        let mut socket = TransportAdapter::new(transport.boxed(), details.current_time.clone());
        socket.set_timeout(details.timeout);
        let shaken = match connection.complete_io(&mut socket).map_err(Error::from) {
            // The server may have said why before it closed the connection.
            Err(error) if is_cut(&error) => connection.complete_io(&mut socket).map_err(Error::from),
            shaken => shaken,
        };
        match shaken {
            Err(Error::Io(error)) if proxy.is_some() => {
                return Err(Error::ConnectProxyFailed(format!("TLS with it failed: {error}")));
            }
            other => other?,
        };
        Ok(Some(Either::B(TlsTransport {
            buffers: LazyBuffers::new(
                details.config.input_buffer_size(),
                details.config.output_buffer_size(),
            ),
            stream: StreamOwned {
                conn: connection,
                sock: socket,
            },
        })))
    }
}

/// A connection with TLS.
pub(crate) struct TlsTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsTransport").finish_non_exhaustive()
    }
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let StreamOwned { conn, sock } = &mut self.stream;
        sock.set_timeout(timeout);
        let mut output = &self.buffers.output()[..amount];
        // rustls' own stream hides a failed write.
        while !output.is_empty() {
            let taken = conn.writer().write(output)?;
            output = &output[taken..];
            while conn.wants_write() {
                conn.write_tls(sock)?;
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.get_mut().set_timeout(timeout);
        let input = self.buffers.input_append_buf();
        let amount = self.stream.read(input)?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.get_mut().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};

    use super::*;

    /// A certificate for `hub.local` that is its own authority, good in 2026.
    fn own_authority() -> CertificateDer<'static> {
        let mut params = CertificateParams::new(["hub.local".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2026, 12, 31);
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        made.der().clone()
    }

    fn judge(given: &CertificateDer<'static>) -> CertificateVerifier {
        let mut roots = RootCertStore::empty();
        roots.add(given.clone()).unwrap();
        CertificateVerifier::new(roots, std::slice::from_ref(given)).unwrap()
    }

    #[test]
    fn a_certificate_that_was_given_stands_for_itself_for_its_host_and_in_its_time() {
        let (own, other) = (own_authority(), own_authority());
        let in_march = 1_772_323_200;
        let verdict =
            |judge: &CertificateVerifier, own: &CertificateDer<'static>, name: &'static str, seconds: u64| {
                let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
                let name = ServerName::try_from(name).unwrap();
                judge.verify_server_cert(own, &[], &name, &[], now).map(drop)
            };
        let judge = judge(&own);
        assert_eq!(verdict(&judge, &own, "hub.local", in_march), Ok(()));
        let year = 366 * 24 * 3600;
        for (own, name, when, refusal) in [
            (&own, "hub.example.com", in_march, "not valid for name"),
            (&own, "hub.local", in_march + year, "expired"),
            (&own, "hub.local", in_march - year, "not valid yet"),
            (&other, "hub.local", in_march, "UnknownIssuer"),
        ] {
            let error = verdict(&judge, own, name, when).unwrap_err().to_string();
            assert!(error.contains(refusal), "{name} {when}: {error}");
        }
        let nobody = CertificateVerifier::new(RootCertStore::empty(), &[]).unwrap();
        assert!(verdict(&nobody, &own, "hub.local", in_march).is_err());
    }
}
