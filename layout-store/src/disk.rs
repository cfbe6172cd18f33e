//! The disk that a folder is on or would be on: its free space.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::Error;

/// The bytes that this user may still write to the filesystem of a folder. Where the folder isn't there yet, that of the nearest one
/// above it that is.
///
/// None where the filesystem doesn't know: some on networks and in user space say that they have 0 of 0 blocks.
///
/// # Errors
/// Where the filesystem can't be asked.
pub fn free_space(folder: &Path) -> Result<Option<u64>, Error> {
    let there = nearest(folder).unwrap_or_else(|| folder.to_owned());
    let found = rustix::fs::statvfs(&there);
    let found = found.map_err(|error| Error::io("asking for the free space of", &there)(error.into()))?;
    Ok(available(found.f_blocks, found.f_bavail, found.f_frsize))
}

/// The bytes of the blocks that are available, if the filesystem knows how many blocks it has.
fn available(blocks: u64, available: u64, block_size: u64) -> Option<u64> {
    (blocks > 0).then(|| available.saturating_mul(block_size))
}

/// A number that tells the filesystem of a folder from others. Where the folder isn't there yet, that of the nearest one above it
/// that is. None where that can't be told.
pub fn filesystem(folder: &Path) -> Option<u64> {
    nearest(folder)?.metadata().ok().map(|there| there.dev())
}

/// The folder itself, or the nearest one above it that is there.
pub(crate) fn nearest(folder: &Path) -> Option<PathBuf> {
    let whole = std::path::absolute(folder).ok()?;
    whole.ancestors().find(|path| path.exists()).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filesystem_of_no_blocks_tells_nothing_of_its_space() {
        assert_eq!(available(0, 0, 4096), None);
        assert_eq!(available(1000, 0, 4096), Some(0), "it is full");
        assert_eq!(available(1000, 10, 4096), Some(40_960));
    }

    #[test]
    fn a_folder_to_be_has_the_space_of_the_one_above_it() {
        let folder = tempfile::tempdir().unwrap();
        let there = free_space(folder.path()).unwrap().unwrap();
        let to_be = free_space(&folder.path().join("a/b")).unwrap().unwrap();
        // Others write to the disk meanwhile.
        assert!(there > 0 && to_be > there / 2, "{there} {to_be}");
    }
}
