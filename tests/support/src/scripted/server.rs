//! Connections of a scripted registry, and the faults on them.

use std::io::{self, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::api::{self, Call};
use super::fault::{Action, Raw, Reply};
use super::log::{Listener, Request};
use super::wire::{Ending, Wire};
use super::{State, upload};
use crate::http::{Head, read_body, read_head};

/// How long a client that was answered early may go on without sending or ending.
const LINGER: Duration = Duration::from_millis(500);

/// Whether the connection is kept.
#[derive(PartialEq, Eq)]
enum Next {
    KeepOpen,
    End(Ending),
}

/// Serves a listener until the registry is stopped; gives the threads of its connections.
pub(super) fn listen(
    listener: TcpListener,
    kind: Listener,
    state: Arc<State>,
) -> JoinHandle<Vec<JoinHandle<()>>> {
    thread::spawn(move || {
        let mut connections: Vec<JoinHandle<()>> = Vec::new();
        for stream in listener.incoming().flatten() {
            if state.stopped.load(Ordering::SeqCst) {
                break;
            }
            // A thread that has ended keeps its stack until it is joined or forgotten.
            connections.retain(|connection| !connection.is_finished());
            let id = state.connected(&stream);
            let state = Arc::clone(&state);
            connections.push(thread::spawn(move || {
                let wire = Wire::new(stream, state.tls.as_ref());
                // A connection that breaks is the test's doing, on this side or the other.
                let ending = wire.map(|wire| (serve(&state, kind, id, &wire), wire));
                // No other handle of the socket may be left when it is reset.
                state.disconnected(id);
                if let Ok((ending, wire)) = ending {
                    wire.end(ending.unwrap_or(Ending::Cut));
                }
            }));
        }
        connections
    })
}

fn serve(state: &State, listener: Listener, connection: u64, wire: &Wire) -> io::Result<Ending> {
    wire.stream().set_nodelay(true)?;
    if !wire.is_understood()? {
        wire.complain()?;
        return Ok(Ending::Cut);
    }
    let mut reader = BufReader::new(wire);
    while let Some(head) = read_head(&mut reader)? {
        let mut words = head.first_line.split(' ');
        let method = words.next().unwrap_or_default();
        let target = words.next().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let place = state.log.begin(Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: head.headers.clone(),
            body_bytes: 0,
            listener,
            connection,
            status: None,
            stalled: false,
            finished: false,
            began: Instant::now(),
            in_flight: 0,
        });
        let exchange = Exchange {
            state,
            listener,
            wire,
            head: &head,
            method,
            path,
            query,
            place,
        };
        let action = state.faults.action(method, target);
        let next = exchange.run(&mut reader, action);
        state.log.finish(place);
        let wants_end = head
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"));
        match next? {
            Next::End(ending) => return Ok(ending),
            Next::KeepOpen if wants_end => break,
            Next::KeepOpen => {}
        }
    }
    Ok(Ending::Orderly)
}

/// A request and its treatment.
struct Exchange<'a> {
    state: &'a State,
    listener: Listener,
    wire: &'a Wire,
    head: &'a Head,
    method: &'a str,
    path: &'a str,
    query: &'a str,
    place: usize,
}

