//! Memory that stays with the machine while it is measured.
//!
//! A virtual machine gets its memory from its host when it first touches it, which takes several times as long as to write there again, and may
//! give free memory back a moment later (free page reporting; it does so with pieces of some MiB). The runs of a benchmark write gigabytes and
//! free them: each would pay anew, one more and one less. Here, memory is taken once and let go of in small pieces with something in between
//! that is kept, so that no large piece is free.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::stop;
use crate::told::{Result, Told};

/// What is kept of each piece: a page.
const KEPT: usize = 4 << 10;

/// What is let go of.
const LET_GO: usize = 252 << 10;

/// Touches so many bytes of memory, or of a disk's cache, by files in a new folder, and leaves all but a sixty-fourth free. It stays so until
/// the folder is removed.
pub fn up(folder: &Path, bytes: u64) -> Result<()> {
    let folder = folder.join("kept");
    let pieces = bytes / (KEPT + LET_GO) as u64;
    let place = |name: &str, piece: u64| folder.join(format!("{name}-{piece}"));
    let write = || -> io::Result<()> {
        fs::create_dir(&folder)?;
        let content = vec![1; LET_GO];
        for piece in 0..pieces {
            stop::check().map_err(io::Error::other)?;
            File::create(place("kept", piece))?.write_all(&content[..KEPT])?;
            File::create(place("free", piece))?.write_all(&content)?;
        }
        (0..pieces).try_for_each(|piece| fs::remove_file(place("free", piece)))
    };
    write().told(folder.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_each_piece_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        up(folder.path(), 3 << 20).unwrap();
        let sizes: Vec<u64> = fs::read_dir(folder.path().join("kept"))
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .collect();
        assert_eq!(sizes, [KEPT as u64; 12]);
        assert!(up(folder.path(), 1 << 20).unwrap_err().contains("kept"));
    }
}
