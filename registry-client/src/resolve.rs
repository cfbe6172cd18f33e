//! Names of hosts to addresses, remembered for a while: ureq asks before each request, even where it has a connection, and each
//! look-up costs a thread.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// How long an address is believed. A name that moves meanwhile is found again by the tries that follow a failed connection.
const BELIEVED: Duration = Duration::from_secs(10);

/// A resolver that asks the system's for each name now and then.
#[derive(Debug, Default)]
pub(crate) struct Remembering {
    system: DefaultResolver,
    known: Mutex<HashMap<String, (Instant, ResolvedSocketAddrs)>>,
}

impl Resolver for Remembering {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let name = uri.scheme().zip(uri.authority());
        let name = name.and_then(|(scheme, authority)| DefaultResolver::host_and_port(scheme, authority));
        let Some(name) = name else {
            return self.system.resolve(uri, config, timeout);
        };
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, addresses)) = known().get(&name)
            && since.elapsed() < BELIEVED
        {
            return Ok(addresses.clone());
        }
        let addresses = self.system.resolve(uri, config, timeout)?;
        known().insert(name, (Instant::now(), addresses.clone()));
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use ureq::Timeout;
    use ureq::unversioned::transport::time::Duration as Span;

    use super::*;

    fn resolve(resolver: &Remembering, uri: &str) -> Result<Vec<String>, Error> {
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
        let resolver = Remembering::default();
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
    fn what_is_remembered_is_not_asked_for_again_until_it_is_old() {
        let resolver = Remembering::default();
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
    fn a_failure_is_not_remembered() {
        let resolver = Remembering::default();
        assert!(resolve(&resolver, "http://nowhere.invalid:1/").is_err());
        assert!(resolver.known.lock().unwrap().is_empty());
    }
}
