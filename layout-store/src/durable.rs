//! What a power cut leaves: names that are durable.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Error;
use crate::caution::{self, Caution, Cautions};
use crate::lock::lock;

/// Whether the names in some folders are durable. Whoever needs that waits for one flush, which serves all who wait.
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
    pub fn settle<'a>(&self, folders: impl IntoIterator<Item = &'a Path>) -> Result<(), Error> {
        let mut durable = lock(&self.durable);
        let seen = self.seen.load(Ordering::Acquire);
        if *durable < seen {
            folders.into_iter().try_for_each(sync)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_noted_after_a_flush_need_another() {
        let folder = tempfile::tempdir().unwrap();
        let names = Names::default();
        names.settle([folder.path()]).unwrap();
        std::fs::remove_dir(folder.path()).unwrap();
        names.settle([folder.path()]).unwrap();
        names.note();
        assert!(
            names.settle([folder.path()]).is_err(),
            "it is flushed, which shows by the missing folder"
        );
    }
}
