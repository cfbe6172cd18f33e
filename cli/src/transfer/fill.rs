//! Filling a store's blob from its source.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use transload_layout_store::{BlobWriter, Error};

use super::destination::{Bring, CHUNK};
use super::fault::{Fault, Side};
use super::source::{FRESH_STARTS, Offer, read_fault};
use super::split::{Next, Shift, Split};

/// How long a connection is watched before its speed is judged, and then from one judgement to the next.
const WATCH: Duration = Duration::from_millis(200);

/// Why bytes didn't come.
pub(crate) enum StreamFailure {
    /// Others came than those that were announced.
    WrongBytes(Fault),
    Other(Fault),
}

fn destination(error: Error) -> Fault {
    Fault::store(Side::Destination, error)
}

/// Fills a writer from the source. Bytes that turn out wrong are fetched again from the beginning: they may be of an earlier try, or
/// have been damaged on the way.
pub(crate) fn fill(request: &Bring<'_>, mut writer: Box<BlobWriter>) -> Result<(), Fault> {
    let mut fresh_starts = 0;
    loop {
        let kept = writer.kept_parts().map_err(destination)?;
        let offset = writer.position();
        let from_elsewhere = offset > 0 || !kept.is_empty();
        let split = Split::new(
            request.blob,
            request.source_repository,
            writer.parts(),
            offset,
            &kept,
        );
        let mut filling = Filling {
            request,
            writer: &mut writer,
            split: Arc::new(split),
            from_elsewhere,
            open: None,
        };
        (request.started)(filling.split.arrived());
        let filled = filling.run();
        filling.open = None;
        filling.split.end();
        let failure = match filled {
            Ok(()) => match writer.commit() {
                Ok(()) => return Ok(()),
                Err(refused) => match refused.writer {
                    Some(kept) => {
                        writer = kept;
                        wrong_content(request, from_elsewhere, refused.error)
                    }
                    None => return Err(destination(refused.error)),
                },
            },
            Err(failure) => failure,
        };
        let failure = match failure {
            StreamFailure::WrongBytes(fault) => fault,
            StreamFailure::Other(fault) => return Err(fault),
        };
        if fresh_starts == FRESH_STARTS {
            return Err(failure);
        }
        fresh_starts += 1;
        writer.restart().map_err(destination)?;
    }
}

/// A try to fill a writer: the owner's part of a [`Split`].
struct Filling<'a, 'b> {
    request: &'a Bring<'b>,
    writer: &'a mut BlobWriter,
    split: Arc<Split>,
    /// Whether bytes of an earlier try are among the blob's.
    from_elsewhere: bool,
    /// A connection that stands at the writer's position.
    open: Option<Stream>,
}

struct Stream {
    reader: Box<dyn Read + Send>,
    /// Where its bytes end.
    end: u64,
}

impl Filling<'_, '_> {
    fn run(&mut self) -> Result<(), StreamFailure> {
        loop {
            self.request.check_cancel().map_err(StreamFailure::Other)?;
            match self
                .split
                .next(self.writer.position())
                .map_err(StreamFailure::Other)?
            {
                Next::Done => return Ok(()),
                // What ended early is judged as a whole.
                Next::Stream(end) => match self.stream(end)? {
                    true => {}
                    false => return Ok(()),
                },
                Next::Absorb(start) => self.absorb(start)?,
                Next::Help(piece) => {
                    self.open = None;
                    let request = self.request;
                    self.split.fetch(
                        piece,
                        &Shift {
                            source: request.source,
                            progress: request.progress,
                            cancel: request.cancel,
                            is_wanted: &|| false,
                        },
                    );
                }
                Next::Wait => {
                    // It holds a place at its host, which those who are waited for may need.
                    self.open = None;
                    self.split.wait();
                }
            }
        }
    }

