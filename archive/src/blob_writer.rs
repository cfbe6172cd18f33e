//! Writing one blob at its place in an archive.
//!
//! Until a blob is whole, the place of its header has a mark that says how many bytes are there. A header stands for a whole blob, and is
//! written last. Neither is believed: the next run hashes what they speak of.

use std::error;
use std::fmt;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use transload_reference::{Descriptor, Verifier};

use crate::entries::BLOCK;
use crate::plan::Entry;
use crate::writer::{Room, State};
use crate::{BlobWrite, Error};

/// How many bytes are hashed or taken at a time.
const CHUNK: usize = 256 * 1024;
/// How many bytes are written between two marks.
const MARK_EVERY: u64 = 8 << 20;

const MARK: &str = "transload partial blob";

/// Takes a blob's bytes. Dropped without [`BlobWriter::commit`], it leaves them for the next try.
#[derive(Debug)]
pub struct BlobWriter {
    room: Arc<Room>,
    /// The entry's place in the plan.
    at: usize,
    blob: Descriptor,
    verifier: Verifier,
    position: u64,
    marked: u64,
    state: State,
}

/// Why a blob isn't there. It becomes an [`Error`] where the writer isn't of interest.
#[derive(Debug)]
#[non_exhaustive]
pub struct CommitError {
    /// What went wrong.
    pub error: Error,
    /// The writer, where the bytes weren't the blob's: it begins anew.
    pub writer: Option<Box<BlobWriter>>,
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl error::Error for CommitError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.error.source()
    }
}

impl From<CommitError> for Error {
    fn from(error: CommitError) -> Error {
        error.error
    }
}

impl BlobWriter {
    /// Reads and hashes what an earlier run left at a claimed place, and continues behind it.
    pub(crate) fn resume(room: Arc<Room>, at: usize, blob: Descriptor) -> Result<BlobWrite, Error> {
        let verifier = Verifier::of(&blob);
        let mut writer = BlobWriter {
            room,
            at,
            blob,
            verifier,
            position: 0,
            marked: 0,
            state: State::Missing,
        };
        let kept = writer
            .kept()
            .map_err(Error::io("reading", &writer.room.partial))?;
        let Some(kept) = kept else {
            return Ok(BlobWrite::Writer(Box::new(writer)));
        };
        writer.hash(kept)?;
        if writer.position == writer.blob.size {
            if writer.verifier.clone().finish().is_ok() {
                writer.publish()?;
                return Ok(BlobWrite::Present);
            }
            writer.restart()?;
        }
        Ok(BlobWrite::Writer(Box::new(writer)))
    }

    /// How many bytes the header, or the mark in its place, says are there.
    fn kept(&self) -> io::Result<Option<u64>> {
        let mut block = vec![0; BLOCK as usize];
        match self.room.file.read_exact_at(&mut block, self.entry().offset) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        if block == self.entry().header()[..BLOCK as usize] {
            return Ok(Some(self.blob.size));
        }
        let text = block.split(|byte| *byte == 0).next().unwrap_or_default();
        let kept = std::str::from_utf8(text).ok().and_then(|text| {
            let (mark, position) = text.rsplit_once(' ')?;
            (mark == format!("{MARK} {}", self.blob.digest)).then(|| position.parse::<u64>().ok())?
        });
        Ok(kept.filter(|kept| *kept <= self.blob.size))
    }

    /// Hashes the first bytes that are there.
    fn hash(&mut self, kept: u64) -> Result<(), Error> {
        let start = self.entry().start();
        let mut chunk = vec![0; CHUNK];
        while self.position < kept {
            self.room.check_stop()?;
            let most = usize::try_from(kept - self.position).map_or(CHUNK, |left| left.min(CHUNK));
            match self.room.file.read_at(&mut chunk[..most], start + self.position) {
                // The file ends before what the mark says.
                Ok(0) => return Ok(()),
                Ok(count) => {
                    self.verifier
                        .update(&chunk[..count])
                        .map_err(|source| Error::WrongContent { source })?;
                    self.position += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("reading", &self.room.partial)(error)),
            }
        }
        Ok(())
    }

    /// How many bytes are there, at first those of an earlier run: the next byte to write is the one at this offset.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// Where they are more than announced, or can't be written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.verifier
            .update(bytes)
            .map_err(|source| Error::WrongContent { source })?;
        let to = self.entry().start() + self.position;
        let written = self.room.file.write_all_at(bytes, to);
        written.map_err(Error::io("writing", &self.room.partial))?;
        self.position += bytes.len() as u64;
        if self.position - self.marked >= MARK_EVERY {
            self.mark()?;
        }
        Ok(())
    }

    /// Takes all that a reader gives, through a buffer, and tells how many bytes those were.
    ///
    /// # Errors
    /// The reader's own, as they are; else as [`BlobWriter::write`], within an [`io::Error`] that `downcast` gives back.
    pub fn write_from(&mut self, mut bytes: impl Read) -> io::Result<u64> {
        let mut chunk = vec![0; CHUNK];
        let mut total = 0;
        loop {
            match bytes.read(&mut chunk) {
                Ok(0) => return Ok(total),
                Ok(count) => {
                    self.write(&chunk[..count]).map_err(io::Error::other)?;
                    total += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Forgets all bytes, those of an earlier run too.
    ///
    /// # Errors
    /// Where the filesystem refuses.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.verifier = Verifier::of(&self.blob);
        self.position = 0;
        self.mark()
    }

    /// Verifies the bytes, and lets them count.
    ///
    /// # Errors
    /// Where they aren't the blob's (then the writer comes back, with none of them), or the filesystem refuses.
    pub fn commit(mut self) -> Result<(), CommitError> {
        let verifier = std::mem::replace(&mut self.verifier, Verifier::of(&self.blob));
        if let Err(source) = verifier.finish() {
            let error = Error::WrongContent { source };
            return Err(match self.restart() {
                Ok(()) => CommitError {
                    error,
                    writer: Some(Box::new(self)),
                },
                Err(error) => CommitError { error, writer: None },
            });
        }
        self.publish()
            .map_err(|error| CommitError { error, writer: None })
    }

    /// Writes the padding behind the bytes, then the header, which marks the entry as complete.
    fn publish(&mut self) -> Result<(), Error> {
        let entry = self.entry();
        let padding = vec![0; entry.padding()];
        let padded = self
            .room
            .file
            .write_all_at(&padding, entry.start() + entry.size());
        let named = padded.and_then(|()| self.room.file.write_all_at(&entry.header(), entry.offset));
        named.map_err(Error::io("writing", &self.room.partial))?;
        self.state = State::Present;
        Ok(())
    }

    fn entry(&self) -> &Entry {
        &self.room.plan.entries()[self.at]
    }

    /// Notes how many bytes are there.
    fn mark(&mut self) -> Result<(), Error> {
        let mut block = format!("{MARK} {} {}", self.blob.digest, self.position).into_bytes();
        block.resize(BLOCK as usize, 0);
        let noted = self.room.file.write_all_at(&block, self.entry().offset);
        noted.map_err(Error::io("writing", &self.room.partial))?;
        self.marked = self.position;
        Ok(())
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        // Without its mark, the next run writes more bytes again, and none wrong.
        if self.state == State::Missing && self.position != self.marked {
            let _ = self.mark();
        }
        self.room.settle(self.at, self.state);
    }
}
