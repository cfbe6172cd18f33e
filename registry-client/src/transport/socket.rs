//! The connection below TLS: a socket that checks the cancel flag and keeps to the rate limit.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
};
use ureq::{Error, Timeout};

use super::wait::WaitLimit;
use crate::rate::Rate;
use crate::throttle::Throttle;

/// The interval between two checks of the cancel flag during a read.
const SLICE: Duration = Duration::from_millis(200);

/// The limits of all connections of a client.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub cancel: Arc<AtomicBool>,
    pub rate: Option<Arc<Rate>>,
}

/// All sockets of a client, so that hanging writes can be ended.
#[derive(Debug, Default)]
pub(super) struct Sockets(Mutex<Vec<Weak<TcpStream>>>);

impl Sockets {
    fn add(&self, stream: &Arc<TcpStream>) {
        let mut sockets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.retain(|socket| socket.strong_count() > 0);
        sockets.push(Arc::downgrade(stream));
    }

    /// Shuts all connections down.
    pub fn shut(&self) {
        let sockets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for socket in sockets.iter().filter_map(Weak::upgrade) {
            // An error means that it is closed already.
            socket.shutdown(Shutdown::Both).ok();
        }
    }
}

impl Limits {
    pub fn check_cancel(&self) -> Result<(), Error> {
        match self.cancel.load(Ordering::Relaxed) {
            true => Err(Error::Other(Box::new(super::Cancelled))),
            false => Ok(()),
        }
    }

    /// Waits until the rate limit allows this many bytes.
    pub fn pass(&self, bytes: usize) {
        self.rate.iter().for_each(|rate| rate.pass(bytes, &self.cancel));
    }
}

#[derive(Debug)]
pub(super) struct SocketConnector {
    pub limits: Limits,
    pub wait: Arc<WaitLimit>,
    pub sockets: Arc<Sockets>,
    /// Told of the round-trip time.
    pub throttle: Arc<Throttle>,
}

impl<In: Transport> Connector<In> for SocketConnector {
    type Out = Either<In, Socket>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        // A tunnel runs over a socket that was opened here.
        if chained.is_some() {
            return Ok(chained.map(Either::A));
        }
        let stream = Arc::new(reach(&details.addrs, *details.timeout.after)?);
        self.sockets.add(&stream);
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SLICE))?;
        Ok(Some(Either::B(Socket {
            stream,
            buffers: LazyBuffers::new(
                details.config.input_buffer_size(),
                details.config.output_buffer_size(),
            ),
            write_timeout: None,
            limits: self.limits.clone(),
            wait: Arc::clone(&self.wait),
            throttle: Some(Arc::clone(&self.throttle)),
            sent_at: Instant::now(),
            is_broken: false,
        })))
    }
}

/// Connects to the first address that answers. Each gets its share of the remaining time.
fn reach(addresses: &[SocketAddr], longest: Duration) -> Result<TcpStream, Error> {
    let began = Instant::now();
    let mut failure = None;
    for (at, address) in addresses.iter().enumerate() {
        let left = longest.saturating_sub(began.elapsed());
        let others = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
        let share = left / others;
        let tried = match share.is_zero() {
            true => Err(io::ErrorKind::TimedOut.into()),
            false => TcpStream::connect_timeout(address, share),
        };
        match tried {
            Ok(stream) => {
                log::debug!("connected to {address}");
                return Ok(stream);
            }
            Err(error) => {
                log::debug!("{address}: {error}");
                failure = Some(error);
            }
        }
    }
    Err(match failure {
        Some(error) if is_timeout(&error) => Error::Timeout(Timeout::Connect),
        Some(error) => Error::Io(error),
        None => Error::ConnectionFailed,
    })
}

/// Whether a wait timed out, for which systems have two names.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// A socket. ureq's own checks no cancel flag and keeps to no rate limit.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Arc<TcpStream>,
    buffers: LazyBuffers,
    /// The stream's present timeout.
    write_timeout: Option<Duration>,
    limits: Limits,
    wait: Arc<WaitLimit>,
    /// Told of the first round trip, and then dropped.
    throttle: Option<Arc<Throttle>>,
    sent_at: Instant,
    is_broken: bool,
}

