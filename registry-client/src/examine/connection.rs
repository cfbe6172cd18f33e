//! Examines the connection to a host: name, proxy, certificate.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, ServerName};
use transload_reference::Registry;

use super::certificate::Summary;
use super::{Examination, Fact, Topic, handshake};
use crate::failure;
use crate::operation::Operation;
use crate::tls;
use crate::url::{Scheme, Url};

/// The longest time to connect, and for each read.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The largest head of a proxy's answer, in bytes.
const MAX_PROXY_HEAD: usize = 8 * 1024;

/// Warn of a certificate that expires within this many days.
const SOON: u64 = 30;

/// A connection with a deadline, so that a peer that sends a byte now and then can't hold up the examination.
struct Limited {
    stream: TcpStream,
    until: Instant,
}

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if Instant::now() >= self.until {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.read(buffer)
    }
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Examination<'_> {
    /// Examines whether the host can be reached. Returns the API's URL if it can.
    pub(super) fn reach(&mut self) -> Option<Url> {
        let url = match self.root() {
            Ok(url) => url,
            Err(error) => {
                self.note(Fact::of_error(Topic::Connection, &error));
                return None;
            }
        };
        let proxy = self.core.proxies.choose(&url).cloned();
        let (host, port) = match &proxy {
            Some(proxy) => {
                let (host, port) = (proxy.host().to_owned(), proxy.port());
                let text = format!("{host}:{port} is used (HTTPS_PROXY, HTTP_PROXY or ALL_PROXY)");
                self.note(Fact::neutral(Topic::Proxy, text).value("proxy", format!("{host}:{port}")));
                (host, port)
            }
            None => {
                self.note(Fact::neutral(Topic::Proxy, "none is used"));
                (bare(url.host()), url.port())
            }
        };
        let addresses = self.resolve(&host, port)?;
        let stream = self.connect(&addresses, proxy.is_some())?;
        if url.scheme() == Scheme::Http {
            self.note_plain_http();
            return Some(url);
        }
        let stream = match &proxy {
            Some(proxy) => self.through(proxy, stream, &url)?,
            None => stream,
        };
        self.check_certificates(stream, &url).then_some(url)
    }

    fn resolve(&mut self, host: &str, port: u16) -> Option<Vec<SocketAddr>> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Some(vec![SocketAddr::new(address, port)]);
        }
        let found = (host, port).to_socket_addrs();
        match found.map(Iterator::collect::<Vec<_>>) {
            Ok(addresses) if !addresses.is_empty() => {
                let mut list: Vec<String> = Vec::new();
                for address in &addresses {
                    let address = address.ip().to_string();
                    if !list.contains(&address) {
                        list.push(address);
                    }
                }
                let list = list.join(", ");
                let text = format!("{host} is {list}");
                self.note(Fact::good(Topic::Name, text).value("addresses", list));
                Some(addresses)
            }
            other => {
                let error = other.err().unwrap_or_else(|| io::Error::other("no address"));
                self.refuse(Topic::Name, error);
                None
            }
        }
    }

    fn connect(&mut self, addresses: &[SocketAddr], is_proxy: bool) -> Option<Limited> {
        let whose = if is_proxy { "the proxy" } else { "a server" };
        let wait = self.core.timeouts.connect.min(LONGEST_WAIT);
        let mut failure = None;
        for address in addresses {
            match TcpStream::connect_timeout(address, wait) {
                Ok(stream) => {
                    let text = format!("{whose} listens at {address}");
                    self.note(Fact::good(Topic::Connection, text).value("address", address.to_string()));
                    let limits = stream.set_read_timeout(Some(wait));
                    return match limits.and_then(|()| stream.set_write_timeout(Some(wait))) {
                        Ok(()) => Some(Limited {
                            stream,
                            // A tunnel and a handshake.
                            until: Instant::now() + 2 * wait,
                        }),
                        Err(error) => {
                            self.refuse(Topic::Connection, error);
                            None
                        }
                    };
                }
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        let error = failure.unwrap_or_else(|| io::Error::other("no address"));
        self.refuse(Topic::Connection, error);
        None
    }

    fn refuse(&mut self, topic: Topic, error: io::Error) {
        // The message that the library gives for its own timeout.
        let error = match (topic, error.kind()) {
            (Topic::Connection, io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) => {
                ureq::Error::Timeout(ureq::Timeout::Connect)
            }
            _ => ureq::Error::Io(error),
        };
        let error = failure::from_ureq(error, &self.place(Operation::Connect));
        self.note(Fact::of_error(topic, &error));
    }

    /// Asks a proxy for a tunnel.
    fn through(&mut self, proxy: &ureq::Proxy, mut stream: Limited, url: &Url) -> Option<Limited> {
        if proxy.protocol() != ureq::ProxyProtocol::Http {
            let text = "the certificate can't be looked at through a proxy that speaks HTTPS itself";
            self.note(Fact::neutral(Topic::Tls, text));
            return None;
        }
        match tunnel(proxy, &mut stream, url) {
            Ok(()) => Some(stream),
            Err(error) => {
                let refused = ureq::Error::ConnectProxyFailed(error.to_string());
                let error = failure::from_ureq(refused, &self.place(Operation::Connect));
                self.note(Fact::of_error(Topic::Proxy, &error));
                None
            }
        }
    }

    fn note_plain_http(&mut self) {
        let why = if self.registry.is_loopback() {
            "plain HTTP, on this machine itself"
        } else {
            "plain HTTP, as requested: anybody on the way can read the password and change images"
        };
        self.note(Fact::neutral(Topic::Tls, why).value("scheme", "http"));
    }

    /// Examines the certificate, and whether TLS works with it.
    fn check_certificates(&mut self, mut stream: Limited, url: &Url) -> bool {
        let host = bare(url.host());
        let Ok(name) = ServerName::try_from(host.clone()) else {
            self.note(Fact::bad(Topic::Tls, format!("{host} can't be in a certificate")));
            return false;
        };
        let chain = match handshake::certificates(&mut stream, &name) {
            Ok(chain) => chain,
            Err(error) => {
                self.refuse(Topic::Tls, error);
                return false;
            }
        };
        let fact = self.judge(&chain, &name);
        let may_go_on = fact.verdict != super::Verdict::Bad;
        self.note(fact);
        may_go_on
    }

    fn judge(&self, chain: &[CertificateDer<'static>], name: &ServerName<'_>) -> Fact {
        let (whom, until, values) = describe(chain);
        let told = |fact: Fact| {
            let values = values.iter().cloned();
            values.fold(fact, |fact, (name, value)| fact.value(name, value))
        };
        let identity = self.core.own_identity(self.rule());
        let system = roots(tls::system_roots().iter().map(AsRef::as_ref));
        let error = match handshake::verify(chain, name, system, &[]) {
            Ok(()) => {
                let text = format!("{whom}, {until}; trusted by this system");
                return told(Fact::good(Topic::Tls, text)).value("trusted_by", "system");
            }
            Err(error) => error,
        };
        let certificates = identity.roots_of.and_then(|at| self.core.certificates.get(at));
        let extra = certificates.map_or(&[][..], |found| &found.roots);
        let error = match handshake::verify(chain, name, roots(extra.iter().map(AsRef::as_ref)), extra) {
            Ok(()) => {
                let settings = self.core.rules.get(identity.roots_of);
                let file = settings.and_then(|settings| settings.ca_file.as_ref());
                let file = file.map_or_else(String::new, |file| file.display().to_string());
                let text = format!("{whom}, {until}; trusted by {file}");
                return told(Fact::good(Topic::Tls, text)).value("trusted_by", file);
            }
            // The better matching authority tells more.
            Err(other) if !extra.is_empty() => other,
            Err(_) => error,
        };
        let is_namesake = matches!(
            error,
            rustls::Error::InvalidCertificate(rustls::CertificateError::BadSignature)
        );
        let error = failure::from_ureq(ureq::Error::Rustls(error), &self.place(Operation::Connect));
        if identity.insecure {
            let text = format!(
                "{whom}, {until}; not trusted ({}), and not checked, as requested",
                error.kind()
            );
            return told(Fact::neutral(Topic::Tls, text));
        }
        let fact = Fact::bad(Topic::Tls, format!("{whom}, {until}: {}", error.kind()));
        told(match error.hint() {
            _ if is_namesake => fact.hint(
                "a trusted authority has the issuer's name, but another key: it was renewed; get its current certificate",
            ),
            Some(hint) => fact.hint(hint),
            None => fact,
        })
    }
}

/// Returns a fact about a chain: its names, its issuer and its expiry.
fn describe(chain: &[CertificateDer<'static>]) -> (String, String, Vec<(&'static str, String)>) {
    let now = SystemTime::now();
    let all: Vec<Option<Summary>> = chain.iter().map(|der| Summary::of(der, now)).collect();
    let Some(Some(own)) = all.first() else {
        return (
            "a certificate that can't be read".to_owned(),
            "for ever".to_owned(),
            Vec::new(),
        );
    };
    let issuer = if own.is_self_signed() {
        "self-signed".to_owned()
    } else {
        format!("issued by {}", own.issuer)
    };
    let until = match own.days_left {
        left @ 1..SOON => format!("until {} ({left} days left)", own.until),
        _ => format!("from {} until {}", own.from, own.until),
    };
    let subjects: Vec<String> = all
        .iter()
        .flatten()
        .map(|summary| summary.subject.clone())
        .collect();
    let more = match subjects.len() {
        0 | 1 => String::new(),
        number => format!(" ({} more in its chain)", number - 1),
    };
    let values = vec![
        ("scheme", "https".to_owned()),
        ("names", own.names.join(", ")),
        ("issuer", own.issuer.clone()),
        ("not_before", own.from.clone()),
        ("not_after", own.until.clone()),
        ("chain", subjects.join(" < ")),
    ];
    (
        format!("certificate for {}, {issuer}{more}", own.whose()),
        until,
        values,
    )
}

fn roots<'a>(certificates: impl Iterator<Item = &'a [u8]>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates.map(|der| CertificateDer::from(der.to_vec())));
    roots
}

