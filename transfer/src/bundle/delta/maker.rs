//! Makes differences, a few at once.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use transload_archive::bundle::{Difference, Holdings};
use transload_archive::difference;
use transload_reference::{Digest, Verifier, VerifyingReader};

use super::Progress;
use super::layers::{Layer, Pair};
use crate::fault::Fault;
use crate::lock::lock;
use crate::place::{FRESH_STARTS, Stoppable, is_damage, read_fault, temporary_fault};

/// How many differences are made at once: each takes some two times its layer's tar in memory.
const MAKERS: usize = 2;

/// Makes differences.
pub struct Maker<'a> {
    held: &'a Holdings,
    file: File,
    /// How many bytes the file has.
    end: AtomicU64,
    turns: Turns,
    warnings: Mutex<Vec<String>>,
    progress: &'a Progress<'a>,
    is_stopped: &'a (dyn Fn() -> bool + Sync),
}

/// A difference with its layer, and where in the file it begins.
pub type Made = (Digest, Difference, u64);

impl<'a> Maker<'a> {
    /// Makes them in `file`. `held` is what the other side has.
    pub fn new(
        held: &'a Holdings,
        file: File,
        progress: &'a Progress<'a>,
        is_stopped: &'a (dyn Fn() -> bool + Sync),
    ) -> Maker<'a> {
        Maker {
            held,
            file,
            end: AtomicU64::new(0),
            turns: Turns::new(MAKERS),
            warnings: Mutex::default(),
            progress,
            is_stopped,
        }
    }

    /// Returns the file, and why layers travel whole that might not.
    pub fn finish(self) -> (File, Vec<String>) {
        let mut warnings = self.warnings.into_inner().unwrap_or_else(PoisonError::into_inner);
        warnings.sort();
        (self.file, warnings)
    }

    /// Makes a difference; none where the layer travels whole. A registry's layers come over several connections, and wait for their turns in
    /// their source's temporary file, but never more of them than there are threads.
    pub fn fetch_and_make(&self, pair: &Pair<'_>) -> Result<Option<Made>, Fault> {
        if pair.new.is_remote() {
            self.fetch(&pair.new)?;
        }
        let _turn = self.turns.take();
        let made = self.make(pair)?;
        self.progress.count();
        Ok(made)
    }

    /// Reads a layer, so that its source keeps it. One that is damaged each time is left to whoever brings it.
    fn fetch(&self, layer: &Layer<'_>) -> Result<(), Fault> {
        for _ in 0..=FRESH_STARTS {
            match io::copy(&mut self.open(layer)?, &mut io::sink()) {
                Ok(_) => return Ok(()),
                Err(error) if is_damage(&error) => {}
                Err(error) => return Err(read_fault(error)),
            }
        }
        Ok(())
    }

    fn make(&self, pair: &Pair<'_>) -> Result<Option<Made>, Fault> {
        let Pair { new, old } = pair;
        let old_bytes = match self.open(old) {
            Ok(bytes) => bytes,
            // It may come back, and then the bundle would be another one.
            Err(fault) if fault.is_retryable() => return Err(fault),
            Err(fault) => return Ok(self.travels_whole(pair, &fault)),
        };
        let mut old_bytes = Failing {
            bytes: old_bytes,
            has_failed: false,
        };
        let made = match difference::make(&mut old_bytes, &mut self.open(new)?, &new.blob) {
            Ok(Some(made)) => made,
            Ok(None) => return Ok(None),
            Err(error) if is_damage(&error) => return Ok(self.travels_whole(pair, &error)),
            Err(error) => {
                let fault = read_fault(error);
                return match old_bytes.has_failed && !fault.is_retryable() {
                    true => Ok(self.travels_whole(pair, &fault)),
                    false => Err(fault),
                };
            }
        };
        let start = self.end.fetch_add(made.len() as u64, Ordering::Relaxed);
        let written = self.file.write_all_at(&made, start);
        written.map_err(|error| temporary_fault(&error))?;
        let held = self.held.blobs.get(&old.blob.digest);
        let difference = Difference {
            size: new.blob.size,
            base: old.blob.digest.clone(),
            base_size: old.blob.size,
            base_repository: held.and_then(|held| held.repository.clone()),
            digest: Digest::of(&made),
            difference_size: made.len() as u64,
        };
        Ok(Some((new.blob.digest.clone(), difference, start)))
    }

    /// Tells why a layer travels whole.
    fn travels_whole(&self, pair: &Pair<'_>, error: &dyn fmt::Display) -> Option<Made> {
        let Pair { new, old } = pair;
        let warning = format!(
            "{} travels whole, since it or {} of the base can't be read: {error}",
            new.blob.digest, old.blob.digest
        );
        let mut warnings = lock(&self.warnings);
        warnings.push(warning);
        None
    }

    /// Opens a layer, which is verified while it is read.
    fn open(&self, layer: &Layer<'_>) -> Result<impl Read, Fault> {
        let bytes = Stoppable {
            bytes: layer.source.open_blob(&layer.repository, &layer.blob, 0)?,
            is_stopped: || {
                self.progress.remind();
                (self.is_stopped)()
            },
        };
        Ok(VerifyingReader::new(bytes, Verifier::of(&layer.blob)))
    }
}

/// Tells whether reading failed.
struct Failing<R> {
    bytes: R,
    has_failed: bool,
}

impl<R: Read> Read for Failing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(buffer);
        self.has_failed |= read.is_err();
        read
    }
}

/// Lets so many threads work at once.
struct Turns {
    free: Mutex<usize>,
    returned: Condvar,
}

/// A thread's turn, up to its end.
struct Turn<'a>(&'a Turns);

impl Turns {
    fn new(most: usize) -> Turns {
        Turns {
            free: Mutex::new(most),
            returned: Condvar::new(),
        }
    }

    fn take(&self) -> Turn<'_> {
        let free = self.returned.wait_while(lock(&self.free), |free| *free == 0);
        *free.unwrap_or_else(PoisonError::into_inner) -= 1;
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *lock(&self.0.free) += 1;
        self.0.returned.notify_one();
    }
}
