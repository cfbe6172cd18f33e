//! Classifies the failures of connections.

use std::error::Error as StdError;
use std::io;

use ureq::Timeout;

use crate::error::{Error, ErrorKind};
use crate::network::Network;
use crate::operation::Place;
use crate::transport::Cancelled;

/// Converts an error of ureq.
pub(crate) fn from_ureq(error: ureq::Error, place: &Place) -> Error {
    if let ureq::Error::Other(inner) = &error
        && inner.is::<Cancelled>()
    {
        return Error::new(place, ErrorKind::Cancelled);
    }
    let (network, message) = classify(&error);
    Error::new(place, ErrorKind::Network { network, message })
}

/// Converts an error of reading a body.
pub(crate) fn from_io(error: io::Error, place: &Place) -> Error {
    from_ureq(ureq::Error::from(error), place)
}

fn classify(error: &ureq::Error) -> (Network, String) {
    use ureq::Error as E;
    match error {
        E::Io(error) => classify_io(error),
        E::Rustls(error) => classify_tls(error),
        E::Timeout(Timeout::Resolve) => (Network::Dns, "the host's address wasn't found in time".to_owned()),
        E::Timeout(Timeout::Connect) => (
            Network::ConnectTimeout,
            "the connection wasn't established in time".to_owned(),
        ),
        E::Timeout(Timeout::RecvResponse) => (Network::Stalled, "the answer's head took too long".to_owned()),
        E::Timeout(_) => (Network::Stalled, "no byte moved for too long".to_owned()),
        E::HostNotFound => (Network::NoSuchHost, "the host's name has no address".to_owned()),
        E::ConnectionFailed => (Network::Other, "no connection was established".to_owned()),
        E::ConnectProxyFailed(message) => proxy_refusal(message),
        E::InvalidProxyUrl => (Network::Proxy, "the proxy's URL can't be used".to_owned()),
        E::Protocol(error) => (Network::Http, format!("the answer isn't HTTP: {error}")),
        E::LargeResponseHeader(size, most) => (
            Network::Http,
            format!("the answer's head has more than {size} bytes; at most {most} are read"),
        ),
        E::Tls(message) => (Network::Tls, (*message).to_owned()),
        // These may quote a URL with its query.
        E::BadUri(_) | E::Http(_) => (Network::Http, "the request can't be sent".to_owned()),
        other => (Network::Other, other.to_string()),
    }
}

/// Classifies a proxy's refusal to connect. ureq tells the status in words alone: `proxy server responded 407/407`.
fn proxy_refusal(message: &str) -> (Network, String) {
    use ureq::http::StatusCode;
    let status = message
        .strip_prefix("proxy server responded ")
        .and_then(|rest| rest.split('/').next())
        .and_then(|status| StatusCode::from_bytes(status.as_bytes()).ok());
    let network = match status {
        Some(StatusCode::PROXY_AUTHENTICATION_REQUIRED) => Network::ProxyLogin,
        _ => Network::Proxy,
    };
    match status {
        Some(status) => (network, format!("it refused the connection with {status}")),
        None => (network, message.to_owned()),
    }
}

fn classify_io(error: &io::Error) -> (Network, String) {
    if let Some(tls) = find_tls(error) {
        return classify_tls(tls);
    }
    use io::ErrorKind as K;
    let network = match error.kind() {
        _ if is_out_of_files(error) => Network::NoFiles,
        K::ConnectionRefused => Network::Refused,
        K::HostUnreachable | K::NetworkUnreachable | K::NetworkDown | K::AddrNotAvailable => {
            Network::Unreachable
        }
        K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe | K::UnexpectedEof | K::NotConnected => {
            Network::Reset
        }
        K::TimedOut | K::WouldBlock => Network::Stalled,
        _ => match name_lookup(error) {
            Some(Lookup::NoSuchName) => Network::NoSuchHost,
            Some(Lookup::Failed) => Network::Dns,
            None => Network::Other,
        },
    };
    let message = match network {
        Network::Refused => "the connection was refused".to_owned(),
        Network::Reset => format!("the connection was cut: {error}"),
        Network::Stalled => "no byte moved for too long".to_owned(),
        Network::NoFiles => format!("no connection can be opened: {error}"),
        Network::NoSuchHost | Network::Dns => format!("the host's address wasn't found: {error}"),
        _ => format!("the connection failed: {error}"),
    };
    (network, message)
}

/// Whether this process, or the system, has run out of files.
pub(crate) fn is_out_of_files(error: &io::Error) -> bool {
    let numbers = match cfg!(windows) {
        // WSAEMFILE and ERROR_TOO_MANY_OPEN_FILES.
        true => [10024, 4],
        // EMFILE and ENFILE, the same numbers on every Unix.
        false => [24, 23],
    };
    error
        .raw_os_error()
        .is_some_and(|number| numbers.contains(&number))
}

/// The failure of a name lookup.
enum Lookup {
    /// The name doesn't exist, or has no address.
    NoSuchName,
    /// The resolver failed.
    Failed,
}

/// Messages of resolvers for a name that doesn't exist or has no address: glibc, musl, the BSDs and macOS, Windows.
const NO_SUCH_NAME: [&str; 7] = [
    "Name or service not known",
    "No address associated with hostname",
    "Name does not resolve",
    "Name has no usable address",
    "nodename nor servname provided, or not known",
    "No such host is known",
    "no data of the requested type was found",
];

/// Recognizes a failed name lookup by the resolver's text, which is all that the standard library keeps.
fn name_lookup(error: &io::Error) -> Option<Lookup> {
    let text = error.to_string();
    let is_lookup = text.contains("failed to lookup address information");
    // WSAHOST_NOT_FOUND and WSANO_DATA.
    let is_unknown = matches!(error.raw_os_error(), Some(11001 | 11004)) && cfg!(windows)
        || is_lookup && NO_SUCH_NAME.iter().any(|said| text.contains(said));
    match (is_unknown, is_lookup) {
        (true, _) => Some(Lookup::NoSuchName),
        (false, true) => Some(Lookup::Failed),
        (false, false) => None,
    }
}

