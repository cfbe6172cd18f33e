//! Files that are being written: every blob has its place, and blobs come in any order and from many threads.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use transload_reference::{Descriptor, Digest};

use crate::entries::BLOCK;
use crate::{BlobWrite, BlobWriter, Error, header};

/// Bytes of a blob in a file: all of them, or a part.
#[derive(Debug)]
pub(crate) struct Span {
    /// The file's number, from 0.
    pub file: usize,
    /// The name of the entry.
    pub name: String,
    /// Where the bytes begin.
    pub start: u64,
    pub size: u64,
}

impl Span {
    pub fn header(&self) -> Vec<u8> {
        header::of(&self.name, self.size)
    }

    /// Where the header begins.
    pub fn offset(&self) -> u64 {
        self.start - header::length(&self.name)
    }

    /// Where the next entry begins.
    pub fn end(&self) -> u64 {
        (self.start + self.size).next_multiple_of(BLOCK)
    }
}

/// The files.
pub(crate) trait FileSet: fmt::Debug + Send + Sync {
    /// The name of a file while it is written.
    fn path(&self, file: usize) -> PathBuf;

    /// Opens a file to write to it; none where all of it is there, so that nothing is written to it any more.
    fn open(&self, file: usize) -> Result<Option<Arc<File>>, Error>;

    /// Opens a file all of which is there; none where it was carried off.
    fn open_whole(&self, _file: usize) -> Option<File> {
        None
    }

    /// Told that a blob, or a part of one, is there. `waits` is set where the next part needs the room of this one.
    fn has_more(&self, _room: &Room, _waits: bool) -> Result<(), Error> {
        Ok(())
    }

    /// Told the digest that a blob has up to the end of a part. Fails if the part is in a file that is whole, and has other bytes there.
    fn part_ends(&self, _part: &Span, _so_far: &Digest) -> Result<(), Error> {
        Ok(())
    }

    /// Told that a blob in parts begins anew, some of which were there.
    fn begins_anew(&self) {}
}

/// A blob with its place.
#[derive(Debug)]
pub(crate) struct Located {
    pub blob: Arc<Descriptor>,
    /// One, or its parts in their order.
    pub spans: Vec<Span>,
}

/// The places of all blobs, and how far each is.
#[derive(Debug)]
pub(crate) struct Room {
    blobs: Vec<Located>,
    by_digest: HashMap<Digest, usize>,
    states: Mutex<Vec<State>>,
    changed: Condvar,
    pub files: Arc<dyn FileSet>,
    cancel: Arc<AtomicBool>,
}

/// How far a blob is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// So many parts are there.
    Missing(usize),
    /// Somebody writes it, and so many parts are there.
    Busy(usize),
    Present,
}

impl Room {
    /// Places for blobs, of which some are there.
    pub fn new(files: Arc<dyn FileSet>, blobs: Vec<(Located, State)>, cancel: Arc<AtomicBool>) -> Arc<Room> {
        let (blobs, states): (Vec<Located>, Vec<State>) = blobs.into_iter().unzip();
        let digests = blobs.iter().enumerate();
        Arc::new(Room {
            by_digest: digests
                .map(|(at, located)| (located.blob.digest.clone(), at))
                .collect(),
            blobs,
            states: Mutex::new(states),
            changed: Condvar::new(),
            files,
            cancel,
        })
    }

    /// Begins to write a blob, or to go on behind what an earlier run left. Where another writer of the same blob is open, this waits until
    /// that is gone.
    pub fn write_blob(self: &Arc<Room>, blob: &Descriptor) -> Result<BlobWrite, Error> {
        let at = self.find(blob)?;
        if !self.claim(at) {
            return Ok(BlobWrite::Present);
        }
        // From here on, the writer gives the place back when it is dropped.
        BlobWriter::resume(Arc::clone(self), at)
    }

    /// The number of a blob.
    pub fn find(&self, blob: &Descriptor) -> Result<usize, Error> {
        let found = self.by_digest.get(&blob.digest).copied();
        found
            .filter(|at| self.blobs[*at].blob.size == blob.size)
            .ok_or_else(|| Error::NotPlanned {
                digest: blob.digest.clone(),
                size: blob.size,
            })
    }

    pub fn blob(&self, at: usize) -> &Located {
        &self.blobs[at]
    }

    /// Whether the part of a blob is there that begins here; true for what is no blob.
    pub fn has_part(&self, digest: &Digest, file: usize, start: u64) -> bool {
        let Some(at) = self.by_digest.get(digest) else {
            return true;
        };
        let mut spans = self.blobs[*at].spans.iter();
        let part = spans.position(|span| (span.file, span.start) == (file, start));
        match self.lock()[*at] {
            State::Missing(parts) | State::Busy(parts) => part.is_some_and(|part| part < parts),
            State::Present => true,
        }
    }

    /// The blobs that aren't there.
    pub fn missing(&self) -> Vec<Digest> {
        let states = self.lock();
        let missing = self.blobs.iter().zip(states.iter());
        missing
            .filter(|(_, state)| **state != State::Present)
            .map(|(located, _)| located.blob.digest.clone())
            .collect()
    }

    /// Claims a blob's place, once nobody else writes there. False where the blob is there.
    fn claim(&self, at: usize) -> bool {
        let mut states = self.lock();
        loop {
            match states[at] {
                State::Present => return false,
                State::Missing(parts) => {
                    states[at] = State::Busy(parts);
                    return true;
                }
                State::Busy(_) => {
                    states = self.changed.wait(states).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// Notes how far a claimed blob is, or gives its place back.
    pub fn settle(&self, at: usize, state: State) {
        self.lock()[at] = state;
        self.changed.notify_all();
    }

    /// Fails once the work is to end.
    pub fn check_stop(&self, path: &Path) -> Result<(), Error> {
        match self.cancel.load(Ordering::Relaxed) {
            true => Err(Error::Stopped {
                path: path.to_owned(),
            }),
            false => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
