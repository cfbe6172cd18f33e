//! The body of a request.

use std::io::{self, Read};

/// A blob's bytes from an offset to its end.
pub(crate) type BlobBytes<'r> = Box<dyn Read + Send + 'r>;

/// The body of a request.
pub(crate) enum Payload<'a, 'r> {
    None,
    Bytes(&'a [u8]),
    /// Bytes of a reader, which can't be sent twice.
    Stream(&'a mut ExactReader<'r>),
}

/// A reader that returns exactly the announced number of bytes, or fails. It keeps the failure, which ureq doesn't return.
pub(crate) struct ExactReader<'r> {
    bytes: BlobBytes<'r>,
    left: u64,
    failure: Option<io::Error>,
}

impl<'r> ExactReader<'r> {
    pub fn new(bytes: BlobBytes<'r>, length: u64) -> ExactReader<'r> {
        ExactReader {
            bytes,
            left: length,
            failure: None,
        }
    }

    /// Returns how many bytes are still to come.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Returns the failure, once.
    pub fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// Returns the underlying reader, at its present offset.
    pub fn into_rest(self) -> BlobBytes<'r> {
        self.bytes
    }

    fn fail(&mut self, error: io::Error) -> io::Error {
        self.failure = Some(error);
        io::Error::other("the bytes to send can't be read")
    }
}

impl Read for ExactReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let count = loop {
            match self.bytes.read(&mut buffer[..most]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.fail(error)),
                Ok(count) => break count,
            }
        };
        if count == 0 {
            let message = format!("the bytes end {} before the announced end", self.left);
            return Err(self.fail(io::Error::new(io::ErrorKind::UnexpectedEof, message)));
        }
        self.left -= count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_ends_early_is_an_error_of_the_source() {
        let mut reader = ExactReader::new(Box::new(&b"12345"[..]), 3);
        let mut sink = Vec::new();
        reader.read_to_end(&mut sink).unwrap();
        assert_eq!((sink.as_slice(), reader.left), (b"123".as_slice(), 0));
        let mut reader = ExactReader::new(Box::new(&b"12"[..]), 3);
        assert!(reader.read_to_end(&mut Vec::new()).is_err());
        assert_eq!(reader.failure.unwrap().kind(), io::ErrorKind::UnexpectedEof);
    }
}