fn find_tls(error: &io::Error) -> Option<&rustls::Error> {
    let mut next: Option<&(dyn StdError + 'static)> =
        error.get_ref().map(|inner| inner as &(dyn StdError + 'static));
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        next = match error.downcast_ref::<ureq::Error>() {
            Some(ureq::Error::Rustls(tls)) => return Some(tls),
            Some(ureq::Error::Io(inner)) => inner.get_ref().map(|inner| inner as &(dyn StdError + 'static)),
            _ => error.source(),
        };
    }
    None
}

fn classify_tls(error: &rustls::Error) -> (Network, String) {
    use rustls::{AlertDescription as A, CertificateError as C, Error as E, InvalidMessage};
    let network = match error {
        // TLS can't go on after a damaged byte; a new connection can.
        E::DecryptError | E::AlertReceived(A::BadRecordMac | A::DecryptError) => Network::Reset,
        E::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) => {
            Network::NotTls
        }
        E::InvalidCertificate(problem) => match problem {
            C::UnknownIssuer => Network::UnknownIssuer,
            C::NotValidForName | C::NotValidForNameContext { .. } => Network::CertificateName,
            C::Expired | C::ExpiredContext { .. } | C::NotValidYet | C::NotValidYetContext { .. } => {
                Network::CertificateTime
            }
            _ => Network::Certificate,
        },
        E::AlertReceived(
            A::CertificateRequired
            | A::BadCertificate
            | A::UnknownCA
            | A::CertificateUnknown
            | A::AccessDenied
            | A::CertificateExpired,
        ) => Network::ClientCertificate,
        _ => Network::Tls,
    };
    let message = match network {
        Network::NotTls => "the answer isn't TLS, most likely plain HTTP".to_owned(),
        Network::Reset => {
            format!("bytes were damaged on their way, which ended the connection (TLS: {error})")
        }
        Network::UnknownIssuer => "the certificate's issuer isn't trusted (unknown CA)".to_owned(),
        Network::ClientCertificate => {
            format!("TLS: the registry refused the client's certificate or the lack of one ({error})")
        }
        Network::Certificate => match error {
            E::InvalidCertificate(C::Other(reason)) => format!("TLS: the certificate is refused: {reason}"),
            _ => format!("TLS: {error}"),
        },
        _ => format!("TLS: {error}"),
    };
    (network, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(error: ureq::Error) -> Network {
        classify(&error).0
    }

    #[test]
    fn troubles_are_told_apart() {
        let io = |kind: io::ErrorKind| ureq::Error::Io(kind.into());
        let tls = |error| {
            ureq::Error::Io(io::Error::new(
                io::ErrorKind::InvalidData,
                rustls::Error::from(error),
            ))
        };
        assert_eq!(network(io(io::ErrorKind::ConnectionRefused)), Network::Refused);
        assert_eq!(network(io(io::ErrorKind::UnexpectedEof)), Network::Reset);
        if cfg!(unix) {
            for number in [23, 24] {
                let error = io::Error::from_raw_os_error(number);
                assert_eq!(network(error.into()), Network::NoFiles, "{number}");
            }
        }
        assert_eq!(network(ureq::Error::HostNotFound), Network::NoSuchHost);
        assert_eq!(network(ureq::Error::Timeout(Timeout::PerRead)), Network::Stalled);
        assert_eq!(
            network(tls(rustls::CertificateError::UnknownIssuer)),
            Network::UnknownIssuer
        );
        assert_eq!(
            network(tls(rustls::CertificateError::NotValidForName)),
            Network::CertificateName
        );
        assert_eq!(
            network(tls(rustls::CertificateError::Expired)),
            Network::CertificateTime
        );
        let damaged = rustls::Error::AlertReceived(rustls::AlertDescription::BadRecordMac);
        assert_eq!(network(ureq::Error::Rustls(damaged)), Network::Reset);
        assert_eq!(
            network(ureq::Error::Rustls(rustls::Error::DecryptError)),
            Network::Reset
        );
        let plain = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        assert_eq!(network(ureq::Error::Rustls(plain)), Network::NotTls);
        let lookup =
            |said: &str| io::Error::other(format!("failed to lookup address information: {said}")).into();
        for said in NO_SUCH_NAME {
            assert_eq!(network(lookup(said)), Network::NoSuchHost, "{said}");
        }
        for said in [
            "Temporary failure in name resolution",
            "Non-recoverable failure in name resolution",
            "Try again",
        ] {
            assert_eq!(network(lookup(said)), Network::Dns, "{said}");
        }
    }

    #[test]
    fn a_proxys_refusal_is_classified_by_its_status() {
        let refusal = ureq::Error::ConnectProxyFailed("proxy server responded 407/407".to_owned());
        assert_eq!(
            classify(&refusal),
            (
                Network::ProxyLogin,
                "it refused the connection with 407 Proxy Authentication Required".to_owned()
            )
        );
        assert_eq!(
            proxy_refusal("proxy server did not respond"),
            (Network::Proxy, "proxy server did not respond".to_owned())
        );
    }

    #[test]
    fn a_refused_certificate_is_found_however_deep_it_is_wrapped() {
        let tls = rustls::Error::from(rustls::CertificateError::UnknownIssuer);
        let wrapped = io::Error::other(ureq::Error::Io(io::Error::new(io::ErrorKind::InvalidData, tls)));
        assert_eq!(classify_io(&wrapped).0, Network::UnknownIssuer);
    }
}
