//! Bodies of requests.

use std::fmt;
use std::io::{self, Read};

/// The body of a request, as a reader. Each read has a deadline, and fails if the body isn't well-formed or ends early.
pub(crate) struct Body<'a> {
    reader: &'a mut dyn Read,
    length: Option<u64>,
}

impl<'a> Body<'a> {
    /// Wraps what reads the body. `length` is its length in bytes if the client told.
    pub fn new(reader: &'a mut dyn Read, length: Option<u64>) -> Self {
        Self { reader, length }
    }

    /// Returns the length in bytes that the client told: none for a chunked body.
    pub fn length(&self) -> Option<u64> {
        self.length
    }
}

impl Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

impl fmt::Debug for Body<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a body of {:?} bytes", self.length)
    }
}