impl Exchange<'_> {
    fn run(&self, reader: &mut BufReader<&Wire>, action: Option<Action>) -> io::Result<Next> {
        if let Some(Action::Early(reply)) = &action {
            return self.refuse(reader, reply.clone());
        }
        let length = self.head.header("content-length");
        let length = length.and_then(|length| length.parse::<u64>().ok());
        if let (Some(length), Some(max)) = (length, self.state.options.max_body)
            && length > max
        {
            let page = "<html><body>413 Request Entity Too Large</body></html>\n";
            let reply = Reply::status(413).header("Content-Type", "text/html").body(page);
            return self.refuse(reader, reply);
        }
        if self.head.header("expect").is_some() {
            let mut wire = self.wire;
            wire.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let body = match &action {
            Some(Action::CutUpload { after }) => {
                let part = self.read_part(reader, *after);
                self.log_body(part.len());
                upload::keep_part(self.state, &self.call(&part));
                return Ok(Next::End(Ending::Cut));
            }
            Some(Action::StallUpload { after }) => {
                let part = self.read_part(reader, *after);
                self.log_body(part.len());
                self.stall();
                read_body(&mut part.as_slice().chain(reader), self.head)?
            }
            _ if length.is_some() => {
                let part = self.read_part(reader, usize::MAX);
                if (part.len() as u64) < length.unwrap_or_default() {
                    self.log_body(part.len());
                    upload::keep_part(self.state, &self.call(&part));
                    return Ok(Next::End(Ending::Cut));
                }
                part
            }
            _ => read_body(reader, self.head)?,
        };
        self.log_body(body.len());
        let body = match &action {
            Some(Action::KeepPart { after }) => &body[..(*after).min(body.len())],
            _ => &body,
        };
        let call = self.call(body);
        match action {
            Some(Action::Close) => return Ok(Next::End(Ending::Cut)),
            Some(Action::Reset { after: None }) => return Ok(Next::End(Ending::Reset)),
            Some(Action::Answer(reply)) => return self.send(reply, None),
            Some(Action::Raw(raw)) => return self.send_raw(&raw),
            Some(Action::Hold) => self.stall(),
            Some(Action::AnswerLate(reply)) => {
                self.stall();
                return self.send(reply, None);
            }
            Some(Action::LoseSession) => upload::lose(self.state, &call),
            _ => {}
        }
        let reply = api::answer(self.state, self.listener, &call);
        if action == Some(Action::LoseAnswer) {
            return Ok(Next::End(Ending::Cut));
        }
        self.send(reply, action)
    }

    /// Answers before the body is read, and ends.
    fn refuse(&self, reader: &mut impl Read, reply: Reply) -> io::Result<Next> {
        self.send(reply.header("Connection", "close"), None)?;
        self.wire.finish_writing()?;
        // Closing at once would reset the connection, and the client's system might drop the answer unread.
        self.wire.stream().set_read_timeout(Some(LINGER))?;
        io::copy(reader, &mut io::sink()).ok();
        Ok(Next::End(Ending::Cut))
    }

    fn call<'a>(&'a self, body: &'a [u8]) -> Call<'a> {
        Call {
            method: self.method,
            path: self.path,
            query: self.query,
            headers: &self.head.headers,
            body,
        }
    }

    /// Reads at most this many bytes of the body, or those before the connection broke.
    fn read_part(&self, reader: &mut impl Read, size: usize) -> Vec<u8> {
        let length = self.head.header("content-length");
        let length = length.and_then(|length| length.parse().ok()).unwrap_or(u64::MAX);
        let mut part = Vec::new();
        // It holds the bytes before an error.
        reader.take(length.min(size as u64)).read_to_end(&mut part).ok();
        part
    }

    fn log_body(&self, size: usize) {
        let change = |request: &mut Request| request.body_bytes = size as u64;
        self.state.log.update(self.place, change);
    }

    /// Waits until the registry is told to release.
    fn stall(&self) {
        let ticket = self.state.gate.ticket();
        self.state
            .log
            .update(self.place, |request| request.stalled = true);
        self.state.gate.wait(ticket);
    }

    fn send_raw(&self, raw: &Raw) -> io::Result<Next> {
        let (start, forever, pause) = raw.parts();
        let mut wire = self.wire;
        wire.write_all(start)?;
        // It ends by the failure to write: the client has gone, or the registry ends and closes its connections.
        while !forever.is_empty() && !self.state.stopped.load(Ordering::SeqCst) {
            if !pause.is_zero() {
                self.state.gate.pause(pause);
            }
            wire.write_all(forever)?;
        }
        wire.flush()?;
        Ok(Next::End(Ending::Orderly))
    }

    fn send(&self, reply: Reply, action: Option<Action>) -> io::Result<Next> {
        let Reply {
            mut status,
            mut headers,
            mut body,
        } = reply;
        let chunked = self.state.options.chunked_answers && !body.is_empty() && self.method != "HEAD";
        if chunked {
            headers.push(("Transfer-Encoding".to_owned(), "chunked".to_owned()));
        } else if status != 204 {
            headers.push(("Content-Length".to_owned(), body.len().to_string()));
        }
        match &action {
            Some(Action::Headers(new)) => {
                headers.retain(|(name, _)| new.iter().all(|(other, _)| !name.eq_ignore_ascii_case(other)));
                headers.extend_from_slice(new);
            }
            Some(Action::NoHeader(unwanted)) => {
                headers.retain(|(name, _)| !name.eq_ignore_ascii_case(unwanted));
            }
            Some(Action::Status(other)) => status = *other,
            Some(Action::Corrupt { at }) => {
                let last = body.len().saturating_sub(1);
                if let Some(byte) = body.get_mut((*at).min(last)) {
                    *byte = !*byte;
                }
            }
            _ => {}
        }
        let has = |wanted: &str| headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
        let ends_by_close = status != 204 && !has("content-length") && !has("transfer-encoding");
        let mut head = format!("HTTP/1.1 {status} Scripted\r\n");
        for (name, value) in &headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        self.state
            .log
            .update(self.place, |request| request.status = Some(status));
        let mut wire = self.wire;
        wire.write_all(head.as_bytes())?;
        let cut = match &action {
            Some(
                Action::Truncate { after } | Action::Stall { after } | Action::Reset { after: Some(after) },
            ) => (*after).min(body.len()),
            _ => body.len(),
        };
        let (first, rest) = match self.method {
            "HEAD" => (&body[..0], &body[..0]),
            _ => body.split_at(cut),
        };
        if let Some(Action::Trickle { piece, pause }) = action {
            for piece in first.chunks(piece.max(1)) {
                write_part(wire, piece, chunked)?;
                self.state.gate.pause(pause);
            }
        } else {
            write_part(wire, first, chunked)?;
        }
        match action {
            Some(Action::Truncate { .. }) => return Ok(Next::End(Ending::Cut)),
            Some(Action::Reset { .. }) => return Ok(Next::End(Ending::Reset)),
            Some(Action::Stall { .. }) => self.stall(),
            _ => {}
        }
        write_part(wire, rest, chunked)?;
        if chunked {
            wire.write_all(b"0\r\n\r\n")?;
        }
        wire.flush()?;
        Ok(match ends_by_close && self.method != "HEAD" {
            true => Next::End(Ending::Orderly),
            false => Next::KeepOpen,
        })
    }
}

fn write_part(mut wire: &Wire, bytes: &[u8], chunked: bool) -> io::Result<()> {
    const CHUNK: usize = 16 * 1024;
    if !chunked {
        return wire.write_all(bytes);
    }
    for chunk in bytes.chunks(CHUNK) {
        write!(wire, "{:x}\r\n", chunk.len())?;
        wire.write_all(chunk)?;
        wire.write_all(b"\r\n")?;
    }
    Ok(())
}
