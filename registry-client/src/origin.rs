//! Decides which origin gets which request: the registry's own, or one that its answers name.
//!
//! Another origin may take a blob's bytes (PUT, PATCH) or serve content (GET, HEAD), and a token server gets the credentials of the registry
//! that named it. It gets no other request, no `Authorization` and no client certificate.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs};

use transload_reference::{Registry, Repository};

use crate::core::Core;
use crate::error::{Cause, Error};
use crate::url::{Scheme, Url};

/// A registry under one rule and scheme. Whatever its answers teach holds for no other rule and scheme.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Reach {
    pub registry: Registry,
    pub rule: Option<usize>,
    pub scheme: Scheme,
}

/// The purpose for which a registry names another origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A redirect, to read content.
    Content,
    /// An upload's `Location`, to send a blob's bytes.
    Upload,
    /// A challenge's realm, to fetch tokens.
    Tokens,
}

impl Reach {
    /// Returns the URL of a path of the registry.
    pub fn url(&self, path: &str) -> Result<Url, Error> {
        let url = Url::new(self.scheme, self.registry.as_str(), path);
        url.map_err(|error| Error::config(format!("{} gives no URL: {error}", self.registry)))
    }

    /// Whether the registry itself serves a URL: scheme, host and port are its own.
    pub fn is_own(&self, url: &Url) -> bool {
        let port = self.registry.port().unwrap_or(self.scheme.default_port());
        url.scheme() == self.scheme && url.host().host() == self.registry.host() && url.port() == port
    }

    /// Whether an upload's request may go to its session's URL. Another origin takes bytes and nothing else. A session is cancelled only at a
    /// URL that can be nothing but a session of this repository.
    pub fn takes(&self, method: &str, session: &Url, repository: &Repository) -> bool {
        match method {
            "PUT" | "PATCH" => true,
            "DELETE" => {
                let uploads = format!("/v2/{}/blobs/upload", repository.path());
                let path = session.path();
                self.is_own(session) && path.starts_with(&uploads) && !path.contains('%') && !has_dots(path)
            }
            _ => self.is_own(session),
        }
    }
}

/// Why a URL in an answer isn't used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RefusedTarget {
    pub message: String,
    pub cause: Option<Cause>,
}

impl From<String> for RefusedTarget {
    fn from(message: String) -> RefusedTarget {
        RefusedTarget { message, cause: None }
    }
}

impl Core {
    /// Checks that an answer from one URL may lead to another.
    pub fn may_lead(&self, reach: &Reach, from: &Url, to: &Url) -> Result<(), RefusedTarget> {
        check_target(from, to, || self.nearness(from))?;
        if reach.is_own(to) {
            return match reach.is_own(from) {
                true => Ok(()),
                false => Err(format!("{} sends us back to the registry ({to}): refused", from.host()).into()),
            };
        }
        let mut others = self.rules.iter().map(|rule| &rule.registry);
        if others.any(|registry| *registry != reach.registry && is_host_of(registry, to)) {
            return Err(format!(
                "the registry sends us to a host that this run has settings for ({to}): refused; use that host by its own name, or leave \
                 out its settings"
            )
            .into());
        }
        Ok(())
    }

    /// Returns the target of a redirect's `Location`, if it is allowed.
    pub fn follow(&self, reach: &Reach, from: &Url, location: &str) -> Result<Url, RefusedTarget> {
        let to = redirected(from, location)?;
        self.may_lead(reach, from, &to)?;
        Ok(to)
    }

    /// Returns how near a host is. Looks the name up, since many registries have private addresses. Behind a proxy, nothing is known.
    fn nearness(&self, url: &Url) -> Nearness {
        if let Some(nearness) = nearness(url.host()) {
            return nearness;
        }
        if self.proxies.choose(url).is_some() {
            return Nearness::World;
        }
        let found = (url.host().host(), url.port()).to_socket_addrs();
        let found = found.map(|addresses| addresses.map(|address| nearness_of(address.ip())).min());
        found.ok().flatten().unwrap_or(Nearness::World)
    }
}

