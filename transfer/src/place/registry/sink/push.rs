//! The push of a blob's bytes to a registry.

use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use transload_layout_store::Error;
use transload_reference::VerifyError;

use super::RegistrySink;
use crate::fault::Fault;
use crate::lock::lock;
use crate::place::sink::{StreamFailure, wrong_content};
use crate::place::source::FRESH_STARTS;
use crate::place::{Bring, read_fault};

impl RegistrySink {
    /// Pushes a blob. Bytes that turn out wrong may have been damaged on the way: they are fetched again.
    pub(super) fn push(&self, request: &Bring<'_>) -> Result<(), Fault> {
        let mut fresh_starts = 0;
        loop {
            match self.push_once(request) {
                Ok(()) => return Ok(()),
                Err(StreamFailure::WrongBytes(_)) if fresh_starts < FRESH_STARTS => fresh_starts += 1,
                Err(StreamFailure::WrongBytes(fault) | StreamFailure::Other(fault)) => return Err(fault),
            }
        }
    }

    fn push_once(&self, request: &Bring<'_>) -> Result<(), StreamFailure> {
        self.refusals
            .check_write(&self.client, request.repository)
            .map_err(StreamFailure::Other)?;
        let failure = SourceFailure {
            request,
            noted: Mutex::default(),
        };
        let mut open = |offset: u64| -> io::Result<Box<dyn Read + Send + '_>> {
            (request.started)(offset);
            Ok(Box::new(Sent {
                bytes: request
                    .open_verified(offset)
                    .map_err(|error| failure.note(error))?,
                position: offset,
                failure: &failure,
            }))
        };
        let pushed = self.client.push_blob(request.repository, request.blob, &mut open);
        let noted = failure.noted.into_inner().unwrap_or_else(PoisonError::into_inner);
        pushed.map_err(|error| {
            noted.unwrap_or_else(|| StreamFailure::Other(self.fault(request.repository, error)))
        })
    }
}

/// A source's failure in the course of a push: it passes through the registry's client as an error of reading, and is noted here.
struct SourceFailure<'a> {
    request: &'a Bring<'a>,
    noted: Mutex<Option<StreamFailure>>,
}

impl SourceFailure<'_> {
    fn note(&self, error: io::Error) -> io::Error {
        let kind = error.kind();
        if kind == io::ErrorKind::Interrupted {
            return error;
        }
        let failure = match error.downcast::<VerifyError>() {
            Ok(source) => wrong_content(self.request, false, Error::WrongContent { source }),
            Err(error) => StreamFailure::Other(error.downcast::<Fault>().unwrap_or_else(read_fault)),
        };
        let (StreamFailure::WrongBytes(fault) | StreamFailure::Other(fault)) = &failure;
        let told = io::Error::new(kind, fault.clone());
        *lock(&self.noted) = Some(failure);
        told
    }
}

/// A source's bytes as they are sent to a registry.
struct Sent<'a> {
    bytes: Box<dyn Read + Send>,
    /// The offset of the next byte.
    position: u64,
    failure: &'a SourceFailure<'a>,
}

impl Read for Sent<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let request = self.failure.request;
        let stop = request.check_cancel().map_err(io::Error::other);
        let read = stop.and_then(|()| self.bytes.read(buffer));
        let count = read.map_err(|error| self.failure.note(error))?;
        self.position += count as u64;
        (request.progress)(self.position);
        Ok(count)
    }
}
