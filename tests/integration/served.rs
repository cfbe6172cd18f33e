//! A server of a directory as a process: killed in the middle of pushes, and its page in a browser.

mod killed;
mod page;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use transload_test_support::{Running, Transload};

/// A server of a directory that takes pushes.
struct Served {
    process: Running,
    address: String,
}

impl Served {
    fn start(directory: &Path) -> Served {
        let example = Transload::example("serve_directory");
        let mut process = example.arg(directory).args(["127.0.0.1:0", "--writable"]).spawn();
        let told = process.wait_for_stdout(|text| text.contains("http://"));
        let address = told
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.split('/').next());
        Served {
            address: address.expect("it tells its address").to_owned(),
            process,
        }
    }

    /// Kills it, as `kill -9` does, and waits until it is gone.
    fn kill(mut self) {
        self.process.kill();
        assert_eq!(self.process.wait().signal, Some(9));
    }

    /// Sends the head of a request, and what is given of its body.
    fn send(&self, request: &str, length: usize, body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
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
    fn ask(&self, request: &str, body: &[u8]) -> Answer {
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
struct Answer {
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn status(&self) -> u16 {
        let status = self.head.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("{}", self.head))
    }

    fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut named = lines.filter(|(given, _)| given.eq_ignore_ascii_case(name));
        named
            .next()
            .unwrap_or_else(|| panic!("no {name}: {}", self.head))
            .1
    }
}