/// Whether a rule's registry is the host of a URL, in any notation of its address. A rule without a port means the scheme's.
fn is_host_of(registry: &Registry, url: &Url) -> bool {
    let port = registry.port().unwrap_or(url.scheme().default_port());
    let address = |host: &Registry| bare(host).parse().ok().map(|ip: IpAddr| ip.to_canonical());
    let is_same = match (address(registry), address(url.host())) {
        (Some(its), Some(other)) => its == other,
        _ => registry.host() == url.host().host(),
    };
    is_same && port == url.port()
}

/// Returns a host's name, or its address without brackets.
fn bare(host: &Registry) -> &str {
    host.host().trim_start_matches('[').trim_end_matches(']')
}

/// Resolves a redirect's `Location`.
pub(crate) fn redirected(from: &Url, location: &str) -> Result<Url, String> {
    from.join(location)
        .map_err(|error| format!("a redirect can't be followed: {error}"))
}

/// Whether a URL of the registry can be an upload session: of the API's paths, only those for uploads can.
pub(crate) fn may_be_session(url: &Url) -> bool {
    let path = url.path();
    !has_dots(path) && (!path.starts_with("/v2/") || path.contains("/blobs/upload"))
}

/// Whether a path has components that a server may resolve to another folder.
fn has_dots(path: &str) -> bool {
    path.split('/')
        .map(|component| component.to_ascii_lowercase().replace("%2e", "."))
        .any(|component| component == "." || component == "..")
}

/// How near a host is. Nearer hosts can reach more that is hidden from the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Nearness {
    World,
    /// RFC 1918, RFC 4193 and RFC 6598 (100.64.0.0/10).
    Private,
    LinkLocal,
    ThisMachine,
}

/// Checks that an answer from one URL may lead to another: not from HTTPS to HTTP, and not from outside to this machine or its
/// surroundings. `from_is` is called only if the nearness of the first matters.
pub(crate) fn check_target(
    from: &Url,
    to: &Url,
    from_is: impl FnOnce() -> Nearness,
) -> Result<(), RefusedTarget> {
    if from.scheme() == Scheme::Https && to.scheme() == Scheme::Http {
        return Err(RefusedTarget {
            message: format!("the registry sends us from HTTPS to plain HTTP ({to}): refused"),
            cause: Some(Cause::LeavesHttps),
        });
    }
    // Any registry may redirect to itself.
    if from.host().host() == to.host().host() {
        return Ok(());
    }
    let is_odd = is_odd_number(to.host());
    let to_is = nearness(to.host()).unwrap_or(Nearness::World);
    if to_is == Nearness::World && !is_odd {
        return Ok(());
    }
    let from_is = from_is();
    // A registry on this machine may redirect to it and around it.
    if from_is == Nearness::ThisMachine || from_is == to_is && !is_odd {
        return Ok(());
    }
    let what = match to_is {
        _ if is_odd => "an address in an odd notation",
        Nearness::World | Nearness::Private => "a private address",
        Nearness::LinkLocal => "a link-local address",
        Nearness::ThisMachine => "an address of this machine",
    };
    Err(format!("the registry sends us to {what} ({to}): refused").into())
}

/// Returns how near a host is, by its name. `None` if the name has to be looked up.
pub(crate) fn nearness(host: &Registry) -> Option<Nearness> {
    const NAMES: [&str; 4] = [
        "localhost.localdomain",
        "localhost6",
        "ip6-localhost",
        "ip6-loopback",
    ];
    let name = bare(host);
    if host.is_loopback() || name.ends_with(".localhost") || NAMES.contains(&name) {
        return Some(Nearness::ThisMachine);
    }
    name.parse().ok().map(nearness_of)
}

fn nearness_of(address: IpAddr) -> Nearness {
    match address {
        IpAddr::V4(ip) => nearness_of_v4(ip),
        IpAddr::V6(ip) if ip.is_loopback() || ip.is_unspecified() => Nearness::ThisMachine,
        IpAddr::V6(ip) if ip.is_unicast_link_local() => Nearness::LinkLocal,
        IpAddr::V6(ip) if ip.is_unique_local() => Nearness::Private,
        IpAddr::V6(ip) => embedded(ip).map_or(Nearness::World, nearness_of_v4),
    }
}

