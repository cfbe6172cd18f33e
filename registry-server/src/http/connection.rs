//! One connection, from its first byte to its last.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use rustls::ServerConfig;

use super::answer::{self, Form};
use super::body::{Body, Incoming};
use super::connections::Connection;
use super::counters::count;
use super::head::{Framing, Head, Refusal};
use super::input::{Input, NoHead};
use super::log::{self, Entry};
use super::stream::{NoStream, Stream};
use super::wire::{Pace, Wire};
use super::{Http, Request, Response};

/// Answers a connection's requests until it ends.
pub(crate) fn run(
    http: &Http,
    place: &Connection,
    socket: Arc<TcpStream>,
    peer: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
) {
    let wire = Wire::new(socket, Pace::within(http.limits.head));
    let stream = match Stream::open(wire, tls) {
        Ok(stream) => stream,
        Err(NoStream::Plain(wire)) => {
            let mut stream = Stream::Plain(wire);
            refuse(
                http,
                &mut stream,
                peer,
                Refusal(400, "this port speaks TLS: use https"),
            );
            return stream.close(true);
        }
        Err(NoStream::Failed(error)) => {
            count(&http.counters.failed_handshakes);
            return ::log::info!("{peer}: no TLS connection: {error}");
        }
    };
    let mut talk = Talk {
        http,
        peer,
        stream,
        input: Input::default(),
    };
    let mut pace = Pace::within(http.limits.head);
    loop {
        talk.stream.expect(pace);
        if !place.rest() || !talk.input.wait(&mut talk.stream).unwrap_or(false) {
            return talk.stream.close(false);
        }
        talk.stream.expect(Pace::within(http.limits.head));
        let head = match talk.input.head(&mut talk.stream) {
            Ok(head) => head,
            Err(NoHead::Refused(refusal)) => return talk.refuse(refusal),
            Err(NoHead::Cut(error)) if error.kind() == io::ErrorKind::TimedOut => {
                return talk.refuse(Refusal(408, "the head of the request came too slowly"));
            }
            Err(NoHead::Cut(_)) => return,
        };
        if !place.work() {
            return;
        }
        match talk.exchange(head) {
            Next::Request => pace = Pace::within(http.limits.idle),
            Next::Close { may_still_send } => {
                place.rest();
                return talk.stream.close(may_still_send);
            }
            Next::Broken => return count(&http.counters.broken),
        }
    }
}

/// What follows an exchange.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Request,
    Close { may_still_send: bool },
    Broken,
}

struct Talk<'a> {
    http: &'a Http,
    peer: SocketAddr,
    stream: Stream,
    input: Input,
}

impl Talk<'_> {
    /// Answers one request.
    fn exchange(&mut self, head: Head) -> Next {
        let http = self.http;
        self.stream.expect(http.limits.pace);
        let (framing, awaits) = (head.framing, head.expects_continue);
        let mut incoming = Incoming::new(&mut self.stream, &mut self.input, framing, awaits);
        let length = match framing {
            Framing::Length(length) => Some(length),
            Framing::Chunked => None,
        };
        let mut request = Request {
            method: head.method,
            path: head.path,
            query: head.query,
            headers: head.headers,
            peer: self.peer,
            user: None,
            body: Body::new(&mut incoming, length),
        };
        let answered = catch_unwind(AssertUnwindSafe(|| http.service.answer(&mut request)));
        let user = request.user.take();
        let is_sound = answered.is_ok();
        let mut response = answered.unwrap_or_else(|_| {
            count(&http.counters.panics);
            Refusal(500, "a fault of the server").into()
        });
        http.counters.bytes_received.fetch_add(incoming.received, Relaxed);
        let rest = match incoming.failure() {
            None => incoming.rest(),
            Some(Ok(refusal)) => {
                response = refusal.into();
                None
            }
            Some(Err(_)) => return Next::Broken,
        };

        let form = Form {
            is_head: head.method == super::Method::Head,
            stays: head.keeps_alive && is_sound && rest.is_some() && !http.connections.is_stopping(),
            is_old: head.is_old,
        };
        let (status, mut sent) = (response.status, 0);
        self.stream.expect(http.limits.pace);
        http.counters.answered(status);
        let written = answer::write(&mut self.stream, response, form, &mut sent);
        http.counters.bytes_sent.fetch_add(sent, Relaxed);
        log::write(&Entry {
            peer: self.peer,
            user: user.as_deref(),
            line: &head.line,
            status,
            sent,
        });
        if let Err(error) = written {
            ::log::info!(
                "{}: {}: {error} after {sent} bytes",
                self.peer,
                head.line.escape_default()
            );
            return Next::Broken;
        }
        match rest {
            Some(rest) if form.stays => self.discard(rest),
            rest => Next::Close {
                may_still_send: rest != Some(0),
            },
        }
    }

    /// Reads what is left of a body, for the next request.
    fn discard(&mut self, rest: u64) -> Next {
        let mut incoming = Incoming::new(&mut self.stream, &mut self.input, Framing::Length(rest), false);
        match io::copy(&mut incoming, &mut io::sink()) {
            Ok(_) => Next::Request,
            Err(_) => Next::Broken,
        }
    }

    /// Answers what is no request, and closes the connection.
    fn refuse(mut self, refusal: Refusal) {
        refuse(self.http, &mut self.stream, self.peer, refusal);
        self.stream.close(true);
    }
}

fn refuse(http: &Http, stream: &mut Stream, peer: SocketAddr, refusal: Refusal) {
    let form = Form {
        is_head: false,
        stays: false,
        is_old: false,
    };
    let mut sent = 0;
    stream.expect(http.limits.pace);
    http.counters.answered(refusal.0);
    let _ = answer::write(stream, Response::from(refusal), form, &mut sent);
    ::log::info!("{peer}: refused: {refusal}");
    log::write(&Entry {
        peer,
        user: None,
        line: "-",
        status: refusal.0,
        sent,
    });
}
