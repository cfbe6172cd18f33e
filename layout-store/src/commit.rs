//! A writer of blobs as other code wants it: filled from any reader, and with an error that `?` takes.

use std::error;
use std::fmt;
use std::io::{self, Read};

use crate::blob::CHUNK;
use crate::{BlobWriter, Error};

/// Why a blob got no name. It becomes an [`Error`] where the writer isn't of interest.
#[derive(Debug)]
#[non_exhaustive]
pub struct CommitError {
    /// What went wrong.
    pub error: Error,
    /// The writer, where the bytes weren't the blob's: [`BlobWriter::restart`] begins anew.
    pub writer: Option<Box<BlobWriter>>,
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl error::Error for CommitError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.error.source()
    }
}

impl From<CommitError> for Error {
    fn from(error: CommitError) -> Error {
        error.error
    }
}

impl BlobWriter {
    /// Takes all that a reader gives, through a buffer, and tells how many bytes those were.
    ///
    /// # Errors
    /// The reader's own, as they are; else as [`BlobWriter::write`], within an [`io::Error`] that `downcast` gives back.
    pub fn write_from(&mut self, mut bytes: impl Read) -> io::Result<u64> {
        let mut chunk = vec![0; CHUNK];
        let mut total = 0;
        loop {
            match bytes.read(&mut chunk) {
                Ok(0) => return Ok(total),
                Ok(count) => {
                    self.write(&chunk[..count]).map_err(io::Error::other)?;
                    total += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
