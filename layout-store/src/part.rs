//! Parts of a blob that came before their turn, over several connections: each in a file beside the partial blob, until the blob's
//! [`BlobWriter`] comes to it.
//!
//! Their files belong to whoever holds the writer.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use transload_reference::{Descriptor, Digest};

use crate::blob::{BlobWriter, CHUNK};
use crate::blob_names::BlobNames;
use crate::folders::{self, Kind, kind};
use crate::{Error, Store};

/// A blob of no more bytes than this has no parts. Most of an image's blobs are so small, and the look for their parts would cost more
/// than to hash them.
const WHOLE: u64 = CHUNK as u64;

/// What stands between the digest and the offset in the name of a part's file.
const MARK: char = '+';

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
    size: u64,
}

impl Parts {
    /// The place where the parts of a writer's blob are begun, which other threads may do while it writes.
    pub fn of(writer: &BlobWriter) -> Parts {
        Parts {
            partial: writer.partial.clone(),
            size: writer.blob.size,
        }
    }

    /// The parts of an earlier try that are still of use: where in the blob their bytes are, in order. Others are removed.
    ///
    /// # Errors
    /// Where the filesystem refuses.
    pub fn kept(writer: &BlobWriter) -> Result<Vec<Range<u64>>, Error> {
        let mut kept: Vec<Range<u64>> = Vec::new();
        for (start, path) in files(&writer.partial, writer.blob.size)? {
            let metadata = path.symlink_metadata().ok();
            let length = metadata
                .filter(Metadata::is_file)
                .map_or(0, |metadata| metadata.len());
            let end = start.saturating_add(length);
            let reached = kept.last().map_or(writer.position, |last| last.end);
            // A writer that was killed while it took a part has some of its bytes already.
            let is_next = start >= reached || kept.is_empty();
            if is_next && length > 0 && end > reached && end <= writer.blob.size {
                kept.push(start..end);
            } else {
                folders::remove(&path)?;
            }
        }
        Ok(kept)
    }

    /// Lets a writer take the bytes of the part that begins at `start`, where the writer's bytes end or before. `watch` is told how many were
    /// taken since it was last told, and ends it by `false`: the rest stays where it is.
    ///
    /// # Errors
    /// Where there is no such part, or its bytes can't be taken.
    pub fn absorb(
        writer: &mut BlobWriter,
        start: u64,
        mut watch: impl FnMut(u64) -> bool,
    ) -> Result<(), Error> {
        let path = file(&writer.partial, start);
        if !matches!(kind(&path)?, Kind::File(_)) {
            return Err(Error::damaged(&path, "it isn't a regular file"));
        }
        let Some(known) = writer.position.checked_sub(start) else {
            return Err(Error::damaged(
                &path,
                "it doesn't continue the bytes that are there",
            ));
        };
        let mut part = File::open(&path).map_err(Error::io("opening", &path))?;
        part.seek(SeekFrom::Start(known))
            .map_err(Error::io("reading", &path))?;
        let mut chunk = vec![0; CHUNK];
        loop {
            match part.read(&mut chunk) {
                Ok(0) => return folders::remove(&path),
                Ok(count) => {
                    writer.write(&chunk[..count])?;
                    if !watch(count as u64) {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("reading", &path)(error)),
            }
        }
    }

    /// Begins a part with the byte at this offset of the blob.
    ///
    /// # Errors
    /// Where there is one already, or the folder can't be written, or the blob has no more than 256 KiB: it is left whole.
    pub fn begin(&self, start: u64) -> Result<PartWriter, Error> {
        let path = file(&self.partial, start);
        let opened = match may_have_parts(self.size) {
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
    /// Removes all parts: of what is begun anew, or done.
    pub(crate) fn forget_parts(&self) -> Result<(), Error> {
        files(&self.partial, self.blob.size)?
            .into_iter()
            .try_for_each(|(_, path)| folders::remove(&path))
    }
}

impl Store {
    /// The bytes of a blob that are there beside its partial file.
    pub(crate) fn part_bytes(&self, blob: &Descriptor) -> u64 {
        let partial = self.directory.blob_names.partial(self.root(), &blob.digest);
        let parts = files(&partial, blob.size).unwrap_or_default();
        parts
            .into_iter()
            .filter_map(|(_, path)| path.symlink_metadata().ok())
            .map(|metadata| metadata.len())
            .sum()
    }
}

/// The digest that the name of a partial blob's file, or of a part's, is about.
pub(crate) fn digest_of_partial(name: &str, names: BlobNames) -> Option<Digest> {
    let (blob, start) = name.split_once(MARK).unwrap_or((name, "0"));
    start.parse::<u64>().ok()?;
    names.digest_of_own(blob)
}

fn may_have_parts(size: u64) -> bool {
    size > WHOLE
}

fn file(partial: &Path, start: u64) -> PathBuf {
    let mut name = partial.file_name().unwrap_or_default().to_owned();
    name.push(format!("{MARK}{start}"));
    partial.with_file_name(name)
}

/// The files of a blob's parts, by their offsets.
fn files(partial: &Path, size: u64) -> Result<Vec<(u64, PathBuf)>, Error> {
    let (Some(folder), Some(blob)) = (partial.parent(), partial.file_name().and_then(OsStr::to_str)) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    if !may_have_parts(size) {
        return Ok(found);
    }
    for entry in fs::read_dir(folder).map_err(Error::io("reading", folder))? {
        let entry = entry.map_err(Error::io("reading", folder))?;
        let name = entry.file_name();
        let part = name.to_str().and_then(|name| name.split_once(MARK));
        let start = part
            .filter(|(name, _)| *name == blob)
            .and_then(|(_, start)| start.parse().ok());
        found.extend(start.map(|start: u64| (start, entry.path())));
    }
    found.sort();
    Ok(found)
}
