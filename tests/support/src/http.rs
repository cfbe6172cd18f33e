//! As much of HTTP/1.1 as tests need: reading messages, and one request on one connection.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::ServerName;

/// How long any one read or write may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The header of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) first_line: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding")
            .is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    }
}

pub(crate) fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let (_, value) = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(value)
}

/// Reads a header; `None` where the connection ends before it.
pub(crate) fn read_head(reader: &mut impl BufRead) -> io::Result<Option<Head>> {
    let Some(first_line) = read_line(reader)? else {
        return Ok(None);
    };
    let mut head = Head {
        first_line,
        headers: Vec::new(),
    };
    loop {
        let line = read_line(reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if line.is_empty() {
            return Ok(Some(head));
        }
        let (name, value) = line.split_once(':').ok_or_else(|| invalid(&line))?;
        head.headers
            .push((name.trim().to_owned(), value.trim().to_owned()));
    }
}

/// Reads a body that has a length or comes in chunks; one without either is empty.
pub(crate) fn read_body(reader: &mut impl BufRead, head: &Head) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if !head.is_chunked() {
        let length = match head.header("content-length") {
            Some(length) => length.parse().map_err(|_| invalid(length))?,
            None => 0,
        };
        return read_exactly(reader, length, &mut body).map(|()| body);
    }
    loop {
        let line = read_line(reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).map_err(|_| invalid(&line))?;
        read_exactly(reader, size, &mut body)?;
        if size > 0 {
            read_line(reader)?;
            continue;
        }
        while read_line(reader)?.is_some_and(|trailer| !trailer.is_empty()) {}
        return Ok(body);
    }
}

fn read_exactly(reader: &mut impl BufRead, length: u64, body: &mut Vec<u8>) -> io::Result<()> {
    let read = reader.take(length).read_to_end(body)? as u64;
    if read == length {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

fn read_line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if reader.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&line);
    Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not HTTP: {text:?}"))
}

/// User and password of an `Authorization: Basic` header.
pub(crate) fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// Undoes the encoding of a query's value.
pub(crate) fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap_or(b'?'), rest.next().unwrap_or(b'?')];
                let digits = String::from_utf8_lossy(&digits).into_owned();
                u8::from_str_radix(&digits, 16).unwrap_or(b'?')
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A server, and how to talk to it.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// Host and port.
    pub(crate) host: String,
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
    /// The `Authorization` header's value.
    pub(crate) authorization: Option<String>,
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
}

impl Endpoint {
    pub(crate) fn plain(host: &str) -> Endpoint {
        Endpoint {
            host: host.to_owned(),
            tls: None,
            authorization: None,
        }
    }

    /// Makes one request; `target` is the path with its query.
    pub(crate) fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Response> {
        let stream = TcpStream::connect(&self.host)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let Some(tls) = &self.tls else {
            return self.exchange(stream, method, target, headers, body);
        };
        let (name, _) = self.host.rsplit_once(':').unwrap_or((&self.host, ""));
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let connection = rustls::ClientConnection::new(Arc::clone(tls), name).map_err(io::Error::other)?;
        let stream = rustls::StreamOwned::new(connection, stream);
        self.exchange(stream, method, target, headers, body)
    }

    fn exchange(
        &self,
        mut stream: impl Read + Write,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Response> {
        let mut head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n",
            self.host,
            body.len()
        );
        let authorization = self
            .authorization
            .as_deref()
            .map(|value| ("Authorization", value));
        for (name, value) in headers.iter().copied().chain(authorization) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        stream.flush()?;
        let mut reader = BufReader::new(stream);
        let head = read_head(&mut reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head
            .first_line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .ok_or_else(|| invalid(&head.first_line))?;
        let body = if method == "HEAD" {
            Vec::new()
        } else {
            read_body(&mut reader, &head)?
        };
        Ok(Response { status, head, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_read_by_length_and_by_chunks() {
        let table: [(&str, &str, &str); 4] = [
            ("Content-Length: 3\r\n", "abcNEXT", "abc"),
            (
                "transfer-encoding: Chunked\r\n",
                "2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\nNEXT",
                "abc",
            ),
            (
                "Transfer-Encoding: chunked\r\n",
                "0\r\nTrailer: 1\r\n\r\nNEXT",
                "",
            ),
            ("", "NEXT", ""),
        ];
        for (header, rest, expected) in table {
            let message = format!("PUT / HTTP/1.1\r\n{header}\r\n{rest}");
            let mut reader = message.as_bytes();
            let head = read_head(&mut reader).unwrap().unwrap();
            let body = read_body(&mut reader, &head).unwrap();
            assert_eq!(body, expected.as_bytes(), "{header:?}");
            assert_eq!(reader, b"NEXT", "{header:?}");
        }
    }

    #[test]
    fn a_short_body_is_an_error() {
        for message in [
            "PUT / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc",
            "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        ] {
            let mut reader = message.as_bytes();
            let head = read_head(&mut reader).unwrap().unwrap();
            assert!(read_body(&mut reader, &head).is_err(), "{message:?}");
        }
    }
}
