//! A resolver with a cache: ureq resolves the host before each request, even over an open connection, and each lookup costs a thread.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use ureq::unversioned::transport::time::Duration as Span;

use crate::failure::is_out_of_files;

/// How long an address is cached. After a change, the tries after a failed connection find the new one.
const BELIEVED: Duration = Duration::from_secs(10);

/// A caching resolver. Clones share the cache.
#[derive(Debug, Clone, Default)]
pub(crate) struct CachingResolver {
    known: Arc<Mutex<HashMap<String, (Instant, ResolvedSocketAddrs)>>>,
}

impl Resolver for CachingResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let name = uri.scheme().zip(uri.authority());
        let name = name.and_then(|(scheme, authority)| DefaultResolver::host_and_port(scheme, authority));
        let Some(name) = name else {
            return DefaultResolver::default().resolve(uri, config, timeout);
        };
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, addresses)) = known().get(&name)
            && since.elapsed() < BELIEVED
        {
            return Ok(addresses.clone());
        }
        let addresses = self.ask(uri, config, timeout).map_err(why_no_address)?;
        known().insert(name, (Instant::now(), addresses.clone()));
        Ok(addresses)
    }
}

impl CachingResolver {
    /// Asks the system, on a thread of its own so that the wait can end. ureq's own way panics if the system gives no more threads.
    fn ask(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let unbounded = NextTimeout {
            after: Span::NotHappening,
            ..timeout
        };
        if is_address(uri.host().unwrap_or_default()) || timeout.after.is_not_happening() {
            return DefaultResolver::default().resolve(uri, config, unbounded);
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        let (its_uri, its_config) = (uri.clone(), config.clone());
        let ask = move || {
            let found = DefaultResolver::default().resolve(&its_uri, &its_config, unbounded);
            // The receiver may be gone.
            sender.send(found).ok();
        };
        match thread::Builder::new().name("look-up".to_owned()).spawn(ask) {
            Ok(_) => receiver
                .recv_timeout(*timeout.after)
                .unwrap_or(Err(Error::Timeout(timeout.reason))),
            // The system's own timeout applies then.
            Err(_) => DefaultResolver::default().resolve(uri, config, unbounded),
        }
    }
}

/// Returns the cause of a failed lookup. Resolvers that can't open a file report a missing name, or a silent server.
fn why_no_address(error: Error) -> Error {
    match UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)) {
        Err(cause) if is_out_of_files(&cause) => Error::Io(cause),
        _ => error,
    }
}

/// Whether a host is an address, which needs no lookup.
fn is_address(host: &str) -> bool {
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    inner.unwrap_or(host).parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use ureq::Timeout;

    use super::*;

    fn resolve(resolver: &CachingResolver, uri: &str) -> Result<Vec<String>, Error> {
        let timeout = NextTimeout {
            after: Span::Exact(Duration::from_secs(20)),
            reason: Timeout::Resolve,
            per_read: None,
            per_write: None,
        };
        let found = resolver.resolve(&uri.parse().unwrap(), &Config::default(), timeout)?;
        Ok(found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn addresses_are_remembered_by_name_and_port() {
        let resolver = CachingResolver::default();
        for (uri, address) in [
            ("http://127.0.0.1:5000/v2/", "127.0.0.1:5000"),
            ("http://127.0.0.1:5001/v2/", "127.0.0.1:5001"),
            ("https://127.0.0.1/v2/", "127.0.0.1:443"),
            ("http://127.0.0.1:5000/v2/other", "127.0.0.1:5000"),
        ] {
            assert_eq!(resolve(&resolver, uri).unwrap(), [address], "{uri}");
        }
        assert_eq!(resolver.known.lock().unwrap().len(), 3);
    }

    #[test]
    fn a_cached_address_is_used_until_it_expires() {
        let resolver = CachingResolver::default();
        let elsewhere = {
            resolve(&resolver, "http://127.0.0.2:1/").unwrap();
            resolver.known.lock().unwrap()["127.0.0.2:1"].1.clone()
        };
        let remember = |since| {
            let entry = (since, elsewhere.clone());
            resolver
                .known
                .lock()
                .unwrap()
                .insert("127.0.0.1:1".to_owned(), entry);
        };
        remember(Instant::now());
        assert_eq!(
            resolve(&resolver, "http://127.0.0.1:1/").unwrap(),
            ["127.0.0.2:1"]
        );
        remember(Instant::now().checked_sub(BELIEVED).unwrap());
        assert_eq!(
            resolve(&resolver, "http://127.0.0.1:1/").unwrap(),
            ["127.0.0.1:1"]
        );
    }

    #[test]
    fn names_are_told_from_addresses() {
        for host in ["127.0.0.1", "[::1]", "[2001:db8::7]"] {
            assert!(is_address(host), "{host}");
        }
        for host in ["localhost", "127.0.0.1.example.com", "127.1", "[::1", "[]", ""] {
            assert!(!is_address(host), "{host}");
        }
    }

    #[test]
    fn names_are_resolved_with_and_without_a_timeout() {
        let resolver = CachingResolver::default();
        let found = resolve(&resolver, "http://localhost:7/").unwrap();
        assert!(found.iter().all(|address| address.ends_with(":7")), "{found:?}");
        let unbounded = NextTimeout {
            after: Span::NotHappening,
            reason: Timeout::Resolve,
            per_read: None,
            per_write: None,
        };
        let uri = "http://localhost:8/".parse().unwrap();
        let found = resolver.resolve(&uri, &Config::default(), unbounded).unwrap();
        assert!(found.iter().all(|address| address.port() == 8), "{found:?}");
    }

    #[test]
    fn a_failure_is_not_remembered() {
        let resolver = CachingResolver::default();
        assert!(resolve(&resolver, "http://nowhere.invalid:1/").is_err());
        assert!(resolver.known.lock().unwrap().is_empty());
    }
}
