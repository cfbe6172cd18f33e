//! What a power cut leaves: names that are durable, and files that are known to be whole.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use transload_reference::Digest;

use crate::Error;
use crate::caution::{self, Caution, Cautions};

/// Whether the names in a folder are durable. Whoever needs that waits for one flush, which serves all who wait.
#[derive(Debug)]
pub(crate) struct Names {
    /// How many names were seen that may not be durable.
    seen: AtomicU64,
    /// How many of those the last flush made durable.
    durable: Mutex<u64>,
}

impl Default for Names {
    /// What is there at first may be another process's, which flushed nothing yet.
    fn default() -> Names {
        Names {
            seen: AtomicU64::new(1),
            durable: Mutex::new(0),
        }
    }
}

impl Names {
    /// Notes a name that may not be durable.
    pub fn note(&self) {
        self.seen.fetch_add(1, Ordering::AcqRel);
    }

    /// Makes every name durable that was noted before this.
    pub fn settle(&self, folder: &Path) -> Result<(), Error> {
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = self.seen.load(Ordering::Acquire);
        if *durable < seen {
            sync(folder)?;
            *durable = seen;
        }
        Ok(())
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync(folder: &Path) -> Result<(), Error> {
    let opened = File::open(folder).map_err(Error::io("opening", folder))?;
    match opened.sync_all() {
        // Some filesystems can't, and keep names durable by themselves or not at all.
        Err(error) if caution::has_no_flush(&error) => Ok(()),
        result => result.map_err(Error::io("making durable", folder)),
    }
}

/// Makes a file's bytes durable. Where the filesystem can't, that is noted.
pub(crate) fn flush(file: &File, cautions: &Cautions) -> io::Result<()> {
    match file.sync_data() {
        Err(error) if caution::has_no_flush(&error) => {
            cautions.note(Caution::NoFlush);
            Ok(())
        }
        result => result,
    }
}

/// Seals a blob whose bytes were verified and made durable: the nanoseconds of its time of change say so, as a number that its
/// digest gives. Whoever writes to the file later breaks the seal without knowing of it. A blob without a seal is as good, but is
/// hashed where one with a seal is taken for what its name says.
pub(crate) fn seal(file: &File, digest: &Digest) -> io::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    file.set_modified(UNIX_EPOCH + Duration::new(now.as_secs(), mark(digest)))
}

/// Whether a blob has its seal.
pub(crate) fn is_sealed(metadata: &Metadata, digest: &Digest) -> bool {
    let changed = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    changed.is_some_and(|time| time.subsec_nanos() == mark(digest))
}

/// Never zero, which filesystems without nanoseconds give every file.
fn mark(digest: &Digest) -> u32 {
    const NANOSECONDS: u32 = 1_000_000_000;
    let number = digest
        .hex()
        .get(..8)
        .and_then(|digits| u32::from_str_radix(digits, 16).ok());
    number.unwrap_or_default() % (NANOSECONDS - 1) + 1
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn writing_to_a_sealed_file_breaks_the_seal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blob");
        let digest = Digest::of(b"content");
        let mut file = File::create(&path).unwrap();
        file.write_all(b"content").unwrap();
        assert!(!is_sealed(&path.metadata().unwrap(), &digest));
        seal(&file, &digest).unwrap();
        assert!(is_sealed(&path.metadata().unwrap(), &digest));
        assert!(!is_sealed(&path.metadata().unwrap(), &Digest::of(b"other")));
        File::create(&path).unwrap();
        assert!(!is_sealed(&path.metadata().unwrap(), &digest));
    }

    #[test]
    fn names_noted_after_a_flush_need_another() {
        let folder = tempfile::tempdir().unwrap();
        let names = Names::default();
        names.settle(folder.path()).unwrap();
        std::fs::remove_dir(folder.path()).unwrap();
        names.settle(folder.path()).unwrap();
        names.note();
        assert!(
            names.settle(folder.path()).is_err(),
            "it is flushed, which shows by the missing folder"
        );
    }
}
