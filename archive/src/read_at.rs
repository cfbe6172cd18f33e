//! Reading at offsets, which many threads may do at once.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes that are read at offsets.
pub(crate) trait ReadAt {
    /// Fills the buffer with the bytes from this offset on.
    fn fill_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for File {
    fn fill_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(buffer, offset)
    }
}

#[cfg(feature = "fuzzing")]
impl ReadAt for [u8] {
    fn fill_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let end = start.checked_add(buffer.len());
        let bytes = end.and_then(|end| self.get(start..end));
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}
