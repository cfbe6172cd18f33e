//! Blobs of a remote source that several destinations need: fetched once, and kept on disk until space is needed.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use transload_reference::{Descriptor, Digest, Verifier, VerifyError};

use super::CHUNK;
use super::source::FRESH_STARTS;
use super::temporary::{folder, free_bytes};
use crate::lock::lock;

/// Opens a blob at its source from an offset on.
pub(super) type Open = dyn Fn(u64) -> io::Result<Box<dyn Read + Send>> + Send;

/// One file without a name that has a blob behind the other, within half of the space that was free.
pub(crate) struct Spool {
    file: Arc<File>,
    kept: Mutex<Kept>,
}

struct Kept {
    blobs: HashMap<Digest, Place>,
    /// Free ranges of the file, by their starts: start and length.
    free: Vec<(u64, u64)>,
    limit: u64,
    /// Counts how often a blob was asked for.
    clock: u64,
}

struct Place {
    blob: Arc<SpooledBlob>,
    start: u64,
    size: u64,
    last_used: u64,
}

impl Spool {
    /// Makes the file in the folder for large temporary files.
    ///
    /// # Errors
    /// Where no file can be made there.
    pub fn new() -> io::Result<Spool> {
        Spool::within(&folder(), free_bytes() / 2)
    }

    /// Makes the file in this folder, of at most so many bytes.
    pub fn within(folder: &Path, limit: u64) -> io::Result<Spool> {
        Ok(Spool {
            file: Arc::new(tempfile::tempfile_in(folder)?),
            kept: Mutex::new(Kept {
                blobs: HashMap::new(),
                free: vec![(0, limit)],
                limit,
                clock: 0,
            }),
        })
    }

    /// The blob, as far as it was fetched; none where it can't be kept.
    pub fn blob(&self, blob: &Descriptor) -> Option<Arc<SpooledBlob>> {
        let mut kept = lock(&self.kept);
        kept.clock += 1;
        let now = kept.clock;
        if let Some(known) = kept.blobs.get_mut(&blob.digest) {
            if known.size != blob.size {
                // One of the two manifests is wrong.
                return None;
            }
            if !known.blob.is_spoiled() {
                known.last_used = now;
                return Some(Arc::clone(&known.blob));
            }
            if !known.is_idle() {
                return None;
            }
            kept.remove(&blob.digest);
        }
        let start = kept.reserve(blob.size)?;
        let spooled = Arc::new(SpooledBlob {
            file: Arc::clone(&self.file),
            start,
            size: blob.size,
            written: AtomicU64::new(0),
            fetch: Mutex::new(Fetch::of(blob)),
        });
        let place = Place {
            blob: Arc::clone(&spooled),
            start,
            size: blob.size,
            last_used: now,
        };
        kept.blobs.insert(blob.digest.clone(), place);
        Some(spooled)
    }
}

impl Kept {
    /// Finds room for a blob. The blobs that nobody reads make room, first of all the one that was asked for the longest ago.
    fn reserve(&mut self, size: u64) -> Option<u64> {
        if size == 0 || size > self.limit {
            return None;
        }
        loop {
            if let Some(at) = self.free.iter().position(|(_, length)| *length >= size) {
                let (start, length) = self.free[at];
                match length == size {
                    true => drop(self.free.remove(at)),
                    false => self.free[at] = (start + size, length - size),
                }
                return Some(start);
            }
            let idle = self.blobs.iter().filter(|(_, place)| place.is_idle());
            let oldest = idle.min_by_key(|(_, place)| place.last_used)?.0.clone();
            self.remove(&oldest);
        }
    }

    /// Gives up a blob that nobody reads.
    fn remove(&mut self, digest: &Digest) {
        let Some(place) = self.blobs.remove(digest) else {
            return;
        };
        let at = self.free.partition_point(|(start, _)| *start < place.start);
        self.free.insert(at, (place.start, place.size));
        self.free.dedup_by(|(start, length), (before, before_length)| {
            let is_next = *before + *before_length == *start;
            if is_next {
                *before_length += *length;
            }
            is_next
        });
    }
}

impl Place {
    /// Whether nobody reads it. Nobody begins to either while the list is locked.
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.blob) == 1
    }
}

/// A blob in the file, whole or in part.
///
/// Whoever needs bytes that aren't there fetches them, a piece at a time: so no reader waits for another one's destination.
pub(crate) struct SpooledBlob {
    file: Arc<File>,
    start: u64,
    size: u64,
    /// How many bytes are there. The last ones come only once all are verified.
    written: AtomicU64,
    fetch: Mutex<Fetch>,
}

