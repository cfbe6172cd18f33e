//! Registries, repositories and tags ([distribution specification, "Pulling manifests"]).
//!
//! [distribution specification, "Pulling manifests"]: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use crate::{ParseError, ParseErrorKind as Kind};

pub(crate) const DOCKER_HUB: &str = "docker.io";

/// A registry's name: a host with an optional port, such as `docker.io`, `hub.kubekey`, `localhost:5000` or `[::1]:5000`.
///
/// Host names are lowercased. Docker Hub's other names, `index.docker.io` and `registry-1.docker.io`, become `docker.io`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Registry(Arc<str>);

impl Registry {
    /// Docker Hub.
    pub fn docker_hub() -> Registry {
        Registry(DOCKER_HUB.into())
    }

    /// The name, with its port if it has one.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is Docker Hub, whose name and API host differ.
    pub fn is_docker_hub(&self) -> bool {
        &*self.0 == DOCKER_HUB
    }

    /// The host (and port) that answers the API: `registry-1.docker.io` for Docker Hub, otherwise the name.
    pub fn api_host(&self) -> &str {
        if self.is_docker_hub() {
            "registry-1.docker.io"
        } else {
            &self.0
        }
    }

    /// The host without the port; an IPv6 address keeps its brackets.
    pub fn host(&self) -> &str {
        split_port(&self.0).0
    }

    /// The port, where one is given.
    pub fn port(&self) -> Option<u16> {
        split_port(&self.0).1.and_then(|port| port.parse().ok())
    }

    /// Whether it is this machine itself: `localhost`, 127.0.0.0/8 or `[::1]`.
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

/// Splits `host:port`; a colon inside an IPv6 address's brackets is no port's.
fn split_port(text: &str) -> (&str, Option<&str>) {
    let after_address = text.rfind(']').map_or(0, |at| at + 1);
    match text[after_address..].find(':') {
        Some(at) => (&text[..after_address + at], Some(&text[after_address + at + 1..])),
        None => (text, None),
    }
}

impl FromStr for Registry {
    type Err = ParseError;

    fn from_str(input: &str) -> Result<Self, ParseError> {
        let fail = |kind| ParseError::new("registry", input, kind);
        if input.is_empty() {
            return Err(fail(Kind::Empty));
        }
        if input.contains("://") {
            return Err(fail(Kind::Url));
        }
        let (host, port) = split_port(input);
        if let Some(port) = port {
            let in_range = port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
            if !in_range || port.parse::<u16>().is_ok_and(|n| n == 0) || port.parse::<u16>().is_err() {
                return Err(fail(Kind::Port));
            }
        }
        if !is_host(host) {
            return Err(fail(Kind::Host));
        }
        let name = input.to_ascii_lowercase();
        Ok(match name.as_str() {
            "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => Registry::docker_hub(),
            _ => Registry(name.into()),
        })
    }
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let is_label = |label: &str| {
        let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
        edge(label.bytes().next())
            && edge(label.bytes().last())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    host.len() <= 253 && host.split('.').all(is_label)
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A repository: a registry and a path in it, such as `docker.io/library/alpine`. The path is the `<name>` of the
/// [distribution specification](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository {
    registry: Registry,
    path: Arc<str>,
}

impl Repository {
    /// The repository `path` of `registry`. On Docker Hub, a path of one component is in `library/`.
    ///
    /// # Errors
    /// Where `path` isn't lowercase components joined by `/`.
    pub fn new(registry: Registry, path: &str) -> Result<Repository, ParseError> {
        check_path(path)?;
        let full: Arc<str> = if registry.is_docker_hub() && !path.contains('/') {
            format!("library/{path}").into()
        } else {
            path.into()
        };
        check_length(&full, path)?;
        Ok(Repository { registry, path: full })
    }

    /// The registry.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The path within the registry, such as `library/alpine`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The same path in another registry.
    ///
    /// # Errors
    /// None today: the path is valid wherever it was valid once. Docker Hub adds `library/` to a path of one component.
    pub fn in_registry(&self, registry: Registry) -> Result<Repository, ParseError> {
        Repository::new(registry, &self.path)
    }
}

impl FromStr for Repository {
    type Err = ParseError;

    /// Reads `registry/path`, or a name on Docker Hub, by the same rules as a [`Reference`](crate::Reference).
    fn from_str(input: &str) -> Result<Self, ParseError> {
        let (registry, path) = split_registry(input).map_err(|error| error.within("repository", input))?;
        let registry = registry.map_or_else(|| Ok(Registry::docker_hub()), str::parse);
        registry
            .and_then(|registry| Repository::new(registry, path))
            .map_err(|error| error.within("repository", input))
    }
}

/// Reads back to an equal value: where only a capital tells the registry from a path, the registry has capitals.
impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let registry = self.registry.as_str();
        if is_clearly_a_registry(registry) {
            write!(f, "{registry}/{}", self.path)
        } else {
            write!(f, "{}/{}", registry.to_ascii_uppercase(), self.path)
        }
    }
}

/// Whether no path begins with this, whatever the case of its letters.
fn is_clearly_a_registry(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':', '['])
}

/// Whether it reads as a path component with a doubled separator rather than as a host.
fn is_doubly_dotted(component: &str) -> bool {
    component.contains("..") && !component.contains([':', '['])
}

