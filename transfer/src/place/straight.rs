//! From a pipe straight into a directory: large blobs are written as they pass, before the lists that name them have come.

use std::fmt;
use std::io;
use std::sync::Arc;

use transload_archive::{TakeBlobs, TakeBytes};
use transload_reference::Digest;

use super::{LocalPlace, Sink, SinkOptions};
use crate::fault::Fault;

/// The destination of everything that a pipe gives. It is opened, and made if it isn't there, once a blob comes that it could take.
pub(crate) struct Straight {
    place: LocalPlace,
    options: SinkOptions,
    sink: Option<Arc<dyn Sink>>,
}

impl Straight {
    pub fn new(place: LocalPlace, options: SinkOptions) -> Straight {
        Straight {
            place,
            options,
            sink: None,
        }
    }

    fn sink(&mut self) -> Result<Arc<dyn Sink>, Fault> {
        let sink = match self.sink.take() {
            Some(sink) => sink,
            None => self.place.kind().sink(&self.place, &self.options)?,
        };
        Ok(Arc::clone(self.sink.insert(sink)))
    }
}

impl fmt::Debug for Straight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Straight").field(&self.place).finish()
    }
}

impl TakeBlobs for Straight {
    fn take(&mut self, digest: &Digest, size: u64) -> io::Result<Option<Box<dyn TakeBytes>>> {
        let sink = self.sink().map_err(io::Error::other)?;
        sink.take_blob(digest, size).map_err(io::Error::other)
    }
}
