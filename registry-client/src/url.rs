//! Absolute http(s) URLs of registries. A query is kept byte for byte.

use std::fmt;

use transload_reference::{Registry, printable};

/// The longest path to show, in characters. A repository, a digest and the API's words are shorter.
const LONGEST_SHOWN: usize = 512;

/// The longest unknown scheme to show, in characters.
const LONGEST_SCHEME: usize = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// Returns the port of URLs without one.
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// An absolute URL without user name and fragment. `Display` omits the query's values, which may be signatures.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Url {
    scheme: Scheme,
    /// Host and port, lowercase.
    host: Registry,
    /// Path and query, beginning with `/`.
    target: String,
}

/// Why text is no usable URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UrlError {
    #[error("it has the scheme \"{0}\", which is neither http nor https")]
    Scheme(String),
    #[error("it has no valid host")]
    Host,
    #[error("it holds characters that no URL has")]
    Character,
}

impl UrlError {
    fn unknown(scheme: &str) -> UrlError {
        UrlError::Scheme(printable(&scheme.to_ascii_lowercase(), LONGEST_SCHEME).into_owned())
    }
}

impl Url {
    pub fn new(scheme: Scheme, host: &str, target: &str) -> Result<Url, UrlError> {
        let host = plain_host(host)?;
        let target = clean_target(target)?;
        Ok(Url { scheme, host, target })
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub fn parse(text: &str) -> Result<Url, UrlError> {
        let (scheme, rest) = split_scheme(text).ok_or_else(|| UrlError::Scheme(String::new()))?;
        let scheme = read_scheme(scheme)?;
        Url::from_authority(scheme, rest)
    }

    fn from_authority(scheme: Scheme, rest: &str) -> Result<Url, UrlError> {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        // A user name in a Location would be sent to that host.
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        Url::new(scheme, host, target)
    }

    /// Resolves a `Location` or `Link` in an answer from this URL (RFC 3986, section 5.2).
    pub fn join(&self, reference: &str) -> Result<Url, UrlError> {
        let reference = reference.trim();
        if let Some((scheme, rest)) = split_scheme(reference) {
            return Url::from_authority(read_scheme(scheme)?, rest);
        }
        if let Some((scheme, _)) = reference.split_once(':')
            && !scheme.contains(['/', '?', '#'])
            && !scheme.is_empty()
            && scheme
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
            && scheme.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
        {
            return Err(UrlError::unknown(scheme));
        }
        if let Some(rest) = reference.strip_prefix("//") {
            return Url::from_authority(self.scheme, rest);
        }
        let target = if reference.starts_with('/') {
            reference.to_owned()
        } else if reference.is_empty() || reference.starts_with('#') {
            self.target.clone()
        } else if reference.starts_with('?') {
            format!("{}{reference}", self.path())
        } else {
            let folder = self.path().rfind('/').map_or("/", |at| &self.path()[..=at]);
            without_dots(&format!("{folder}{reference}"))
        };
        Ok(Url {
            scheme: self.scheme,
            host: self.host.clone(),
            target: clean_target(&target)?,
        })
    }

    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns host and port.
    pub fn host(&self) -> &Registry {
        &self.host
    }

    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    pub fn port(&self) -> u16 {
        self.host.port().unwrap_or(self.scheme.default_port())
    }

    /// Returns the URL with `name=value` added to its query, the value percent-encoded.
    pub fn with_query(&self, name: &str, value: &str) -> Url {
        let mut url = self.clone();
        let separator = match self.query() {
            None => "?",
            Some("") => "",
            Some(query) if query.ends_with('&') => "",
            Some(_) => "&",
        };
        url.target.push_str(separator);
        url.target.push_str(name);
        url.target.push('=');
        encode_into(&mut url.target, value);
        url
    }

    /// Returns the same path and query at another origin.
    pub fn at(&self, scheme: Scheme, host: Registry) -> Url {
        Url {
            scheme,
            host,
            target: self.target.clone(),
        }
    }

    /// Whether both have the same scheme, host and port.
    pub fn same_origin(&self, other: &Url) -> bool {
        self.scheme == other.scheme && self.host.host() == other.host.host() && self.port() == other.port()
    }

    /// Returns the whole URL, for sending only.
    pub fn expose(&self) -> String {
        format!(
            "{}://{}{}",
            self.scheme.as_str(),
            host_text(&self.host),
            self.target
        )
    }
}

/// Parses a host. [`Registry`] would rename Docker Hub's API host.
fn host_text(host: &Registry) -> &str {
    host.api_host()
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}{}",
            self.scheme.as_str(),
            host_text(&self.host),
            printable(self.path(), LONGEST_SHOWN)
        )?;
        match self.query() {
            Some(_) => f.write_str("?…"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let is_name = !scheme.is_empty()
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    is_name.then_some((scheme, rest))
}

fn read_scheme(scheme: &str) -> Result<Scheme, UrlError> {
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Ok(Scheme::Http),
        "https" => Ok(Scheme::Https),
        other => Err(UrlError::unknown(other)),
    }
}

fn plain_host(host: &str) -> Result<Registry, UrlError> {
    host.trim_end_matches(':').parse().map_err(|_| UrlError::Host)
}