fn tunnel(proxy: &ureq::Proxy, stream: &mut Limited, url: &Url) -> io::Result<()> {
    let target = match bare(url.host()) {
        host if host.contains(':') => format!("[{host}]:{}", url.port()),
        host => format!("{host}:{}", url.port()),
    };
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some(user) = proxy.username() {
        let pair = format!("{user}:{}", proxy.password().unwrap_or_default());
        let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
        request.push_str(&format!("Proxy-Authorization: Basic {encoded}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    let mut byte = [0];
    // Not a byte more: the rest belongs to the tunnel.
    while !head.ends_with(b"\r\n\r\n") && head.len() < MAX_PROXY_HEAD && stream.read(&mut byte)? > 0 {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head);
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status.starts_with('2') {
        return Ok(());
    }
    Err(io::Error::other(
        head.lines().next().unwrap_or_default().to_owned(),
    ))
}

/// Returns the host that serves a registry, without port and brackets.
fn bare(registry: &Registry) -> String {
    if registry.is_docker_hub() {
        return registry.api_host().to_owned();
    }
    let host = registry.host();
    host.trim_start_matches('[').trim_end_matches(']').to_owned()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn a_proxy_that_drips_its_answer_holds_no_examination() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // It ends with the connection.
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            while stream.write_all(b"a").is_ok() {
                thread::sleep(Duration::from_millis(10));
            }
        });
        let mut stream = Limited {
            stream: TcpStream::connect(address).unwrap(),
            until: Instant::now() + Duration::from_millis(200),
        };
        let proxy = ureq::Proxy::new(&format!("http://{address}")).unwrap();
        let url = Url::parse("https://hub.example.com/").unwrap();
        let error = tunnel(&proxy, &mut stream, &url).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
