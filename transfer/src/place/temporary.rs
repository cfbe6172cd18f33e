//! Large temporary files, which have no names.

use std::env;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use transload_layout_store::disk::free_space;

use crate::fault::Fault;

/// The folder for them: that of `TMPDIR`, or `/var/tmp`, since `/tmp` may be in memory.
pub(super) fn folder() -> PathBuf {
    let folder = env::var_os("TMPDIR").filter(|folder| !folder.is_empty());
    folder.map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from)
}

/// How many bytes are free there, as far as that is known.
pub(super) fn free_bytes() -> u64 {
    free_space(&folder()).ok().flatten().unwrap_or(0)
}

/// Makes a file there.
pub(crate) fn temporary_file() -> Result<File, Fault> {
    tempfile::tempfile_in(folder()).map_err(|error| temporary_fault(&error))
}

/// The fault of a temporary file that can't be written.
pub(crate) fn temporary_fault(error: &io::Error) -> Fault {
    let message = format!("writing a temporary file in {}: {error}", folder().display());
    Fault::refused(None, message).with_hint("TMPDIR names a folder with more room")
}

/// A part of a file, which others read, too.
pub(crate) struct FilePart {
    file: Arc<File>,
    position: u64,
    end: u64,
}

impl FilePart {
    /// The bytes from `start` on, up to `end`.
    pub fn new(file: Arc<File>, start: u64, end: u64) -> FilePart {
        FilePart {
            file,
            position: start,
            end,
        }
    }
}

impl Read for FilePart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.end.saturating_sub(self.position);
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = self.file.read_at(&mut buffer[..most], self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_file_are_read_by_several() {
        let file = temporary_file().unwrap();
        file.write_all_at(b"onetwo", 0).unwrap();
        let file = Arc::new(file);
        for (start, end, expected) in [(0, 3, "one"), (3, 6, "two"), (2, 3, "e"), (6, 6, ""), (7, 6, "")] {
            let mut read = String::new();
            let mut part = FilePart::new(Arc::clone(&file), start, end);
            part.read_to_string(&mut read).unwrap();
            assert_eq!(read, expected);
        }
    }
}
