//! The bounds of one wait: for an answer's head, or for the next byte of its body.
//!
//! ureq bounds each read alone, so that a server that sends a byte now and then, or heads, chunk sizes and trailers without end, could
//! hold a worker for ever.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ureq::unversioned::transport::NextTimeout;
use ureq::{Error, Timeout};

/// How many bytes may arrive before one of them reaches the reader.
const MAX_OVERHEAD: usize = 1024 * 1024;

/// The longest timeout: ureq's may be infinite.
const A_DAY: Duration = Duration::from_secs(24 * 3600);

/// The bounds of a connection's present wait. The waiting thread sets them, and the connection's transports check them.
#[derive(Debug, Default)]
pub(crate) struct WaitLimit(Mutex<Option<Bounds>>);

#[derive(Debug, Clone, Copy)]
struct Bounds {
    bytes_left: usize,
    deadline: Option<Instant>,
}

impl WaitLimit {
    /// Runs a wait that may take at most `longest`, if given, and during which a bounded number of bytes may arrive.
    pub fn bound<T>(&self, longest: Option<Duration>, wait: impl FnOnce() -> T) -> T {
        let bounds = Bounds {
            bytes_left: MAX_OVERHEAD,
            deadline: longest.map(|longest| Instant::now() + longest),
        };
        // Connecting is a wait within the wait for an answer.
        let outer = self.lock().replace(bounds);
        let result = wait();
        *self.lock() = outer;
        result
    }

    /// Runs a step of connecting, with one timeout for all of its reads.
    pub fn connecting<T>(
        &self,
        timeout: NextTimeout,
        connect: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.bound(Some((*timeout.after).min(A_DAY)), connect)
            .map_err(|error| match error {
                Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
                    Error::Timeout(Timeout::Connect)
                }
                error => error,
            })
    }

    /// Counts bytes that arrived.
    ///
    /// # Errors
    /// If the wait is over its bounds.
    pub fn count(&self, bytes: usize) -> Result<(), Error> {
        let mut bounds = self.lock();
        let Some(Bounds { bytes_left, deadline }) = &mut *bounds else {
            return Ok(());
        };
        let refuse = |kind, message: &str| Err(Error::Io(io::Error::new(kind, message)));
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return refuse(
                io::ErrorKind::TimedOut,
                "nothing of the answer's body came for too long",
            );
        }
        match bytes_left.checked_sub(bytes) {
            Some(left) => {
                *bytes_left = left;
                Ok(())
            }
            None => refuse(
                io::ErrorKind::InvalidData,
                "the server keeps sending bytes that aren't the answer",
            ),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Bounds>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