/// Drops the fragment, adds the leading slash, and encodes characters that a request line can't carry.
fn clean_target(target: &str) -> Result<String, UrlError> {
    let target = target.split('#').next().unwrap_or_default();
    if target.bytes().any(|b| b.is_ascii_control()) {
        return Err(UrlError::Character);
    }
    let mut clean = String::with_capacity(target.len() + 1);
    if !target.starts_with('/') {
        clean.push('/');
    }
    for byte in target.bytes() {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte) {
            clean.push(char::from(byte));
        } else {
            push_encoded(&mut clean, byte);
        }
    }
    Ok(clean)
}

fn without_dots(target: &str) -> String {
    let (path, query) = target
        .split_once('?')
        .map_or((target, None), |(path, query)| (path, Some(query)));
    let mut kept: Vec<&str> = Vec::new();
    let mut components = path.split('/').skip(1).peekable();
    while let Some(component) = components.next() {
        let is_last = components.peek().is_none();
        match component {
            "." if is_last => kept.push(""),
            "." => {}
            ".." => {
                kept.pop();
                if is_last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    let path = format!("/{}", kept.join("/"));
    match query {
        Some(query) => format!("{path}?{query}"),
        None => path,
    }
}

/// Appends `value` with everything but unreserved characters (RFC 3986, section 2.3) percent-encoded.
pub(crate) fn encode_into(text: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            push_encoded(text, byte);
        }
    }
}

fn push_encoded(text: &mut String, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    text.push('%');
    text.push(char::from(HEX[usize::from(byte >> 4)]));
    text.push(char::from(HEX[usize::from(byte & 15)]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form_of_location_is_resolved() {
        let base = Url::parse("https://hub.local:8443/v2/a/b/blobs/uploads/?x=1").unwrap();
        let table = [
            (
                "/v2/a/b/blobs/uploads/1?_state=aB%2F+%3d",
                "https://hub.local:8443/v2/a/b/blobs/uploads/1?_state=aB%2F+%3d",
            ),
            ("https://other/p?q=a%20b&c", "https://other/p?q=a%20b&c"),
            ("HTTP://Other:80", "http://other:80/"),
            ("//other/p", "https://other/p"),
            ("1234?s=1", "https://hub.local:8443/v2/a/b/blobs/uploads/1234?s=1"),
            ("../1234", "https://hub.local:8443/v2/a/b/blobs/1234"),
            ("../../../../../../../x", "https://hub.local:8443/x"),
            ("?next=2", "https://hub.local:8443/v2/a/b/blobs/uploads/?next=2"),
            ("", "https://hub.local:8443/v2/a/b/blobs/uploads/?x=1"),
            ("https://user:secret@other/p#part", "https://other/p"),
            ("/a b/é", "https://hub.local:8443/a%20b/%C3%A9"),
            ("https://[::1]:5000/x", "https://[::1]:5000/x"),
            ("/a:b", "https://hub.local:8443/a:b"),
        ];
        for (location, expected) in table {
            assert_eq!(base.join(location).unwrap().expose(), expected, "{location}");
        }
    }

    #[test]
    fn other_schemes_and_broken_hosts_are_refused() {
        let base = Url::parse("https://hub.local/").unwrap();
        for location in [
            "file:///etc/passwd",
            "ftp://x/",
            "javascript:alert(1)",
            "https:///x",
            "https://a b/",
            "https://a:99999/",
            "/a\r\nX: y",
        ] {
            assert!(base.join(location).is_err(), "{location}");
        }
    }

    #[test]
    fn queries_are_added_and_never_shown() {
        let url = Url::parse("https://a/b")
            .unwrap()
            .with_query("digest", "sha256:ab")
            .with_query("x", "é&");
        assert_eq!(url.expose(), "https://a/b?digest=sha256%3Aab&x=%C3%A9%26");
        assert_eq!(url.to_string(), "https://a/b?…");
        assert_eq!(format!("{url:?}"), "https://a/b?…");
        assert_eq!(
            Url::parse("https://a/?").unwrap().with_query("x", "1").expose(),
            "https://a/?x=1"
        );
    }

    #[test]
    fn default_ports_are_the_same_origin() {
        let url = |text| Url::parse(text).unwrap();
        assert!(url("https://a/x").same_origin(&url("https://A:443/y")));
        assert!(!url("https://a/x").same_origin(&url("http://a/x")));
        assert!(!url("https://a/x").same_origin(&url("https://a:444/x")));
        assert!(!url("https://a/x").same_origin(&url("https://b/x")));
    }

    proptest! {
        #[test]
        fn no_location_panics_and_each_is_a_sendable_url(location in "\\PC*") {
            let base = Url::parse("https://hub.local/v2/a").unwrap();
            if let Ok(url) = base.join(&location) {
                prop_assert!(url.expose().bytes().all(|b| b.is_ascii_graphic()));
                prop_assert!(url.expose().parse::<ureq::http::Uri>().is_ok());
            }
        }

        #[test]
        fn a_query_is_kept_byte_for_byte(query in "[A-Za-z0-9_.~!*'();:@&=+$,/?%-]*") {
            let base = Url::parse("https://hub.local/v2/a").unwrap();
            let url = base.join(&format!("/x?{query}")).unwrap();
            prop_assert_eq!(url.query(), Some(query.as_str()));
        }
    }
}
