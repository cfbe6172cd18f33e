//! Bytes that came from a client and that nobody took yet: pipelined requests stay in it.

use std::io::{self, Read};

use super::chunked;
use super::head::{self, Head, Refusal};

/// How much is read at once.
const STEP: usize = 4096;

/// A buffer before a reader. It holds a head at most.
#[derive(Debug, Default)]
pub(crate) struct Input {
    buffer: Vec<u8>,
    /// The first byte that wasn't taken.
    start: usize,
}

/// Why there is no head.
#[derive(Debug)]
pub(crate) enum NoHead {
    /// It began, but the rest didn't come.
    Cut(io::Error),
    Refused(Refusal),
}

impl Input {
    fn rest(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Returns whether bytes are waiting that nobody took.
    pub fn is_empty(&self) -> bool {
        self.start == self.buffer.len()
    }

    /// Reads more bytes. Returns how many: none at the end.
    pub fn fill(&mut self, reader: &mut impl Read) -> io::Result<usize> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let held = self.buffer.len();
        self.buffer.resize(held + STEP, 0);
        let read = reader.read(&mut self.buffer[held..]);
        self.buffer.truncate(held + *read.as_ref().unwrap_or(&0));
        read
    }

    /// Waits until bytes are there. Returns whether some came before the end.
    pub fn wait(&mut self, reader: &mut impl Read) -> io::Result<bool> {
        Ok(!self.is_empty() || self.fill(reader)? > 0)
    }

    /// Takes the next request's head.
    pub fn head(&mut self, reader: &mut impl Read) -> Result<Head, NoHead> {
        let mut seen = 0;
        let mut skipped = false;
        loop {
            // One empty line may come before a request (RFC 9112, section 2.2).
            if !skipped && self.rest().starts_with(b"\r\n") {
                self.start += 2;
                skipped = true;
            }
            let rest = self.rest();
            if skipped || rest != b"\r" {
                if let Some(length) = head::length(rest, seen).map_err(NoHead::Refused)? {
                    let head = head::parse(&rest[..length]).map_err(NoHead::Refused)?;
                    self.start += length;
                    return Ok(head);
                }
                seen = rest.len();
            }
            if self.fill(reader).map_err(NoHead::Cut)? == 0 {
                return Err(NoHead::Cut(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// Reads into `target`: what is held, else from the reader itself.
    pub fn read(&mut self, reader: &mut impl Read, target: &mut [u8]) -> io::Result<usize> {
        if self.is_empty() {
            return reader.read(target);
        }
        let length = target.len().min(self.rest().len());
        target[..length].copy_from_slice(&self.rest()[..length]);
        self.start += length;
        Ok(length)
    }

    /// Takes a line of a chunked body, without its end.
    ///
    /// # Errors
    /// `InvalidData` where it is too long, `UnexpectedEof` where there is none.
    pub fn line(&mut self, reader: &mut impl Read) -> io::Result<Vec<u8>> {
        loop {
            let rest = &self.rest()[..self.rest().len().min(chunked::LONGEST_LINE)];
            if let Some(length) = rest.windows(2).position(|two| two == b"\r\n") {
                let line = rest[..length].to_vec();
                self.start += length + 2;
                return Ok(line);
            }
            if rest.len() == chunked::LONGEST_LINE {
                return Err(invalid("a line between chunks is too long"));
            }
            if self.fill(reader)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// Returns the error of a body that isn't well-formed.
pub(crate) fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
