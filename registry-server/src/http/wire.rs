//! A socket with patience: what waits for a client does so for a bounded time, at a pace that it must keep.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The slowest that a client may be: `bytes` in each `time` that is spent waiting for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    pub time: Duration,
    pub bytes: u64,
}

impl Pace {
    /// Returns the pace of what must be over within a time, whatever its size.
    pub fn within(time: Duration) -> Self {
        Self {
            time,
            bytes: u64::MAX,
        }
    }
}

/// A non-blocking socket, read and written as if it blocked. Where the client is slower than its pace, an operation fails with `TimedOut`.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: Arc<TcpStream>,
    pace: Pace,
    /// What is left of the pace's time.
    left: Duration,
    /// What came or went since that time was last given.
    moved: u64,
}

impl Wire {
    /// Takes a socket that doesn't block.
    pub fn new(socket: Arc<TcpStream>, pace: Pace) -> Self {
        let left = pace.time;
        Self {
            socket,
            pace,
            left,
            moved: 0,
        }
    }

    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Asks for another pace from now on.
    pub fn expect(&mut self, pace: Pace) {
        self.pace = pace;
        self.left = pace.time;
        self.moved = 0;
    }

    /// Repeats an operation until it needn't wait. It returns how many bytes it moved.
    pub fn retry(
        &mut self,
        until: PollFlags,
        mut operation: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            match operation(&self.socket) {
                Ok(moved) => {
                    self.moved = self.moved.saturating_add(moved as u64);
                    if self.moved >= self.pace.bytes {
                        self.left = self.pace.time;
                        self.moved = 0;
                    }
                    return Ok(moved);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait(until)?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until the socket is ready.
    pub fn wait(&mut self, until: PollFlags) -> io::Result<()> {
        let began = Instant::now();
        let timeout = Timespec::try_from(self.left).ok();
        let ready = poll(&mut [PollFd::new(&self.socket, until)], timeout.as_ref());
        self.left = self.left.saturating_sub(began.elapsed());
        match ready {
            Ok(0) => Err(ErrorKind::TimedOut.into()),
            Err(error) if error != rustix::io::Errno::INTR => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// The most bytes of a file that the system is asked to send at once.
#[cfg(target_os = "linux")]
const MOST_AT_ONCE: u64 = 16 * 1024 * 1024;

impl Wire {
    /// Waits for the first byte and leaves it there.
    pub fn first_byte(&mut self) -> io::Result<Option<u8>> {
        let mut first = [0];
        let read = self.retry(PollFlags::IN, |socket| socket.peek(&mut first))?;
        Ok((read > 0).then_some(first[0]))
    }

    /// Sends bytes, and then those of a file without copying them. Adds to `sent` what went of the file.
    ///
    /// Returns whether the file's system can do that: nothing of the file was sent if not.
    #[cfg(target_os = "linux")]
    pub fn send_file(
        &mut self,
        mut head: &[u8],
        file: &File,
        mut offset: u64,
        length: u64,
        sent: &mut u64,
    ) -> io::Result<bool> {
        use rustix::io::Errno;
        use rustix::net::{SendFlags, send};

        while !head.is_empty() {
            let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
            let went = self.retry(PollFlags::OUT, |socket| Ok(send(socket, head, flags)?))?;
            head = &head[went..];
        }
        while *sent < length {
            let most = (length - *sent).min(MOST_AT_ONCE) as usize;
            let went = self.retry(PollFlags::OUT, |socket| {
                Ok(rustix::fs::sendfile(socket, file, Some(&mut offset), most)?)
            });
            match went {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(went) => *sent += went as u64,
                Err(error) if *sent == 0 && error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Sends the head. This system has no portable way to send a file.
    #[cfg(not(target_os = "linux"))]
    pub fn send_file(&mut self, head: &[u8], _: &File, _: u64, length: u64, _: &mut u64) -> io::Result<bool> {
        self.write_all(head)?;
        Ok(length == 0)
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.retry(PollFlags::IN, |mut socket| socket.read(buffer))
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.retry(PollFlags::OUT, |mut socket| socket.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn connected(pace: Pace) -> (Wire, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, _) = listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        (Wire::new(Arc::new(socket), pace), client)
    }

    #[test]
    fn a_client_that_sends_nothing_is_given_up() {
        let (mut wire, _client) = connected(Pace::within(Duration::from_millis(5)));
        assert_eq!(wire.read(&mut [0; 9]).unwrap_err().kind(), ErrorKind::TimedOut);
    }

    #[test]
    fn a_client_that_reads_nothing_is_given_up() {
        let (mut wire, _client) = connected(Pace {
            time: Duration::from_millis(5),
            bytes: 1,
        });
        let error = loop {
            if let Err(error) = wire.write(&[0; 65536]) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }

    /// One byte now and then doesn't buy time: only so many bytes do.
    #[test]
    fn waiting_adds_up_until_enough_bytes_came() {
        let pace = Pace {
            time: Duration::from_secs(60),
            bytes: 10,
        };
        let (mut wire, mut client) = connected(pace);
        wire.left = Duration::from_secs(30);
        client.write_all(&[0; 9]).unwrap();
        wire.wait(PollFlags::IN).unwrap();
        let mut got = 0;
        while got < 9 {
            got += wire.read(&mut [0; 4]).unwrap();
        }
        assert!(wire.left < Duration::from_secs(30));
        client.write_all(&[0]).unwrap();
        assert_eq!(wire.read(&mut [0; 4]).unwrap(), 1);
        assert_eq!(wire.left, pace.time);
    }
}
