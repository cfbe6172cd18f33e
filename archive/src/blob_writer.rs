//! Writing one blob at its place: an entry of an archive or of a bundle's volume, or several that are its parts.
//!
//! Until an entry is whole, the place of its header has a mark that says how many bytes are there. A header stands for a whole entry, and is
//! written last. Neither is believed: the next run hashes what they speak of.

use std::error;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use transload_reference::{Descriptor, Verifier};

use crate::entries::BLOCK;
use crate::room::{Room, Span, State};
use crate::{BlobWrite, Error};

/// How many bytes are hashed or taken at a time.
const CHUNK: usize = 256 * 1024;
/// How many bytes are written between two marks.
const MARK_EVERY: u64 = 1 << 20;

const MARK: &str = "transload partial blob";

/// Takes a blob's bytes. Dropped without [`BlobWriter::commit`], it leaves them for the next try.
#[derive(Debug)]
pub struct BlobWriter {
    room: Arc<Room>,
    /// The blob's number in the room.
    at: usize,
    verifier: Verifier,
    position: u64,
    marked: u64,
    /// The part that comes next, and where in the blob it begins.
    part: usize,
    begin: u64,
    /// That part's file, once it is open.
    file: Option<PartFile>,
    is_there: bool,
}

/// Where the bytes of a part go: nowhere if its file is whole.
type PartFile = Option<Arc<File>>;

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
    pub(crate) fn resume(room: Arc<Room>, at: usize) -> Result<BlobWrite, Error> {
        let verifier = Verifier::of(&room.blob(at).blob);
        let mut writer = BlobWriter {
            room,
            at,
            verifier,
            position: 0,
            marked: 0,
            part: 0,
            begin: 0,
            file: None,
            is_there: false,
        };
        match writer.is_cut() {
            true => writer.pass_whole_files()?,
            false => {
                let Some(kept) = writer.kept()? else {
                    return Ok(BlobWrite::Writer(Box::new(writer)));
                };
                if let Some(file) = writer.file()? {
                    writer.hash(&file, kept)?;
                }
            }
        }
        if writer.position == writer.blob().size {
            if writer.verifier.clone().finish().is_ok() {
                writer.publish()?;
                return Ok(BlobWrite::Present);
            }
            writer.restart()?;
        }
        Ok(BlobWrite::Writer(Box::new(writer)))
    }

    /// How many bytes the header, or the mark in its place, says are there.
    fn kept(&mut self) -> Result<Option<u64>, Error> {
        let Some(file) = self.file()? else {
            return Ok(None);
        };
        let mut block = vec![0; BLOCK as usize];
        match file.read_exact_at(&mut block, self.span().offset()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(Error::io("reading", &self.path())(error)),
        }
        if block == self.span().header()[..BLOCK as usize] {
            return Ok(Some(self.blob().size));
        }
        let text = block.split(|byte| *byte == 0).next().unwrap_or_default();
        let kept = std::str::from_utf8(text).ok().and_then(|text| {
            let (mark, position) = text.rsplit_once(' ')?;
            (mark == format!("{MARK} {}", self.blob().digest)).then(|| position.parse::<u64>().ok())?
        });
        Ok(kept.filter(|kept| *kept <= self.blob().size))
    }

    /// Hashes the first parts, as far as they are in files that are whole. No digest tells whether another part is right.
    fn pass_whole_files(&mut self) -> Result<(), Error> {
        while self.position < self.blob().size && self.file()?.is_none() {
            let Some(whole) = self.room.files.open_whole(self.span().file) else {
                return Ok(());
            };
            let end = self.begin + self.span().size;
            self.hash(&whole, end)?;
            if self.position < end {
                return Err(Error::io("reading", &self.path())(
                    io::ErrorKind::UnexpectedEof.into(),
                ));
            }
            if self.has_next_part() {
                self.next_part()?;
            }
        }
        Ok(())
    }

    /// Hashes the bytes of a part that are there, up to this many of the blob.
    fn hash(&mut self, file: &File, kept: u64) -> Result<(), Error> {
        let mut chunk = vec![0; CHUNK];
        while self.position < kept {
            self.room.check_stop(&self.path())?;
            let most = usize::try_from(kept - self.position).map_or(CHUNK, |left| left.min(CHUNK));
            let from = self.span().start + (self.position - self.begin);
            match file.read_at(&mut chunk[..most], from) {
                // The file ends before what the mark says.
                Ok(0) => return Ok(()),
                Ok(count) => {
                    self.verifier
                        .update(&chunk[..count])
                        .map_err(|source| Error::WrongContent { source })?;
                    self.position += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("reading", &self.path())(error)),
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
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            let from = self.position - self.begin;
            let left = self.span().size - from;
            let most = match usize::try_from(left) {
                // They are too many, which the verifier tells.
                Ok(0) | Err(_) => bytes.len(),
                Ok(left) => left.min(bytes.len()),
            };
            self.verifier
                .update(&bytes[..most])
                .map_err(|source| Error::WrongContent { source })?;
            self.put(&bytes[..most], self.span().start + from)?;
            self.position += most as u64;
            bytes = &bytes[most..];
            if most as u64 == left && self.has_next_part() {
                self.finish_part()?;
                self.next_part()?;
                self.room.settle(self.at, State::Busy(self.part));
                self.room.files.has_more(&self.room, true)?;
            }
        }
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
        self.verifier = Verifier::of(self.blob());
        (self.position, self.part, self.begin, self.file) = (0, 0, 0, None);
        self.room.settle(self.at, State::Busy(0));
        if self.is_cut() {
            self.room.files.begins_anew();
        }
        self.mark()
    }

    /// Verifies the bytes, and lets them count.
    ///
    /// # Errors
    /// Where they aren't the blob's (then the writer comes back, with none of them), or the filesystem refuses.
    pub fn commit(mut self) -> Result<(), CommitError> {
        let Err(source) = self.verifier.clone().finish() else {
            return self
                .publish()
                .map_err(|error| CommitError { error, writer: None });
        };
        Err(match self.restart() {
            Ok(()) => CommitError {
                error: Error::WrongContent { source },
                writer: Some(Box::new(self)),
            },
            Err(error) => CommitError { error, writer: None },
        })
    }

    fn publish(&mut self) -> Result<(), Error> {
        self.finish_part()?;
        self.is_there = true;
        self.room.settle(self.at, State::Present);
        self.room.files.has_more(&self.room, false)
    }

    /// Writes the padding behind a part's bytes, then the header, which marks the entry as complete.
    fn finish_part(&mut self) -> Result<(), Error> {
        let span = self.span();
        let behind = span.start + span.size;
        let (padding, header, offset) = (
            vec![0; (span.end() - behind) as usize],
            span.header(),
            span.offset(),
        );
        self.put(&padding, behind)?;
        self.put(&header, offset)
    }

    fn has_next_part(&self) -> bool {
        self.part + 1 < self.room.blob(self.at).spans.len()
    }

    fn next_part(&mut self) -> Result<(), Error> {
        let so_far = self.verifier.so_far();
        self.room.files.part_ends(self.span(), &so_far)?;
        self.begin += self.span().size;
        self.part += 1;
        self.file = None;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8], at: u64) -> Result<(), Error> {
        let Some(file) = self.file()? else {
            return Ok(());
        };
        let written = file.write_all_at(bytes, at);
        written.map_err(Error::io("writing", &self.path()))
    }

    /// Opens the file of the part.
    fn file(&mut self) -> Result<PartFile, Error> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        let file = self.room.files.open(self.span().file)?;
        Ok(self.file.insert(file).clone())
    }

    fn blob(&self) -> &Descriptor {
        &self.room.blob(self.at).blob
    }

    fn span(&self) -> &Span {
        &self.room.blob(self.at).spans[self.part]
    }

    fn is_cut(&self) -> bool {
        self.room.blob(self.at).spans.len() > 1
    }

    fn path(&self) -> PathBuf {
        self.room.files.path(self.span().file)
    }

    /// Notes how many bytes are there.
    fn mark(&mut self) -> Result<(), Error> {
        self.marked = self.position;
        if self.is_cut() {
            return Ok(());
        }
        let mut block = format!("{MARK} {} {}", self.blob().digest, self.position).into_bytes();
        block.resize(BLOCK as usize, 0);
        self.put(&block, self.span().offset())
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        if self.is_there {
            return;
        }
        // Without its mark, the next run writes more bytes again, and none wrong.
        if self.position != self.marked {
            let _ = self.mark();
        }
        self.room.settle(self.at, State::Missing(self.part));
    }
}
