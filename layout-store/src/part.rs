//! Parts of a blob that came before their turn: each in a file beside the partial blob, until the writer comes to it.
//!
//! Their files belong to whoever holds the lock on the partial blob.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use transload_reference::{Descriptor, Digest};

use crate::blob::{BlobWriter, CHUNK};
use crate::folders::{self, Kind, kind};
use crate::{Error, Store};

/// A blob of no more bytes than this has no parts. Most of an image's blobs are so small, and the look for their parts would cost more
/// than to hash them.
const WHOLE: u64 = CHUNK as u64;

/// What stands between the digest and the offset in the name of a part's file.
const MARK: char = '+';

/// A part of a blob, as far as it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeptPart {
    /// The offset of its first byte in the blob.
    pub start: u64,
    /// How many bytes of it there are.
    pub length: u64,
}

impl KeptPart {
    /// The offset behind its last byte.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.length)
    }
}

/// Takes the bytes of a part.
#[derive(Debug)]
pub struct PartWriter {
    file: File,
    path: PathBuf,
}

impl PartWriter {
    /// Takes the next bytes. They are hashed once the blob's writer comes to them.
    ///
    /// # Errors
    /// Where they can't be written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file
            .write_all(bytes)
            .map_err(Error::io("writing", &self.path))
    }
}

/// Where the parts of one blob are begun. It is of use as long as the blob's writer is there.
#[derive(Debug, Clone)]
pub struct Parts {
    partial: PathBuf,
    blob: Descriptor,
}

impl Parts {
    /// Begins a part with the byte at this offset of the blob.
    ///
    /// # Errors
    /// Where there is one already, or the folder can't be written, or the blob has no more than 256 KiB: it is left whole.
    pub fn begin(&self, start: u64) -> Result<PartWriter, Error> {
        let path = file(&self.partial, &self.blob.digest, start);
        let opened = match may_have_parts(&self.blob) {
            true => OpenOptions::new().write(true).create_new(true).open(&path),
            false => Err(io::ErrorKind::InvalidInput.into()),
        };
        Ok(PartWriter {
            file: opened.map_err(Error::io("making", &path))?,
            path,
        })
    }
}

impl BlobWriter {
    /// The parts of an earlier try that are still of use, by their offsets. Others are removed.
    ///
    /// # Errors
    /// Where the filesystem refuses.
    pub fn kept_parts(&self) -> Result<Vec<KeptPart>, Error> {
        let mut kept: Vec<KeptPart> = Vec::new();
        for (start, path) in files(&self.partial, &self.blob)? {
            let metadata = path.symlink_metadata().ok();
            let length = metadata
                .filter(Metadata::is_file)
                .map_or(0, |metadata| metadata.len());
            let part = KeptPart { start, length };
            let reached = kept.last().map_or(self.position, KeptPart::end);
            // A writer that was killed while it took a part has some of its bytes already.
            let is_next = start >= reached || kept.is_empty();
            if is_next && length > 0 && part.end() > reached && part.end() <= self.blob.size {
                kept.push(part);
            } else {
                folders::remove(&path)?;
            }
        }
        Ok(kept)
    }

    /// The place where parts are begun, which other threads may do while this writer writes.
    pub fn parts(&self) -> Parts {
        Parts {
            partial: self.partial.clone(),
            blob: self.blob.clone(),
        }
    }

    /// Takes the bytes of the part that begins at `start`, where this writer's bytes end or before. `watch` is told how many were
    /// taken since it was last told, and ends it by `false`: the rest stays where it is.
    ///
    /// # Errors
    /// Where there is no such part, or its bytes can't be taken.
    pub fn absorb_part(&mut self, start: u64, mut watch: impl FnMut(u64) -> bool) -> Result<(), Error> {
        let path = file(&self.partial, &self.blob.digest, start);
        if !matches!(kind(&path)?, Kind::File(_)) {
            return Err(Error::damaged(&path, "it is no file"));
        }
        let Some(known) = self.position.checked_sub(start) else {
            return Err(Error::damaged(&path, "it doesn't follow on what is there"));
        };
        let mut part = File::open(&path).map_err(Error::io("opening", &path))?;
        part.seek(SeekFrom::Start(known))
            .map_err(Error::io("reading", &path))?;
        let mut chunk = vec![0; CHUNK];
        loop {
            match part.read(&mut chunk) {
                Ok(0) => return folders::remove(&path),
                Ok(count) => {
                    self.write(&chunk[..count])?;
                    if !watch(count as u64) {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("reading", &path)(error)),
            }
        }
    }

    /// Removes all parts: of what is begun anew, or done.
    pub(crate) fn forget_parts(&self) -> Result<(), Error> {
        files(&self.partial, &self.blob)?
            .into_iter()
            .try_for_each(|(_, path)| folders::remove(&path))
    }
}

impl Store {
    /// The bytes of a blob that are there beside its partial file.
    pub(crate) fn part_bytes(&self, blob: &Descriptor) -> u64 {
        let parts = files(&folders::partial(self.root(), &blob.digest), blob).unwrap_or_default();
        parts
            .into_iter()
            .filter_map(|(_, path)| path.symlink_metadata().ok())
            .map(|metadata| metadata.len())
            .sum()
    }
}

/// The digest that the name of a partial blob's file, or of a part's, is about.
pub(crate) fn digest_of_partial(name: &str) -> Option<Digest> {
    let (digest, start) = name.split_once(MARK).unwrap_or((name, "0"));
    start.parse::<u64>().ok()?;
    digest.parse().ok()
}

fn may_have_parts(blob: &Descriptor) -> bool {
    blob.size > WHOLE
}

fn file(partial: &Path, digest: &Digest, start: u64) -> PathBuf {
    partial.with_file_name(format!("{digest}{MARK}{start}"))
}

/// The files of a blob's parts, by their offsets.
fn files(partial: &Path, blob: &Descriptor) -> Result<Vec<(u64, PathBuf)>, Error> {
    let Some(folder) = partial.parent().filter(|_| may_have_parts(blob)) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("reading", folder))? {
        let entry = entry.map_err(Error::io("reading", folder))?;
        let start = entry.file_name().to_str().and_then(|name| {
            let (name, start) = name.split_once(MARK)?;
            if name == blob.digest.as_str() {
                start.parse().ok()
            } else {
                None
            }
        });
        found.extend(start.map(|start: u64| (start, entry.path())));
    }
    found.sort();
    Ok(found)
}
