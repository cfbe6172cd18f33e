//! A blob's bytes on their way from a connection into its writer, chunk by chunk.

use std::io::{self, Read};
use std::sync::Arc;

use transload_layout_store::{BlobWriter, Error};

use super::at_work;
use super::destination::CHUNK;
use super::split::Split;

/// A writer, and the connection that fills it at present.
pub(crate) struct Leg {
    pub writer: Box<BlobWriter>,
    /// How far the bytes are taken: up to the connection's end, or less far.
    pub end: u64,
    stream: Option<Stream>,
    split: Arc<Split>,
    /// What was read, and isn't written yet.
    chunk: Vec<u8>,
    filled: usize,
    /// What ended the connection behind the bytes in the chunk.
    failure: Option<io::Error>,
    /// The image that the blob is for, as [`at_work`] knows it.
    image: Option<String>,
}

/// A connection that stands where the writer does.
pub(crate) struct Stream {
    pub reader: Box<dyn Read + Send>,
    /// Where its bytes end.
    pub end: u64,
}

/// Why a leg goes no further.
#[derive(Debug)]
pub(crate) enum Over {
    /// All bytes up to its end are written.
    Reached,
    /// The connection ended before.
    Short,
    /// They can't be read.
    Unread(io::Error),
    /// They can't be written, or are too many.
    Unwritten(Error),
}

impl Leg {
    pub fn new(writer: Box<BlobWriter>, split: &Arc<Split>) -> Leg {
        Leg {
            writer,
            end: 0,
            stream: None,
            split: Arc::clone(split),
            chunk: Vec::new(),
            filled: 0,
            failure: None,
            image: at_work::tell(|image| image.map(str::to_owned)),
        }
    }

    /// The offset of the next byte to be written.
    pub fn position(&self) -> u64 {
        self.writer.position()
    }

    /// How many bytes are still to come.
    pub fn left(&self) -> u64 {
        self.end.saturating_sub(self.position())
    }

    /// Whether a connection is open that has the bytes up to there.
    pub fn reaches(&self, end: u64) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.end >= end)
    }

    /// Takes its bytes from here.
    pub fn connect(&mut self, stream: Stream) {
        self.stream = Some(stream);
    }

    /// The writer; the connection is closed.
    pub fn into_writer(self) -> Box<BlobWriter> {
        self.writer
    }

    /// Closes the connection, and gives up the place that it holds at its host.
    pub fn close(&mut self) {
        (self.stream, self.failure, self.filled) = (None, None, 0);
        self.chunk = Vec::new();
    }

    /// Reads some bytes, or as many as a chunk holds, and leaves them in the chunk.
    pub fn read(&mut self, whole_chunk: bool) -> Result<(), Over> {
        // A small blob's bytes, and the one that would be too many, need less.
        let needed = usize::try_from(self.left().saturating_add(1)).map_or(CHUNK, |bytes| bytes.min(CHUNK));
        self.chunk.resize(needed.max(self.chunk.len()), 0);
        while self.filled < self.chunk.len() {
            match self.read_once() {
                Ok(()) if whole_chunk => {}
                Ok(()) => return Ok(()),
                Err(_) if self.filled > 0 => return Ok(()),
                Err(over) => return Err(over),
            }
        }
        Ok(())
    }

    fn read_once(&mut self) -> Result<(), Over> {
        let position = self.position() + self.filled as u64;
        let Some(stream) = &mut self.stream else {
            return Err(Over::Short);
        };
        if position == self.end && self.end < stream.end {
            return Err(Over::Reached);
        }
        if let Some(failure) = self.failure.take() {
            return Err(Over::Unread(failure));
        }
        // Beyond the end, one byte is one too many, and none lets the connection be used again.
        let room = usize::try_from(self.end - position).unwrap_or(usize::MAX).max(1);
        let most = room.min(self.chunk.len() - self.filled);
        let into = &mut self.chunk[self.filled..][..most];
        match stream.reader.read(into) {
            Ok(0) if position == self.end => Err(Over::Reached),
            Ok(0) => Err(Over::Short),
            Ok(count) => {
                self.filled += count;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) if self.filled == 0 => Err(Over::Unread(error)),
            Err(error) => {
                self.failure = Some(error);
                Err(Over::Short)
            }
        }
    }

    /// Writes what was read. How many bytes that were.
    pub fn write(&mut self) -> Result<u64, Over> {
        let written = self.writer.write(&self.chunk[..self.filled]);
        self.wrote(written)
    }

    /// Writes what both have read.
    pub fn write_both(&mut self, other: &mut Leg) -> (Result<u64, Over>, Result<u64, Over>) {
        let (bytes, others) = (&self.chunk[..self.filled], &other.chunk[..other.filled]);
        let (own, theirs) = self.writer.write_both(bytes, &mut other.writer, others);
        (self.wrote(own), other.wrote(theirs))
    }

    fn wrote(&mut self, written: Result<(), Error>) -> Result<u64, Over> {
        let count = std::mem::take(&mut self.filled) as u64;
        written.map_err(Over::Unwritten)?;
        self.split.arrive(count);
        Ok(count)
    }

    /// Reads as many bytes as a chunk holds, as [`Leg::read`] does, on another thread than the image's.
    pub fn read_for_image(&mut self) -> Result<(), Over> {
        let image = self.image.take();
        let at = image.as_deref().map(at_work::on);
        let read = self.read(true);
        drop(at);
        self.image = image;
        read
    }
}
