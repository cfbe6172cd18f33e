//! What a store's filesystem lacks, so that less is safe there.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::sync::Mutex;

use rustix::io::Errno;

use crate::lock::lock;

/// Something that a store's filesystem can't do and that a store works without, less safely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Caution {
    /// It has no locks: other processes can't be kept away.
    NoLocks,
    /// It can't flush a file: what was written may be lost in a power cut.
    NoFlush,
}

impl fmt::Display for Caution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Caution::NoLocks => "its filesystem has no locks: let one transload at a time write there",
            Caution::NoFlush => {
                "its filesystem can't flush a file to the disk: after a power cut, check it with transload verify"
            }
        })
    }
}

/// What came to light about a store's filesystem so far.
#[derive(Debug, Default)]
pub(crate) struct Cautions(Mutex<BTreeSet<Caution>>);

impl Cautions {
    pub fn note(&self, caution: Caution) {
        lock(&self.0).insert(caution);
    }

    pub fn all(&self) -> Vec<Caution> {
        lock(&self.0).iter().copied().collect()
    }
}

/// Whether an error of `flock` says that the filesystem has no locks. NFS without its lock service answers ENOLCK.
pub(crate) fn has_no_locks(error: &io::Error) -> bool {
    is_one_of(error, &[Errno::NOLCK, Errno::OPNOTSUPP, Errno::NOSYS])
}

/// Whether an error of `fsync` or `fdatasync` says that the filesystem has no such thing.
pub(crate) fn has_no_flush(error: &io::Error) -> bool {
    is_one_of(error, &[Errno::INVAL, Errno::OPNOTSUPP, Errno::NOSYS])
}

/// Whether an error of `chmod` for a file of one's own says that the filesystem has no modes.
pub(crate) fn has_no_modes(error: &io::Error) -> bool {
    is_one_of(error, &[Errno::PERM, Errno::OPNOTSUPP, Errno::NOSYS])
}

fn is_one_of(error: &io::Error, known: &[Errno]) -> bool {
    Errno::from_io_error(error).is_some_and(|errno| known.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_filesystem_lacks_is_told_from_what_went_wrong() {
        let error = |errno: Errno| io::Error::from(errno);
        assert!(has_no_locks(&error(Errno::NOLCK)) && has_no_flush(&error(Errno::INVAL)));
        assert!(has_no_modes(&error(Errno::PERM)));
        for wrong in [Errno::IO, Errno::NOSPC, Errno::BADF] {
            let error = error(wrong);
            assert!(!has_no_locks(&error) && !has_no_flush(&error) && !has_no_modes(&error));
        }
    }
}
