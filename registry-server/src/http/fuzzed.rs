//! One request of a stream of bytes, for the fuzz targets.

use std::io::{Read, Write};

use super::body::Incoming;
use super::head::Framing;
use super::input::{Input, NoHead};
use crate::fuzzing::{Head, Taken};

/// Reads one request, its body and what follows.
pub(crate) fn fuzzed(client: &mut (impl Read + Write)) -> Taken {
    let mut input = Input::default();
    let head = match input.head(client) {
        Ok(head) => head,
        Err(NoHead::Refused(refusal)) => return Taken::Refused(Some(refusal.0)),
        Err(NoHead::Cut(_)) => return Taken::Refused(None),
    };
    let mut body = Vec::new();
    let mut incoming = Incoming::new(client, &mut input, head.framing, head.expects_continue);
    let read = incoming.read_to_end(&mut body);
    let mut rest = Vec::new();
    let mut buffer = [0; 64];
    while let Ok(read @ 1..) = input.read(client, &mut buffer) {
        rest.extend_from_slice(&buffer[..read]);
    }
    let length = match head.framing {
        Framing::Length(length) => Some(length),
        Framing::Chunked => None,
    };
    let head = Head {
        line: head.line,
        path: head.path,
        query: head.query,
        headers: head.headers.0,
        length,
        keeps_alive: head.keeps_alive,
    };
    match read {
        Ok(_) => Taken::Request(head, Ok(body), rest),
        // What was read before it broke depends on the pieces.
        Err(error) => Taken::Request(head, Err(error.kind()), Vec::new()),
    }
}
