//! Requests byte by byte, to a server of a directory that takes pushes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use super::Served;

/// A server of a directory that takes pushes.
pub struct Raw(Served);

impl Raw {
    pub fn start(directory: &Path) -> Raw {
        let directory = directory.to_str().expect("its path is a text");
        Raw(Served::start(&[directory, "--writable"]))
    }

    /// Sends a signal, and waits for nothing.
    pub fn signal(&self, name: &str) {
        self.0.running.signal(name);
    }

    /// Kills it, as `kill -9` does, and waits until it is gone.
    pub fn kill(self) {
        let mut running = self.0.running;
        running.kill();
        assert_eq!(running.wait().signal, Some(9));
    }

    /// Sends the head of a request, and what is given of its body.
    pub fn send(&self, request: &str, length: usize, body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.0.host()).unwrap();
        let (line, headers) = request.split_once('\n').unwrap_or((request, ""));
        let headers: String = headers.lines().map(|header| format!("{header}\r\n")).collect();
        let head = format!(
            "{line} HTTP/1.1\r\nHost: hub.local\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        stream
    }

    /// Asks, and returns what is answered.
    pub fn ask(&self, request: &str, body: &[u8]) -> Answer {
        let mut bytes = Vec::new();
        let mut stream = self.send(request, body.len(), body);
        stream.read_to_end(&mut bytes).unwrap();
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let end = end.expect("an answer has a head");
        Answer {
            head: String::from_utf8_lossy(&bytes[..end]).into_owned(),
            body: bytes.split_off(end + 4),
        }
    }
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn status(&self) -> u16 {
        let status = self.head.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("{}", self.head))
    }

    pub fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut named = lines.filter(|(given, _)| given.eq_ignore_ascii_case(name));
        named
            .next()
            .unwrap_or_else(|| panic!("no {name}: {}", self.head))
            .1
    }
}
