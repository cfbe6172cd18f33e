//! Reading a blob where it is in its archive.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::entries::Extent;

/// Where a blob's bytes are.
#[derive(Debug, Clone)]
pub(crate) enum Bytes {
    Tar(Arc<File>),
    /// In memory: a config that was made for an image that has none.
    Made(Arc<[u8]>),
}

impl Bytes {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Bytes::Tar(tar) => tar.read_at(buffer, offset),
            Bytes::Made(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                (&bytes[start..]).read(buffer)
            }
        }
    }
}

/// A blob's bytes, or a range of them, straight from the archive or a bundle's volume. It keeps the file open, and many may read at once.
#[derive(Debug, Clone)]
pub struct BlobReader {
    bytes: Bytes,
    part: Extent,
    position: u64,
}

impl BlobReader {
    pub(crate) fn new(bytes: Bytes, part: Extent) -> BlobReader {
        BlobReader {
            bytes,
            part,
            position: 0,
        }
    }

    /// Where the bytes are that are still to be read: the file, the offset in it, and how many they are; none where they are in memory.
    pub(crate) fn rest(&self) -> Option<(Arc<File>, u64, u64)> {
        match &self.bytes {
            Bytes::Tar(file) => Some((Arc::clone(file), self.part.offset + self.position, self.left())),
            Bytes::Made(_) => None,
        }
    }

    /// How many bytes are still to be read.
    pub(crate) fn left(&self) -> u64 {
        self.part.size.saturating_sub(self.position)
    }

    /// Leaves out the next bytes, or all that are left if they are fewer. Returns how many were left out.
    pub(crate) fn skip(&mut self, bytes: u64) -> u64 {
        let skipped = bytes.min(self.left());
        self.position += skipped;
        skipped
    }

    /// How many bytes there are from its beginning to its end.
    pub fn size(&self) -> u64 {
        self.part.size
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left()).map_or(buffer.len(), |left| left.min(buffer.len()));
        if most == 0 {
            return Ok(0);
        }
        let count = self
            .bytes
            .read_at(&mut buffer[..most], self.part.offset + self.position)?;
        if count == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file has become shorter",
            ));
        }
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for BlobReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.part.size.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