    /// Takes bytes from a connection, up to `end`, or less far where others are to help. Whether all of them came.
    fn stream(&mut self, mut end: u64) -> Result<bool, StreamFailure> {
        let mut stream = self.connect(end)?;
        let mut chunk = vec![0; CHUNK];
        let (mut began, mut since) = (Instant::now(), self.writer.position());
        loop {
            self.request.check_cancel().map_err(StreamFailure::Other)?;
            let position = self.writer.position();
            if position == end && end < stream.end {
                self.open = Some(stream);
                return Ok(true);
            }
            // Beyond the end, one byte is one too many, and none lets the connection be used again.
            let room = usize::try_from(end - position)
                .unwrap_or(usize::MAX)
                .clamp(1, CHUNK);
            let count = match stream.reader.read(&mut chunk[..room]) {
                Ok(0) => return Ok(position == end),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.split.give_back(position, end);
                    return Err(StreamFailure::Other(read_fault(error)));
                }
            };
            self.write(&chunk[..count])?;
            (self.request.progress)(self.split.arrive(count as u64));
            let watched = began.elapsed();
            if watched >= WATCH {
                let position = self.writer.position();
                let rate = (position - since) as f64 / watched.as_secs_f64();
                end = self.share(position, end, rate);
                (began, since) = (Instant::now(), position);
            }
        }
    }

    fn connect(&mut self, end: u64) -> Result<Stream, StreamFailure> {
        if let Some(stream) = self.open.take().filter(|stream| stream.end >= end) {
            return Ok(stream);
        }
        let (request, position) = (self.request, self.writer.position());
        let is_part = end < request.blob.size;
        let part = if is_part {
            request.open_part(position..end)
        } else {
            Ok(None)
        };
        if let Some(reader) = part.map_err(StreamFailure::Other)? {
            return Ok(Stream { reader, end });
        }
        let reader = request.open(position).map_err(StreamFailure::Other)?;
        Ok(Stream {
            reader,
            end: request.blob.size,
        })
    }

    /// Lets idle workers help, where one connection is the limit. How far the owner goes by itself.
    fn share(&self, position: u64, end: u64, rate: f64) -> u64 {
        let Some(crew) = self.request.crew else { return end };
        if matches!(self.request.source.offer(), Offer::Store(_)) {
            return end;
        }
        let idle = crew.idle().min(self.request.source.free_places());
        let left = self.request.blob.size - self.split.arrived().min(self.request.blob.size);
        let Some(piece) = self.split.worthwhile(left, rate, crew.busy(), idle) else {
            return end;
        };
        self.split.begin(piece);
        let own = end.min(position.saturating_add(piece));
        self.split.give_back(own, end);
        for _ in 0..idle {
            if self.split.has_work() {
                crew.call(&self.split);
            }
        }
        own
    }

    fn absorb(&mut self, start: u64) -> Result<(), StreamFailure> {
        self.open = None;
        let cancel = self.request.cancel;
        let absorbed = self
            .writer
            .absorb_part(start, |_| !cancel.load(std::sync::atomic::Ordering::Relaxed));
        absorbed.map_err(|error| self.judge(error))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StreamFailure> {
        self.writer.write(bytes).map_err(|error| self.judge(error))
    }

    fn judge(&self, error: Error) -> StreamFailure {
        if error.is_wrong_content() {
            wrong_content(self.request, self.from_elsewhere, error)
        } else {
            StreamFailure::Other(destination(error))
        }
    }
}

/// What it means that the bytes aren't the blob's, some of which may be of an earlier try: a registry may send others the next
/// time, a file stays as it is.
pub(crate) fn wrong_content(request: &Bring<'_>, from_elsewhere: bool, error: Error) -> StreamFailure {
    match (request.source.offer(), error) {
        (Offer::Store(store), Error::WrongContent { source }) if !from_elsewhere => {
            let path = store.blob_path(&request.blob.digest);
            let reason = source.to_string();
            StreamFailure::Other(Fault::store(Side::Source, Error::Damaged { path, reason }))
        }
        (_, error) => StreamFailure::WrongBytes(Fault::store(Side::Source, error)),
    }
}
