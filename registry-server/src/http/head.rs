//! Heads of requests: bytes to a [`Head`], strictly (RFC 9112). What two programs could read differently is refused.

use std::fmt;

/// The longest head, in bytes.
pub(crate) const LONGEST_HEAD: usize = 16 * 1024;

/// The most headers in a head.
const MOST_HEADERS: usize = 64;

/// A request's method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    /// Any other.
    Other,
}

/// Names and values, in the order in which they were sent.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// Returns a header's first value. The name's case doesn't matter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Returns all values of a header. The name's case doesn't matter.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        let named = move |(given, _): &&(String, String)| given.eq_ignore_ascii_case(name);
        self.0.iter().filter(named).map(|(_, value)| value.as_str())
    }

    /// Returns a header's value.
    ///
    /// # Errors
    /// Where the header occurs twice.
    fn only(&self, name: &'static str) -> Result<Option<&str>, Refusal> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(Refusal(400, "a header that must be unique is repeated")),
            (value, None) => Ok(value),
        }
    }

    /// Returns whether a comma-separated header has a token.
    fn has_token(&self, name: &str, token: &str) -> bool {
        let mut tokens = self.all(name).flat_map(|value| value.split(','));
        tokens.any(|given| given.trim().eq_ignore_ascii_case(token))
    }
}

/// The end of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// After so many bytes: none if the request has no body.
    Length(u64),
    /// Told by the last chunk.
    Chunked,
}

/// A request's head, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub method: Method,
    /// The request line, for the log.
    pub line: String,
    /// Percent-encoded, from `/` on.
    pub path: String,
    pub query: Option<String>,
    pub headers: Headers,
    pub framing: Framing,
    /// Whether another request may follow on the connection.
    pub keeps_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// Whether it is HTTP/1.0.
    pub is_old: bool,
}

/// A status, and why a request is answered with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal(pub u16, pub &'static str);

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.0, self.1)
    }
}

/// Returns the length of the head that a buffer begins with, once all of it is there. `seen` bytes were looked at before.
///
/// # Errors
/// Where no head can come of it.
pub(crate) fn length(buffer: &[u8], seen: usize) -> Result<Option<usize>, Refusal> {
    // A client that speaks TLS is told at once: what it says of an answer in plain HTTP leads to the cause.
    if buffer.first().is_some_and(|byte| !byte.is_ascii_uppercase()) {
        return Err(Refusal(400, "no HTTP request begins like this"));
    }
    let from = seen.saturating_sub(3);
    let end = buffer[from..].windows(4).position(|four| four == b"\r\n\r\n");
    match end.map(|position| from + position + 4) {
        Some(length) if length <= LONGEST_HEAD => Ok(Some(length)),
        None if buffer.len() < LONGEST_HEAD => Ok(None),
        _ if buffer.iter().take(LONGEST_HEAD).any(|byte| *byte == b'\n') => {
            Err(Refusal(431, "the head is too long"))
        }
        _ => Err(Refusal(414, "the request line is too long")),
    }
}

/// Parses a whole head, the empty line included.
///
/// # Errors
/// Where it isn't well-formed, is ambiguous, or asks for what this server doesn't do.
pub(crate) fn parse(bytes: &[u8]) -> Result<Head, Refusal> {
    let mut fields = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Ok(_) => return Err(Refusal(400, "the head isn't well-formed")),
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal(431, "there are too many headers")),
        Err(httparse::Error::Version) => {
            return Err(Refusal(505, "only HTTP/1.0 and HTTP/1.1 are understood"));
        }
        Err(_) => return Err(Refusal(400, "the head isn't well-formed")),
    }
    let is_bare = |(at, byte): (usize, &u8)| *byte == b'\n' && (at == 0 || bytes[at - 1] != b'\r');
    if bytes.iter().enumerate().any(is_bare) {
        return Err(Refusal(400, "a line of the head ends without a carriage return"));
    }
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(Refusal(400, "the head isn't well-formed"));
    };

    let target_of = Target::parse(target)?;
    let named = request.headers.iter().map(|header| {
        let value = String::from_utf8_lossy(header.value.trim_ascii()).into_owned();
        (header.name.to_owned(), value)
    });
    let mut headers = Headers(named.collect());
    let is_old = version == 0;
    if headers.only("host")?.is_none() && !is_old {
        return Err(Refusal(400, "there is no Host"));
    }
    if let Some(authority) = target_of.authority {
        headers.0.retain(|(name, _)| !name.eq_ignore_ascii_case("host"));
        headers.0.push(("Host".to_owned(), authority.to_owned()));
    }
    let expects_continue = match headers.get("expect") {
        Some(_) if is_old => false,
        None => false,
        Some(value) if value.eq_ignore_ascii_case("100-continue") => true,
        Some(_) => return Err(Refusal(417, "only 100-continue can be expected")),
    };
    let closes = headers.has_token("connection", "close");
    Ok(Head {
        method: method_named(method),
        line: format!("{method} {target} HTTP/1.{version}"),
        path: target_of.path.to_owned(),
        query: target_of.query.map(str::to_owned),
        framing: framing(&headers, is_old)?,
        keeps_alive: !closes && (!is_old || headers.has_token("connection", "keep-alive")),
        expects_continue,
        is_old,
        headers,
    })
}

