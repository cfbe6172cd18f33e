//! Accepts connections, each for a thread of its own.

use std::io::{self, ErrorKind, PipeReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::ServerConfig;

use super::Http;
use super::Response;
use super::answer::{self, Form};
use super::connection;
use super::connections::Refused;
use super::counters::count;
use super::head::Refusal;

/// How many connections wait in the system to be accepted.
const BACKLOG: i32 = 1024;

/// The stack of a connection's thread, in bytes. What isn't touched takes no memory.
const STACK: usize = 512 * 1024;

/// How long to wait when the process can't open another file.
const PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// Listens at an address.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    rustix::net::listen(&listener, BACKLOG)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Accepts connections until `wake` is closed or has a byte. `tls` returns the configuration for a new connection.
pub(crate) fn accept(
    http: &Arc<Http>,
    listener: &TcpListener,
    wake: &PipeReader,
    tls: impl Fn() -> Option<Arc<ServerConfig>>,
) -> io::Result<()> {
    let mut pause = None;
    loop {
        let mut ready = [
            PollFd::new(wake, PollFlags::IN),
            PollFd::new(listener, PollFlags::IN),
        ];
        let ready = match pause.take() {
            Some(pause) => poll(&mut ready[..1], Some(&pause)),
            None => poll(&mut ready, None),
        };
        match ready {
            Err(rustix::io::Errno::INTR) => continue,
            ready => ready?,
        };
        if http.connections.is_stopping() {
            return Ok(());
        }
        match listener.accept() {
            Ok((socket, peer)) => admit(http, socket, peer, tls()),
            Err(error) if is_of_one_connection(error.kind()) => {}
            Err(error) => {
                log::warn!("no connection can be accepted: {error}");
                http.connections.make_room();
                pause = Some(PAUSE);
            }
        }
    }
}

fn is_of_one_connection(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock
            | ErrorKind::Interrupted
            | ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
    )
}

fn admit(http: &Arc<Http>, socket: TcpStream, peer: SocketAddr, tls: Option<Arc<ServerConfig>>) {
    count(&http.counters.accepted);
    let socket = Arc::new(socket);
    let prepared = socket
        .set_nonblocking(true)
        .and_then(|()| socket.set_nodelay(true));
    if prepared.is_err() {
        return;
    }
    let place = match http.connections.admit(&socket, peer.ip()) {
        Ok(place) => place,
        Err(refused) => return turn_away(http, &socket, refused, tls.is_some()),
    };
    let shared = Arc::clone(http);
    let its = Arc::clone(&socket);
    let thread = thread::Builder::new().stack_size(STACK);
    let spawned = thread.spawn(move || connection::run(&shared, &place, its, peer, tls));
    if let Err(error) = spawned {
        log::warn!("{peer}: no thread for its connection: {error}");
        turn_away(http, &socket, Refused::TooMany, true);
    }
}

/// Tells a client that there are too many, as far as that is possible without waiting for it.
fn turn_away(http: &Http, mut socket: &TcpStream, refused: Refused, is_encrypted: bool) {
    count(&http.counters.turned_away);
    if is_encrypted {
        return;
    }
    let why = match refused {
        Refused::TooMany => "too many connections",
        Refused::TooManyFromAddress => "too many connections from this address",
        Refused::Stopping => "the server stops",
    };
    let mut response = Response::from(Refusal(503, why));
    response.headers.push(("Retry-After", "1".to_owned()));
    let form = Form {
        is_head: false,
        stays: false,
        is_old: false,
    };
    let mut answer = answer::head(&response, form);
    answer.extend_from_slice(format!("{why}\n").as_bytes());
    let _ = socket.write(&answer);
    let _ = socket.shutdown(Shutdown::Write);
    // The system would take the answer back if there were bytes that nobody read.
    let _ = socket.read(&mut [0; 4096]);
}
