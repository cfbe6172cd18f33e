//! The ways in which a connection fails.

/// Why no answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Network {
    /// The resolver knows no host of this name.
    NoSuchHost,
    /// The resolver couldn't say what address the host has.
    Dns,
    /// Nobody listens at the address.
    Refused,
    /// The address can't be reached.
    Unreachable,
    /// The connection didn't come about in time.
    ConnectTimeout,
    /// No byte came or went for too long.
    Stalled,
    /// The connection was cut.
    Reset,
    /// Plain HTTP was answered where TLS was spoken.
    NotTls,
    /// The certificate's issuer isn't trusted.
    UnknownIssuer,
    /// The certificate is for another name.
    CertificateName,
    /// The certificate is out of date, or the clock is.
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
    /// What came isn't HTTP.
    Http,
    /// This process, or the system, may open no more files, and a connection is one.
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