/// Reads into the buffer. Returns the number of bytes, or 0 at the stream's end.
fn receive(
    mut stream: &TcpStream,
    buffer: &mut [u8],
    limits: &Limits,
    timeout: NextTimeout,
) -> Result<usize, Error> {
    let began = Instant::now();
    loop {
        limits.check_cancel()?;
        match stream.read(buffer) {
            Ok(count) => {
                limits.pass(count);
                return Ok(count);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if !is_timeout(&error) => return Err(Error::Io(error)),
            Err(_) if began.elapsed() >= *timeout.after => return Err(Error::Timeout(timeout.reason)),
            Err(_) => {}
        }
    }
}

impl Socket {
    fn send(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let timeout = timeout.for_write();
        let limit = timeout.not_zero().map(|limit| *limit);
        if self.write_timeout != limit {
            self.stream.set_write_timeout(limit)?;
            self.write_timeout = limit;
        }
        let output = &self.buffers.output()[..amount];
        match (&*self.stream).write_all(output) {
            Err(error) if is_timeout(&error) => Err(Error::Timeout(timeout.reason)),
            other => other.map_err(Error::Io),
        }
    }
}

/// Whether the other end has closed the connection, or accepts nothing any more.
pub(crate) fn is_cut(error: &Error) -> bool {
    let cut = |kind| {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
        matches!(
            kind,
            BrokenPipe | ConnectionReset | ConnectionAborted | NotConnected
        )
    };
    match error {
        Error::Io(error) => cut(error.kind()),
        Error::Timeout(Timeout::PerWrite) => true,
        _ => false,
    }
}

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.limits.check_cancel()?;
        // Later writes are dropped: TLS writes before it reads, and the answer has to be read.
        if self.is_broken {
            return Ok(());
        }
        self.limits.pass(amount);
        let sent = self.send(amount, timeout);
        self.sent_at = Instant::now();
        if let Some(throttle) = &self.throttle {
            throttle.sent(self.sent_at);
        }
        match sent {
            Err(error) if is_cut(&error) => {
                // A cancelled client shuts its connections.
                self.limits.check_cancel()?;
                log::debug!("a write failed: {error}");
                self.is_broken = true;
                Err(error)
            }
            other => other,
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        // TLS may need many reads for one byte of the answer.
        self.wait.count(0)?;
        if timeout.after.is_zero() {
            return Err(Error::Timeout(timeout.reason));
        }
        let buffer = self.buffers.input_append_buf();
        let count = receive(&self.stream, buffer, &self.limits, timeout.for_read())?;
        self.buffers.input_appended(count);
        if count > 0
            && let Some(throttle) = self.throttle.take()
        {
            throttle.measured(self.sent_at.elapsed());
        }
        Ok(count > 0)
    }

    /// Whether the connection can serve another request: it is open, and no unexpected byte has arrived.
    fn is_open(&mut self) -> bool {
        let look = RecvFlags::DONTWAIT | RecvFlags::PEEK;
        !self.is_broken && recv(&self.stream, &mut [0; 1], look).is_err_and(|error| error == Errno::AGAIN)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn an_address_that_refuses_leads_to_the_next() {
        let address = |listener: &TcpListener| listener.local_addr().unwrap();
        let nobody = address(&TcpListener::bind("127.0.0.1:0").unwrap());
        let somebody = TcpListener::bind("127.0.0.1:0").unwrap();
        let long = Duration::from_secs(60);
        let reached = reach(&[nobody, address(&somebody)], long).unwrap();
        assert_eq!(reached.peer_addr().unwrap(), address(&somebody));
        let refused = reach(&[nobody, nobody], long).unwrap_err();
        assert!(matches!(refused, Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused));
        let late = reach(&[address(&somebody)], Duration::ZERO).unwrap_err();
        assert!(matches!(late, Error::Timeout(Timeout::Connect)));
        assert!(matches!(reach(&[], long), Err(Error::ConnectionFailed)));
    }
}