fn method_named(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "PATCH" => Method::Patch,
        "DELETE" => Method::Delete,
        _ => Method::Other,
    }
}

/// Returns the end of the body (RFC 9112, section 6.3), where everyone would find it at the same place.
fn framing(headers: &Headers, is_old: bool) -> Result<Framing, Refusal> {
    let length = headers.only("content-length")?;
    match (headers.only("transfer-encoding")?, length) {
        (Some(_), Some(_)) => Err(Refusal(400, "a chunked body can't have a length")),
        (Some(_), None) if is_old => Err(Refusal(400, "HTTP/1.0 has no chunked bodies")),
        (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
        (Some(_), None) => Err(Refusal(501, "the only transfer coding is chunked")),
        (None, None) => Ok(Framing::Length(0)),
        (None, Some(digits)) => match digits.parse() {
            Ok(length) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Framing::Length(length)),
            _ => Err(Refusal(400, "Content-Length isn't a length")),
        },
    }
}

/// What a request is for (RFC 9112, section 3.2).
#[derive(Debug)]
struct Target<'a> {
    /// The host that an absolute URL names.
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Target<'a> {
    fn parse(text: &'a str) -> Result<Self, Refusal> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(Refusal(400, "the target isn't well-formed"));
        }
        let (authority, rest) = match text.split_once("://") {
            _ if text.starts_with('/') => (None, text),
            Some((scheme, rest))
                if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") =>
            {
                let end = rest.find(['/', '?']).unwrap_or(rest.len());
                let (authority, rest) = rest.split_at(end);
                if authority.is_empty() || authority.contains('@') {
                    return Err(Refusal(400, "the target's host isn't well-formed"));
                }
                (Some(authority), rest)
            }
            _ => return Err(Refusal(400, "the target is neither a path nor a URL")),
        };
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        Ok(Self {
            authority,
            path: if path.is_empty() { "/" } else { path },
            query,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(head: &str) -> Head {
        parse(head.as_bytes()).unwrap_or_else(|refusal| panic!("{head:?} is refused: {refusal}"))
    }

    fn refused(head: &[u8]) -> u16 {
        match parse(head) {
            Err(refusal) => refusal.0,
            Ok(head) => panic!("{head:?} is accepted"),
        }
    }

    #[test]
    fn a_head_is_read() {
        let head = parsed(
            "PUT /v2/a/manifests/v1?ns=docker.io HTTP/1.1\r\nHost: hub:5000\r\nContent-Length: 12\r\nAccept: a\r\n\
             accept:b \r\nExpect: 100-Continue\r\n\r\n",
        );
        assert_eq!(head.method, Method::Put);
        assert_eq!(head.line, "PUT /v2/a/manifests/v1?ns=docker.io HTTP/1.1");
        assert_eq!(head.path, "/v2/a/manifests/v1");
        assert_eq!(head.query.as_deref(), Some("ns=docker.io"));
        assert_eq!(head.headers.get("HOST"), Some("hub:5000"));
        assert_eq!(head.headers.all("Accept").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(head.framing, Framing::Length(12));
        assert!(head.keeps_alive && head.expects_continue && !head.is_old);
    }

    #[test]
    fn whether_the_connection_stays_depends_on_version_and_header() {
        for (version, connection, stays) in [
            ("1.1", "", true),
            ("1.1", "Connection: close\r\n", false),
            ("1.1", "Connection: TE, Close\r\n", false),
            ("1.0", "", false),
            ("1.0", "Connection: Keep-Alive\r\n", true),
            ("1.0", "Connection: keep-alive, close\r\n", false),
        ] {
            let head = parsed(&format!("GET / HTTP/{version}\r\nHost: a\r\n{connection}\r\n"));
            assert_eq!(head.keeps_alive, stays, "{version} {connection}");
        }
        assert!(parsed("GET / HTTP/1.0\r\n\r\n").is_old, "it needs no Host");
    }

    #[test]
    fn an_absolute_target_names_the_host() {
        let head = parsed("GET HTTP://hub:5000/v2/?n=1 HTTP/1.1\r\nHost: other\r\n\r\n");
        assert_eq!((head.path.as_str(), head.query.as_deref()), ("/v2/", Some("n=1")));
        assert_eq!(head.headers.all("host").collect::<Vec<_>>(), ["hub:5000"]);
        let head = parsed("GET http://hub?x HTTP/1.1\r\nHost: other\r\n\r\n");
        assert_eq!((head.path.as_str(), head.query.as_deref()), ("/", Some("x")));
    }

    /// Each could be read as two requests by one program, and as one by another.
    #[test]
    fn ambiguous_requests_are_refused() {
        for (status, rest) in [
            (400, "Content-Length: 5\r\nContent-Length: 5\r\n"),
            (400, "Content-Length: 5\r\nContent-Length: 6\r\n"),
            (400, "Content-Length: 5, 5\r\n"),
            (400, "Content-Length: +5\r\n"),
            (400, "Content-Length: -1\r\n"),
            (400, "Content-Length: 0x5\r\n"),
            (400, "Content-Length: 5 5\r\n"),
            (400, "Content-Length:\r\n"),
            (400, "Content-Length: 18446744073709551616\r\n"),
            (400, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
            (400, "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
            (
                400,
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            ),
            (501, "Transfer-Encoding: chunked, chunked\r\n"),
            (501, "Transfer-Encoding: gzip, chunked\r\n"),
            (501, "Transfer-Encoding: identity\r\n"),
            (501, "Transfer-Encoding: xchunked\r\n"),
            (400, "Transfer-Encoding : chunked\r\n"),
            (400, "Content-Length : 5\r\n"),
            (400, "Content-Length\t: 5\r\n"),
            (400, " Content-Length: 5\r\n"),
            (400, "X: a\r\n Content-Length: 5\r\n"),
            (400, "X: a\r\n\tfolded\r\n"),
            (400, "X: a\rContent-Length: 5\r\n"),
            (400, "X: a\nContent-Length: 5\r\n"),
            (400, "X: a\0b\r\n"),
            (400, "X\0: a\r\n"),
            (400, ": a\r\n"),
            (400, "no colon\r\n"),
            (400, "Host: b\r\n"),
            (417, "Expect: the-unexpected\r\n"),
        ] {
            let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{rest}\r\n");
            assert_eq!(refused(head.as_bytes()), status, "{rest:?}");
        }
        assert_eq!(
            refused(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
            400
        );
        assert_eq!(refused(b"GET / HTTP/1.1\r\n\r\n"), 400, "without a Host");
        assert_eq!(
            refused(b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
            400,
            "a bare line feed"
        );
        assert_eq!(
            refused(b"GET / HTTP/1.1\r\nHost: a\n\nGET / HTTP/1.1\r\n\r\n"),
            400,
            "the head ends early for some"
        );
    }

    #[test]
    fn request_lines_that_are_none_are_refused() {
        for (status, line) in [
            (505, "GET / HTTP/2.0"),
            (505, "GET / HTTP/1.2"),
            (505, "PRI * HTTP/2.0"),
            (505, "GET / http/1.1"),
            (400, "GET  / HTTP/1.1"),
            (400, "GET /"),
            (400, "GET"),
            (400, "G(T / HTTP/1.1"),
            (400, "GET v2/ HTTP/1.1"),
            (400, "OPTIONS * HTTP/1.1"),
            (400, "CONNECT hub:443 HTTP/1.1"),
            (400, "GET ftp://hub/ HTTP/1.1"),
            (400, "GET http:///v2/ HTTP/1.1"),
            (400, "GET http://me:secret@hub/ HTTP/1.1"),
            (400, "GET /#part HTTP/1.1"),
            (400, "GET /é HTTP/1.1"),
        ] {
            let head = format!("{line}\r\nHost: a\r\n\r\n");
            assert_eq!(refused(head.as_bytes()), status, "{line}");
        }
    }

    #[test]
    fn a_head_ends_at_its_empty_line_however_it_arrives() {
        let bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
        let end = bytes.len() - 4;
        for seen in 0..end {
            assert_eq!(length(&bytes[..seen], 0), Ok(None));
            assert_eq!(
                length(bytes, seen),
                Ok(Some(end)),
                "{seen} bytes were seen before"
            );
        }
    }

    #[test]
    fn long_heads_and_what_is_no_http_are_refused_early() {
        let long_line = vec![b'G'; LONGEST_HEAD];
        assert_eq!(length(&long_line, 0).unwrap_err().0, 414);
        let mut long_head = b"GET / HTTP/1.1\r\nX: ".to_vec();
        long_head.resize(LONGEST_HEAD, b'x');
        assert_eq!(length(&long_head, 0).unwrap_err().0, 431);
        long_head.extend_from_slice(b"\r\n\r\n");
        assert_eq!(length(&long_head, 0).unwrap_err().0, 431, "even if it ends");
        let many = format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
            "X: a\r\n".repeat(MOST_HEADERS)
        );
        assert_eq!(refused(many.as_bytes()), 431);
        let hello = [0x16, 3, 1];
        assert_eq!(length(&hello, 0).unwrap_err().0, 400, "TLS");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = length(&bytes, 0);
            let _ = parse(&bytes);
        }

        #[test]
        fn well_formed_heads_are_read_as_written(
            path in "/[!-\"$->@-~]{0,40}",
            query in proptest::option::of("[!-\"$-~]{0,20}"),
            headers in proptest::collection::vec(("X-[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,12}", "[!-~]([ -~]{0,20}[!-~])?"), 0..10),
        ) {
            let query_part = query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
            let mut text = format!("GET {path}{query_part} HTTP/1.1\r\nHost: a\r\n");
            for (name, value) in &headers {
                text += &format!("{name}: {value}\r\n");
            }
            let head = parsed(&format!("{text}\r\n"));
            prop_assert_eq!(head.path, path);
            prop_assert_eq!(head.query, query);
            prop_assert_eq!(&head.headers.0[1..], &headers[..]);
        }
    }
}
