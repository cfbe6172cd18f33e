//! Writes answers.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::time::SystemTime;

use super::head::Refusal;
use super::stream::Stream;
use super::{Payload, Response};

/// How much of a body is read and sent at once where the system doesn't send it, in bytes.
const BUFFER: u64 = 64 * 1024;

/// How to write an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    /// Whether the body is left out: the answer to `HEAD`.
    pub is_head: bool,
    /// Whether another request may follow.
    pub stays: bool,
    /// Whether the client speaks HTTP/1.0.
    pub is_old: bool,
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        Self {
            status: refusal.0,
            headers: vec![("Content-Type", "text/plain; charset=utf-8".to_owned())],
            body: Payload::Bytes(format!("{}\n", refusal.1).into_bytes()),
        }
    }
}

/// Writes an answer. Adds to `sent` the bytes of its body that went.
pub(crate) fn write(stream: &mut Stream, response: Response, form: Form, sent: &mut u64) -> io::Result<()> {
    let head = head(&response, form);
    if form.is_head {
        stream.write_all(&head)?;
    } else {
        send(stream, head, response.body, sent)?;
    }
    stream.flush()
}

/// Returns a head with its empty line.
pub(crate) fn head(response: &Response, form: Form) -> Vec<u8> {
    let status = response.status;
    let date = httpdate::fmt_http_date(SystemTime::now());
    let mut head = format!("HTTP/1.1 {status} {}\r\nDate: {date}\r\n", reason(status));
    for (name, value) in &response.headers {
        if !value.chars().any(char::is_control) {
            head += &format!("{name}: {value}\r\n");
        }
    }
    // RFC 9110, section 8.6.
    if status >= 200 && status != 204 && status != 304 {
        head += &format!("Content-Length: {}\r\n", response.body.length());
    }
    if !form.stays {
        head += "Connection: close\r\n";
    } else if form.is_old {
        head += "Connection: keep-alive\r\n";
    }
    head += "\r\n";
    head.into_bytes()
}

fn send(stream: &mut Stream, mut head: Vec<u8>, body: Payload, sent: &mut u64) -> io::Result<()> {
    match body {
        Payload::Empty => stream.write_all(&head),
        Payload::Bytes(bytes) => copy(stream, head, &bytes[..], bytes.len() as u64, sent),
        Payload::Reader { reader, length } => copy(stream, head, reader, length, sent),
        Payload::File { file, offset, length } => {
            if let Stream::Plain(wire) = stream {
                if wire.send_file(&head, &file, offset, length, sent)? {
                    return Ok(());
                }
                head.clear();
            }
            copy(stream, head, FileFrom { file: &file, offset }, length, sent)
        }
    }
}

/// Sends a head with the first bytes of a body, then the rest of it.
fn copy(
    stream: &mut Stream,
    mut buffer: Vec<u8>,
    mut body: impl Read,
    length: u64,
    sent: &mut u64,
) -> io::Result<()> {
    loop {
        let next = (length - *sent).min(BUFFER);
        let held = buffer.len();
        buffer.resize(held + next as usize, 0);
        body.read_exact(&mut buffer[held..])?;
        stream.write_all(&buffer)?;
        buffer.clear();
        *sent += next;
        if *sent == length {
            return Ok(());
        }
    }
}

/// A file read from an offset on, whatever its cursor.
#[derive(Debug)]
struct FileFrom<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for FileFrom<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: Form = Form {
        is_head: false,
        stays: true,
        is_old: false,
    };

    fn text(response: &Response, form: Form) -> String {
        String::from_utf8(head(response, form)).unwrap()
    }

    #[test]
    fn a_head_has_its_length_and_says_whether_the_connection_stays() {
        let mut response = Response::from(Refusal(404, "not here"));
        let stays = text(&response, FORM);
        assert!(stays.starts_with("HTTP/1.1 404 Not Found\r\nDate: "), "{stays}");
        assert!(
            stays.ends_with("GMT\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 9\r\n\r\n")
        );
        let closes = text(&response, Form { stays: false, ..FORM });
        assert!(closes.ends_with("Content-Length: 9\r\nConnection: close\r\n\r\n"));
        let old = text(&response, Form { is_old: true, ..FORM });
        assert!(old.ends_with("Connection: keep-alive\r\n\r\n"));
        response.body = Payload::Empty;
        assert!(text(&response, FORM).contains("Content-Length: 0\r\n"));
        for status in [204, 304] {
            response.status = status;
            assert!(!text(&response, FORM).contains("Content-Length"), "{status}");
        }
    }

    #[test]
    fn no_value_begins_a_line_of_its_own() {
        let mut response = Response::from(Refusal(400, ""));
        response
            .headers
            .push(("Location", "/a\r\nSet-Cookie: b".to_owned()));
        assert!(!text(&response, FORM).contains("Cookie"));
    }
}
