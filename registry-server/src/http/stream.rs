//! A connection's bytes, encrypted or not.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::wire::{Pace, Wire};

/// How long, and for how many bytes, a client that still sends may do so before its connection is closed.
const LINGER: Pace = Pace {
    time: Duration::from_secs(2),
    bytes: u64::MAX,
};
const MOST_LINGERED: u64 = 16 * 1024 * 1024;

/// A connection to a client.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(Wire),
    Tls(Box<StreamOwned<ServerConnection, Wire>>),
}

/// Why a connection didn't come about.
#[derive(Debug)]
pub(crate) enum NoStream {
    /// The client speaks HTTP without TLS.
    Plain(Wire),
    Failed(io::Error),
}

impl Stream {
    /// Agrees on TLS if there is a configuration for it.
    pub fn open(mut wire: Wire, tls: Option<Arc<ServerConfig>>) -> Result<Self, NoStream> {
        let Some(config) = tls else {
            return Ok(Self::Plain(wire));
        };
        let first = wire.first_byte().map_err(NoStream::Failed)?;
        if first.is_some_and(|byte| byte.is_ascii_uppercase()) {
            return Err(NoStream::Plain(wire));
        }
        let connection = ServerConnection::new(config);
        let mut connection = connection.map_err(|error| NoStream::Failed(io::Error::other(error)))?;
        while connection.is_handshaking() {
            connection.complete_io(&mut wire).map_err(NoStream::Failed)?;
        }
        Ok(Self::Tls(Box::new(StreamOwned::new(connection, wire))))
    }

    fn wire(&mut self) -> &mut Wire {
        match self {
            Self::Plain(wire) => wire,
            Self::Tls(tls) => &mut tls.sock,
        }
    }

    /// Asks the client for another pace from now on.
    pub fn expect(&mut self, pace: Pace) {
        self.wire().expect(pace);
    }

    /// Tells the client that nothing more comes. If it may still be sending, waits a little, as the system would otherwise take the last
    /// answer from it.
    pub fn close(mut self, may_still_send: bool) {
        if let Self::Tls(tls) = &mut self {
            tls.conn.send_close_notify();
            let _ = tls.flush();
        }
        let wire = self.wire();
        let _ = wire.socket().shutdown(Shutdown::Write);
        if may_still_send {
            wire.expect(LINGER);
            let _ = io::copy(&mut wire.take(MOST_LINGERED), &mut io::sink());
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(wire) => wire.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(wire) => wire.write(bytes),
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(wire) => wire.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}
