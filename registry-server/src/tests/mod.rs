//! Servers and clients over loopback, with a service that answers for itself.

mod ending;
mod exchanges;
mod hostile;
mod many;
mod secure;

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::http::{Payload, Request, Response, Service};
use crate::{Error, Handle, Options, Server};

/// Longer than any test: what waits for it hangs.
const LONG: Duration = Duration::from_secs(3600);

/// So short that a test needn't wait for it.
const SHORT: Duration = Duration::from_millis(30);

/// The length of the served file, in bytes: more than a connection's buffers take.
const FILE_LENGTH: u64 = 24 * 1024 * 1024;

/// Answers as the path asks.
struct Paths {
    file: Arc<File>,
    /// Told when a request waits.
    arrived: Mutex<Sender<()>>,
    /// A request that waits goes on with a message.
    released: Mutex<Receiver<()>>,
}

impl Service for Paths {
    fn answer(&self, request: &mut Request<'_>) -> Response {
        let body = match request.path.as_str() {
            "/hello" => Payload::Bytes(b"hello".to_vec()),
            "/empty" => Payload::Empty,
            "/file" => Payload::File {
                file: Arc::clone(&self.file),
                offset: 1,
                length: FILE_LENGTH - 1,
            },
            "/beyond" => Payload::File {
                file: Arc::clone(&self.file),
                offset: FILE_LENGTH - 10,
                length: 100,
            },
            "/reader" => Payload::Reader {
                reader: Box::new(io::repeat(b'r')),
                length: 200_000,
            },
            "/short" => Payload::Reader {
                reader: Box::new(io::repeat(b'r').take(10)),
                length: 100,
            },
            "/echo" => {
                let mut body = Vec::new();
                match request.body.read_to_end(&mut body) {
                    Ok(_) => Payload::Bytes(body),
                    Err(_) => return refusal(500),
                }
            }
            "/unread" => return refusal(403),
            "/wait" => {
                self.arrived.lock().unwrap().send(()).unwrap();
                self.released.lock().unwrap().recv().unwrap();
                Payload::Bytes(b"waited".to_vec())
            }
            "/who" => Payload::Bytes(format!("{:?}", request.user).into_bytes()),
            "/panic" => panic!("asked to"),
            _ => return refusal(404),
        };
        Response {
            status: 200,
            headers: vec![("X-Path", request.path.clone())],
            body,
        }
    }
}

fn refusal(status: u16) -> Response {
    Response {
        status,
        headers: Vec::new(),
        body: Payload::Bytes(b"no".to_vec()),
    }
}

/// A server in a thread. It ends when dropped.
struct Running {
    address: SocketAddr,
    handle: Handle,
    arrived: Receiver<()>,
    release: Sender<()>,
    thread: Option<JoinHandle<Result<usize, Error>>>,
}

impl Running {
    fn with(options: Options) -> Self {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&pattern()).unwrap();
        let (arrived, arrives) = channel();
        let (release, released) = channel();
        let paths = Paths {
            file: Arc::new(file),
            arrived: Mutex::new(arrived),
            released: Mutex::new(released),
        };
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), options).unwrap();
        Self {
            address: server.address(),
            handle: server.handle(),
            arrived: arrives,
            release,
            thread: Some(std::thread::spawn(move || server.answer_with(paths))),
        }
    }

    fn connect(&self) -> Client<TcpStream> {
        connect(self.address)
    }

    /// Waits for the server's end after a stop. Returns how many requests were cut.
    fn join(mut self) -> usize {
        self.thread.take().unwrap().join().unwrap().unwrap()
    }

    /// Returns a counter's value.
    fn metric(&self, name: &str) -> u64 {
        let text = self.connect().get("/metrics").text();
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line.unwrap_or_else(|| panic!("{name} isn't in {text}"));
        value[name.len()..].trim().parse().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.stop(Duration::ZERO);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn connect(address: SocketAddr) -> Client<TcpStream> {
    Client::new(TcpStream::connect(address).unwrap())
}

/// Patient with clients: a test that depends on a deadline sets it.
fn patient() -> Options {
    Options {
        head_deadline: LONG,
        idle_deadline: LONG,
        body_deadline: LONG,
        ..Options::default()
    }
}

/// Returns the served file's bytes. They differ from place to place.
fn pattern() -> Vec<u8> {
    let block: Vec<u8> = (0..251).collect();
    let mut bytes = block.repeat(FILE_LENGTH as usize / block.len() + 1);
    bytes.truncate(FILE_LENGTH as usize);
    bytes
}

/// A client that sends what it is told, byte by byte.
struct Client<S: Read + Write> {
    stream: BufReader<S>,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn text(self) -> String {
        String::from_utf8(self.body).unwrap()
    }

    fn closes(&self) -> bool {
        self.head.contains("\r\nConnection: close\r\n")
    }
}

impl<S: Read + Write> Client<S> {
    fn new(stream: S) -> Self {
        Self {
            stream: BufReader::new(stream),
        }
    }

    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).unwrap();
        self.stream.get_mut().flush().unwrap();
    }

    fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        self.answer()
    }

    fn head(&mut self) -> (u16, String) {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(
                self.stream.read_line(&mut head).unwrap() > 0,
                "the answer ends early: {head:?}"
            );
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head)
    }

    fn answer(&mut self) -> Answer {
        let (status, head) = self.head();
        let length = head
            .split("Content-Length: ")
            .nth(1)
            .map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        Answer { status, head, body }
    }

    /// Reads to the end, which must come.
    fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A connection that is cut may be reset.
        let _ = self.stream.read_to_end(&mut rest);
        rest
    }
}
