//! A pipe's large blobs, on their way into the temporary file: whoever wants them takes them as they pass.
//!
//! An archive's lists may come last, so that which blobs are needed isn't known while they pass. What isn't a blob, and blobs that might be
//! manifests, always get into the file. So does everything behind a header that is out of the ordinary: the whole is judged later, once it
//! is there.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use tar::Header;
use transload_reference::{Digest, MAX_MANIFEST_SIZE};

use crate::entries::{BLOCK, Extent, check_sum, declared_size};
use crate::{Error, names, oci};

/// Takes blobs of an archive as they pass through a pipe.
pub trait TakeBlobs {
    /// Begins to take a blob of `size` bytes; none where it is to be kept with the archive.
    ///
    /// # Errors
    /// Where it can't be written. This ends the opening of the archive, as [`Error::Taker`].
    fn take(&mut self, digest: &Digest, size: u64) -> io::Result<Option<Box<dyn TakeBytes>>>;
}

/// Takes the bytes of a blob. Dropped before [`TakeBytes::finish`], it is of no use: the archive was cut off.
pub trait TakeBytes {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// Where they can't be written.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Ends the blob, which it verifies, and tells whether it is new: a blob may be there, and go by.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] where the bytes aren't the blob's; others where they can't be written.
    fn finish(self: Box<Self>) -> io::Result<bool>;
}

/// The temporary file, without what is taken.
pub(crate) struct Sieve<'a> {
    taker: Option<&'a mut dyn TakeBlobs>,
    file: File,
    path: &'a Path,
    spool_folder: &'a Path,
    /// How many bytes came.
    length: u64,
    at: At,
    taken: HashMap<Extent, Taken>,
}

/// A blob that was taken.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub digest: Digest,
    /// Whether it is new where it was taken to.
    pub is_new: bool,
}

/// Where in the archive it stands.
enum At {
    /// In a header, of which these bytes came.
    Header(Vec<u8>),
    /// In an entry that is kept, this many bytes before the next header.
    Kept(u64),
    Taken(Taking),
    /// Where nothing is taken any more.
    Rest,
}

/// A blob that is being taken.
struct Taking {
    bytes: Box<dyn TakeBytes>,
    digest: Digest,
    extent: Extent,
    /// How many of its bytes are still to come.
    left: u64,
}

impl<'a> Sieve<'a> {
    pub fn new(
        file: File,
        taker: Option<&'a mut dyn TakeBlobs>,
        path: &'a Path,
        spool_folder: &'a Path,
    ) -> Sieve<'a> {
        Sieve {
            at: match taker {
                Some(_) => At::Header(Vec::new()),
                None => At::Rest,
            },
            taker,
            file,
            path,
            spool_folder,
            length: 0,
            taken: HashMap::new(),
        }
    }

    /// How many bytes came.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Returns the file, in which holes are where blobs were taken, with the digests of these.
    pub fn finish(self) -> Result<(File, HashMap<Extent, Taken>), Error> {
        let written = self.file.set_len(self.length);
        written.map_err(Error::io("writing a temporary file in", self.spool_folder))?;
        Ok((self.file, self.taken))
    }

    /// Takes the next bytes of the archive.
    pub fn pass(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            let (most, is_kept) = match &self.at {
                At::Header(have) => (BLOCK - have.len() as u64, true),
                At::Kept(left) => (*left, true),
                // Its beginning tells how a layer is compressed.
                At::Taken(taking) if self.length < taking.extent.offset + BLOCK => {
                    (taking.extent.offset + BLOCK - self.length, true)
                }
                At::Taken(taking) => (taking.left, false),
                At::Rest => (u64::MAX, true),
            };
            let count = usize::try_from(most).map_or(bytes.len(), |most| most.min(bytes.len()));
            let (now, later) = bytes.split_at(count);
            bytes = later;
            let written = match is_kept {
                true => self.file.write_all(now),
                false => self.file.seek(SeekFrom::Current(count as i64)).map(|_| ()),
            };
            written.map_err(Error::io("writing a temporary file in", self.spool_folder))?;
            self.length += count as u64;
            self.at = self.step(now)?;
        }
        Ok(())
    }

    fn step(&mut self, now: &[u8]) -> Result<At, Error> {
        let at = std::mem::replace(&mut self.at, At::Rest);
        Ok(match at {
            At::Header(mut have) => {
                have.extend_from_slice(now);
                match have.len() as u64 {
                    BLOCK => self.enter(Header::from_byte_slice(&have))?,
                    _ => At::Header(have),
                }
            }
            At::Kept(left) => next(left - now.len() as u64),
            At::Taken(mut taking) => {
                taking.bytes.write(now).map_err(self.refused(&taking.digest))?;
                taking.left -= now.len() as u64;
                match taking.left {
                    0 => self.leave(taking)?,
                    _ => At::Taken(taking),
                }
            }
            At::Rest => At::Rest,
        })
    }

    /// Tells by its header what becomes of an entry.
    fn enter(&mut self, header: &Header) -> Result<At, Error> {
        let is_ordinary = matches!(header.as_old().linkflag[0], 0 | b'0' | b'1' | b'2' | b'5');
        let (true, Ok(()), Ok(size)) = (is_ordinary, check_sum(header), declared_size(header)) else {
            return Ok(At::Rest);
        };
        let Some(room) = size.checked_next_multiple_of(BLOCK) else {
            return Ok(At::Rest);
        };
        let kept = next(room);
        let is_file = matches!(header.as_old().linkflag[0], 0 | b'0');
        let Some(digest) = blob(header).filter(|_| is_file && size > MAX_MANIFEST_SIZE) else {
            return Ok(kept);
        };
        let extent = Extent {
            offset: self.length,
            size,
        };
        // A second entry of one name is refused once all is there.
        if self.taken.values().any(|known| known.digest == digest) {
            return Ok(kept);
        }
        let taken = self
            .taker
            .as_mut()
            .map_or(Ok(None), |taker| taker.take(&digest, size));
        let Some(bytes) = taken.map_err(self.refused(&digest))? else {
            return Ok(kept);
        };
        Ok(At::Taken(Taking {
            bytes,
            digest,
            extent,
            left: size,
        }))
    }

    fn leave(&mut self, taking: Taking) -> Result<At, Error> {
        let is_new = taking.bytes.finish().map_err(self.refused(&taking.digest))?;
        let digest = taking.digest;
        self.taken.insert(taking.extent, Taken { digest, is_new });
        let size = taking.extent.size;
        Ok(next(size.next_multiple_of(BLOCK) - size))
    }

    fn refused(&self, digest: &Digest) -> impl FnOnce(io::Error) -> Error {
        let (path, name) = (self.path.to_owned(), oci::blob_name(digest));
        move |error| match error.kind() {
            io::ErrorKind::InvalidData => Error::entry(&path, &name, format!("is damaged: {error}")),
            _ => Error::Taker { source: error },
        }
    }
}

fn next(left: u64) -> At {
    match left {
        0 => At::Header(Vec::new()),
        left => At::Kept(left),
    }
}

/// The digest that an entry is named after as blobs are.
fn blob(header: &Header) -> Option<Digest> {
    let path = header.path_bytes();
    let name = names::clean(std::str::from_utf8(&path).ok()?).ok()?;
    let hex = name.strip_prefix("blobs/sha256/")?;
    format!("sha256:{hex}").parse().ok()
}
