//! One connection of a scripted registry, plain or with TLS, that can be ended in more than one way.

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection};

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// As the protocols have it.
    Orderly,
    /// The bytes end; TLS is not told.
    Cut,
    /// The peer gets a reset.
    Reset,
}

/// A connection. Reading and writing take it shared, for requests are read through a buffer while answers are written.
#[derive(Debug)]
pub(super) struct Wire {
    socket: Socket,
    tls: Option<RefCell<ServerConnection>>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, tls: Option<&Arc<ServerConfig>>) -> io::Result<Wire> {
        let tls = tls.map(|config| ServerConnection::new(Arc::clone(config)));
        let tls = tls.transpose().map_err(io::Error::other)?;
        Ok(Wire {
            socket: Socket {
                stream,
                held: Cell::new(false),
            },
            tls: tls.map(RefCell::new),
        })
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.socket.stream
    }

    /// Whether the peer begins as this connection's protocol does; waits for its first byte.
    pub(super) fn is_understood(&self) -> io::Result<bool> {
        // RFC 8446, 5.1: the type of a record with a handshake. No method of HTTP begins with it.
        const HANDSHAKE: u8 = 22;
        let mut first = [0];
        let size = self.stream().peek(&mut first)?;
        Ok(size == 0 || (first[0] == HANDSHAKE) == self.tls.is_some())
    }

    /// Answers a peer that isn't understood, without TLS, as common servers do.
    pub(super) fn complain(&self) -> io::Result<()> {
        let text = match self.tls {
            Some(_) => "Client sent an HTTP request to an HTTPS server.\n",
            None => "",
        };
        let mut stream = self.stream();
        write!(
            stream,
            "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n{text}"
        )?;
        stream.shutdown(Shutdown::Write)
    }

    /// Says that nothing more is written.
    pub(super) fn finish_writing(&self) -> io::Result<()> {
        if let Some(tls) = &self.tls {
            let mut tls = tls.borrow_mut();
            tls.send_close_notify();
            while tls.wants_write() {
                tls.write_tls(&mut &self.socket)?;
            }
        }
        self.stream().shutdown(Shutdown::Write)
    }

    pub(super) fn end(self, ending: Ending) {
        match ending {
            // Closing a socket that has unread bytes resets the connection (RFC 2525, 2.17).
            Ending::Reset => return,
            // A peer that can't be told has gone.
            Ending::Orderly => drop(self.finish_writing()),
            Ending::Cut => {}
        }
        self.socket.settle().ok();
        self.stream().shutdown(Shutdown::Both).ok();
    }
}

impl Read for &Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.tls {
            None => (&self.socket).read(buffer),
            Some(tls) => rustls::Stream::new(&mut *tls.borrow_mut(), &mut &self.socket).read(buffer),
        }
    }
}

impl Write for &Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &self.tls {
            None => (&self.socket).write(bytes),
            Some(tls) => rustls::Stream::new(&mut *tls.borrow_mut(), &mut &self.socket).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &self.tls {
            None => Ok(()),
            Some(tls) => rustls::Stream::new(&mut *tls.borrow_mut(), &mut &self.socket).flush(),
        }
    }
}

/// A socket that leaves the last byte it gave in the system's buffer, so that closing it is a reset unless it is settled.
#[derive(Debug)]
struct Socket {
    stream: TcpStream,
    /// Whether the next byte in the system's buffer has been given already.
    held: Cell<bool>,
}

impl Socket {
    fn settle(&self) -> io::Result<()> {
        if self.held.replace(false) {
            (&self.stream).read_exact(&mut [0])?;
        }
        Ok(())
    }
}

impl Read for &Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.settle()?;
        let size = self.stream.peek(buffer)?;
        if let Some(last) = size.checked_sub(1) {
            (&self.stream).read_exact(&mut buffer[..last])?;
            self.held.set(true);
        }
        Ok(size)
    }
}

impl Write for &Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&self.stream).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
