//! HTTP/1.1 over blocking threads. It knows no registries: a [`Service`] answers each request.
//!
//! ```text
//! listen: accept -> connections: admit -> a thread -> connection: run
//!   stream (plain | TLS over wire) -> input -> head -> Service::answer(Request with Body) -> answer -> stream
//! ```

mod answer;
mod body;
mod chunked;
mod connection;
mod connections;
mod counters;
#[cfg(feature = "fuzzing")]
mod fuzzed;
mod head;
mod input;
mod listen;
mod log;
mod stream;
mod wire;

use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use body::Body;
pub(crate) use connections::{Caps, Connections};
pub(crate) use counters::Counters;
#[cfg(feature = "fuzzing")]
pub(crate) use fuzzed::fuzzed;
pub(crate) use head::{Headers, Method};
pub(crate) use listen::{accept, bind};
pub(crate) use wire::Pace;

/// Answers requests, from many threads at once.
pub(crate) trait Service: Send + Sync {
    /// Returns the answer. To `HEAD` it is that of `GET`: the body isn't sent.
    ///
    /// The rest of a body that isn't read to its end is discarded, or the connection closed. Where reading it failed, the client gets
    /// the status of that failure instead of the answer.
    fn answer(&self, request: &mut Request<'_>) -> Response;
}

/// A request whose head was parsed.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub method: Method,
    /// As sent, percent-encoded. It begins with `/`.
    pub path: String,
    /// As sent, without the `?`.
    pub query: Option<String>,
    pub headers: Headers,
    pub peer: SocketAddr,
    /// The authenticated user.
    pub user: Option<String>,
    pub body: Body<'a>,
}

impl Request<'_> {
    /// Returns a header's first value. The name's case doesn't matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// Returns all values of a header. The name's case doesn't matter.
    pub fn headers<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        self.headers.all(name)
    }
}

/// The answer to a request. `Content-Length`, `Date` and `Connection` are added to its headers.
#[derive(Debug)]
pub(crate) struct Response {
    pub status: u16,
    /// Names and values. A value that holds a control character is left out.
    pub headers: Vec<(&'static str, String)>,
    pub body: Payload,
}

/// The body of an answer.
pub(crate) enum Payload {
    Empty,
    Bytes(Vec<u8>),
    /// Bytes of a file from `offset` on, read without moving its cursor. The connection is cut if they aren't all there.
    File {
        file: Arc<File>,
        offset: u64,
        length: u64,
    },
    /// The connection is cut if the reader ends early.
    Reader {
        reader: Box<dyn Read + Send>,
        length: u64,
    },
}

impl Payload {
    /// Returns the length in bytes.
    pub fn length(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { length, .. } | Self::Reader { length, .. } => *length,
        }
    }
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} bytes", self.length())
    }
}

/// How long to wait for clients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// For a whole head, and for the first one to begin.
    pub head: Duration,
    /// For the next request to begin.
    pub idle: Duration,
    /// In bodies, in either direction.
    pub pace: Pace,
}

/// What the threads of a server share.
pub(crate) struct Http {
    pub service: Box<dyn Service>,
    pub limits: Limits,
    pub counters: Arc<Counters>,
    pub connections: Arc<Connections>,
}
