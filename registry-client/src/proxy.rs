//! Chooses the proxy of a request: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, as curl and Go read them.

use std::net::IpAddr;

use ureq::Proxy;

use crate::url::{Scheme, Url};

/// The proxies that the environment names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proxies {
    http: Option<Via>,
    https: Option<Via>,
    except: Vec<Exception>,
}

/// A proxy and the variable that names it.
#[derive(Debug, Clone)]
struct Via {
    proxy: Proxy,
    variable: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Exception {
    Everything,
    /// A domain and its subdomains, with a port if one was given.
    Domain {
        name: String,
        only_below: bool,
        port: Option<u16>,
    },
    Network {
        address: IpAddr,
        bits: u8,
        port: Option<u16>,
    },
}

impl Proxies {
    /// Reads the environment through `get`.
    ///
    /// # Errors
    /// If a proxy's URL is unusable: to go without the proxy could leak requests.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Proxies, String> {
        let first = |names: &[&'static str]| {
            names
                .iter()
                .find_map(|name| Some((*name, get(name).filter(|value| !value.trim().is_empty())?)))
        };
        let proxy = |names: &[&'static str]| match first(names) {
            None => Ok(None),
            Some((variable, url)) => Proxy::new(url.trim())
                .ok()
                .filter(|proxy| {
                    use ureq::ProxyProtocol::{Http, Https};
                    matches!(proxy.protocol(), Http | Https)
                })
                .map(|proxy| Some(Via { proxy, variable }))
                .ok_or_else(|| format!("{} isn't the URL of an HTTP proxy", names.join(" or "))),
        };
        Ok(Proxies {
            http: proxy(&["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])?,
            https: proxy(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?,
            except: first(&["no_proxy", "NO_PROXY"])
                .map(|(_, hosts)| hosts)
                .unwrap_or_default()
                .split([',', ' '])
                .filter_map(exception)
                .collect(),
        })
    }

    /// Returns the proxy for a URL, if there is one.
    pub fn choose(&self, url: &Url) -> Option<&Proxy> {
        self.via(url).map(|via| &via.proxy)
    }

    /// Returns that proxy's address, without user name, and its origin: `http://proxy:3128 (from HTTPS_PROXY)`.
    pub fn shown(&self, url: &Url) -> Option<String> {
        let Via { proxy, variable } = self.via(url)?;
        let scheme = match proxy.protocol() {
            ureq::ProxyProtocol::Https => "https",
            _ => "http",
        };
        let (host, port) = (proxy.host(), proxy.port());
        Some(format!("{scheme}://{host}:{port} (from {variable})"))
    }

    fn via(&self, url: &Url) -> Option<&Via> {
        if url.host().is_loopback() || self.except.iter().any(|exception| exception.covers(url)) {
            return None;
        }
        match url.scheme() {
            Scheme::Http => self.http.as_ref(),
            Scheme::Https => self.https.as_ref(),
        }
    }
}

fn exception(text: &str) -> Option<Exception> {
    let text = text.trim().to_ascii_lowercase();
    if text.is_empty() {
        return None;
    }
    if text == "*" {
        return Some(Exception::Everything);
    }
    if let Some((address, bits)) = text.split_once('/') {
        let address: IpAddr = address.parse().ok()?;
        let bits = bits.parse().ok()?;
        return Some(Exception::Network {
            address,
            bits,
            port: None,
        });
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(Exception::Network {
            address,
            bits: 128,
            port: None,
        });
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (text.as_str(), None),
    };
    if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse() {
        return Some(Exception::Network {
            address,
            bits: 128,
            port,
        });
    }
    let host = host.trim_start_matches('*');
    let name = host.trim_matches('.').to_owned();
    let only_below = host.starts_with('.');
    (!name.is_empty()).then_some(Exception::Domain {
        name,
        only_below,
        port,
    })
}

impl Exception {
    fn covers(&self, url: &Url) -> bool {
        let host = url.host().host().trim_start_matches('[').trim_end_matches(']');
        let matches_port = |port: &Option<u16>| port.is_none_or(|port| port == url.port());
        match self {
            Exception::Everything => true,
            Exception::Domain {
                name,
                only_below,
                port,
            } => {
                let below = host
                    .strip_suffix(name.as_str())
                    .is_some_and(|rest| rest.ends_with('.'));
                (below || host == name && !only_below) && matches_port(port)
            }
            Exception::Network { address, bits, port } => {
                host.parse().is_ok_and(|host| is_within(host, *address, *bits)) && matches_port(port)
            }
        }
    }
}

fn is_within(host: IpAddr, network: IpAddr, bits: u8) -> bool {
    let same = |a: u128, b: u128, width: u32| {
        let ignored = width.saturating_sub(u32::from(bits));
        a.checked_shr(ignored).unwrap_or(0) == b.checked_shr(ignored).unwrap_or(0)
    };
    match (host, network) {
        (IpAddr::V4(host), IpAddr::V4(network)) => same(host.to_bits().into(), network.to_bits().into(), 32),
        (IpAddr::V6(host), IpAddr::V6(network)) => same(host.to_bits(), network.to_bits(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Result<Proxies, String> {
        Proxies::read(|name| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_proxy_depends_on_the_scheme() {
        let both = proxies(&[
            ("HTTP_PROXY", "http://a:1"),
            ("HTTPS_PROXY", "http://user:secret@b:2"),
        ])
        .unwrap();
        let port = |url: &str| both.choose(&Url::parse(url).unwrap()).map(Proxy::port);
        assert_eq!((port("http://x/"), port("https://x/")), (Some(1), Some(2)));
        let shown = both.shown(&Url::parse("https://x/").unwrap());
        assert_eq!(shown.as_deref(), Some("http://b:2 (from HTTPS_PROXY)"));
        let all = proxies(&[("ALL_PROXY", "http://c:3"), ("https_proxy", "http://b:2")]).unwrap();
        let port = |url: &str| all.choose(&Url::parse(url).unwrap()).map(Proxy::port);
        assert_eq!((port("http://x/"), port("https://x/")), (Some(3), Some(2)));
    }

    #[test]
    fn exceptions_are_suffixes_networks_and_ports() {
        let except = "corp.example, .only.below,*.star.example,10.0.0.0/8,192.168.1.5,[fd00::1]:5000,ported:8443,fd12::/16";
        let proxies = proxies(&[("HTTPS_PROXY", "http://p:1"), ("NO_PROXY", except)]).unwrap();
        let table = [
            ("corp.example", false),
            ("hub.corp.example", false),
            ("notcorp.example", true),
            ("only.below", true),
            ("a.only.below", false),
            ("a.star.example", false),
            ("10.200.3.4", false),
            ("11.0.0.1", true),
            ("192.168.1.5:5000", false),
            ("192.168.1.6", true),
            ("[fd00::1]:5000", false),
            ("[fd00::1]:5001", true),
            ("[fd12:1::1]", false),
            ("ported:8443", false),
            ("ported", true),
            ("localhost:5000", false),
            ("127.0.0.2", false),
            ("[::1]", false),
            ("elsewhere", true),
        ];
        for (host, proxied) in table {
            let url = Url::parse(&format!("https://{host}/")).unwrap();
            assert_eq!(proxies.choose(&url).is_some(), proxied, "{host}");
        }
    }

    #[test]
    fn everything_can_be_excepted_and_an_unusable_proxy_is_an_error_without_its_secret() {
        let none = proxies(&[("HTTPS_PROXY", "http://p:1"), ("NO_PROXY", "*")]).unwrap();
        assert!(none.choose(&Url::parse("https://x/").unwrap()).is_none());
        let message = proxies(&[("HTTPS_PROXY", "socks9://u:secret@p:1")]).unwrap_err();
        assert!(
            message.contains("HTTPS_PROXY") && !message.contains("secret"),
            "{message}"
        );
    }
}
