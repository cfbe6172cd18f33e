//! What was read of files that several images ask for, for as long as they stay the same: parsing one takes as long as it has tags.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::Error;
use crate::folders::{FileState, state_of};
use crate::lock::lock;

/// A file of fewer bytes is quickly parsed, and a store may have thousands of them.
const WORTH_KEEPING: u64 = 2048;

/// How long ago a file changed, at least, where its time is told to the nanosecond, and where it is told in seconds.
const TICK: Duration = Duration::from_millis(50);
const COARSE_TICK: Duration = Duration::from_secs(3);

/// How often a file is read that may be being written, and how long is waited in between.
const MOST_LOOKS: u32 = 40;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// So long after its last change, a file isn't being written any more.
const SETTLED: Duration = Duration::from_secs(1);

/// Parsed files by their paths.
#[derive(Debug)]
pub(crate) struct FileCache<T> {
    known: Mutex<HashMap<PathBuf, (FileState, Arc<T>)>>,
}

impl<T> Default for FileCache<T> {
    fn default() -> FileCache<T> {
        FileCache {
            known: Mutex::default(),
        }
    }
}

impl<T> FileCache<T> {
    /// What a file says, parsed where it isn't known or the file has changed. A large one is read by one thread alone, for all.
    pub fn read(&self, path: &Path, parse: impl Fn() -> Result<T, Error>) -> Result<Arc<T>, Error> {
        if state_of(path).is_none_or(|(_, size, _)| size < WORTH_KEEPING) {
            return parse().map(Arc::new);
        }
        let mut known = lock(&self.known);
        // Another thread may have read it meanwhile.
        let state = state_of(path);
        if let (Some(state), Some((known, parsed))) = (&state, known.get(path))
            && known == state
        {
            return Ok(Arc::clone(parsed));
        }
        let parsed = Arc::new(parse()?);
        // One that changes again at the same time, by the clock of the filesystem, can't be told from what was read.
        if let Some(state) = state.filter(is_settled) {
            known.insert(path.to_owned(), (state, Arc::clone(&parsed)));
        }
        Ok(parsed)
    }

    /// Remembers what was written to a file under the lock of all tags. A program without locks that writes in place in the same tick of the
    /// clock loses what it wrote, or what was written here, in any case.
    pub fn wrote(&self, path: &Path, written: T) {
        if let Some(state) = state_of(path).filter(|state| state.1 >= WORTH_KEEPING && has_fine_time(state)) {
            lock(&self.known).insert(path.to_owned(), (state, Arc::new(written)));
        }
    }
}

/// Reads a file that other programs rewrite in place: one that makes no sense and was written just now is read again before that is
/// believed.
pub(crate) fn read_once_whole<T>(path: &Path, read: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    let mut looks = 1;
    loop {
        match read() {
            Err(_) if looks < MOST_LOOKS && is_being_written(path) => {
                looks += 1;
                thread::sleep(BETWEEN_LOOKS);
            }
            result => return result,
        }
    }
}

/// Whether a file changed within the last moment. A clock that runs ahead, as on a network filesystem, says so for a while, too.
pub(crate) fn is_being_written(path: &Path) -> bool {
    let modified = path.symlink_metadata().and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| modified.elapsed().unwrap_or_default() < SETTLED)
}

fn has_fine_time((_, _, modified): &FileState) -> bool {
    let since = modified.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.is_some_and(|since| since.subsec_nanos() % 1_000_000 != 0)
}

fn is_settled(state: &FileState) -> bool {
    let tick = if has_fine_time(state) { TICK } else { COARSE_TICK };
    let age = state.2.and_then(|modified| modified.elapsed().ok());
    age.is_some_and(|age| age >= tick)
}
