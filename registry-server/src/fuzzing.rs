//! Requests, for the workspace's fuzz targets alone.

use std::io::{self, Read, Write};

use crate::http::fuzzed;

/// A request's head, as far as it decides what is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The request line.
    pub line: String,
    /// The path, percent-encoded.
    pub path: String,
    /// The query, percent-encoded.
    pub query: Option<String>,
    /// The headers, in their order.
    pub headers: Vec<(String, String)>,
    /// The body's length in bytes: none if it is chunked.
    pub length: Option<u64>,
    /// Whether another request may follow.
    pub keeps_alive: bool,
}

/// What a connection's bytes are taken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// No request, with the status of the answer: none if the bytes end too early.
    Refused(Option<u16>),
    /// A request. Its body, or the kind of error that ended it, and what follows the body.
    Request(Head, Result<Vec<u8>, io::ErrorKind>, Vec<u8>),
}

/// Reads a request that comes in pieces of so many bytes.
pub fn request(bytes: &[u8], piece: usize) -> Taken {
    fuzzed(&mut Client { bytes, piece })
}

/// A client whose bytes come in pieces.
struct Client<'a> {
    bytes: &'a [u8],
    piece: usize,
}

impl Read for Client<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let most = target.len().min(self.piece);
        self.bytes.read(&mut target[..most])
    }
}

impl Write for Client<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