struct Fetch {
    blob: Descriptor,
    body: Option<Box<dyn Read + Send>>,
    verifier: Verifier,
    chunk: Vec<u8>,
    /// How often all bytes came and were wrong.
    wrong: u32,
    verdict: Option<VerifyError>,
    /// Whether the disk takes no more.
    is_full: bool,
}

impl Fetch {
    fn of(blob: &Descriptor) -> Fetch {
        Fetch {
            body: None,
            verifier: Verifier::of(blob),
            blob: blob.clone(),
            chunk: Vec::new(),
            wrong: 0,
            verdict: None,
            is_full: false,
        }
    }
}

impl SpooledBlob {
    /// Whether the bytes before a position are there.
    pub(super) fn has(&self, position: u64) -> bool {
        self.written.load(Ordering::Acquire) >= position
    }

    /// Whether it can't be kept: the disk is full, or its bytes are wrong each time.
    fn is_spoiled(&self) -> bool {
        // Whoever is at work on it hasn't found it to be.
        let fetch = self.fetch.try_lock();
        fetch.is_ok_and(|fetch| fetch.is_full || fetch.verdict.is_some())
    }

    /// Fetches more, unless another reader has meanwhile. Whether there is more than `position` bytes now; not where the disk is full.
    fn fetch(&self, position: u64, open: &Open) -> io::Result<bool> {
        let mut fetch = lock(&self.fetch);
        if self.written.load(Ordering::Acquire) > position {
            return Ok(true);
        }
        if fetch.is_full {
            return Ok(false);
        }
        if let Some(error) = &fetch.verdict {
            return Err(invalid(error.clone()));
        }
        let Fetch {
            body,
            verifier,
            chunk,
            ..
        } = &mut *fetch;
        let body = match body {
            Some(body) => body,
            None => body.insert(open(verifier.seen())?),
        };
        chunk.resize(CHUNK, 0);
        let count = match body.read(chunk) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(true),
            Err(error) => {
                fetch.body = None;
                return Err(error);
            }
        };
        let at = verifier.seen();
        let mut judged = verifier.update(&chunk[..count]);
        let is_last = verifier.seen() == self.size || count == 0;
        if judged.is_ok() && is_last {
            judged = verifier.clone().finish();
        }
        if let Err(error) = judged {
            fetch.begin_anew(&error);
            self.written.store(0, Ordering::Release);
            return Err(invalid(error));
        }
        if self.file.write_all_at(&chunk[..count], self.start + at).is_err() {
            fetch.is_full = true;
            fetch.rest();
            return Ok(false);
        }
        if is_last {
            fetch.rest();
        }
        self.written.store(at + count as u64, Ordering::Release);
        Ok(true)
    }
}

impl Fetch {
    /// Lets go of what is needed only while bytes come.
    fn rest(&mut self) {
        self.body = None;
        self.chunk = Vec::new();
    }

    fn begin_anew(&mut self, error: &VerifyError) {
        self.rest();
        self.verifier = Verifier::of(&self.blob);
        self.wrong += 1;
        if self.wrong > FRESH_STARTS {
            self.verdict = Some(error.clone());
        }
    }
}

/// Reads a blob from the file, and has it fetched as far as it isn't there.
pub(super) struct SpoolReader {
    blob: Arc<SpooledBlob>,
    open: Box<Open>,
    position: u64,
    /// The source itself, where the file takes no more.
    own: Option<Box<dyn Read + Send>>,
}

impl SpoolReader {
    /// Reads from this position on.
    pub fn new(blob: Arc<SpooledBlob>, position: u64, open: Box<Open>) -> SpoolReader {
        SpoolReader {
            blob,
            open,
            position,
            own: None,
        }
    }
}

impl Read for SpoolReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.blob.size.saturating_sub(self.position);
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if most == 0 {
            return Ok(0);
        }
        loop {
            if let Some(own) = &mut self.own {
                let count = own.read(&mut buffer[..most])?;
                self.position += count as u64;
                return Ok(count);
            }
            let there = self.blob.written.load(Ordering::Acquire);
            if there > self.position {
                let most = usize::try_from(there - self.position).map_or(most, |there| there.min(most));
                let at = self.blob.start + self.position;
                let count = self.blob.file.read_at(&mut buffer[..most], at)?;
                self.position += count as u64;
                return Ok(count);
            }
            if !self.blob.fetch(self.position, &self.open)? {
                self.own = Some((self.open)(self.position)?);
            }
        }
    }
}

fn invalid(error: VerifyError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests;