fn nearness_of_v4(ip: Ipv4Addr) -> Nearness {
    let [first, second, ..] = ip.octets();
    let is_carriers = first == 100 && second & 0xc0 == 64;
    if ip.is_loopback() || first == 0 {
        Nearness::ThisMachine
    } else if ip.is_link_local() {
        Nearness::LinkLocal
    } else if ip.is_private() || is_carriers {
        Nearness::Private
    } else {
        Nearness::World
    }
}

/// Returns the IPv4 address that an IPv6 address embeds: mapped, compatible (RFC 4291, section 2.5.5) or translated (RFC 6052).
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., a, b, c, d] = ip.octets();
    let is_translated = ip.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
    ip.to_ipv4().or(is_translated.then(|| Ipv4Addr::new(a, b, c, d)))
}

/// Whether it is an IPv4 address in an outdated notation: `2130706433`, `127.1`, `0x7f.0.0.1`. Name resolution accepts those; no host's
/// name ends in a number.
fn is_odd_number(host: &Registry) -> bool {
    let host = host.host();
    let last = host.rsplit('.').next().unwrap_or(host);
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last
            .strip_prefix("0x")
            .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    is_number && host.parse::<Ipv4Addr>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_to_private_addresses_and_out_of_https_are_refused() {
        let url = |text: &str| Url::parse(text).unwrap();
        let table = [
            ("https://hub.example/", "https://cdn.example/x?sig=1", true),
            ("https://hub.example/", "http://cdn.example/x", false),
            ("http://hub.example/", "http://10.0.0.5/x", false),
            ("http://hub.example/", "http://172.16.0.5/x", false),
            ("http://hub.example/", "http://192.168.0.5/x", false),
            ("http://hub.example/", "http://100.64.0.5/x", false),
            ("http://hub.example/", "http://100.128.0.5/x", true),
            ("http://hub.example/", "http://[fd00::5]/x", false),
            ("http://hub.example/", "http://[::ffff:10.0.0.5]/x", false),
            ("http://10.0.0.1/", "http://192.168.0.5/x", true),
            ("http://10.0.0.1/", "http://127.0.0.1/x", false),
            ("http://10.0.0.1/", "http://169.254.169.254/x", false),
            ("http://10.0.0.1/", "http://[fd00::5]/x", true),
            ("https://hub.example/", "https://localhost/x", false),
            ("https://hub.example/", "https://127.0.0.1:1/x", false),
            ("http://hub.example/", "http://169.254.169.254/latest", false),
            ("https://hub.example/", "https://[::1]/x", false),
            ("https://hub.example/", "https://[::ffff:127.0.0.1]/x", false),
            ("https://hub.example/", "https://[::127.0.0.1]/x", false),
            ("https://hub.example/", "https://[64:ff9b::a9fe:a9fe]/x", false),
            ("https://hub.example/", "https://[fe80::1]/x", false),
            ("https://hub.example/", "https://[2001:db8::1]/x", true),
            ("https://hub.example/", "https://0.0.0.0/x", false),
            ("https://hub.example/", "https://2130706433/x", false),
            ("https://hub.example/", "https://127.1/x", false),
            ("https://hub.example/", "https://0x7f.0.0.0x1/x", false),
            ("https://hub.example/", "https://0177.0.0.1/x", false),
            ("https://hub.example/", "https://a.localhost/x", false),
            ("https://hub.example/", "https://ip6-localhost/x", false),
            ("https://hub.example/", "https://192.0.2.1/x", true),
            ("https://hub.example/", "https://4.example/x", true),
            ("https://hub.example/", "https://3.cdn.0xample/x", true),
            ("https://hub.example/", "https://[::ffff:0.0.0.0]/x", false),
            ("https://app.localhost/", "https://127.0.0.1/x", true),
            ("http://app.localhost/", "http://app.localhost:5000/x", true),
            ("http://169.254.1.2/", "http://169.254.1.2/x", true),
            ("http://169.254.1.2/", "http://127.0.0.1/x", false),
            ("http://127.0.0.1:5000/", "http://127.0.0.1:5001/x", true),
            ("http://127.0.0.1:5000/", "https://127.0.0.1:5001/x", true),
        ];
        for (from, to, allowed) in table {
            let (from_url, to_url) = (url(from), url(to));
            let from_is = || nearness(from_url.host()).unwrap_or(Nearness::World);
            let checked = check_target(&from_url, &to_url, from_is);
            assert_eq!(checked.is_ok(), allowed, "{from} -> {to}");
        }
    }

    #[test]
    fn a_host_with_settings_is_known_however_its_address_is_written() {
        let table = [
            ("hub.local", "https://hub.local/x", true),
            ("hub.local", "http://hub.local:80/x", true),
            ("hub.local", "http://hub.local:443/x", false),
            ("hub.local:5000", "https://hub.local:05000/x", true),
            ("hub.local:5000", "https://hub.local/x", false),
            ("10.0.0.5", "https://[::ffff:10.0.0.5]/x", true),
            ("[fd00::5]", "https://[fd00:0:0::5]/x", true),
            ("docker.io", "https://registry-1.docker.io/x", true),
            ("hub.local", "https://other.local/x", false),
        ];
        for (registry, url, expected) in table {
            let url = Url::parse(url).unwrap();
            assert_eq!(
                is_host_of(&registry.parse().unwrap(), &url),
                expected,
                "{registry} {url}"
            );
        }
    }

    fn reach(scheme: Scheme) -> Reach {
        Reach {
            registry: "hub.example:5000".parse().unwrap(),
            rule: None,
            scheme,
        }
    }

    #[test]
    fn only_scheme_host_and_port_together_are_the_registrys_own() {
        let table = [
            ("https://hub.example:5000/x", true),
            ("https://HUB.example:5000/x", true),
            ("http://hub.example:5000/x", false),
            ("https://hub.example/x", false),
            ("https://hub.example:443/x", false),
            ("https://cdn.hub.example:5000/x", false),
        ];
        for (url, is_own) in table {
            let url = Url::parse(url).unwrap();
            assert_eq!(reach(Scheme::Https).is_own(&url), is_own, "{url}");
        }
    }

    #[test]
    fn an_upload_is_asked_for_at_the_registry_alone_and_cancelled_where_nothing_else_can_be() {
        let repository: Repository = "hub.example:5000/team/app".parse().unwrap();
        let own = "https://hub.example:5000";
        let table = [
            ("/v2/team/app/blobs/uploads/1?_state=x", "GET PUT PATCH DELETE"),
            ("/v2/team/app/blobs/upload/1:2", "GET PUT PATCH DELETE"),
            ("/artifacts-uploads/namespaces/1/uploads/2", "GET PUT PATCH"),
            ("/v2/other/blobs/uploads/1", "GET PUT PATCH"),
            ("/v2/team/app/blobs/uploads/%2e%2e/1", ""),
            ("/v2/team/app/blobs/uploads/a%2fb", "GET PUT PATCH"),
            ("/v2/team/app/blobs/uploads/../../manifests/v1", ""),
            ("/v2/team/app/manifests/v1", ""),
            ("/v2/prod/app/manifests/sha256:00", ""),
            ("/v2/team/app/tags/list", ""),
        ];
        let methods = ["GET", "PUT", "PATCH", "DELETE"];
        for (path, expected) in table {
            let url = Url::parse(&format!("{own}{path}")).unwrap();
            let taken =
                |method: &&str| may_be_session(&url) && reach(Scheme::Https).takes(method, &url, &repository);
            let taken: Vec<_> = methods.into_iter().filter(taken).collect();
            assert_eq!(taken.join(" "), expected, "{path}");
        }
        let elsewhere = Url::parse("https://s3.example/v2/team/app/blobs/uploads/1").unwrap();
        let taken = methods.map(|method| reach(Scheme::Https).takes(method, &elsewhere, &repository));
        assert_eq!(taken, [false, true, true, false]);
    }
}
