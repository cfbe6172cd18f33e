//! The kinds of a connection's failure.

/// Why no answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Network {
    /// The resolver knows no host of this name.
    NoSuchHost,
    /// The resolver failed.
    Dns,
    /// Nobody listens at the address.
    Refused,
    /// The address can't be reached.
    Unreachable,
    /// Connecting took too long.
    ConnectTimeout,
    /// No byte was received or sent for too long.
    Stalled,
    /// The connection was cut.
    Reset,
    /// The server answered TLS with plain HTTP.
    NotTls,
    /// The certificate's issuer isn't trusted.
    UnknownIssuer,
    /// The certificate is for another name.
    CertificateName,
    /// The certificate has expired or isn't valid yet, or the clock is wrong.
    CertificateTime,
    /// Another fault of the certificate.
    Certificate,
    /// The registry wants a client certificate, or another one.
    ClientCertificate,
    /// Another fault of TLS.
    Tls,
    /// The proxy refused or failed.
    Proxy,
    /// The proxy wants a user name and a password.
    ProxyLogin,
    /// The answer isn't HTTP.
    Http,
    /// This process, or the system, has too many open files.
    NoFiles,
    /// Anything else.
    Other,
}

impl Network {
    pub(crate) fn is_retryable(self) -> bool {
        use Network::{
            ConnectTimeout, Dns, Http, NoFiles, NoSuchHost, Other, Proxy, ProxyLogin, Refused, Reset,
            Stalled, Unreachable,
        };
        matches!(
            self,
            NoSuchHost
                | Dns
                | Refused
                | Unreachable
                | ConnectTimeout
                | Stalled
                | Reset
                | Proxy
                | ProxyLogin
                | Http
                | NoFiles
                | Other
        )
    }
}