/// Splits a name into its registry, if its first component is one, and the path: the rule that Docker set. The first component
/// is a registry if it has a dot, a colon or a capital, or is `localhost`.
pub(crate) fn split_registry(name: &str) -> Result<(Option<&str>, &str), ParseError> {
    let fail = |kind| Err(ParseError::new("repository", name, kind));
    if name.is_empty() {
        return fail(Kind::Empty);
    }
    if name.contains("://") {
        return fail(Kind::Url);
    }
    match name.split_once('/') {
        None if name.starts_with('[') => fail(Kind::NoRepository),
        None => Ok((None, name)),
        Some((first, rest)) => {
            let is_registry = is_clearly_a_registry(first) || first.bytes().any(|b| b.is_ascii_uppercase());
            // `..` is never a host, whatever the dots say.
            if first == ".." {
                fail(Kind::Traversal)
            } else if is_registry && !is_doubly_dotted(first) {
                Ok((Some(first), rest))
            } else {
                Ok((None, name))
            }
        }
    }
}

fn check_length(full: &str, input: &str) -> Result<(), ParseError> {
    if full.len() > 255 {
        return Err(ParseError::new("repository", input, Kind::RepositoryLength));
    }
    Ok(())
}

fn check_path(path: &str) -> Result<(), ParseError> {
    let fail = |kind| Err(ParseError::new("repository", path, kind));
    if path.is_empty() {
        return fail(Kind::NoRepository);
    }
    check_length(path, path)?;
    for component in path.split('/') {
        if let Err(kind) = check_component(component) {
            return fail(kind);
        }
    }
    Ok(())
}

fn check_component(component: &str) -> Result<(), Kind> {
    let bytes = component.as_bytes();
    let is_alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return Err(Kind::EmptyComponent);
    };
    if component == ".." || component == "." {
        return Err(Kind::Traversal);
    }
    if bytes.iter().any(u8::is_ascii_uppercase) {
        return Err(Kind::Uppercase);
    }
    if !bytes.iter().all(|b| is_alphanumeric(b) || b"._-".contains(b)) {
        return Err(Kind::ComponentCharacter);
    }
    if !is_alphanumeric(first) {
        return Err(Kind::ComponentStart);
    }
    if !is_alphanumeric(last) {
        return Err(Kind::Separator);
    }
    let separators = bytes.split(is_alphanumeric).filter(|run| !run.is_empty());
    for run in separators {
        let allowed = run == b"." || run == b"_" || run == b"__" || run.iter().all(|b| *b == b'-');
        if !allowed {
            return Err(Kind::Separator);
        }
    }
    Ok(())
}

/// A tag: 1 to 128 of `[A-Za-z0-9_.-]`, the first of them a letter, a digit or `_`
/// ([distribution specification](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests)).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Arc<str>);

impl Tag {
    /// The tag that is meant where none is given.
    pub fn latest() -> Tag {
        Tag("latest".into())
    }

    /// A tag whose text this crate made.
    pub(crate) fn checked(text: String) -> Tag {
        debug_assert!(text.parse::<Tag>().is_ok());
        Tag(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = ParseError;

    fn from_str(input: &str) -> Result<Self, ParseError> {
        let fail = |kind| Err(ParseError::new("tag", input, kind));
        let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let Some(first) = input.bytes().next() else {
            return fail(Kind::TagEmpty);
        };
        if input.len() > 128 {
            fail(Kind::TagLength)
        } else if input == ".." {
            fail(Kind::Traversal)
        } else if !is_word(first) || !input.bytes().all(|b| is_word(b) || b == b'.' || b == b'-') {
            fail(Kind::TagGrammar)
        } else {
            Ok(Tag(input.into()))
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_knows_its_host_port_and_whether_it_is_this_machine() {
        let table = [
            ("docker.io", "docker.io", None, false),
            ("LocalHost:5000", "localhost", Some(5000), true),
            ("127.0.0.5:443", "127.0.0.5", Some(443), true),
            ("[::1]:5000", "[::1]", Some(5000), true),
            ("[2001:db8::1]", "[2001:db8::1]", None, false),
            ("hub.kubekey", "hub.kubekey", None, false),
        ];
        for (input, host, port, loopback) in table {
            let registry: Registry = input.parse().unwrap();
            assert_eq!(
                (registry.host(), registry.port(), registry.is_loopback()),
                (host, port, loopback),
                "{input}"
            );
        }
    }

    #[test]
    fn registries_that_are_none_are_refused() {
        for input in [
            "", "a b", "-a", "a-", "a..b", "a/b", "a:0", "a:65536", "a:", "a:+5", "[::1", "[zz]", "x@y",
            "a\n",
        ] {
            assert!(input.parse::<Registry>().is_err(), "{input:?}");
        }
    }

    #[test]
    fn docker_hub_has_one_name_and_another_api_host() {
        for input in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
            let registry: Registry = input.parse().unwrap();
            assert_eq!(
                (registry.as_str(), registry.api_host()),
                ("docker.io", "registry-1.docker.io")
            );
        }
    }

    #[test]
    fn a_path_moves_to_another_registry() {
        let alpine: Repository = "alpine".parse().unwrap();
        let moved = alpine.in_registry("hub.kubekey".parse().unwrap()).unwrap();
        assert_eq!(moved.to_string(), "hub.kubekey/library/alpine");
    }
}
