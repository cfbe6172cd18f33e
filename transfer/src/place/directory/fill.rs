//! Filling a store's blob from its source.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use transload_layout_store::parts::Parts;
use transload_layout_store::{BlobWriter, Error};

use super::at_destination;
use crate::fault::Fault;
use crate::place::sink::{StreamFailure, wrong_content};
use crate::place::source::FRESH_STARTS;
use crate::place::{Bring, CHUNK, read_fault};
use crate::ranges::{Next, RangeFetch, RangeWorker};

/// How long a connection is watched before its speed is judged, and then from one judgement to the next.
const WATCH: Duration = Duration::from_millis(100);

/// Fills a writer from the source. Bytes that turn out wrong are fetched again from the beginning: they may be of an earlier try, or
/// have been damaged on the way.
pub(crate) fn fill(request: &Bring<'_>, mut writer: Box<BlobWriter>) -> Result<(), Fault> {
    let mut fresh_starts = 0;
    loop {
        let kept = Parts::kept(&writer).map_err(at_destination)?;
        let from_elsewhere = writer.position() > 0 || !kept.is_empty();
        let ranges = RangeFetch::new(
            request.blob,
            request.source_repository,
            Parts::of(&writer),
            writer.position(),
            &kept,
        );
        let filled = Owner {
            request,
            ranges: &Arc::new(ranges),
            writer: &mut writer,
            stream: None,
            from_elsewhere,
        }
        .run();
        let failure = match filled {
            Ok(()) => match writer.commit() {
                Ok(()) => return Ok(()),
                Err(refused) => match refused.writer {
                    Some(kept) => {
                        writer = kept;
                        wrong_content(request, from_elsewhere, refused.error)
                    }
                    None => return Err(at_destination(refused.error)),
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
        writer.restart().map_err(at_destination)?;
    }
}

/// The owner of a [`RangeFetch`], in one try to fill the blob's writer.
struct Owner<'a, 'b> {
    request: &'a Bring<'b>,
    ranges: &'a Arc<RangeFetch>,
    writer: &'a mut BlobWriter,
    stream: Option<BlobStream>,
    /// Whether bytes of an earlier try are among the blob's.
    from_elsewhere: bool,
}

/// A connection that stands where the writer does.
struct BlobStream {
    reader: Box<dyn Read + Send>,
    /// The offset where its bytes end.
    end: u64,
}

impl Owner<'_, '_> {
    fn run(mut self) -> Result<(), StreamFailure> {
        (self.request.started)(self.ranges.arrived());
        loop {
            self.check_cancel()?;
            let next = self.ranges.next(self.writer.position());
            match next.map_err(StreamFailure::Other)? {
                Next::Done => return Ok(()),
                Next::Stream(end) => {
                    if !self.stream(end)? {
                        // A connection that ended early is found out when the blob is verified.
                        return Ok(());
                    }
                }
                Next::Absorb(start) => self.absorb(start)?,
                Next::Fetch(range) => self.fetch(range),
                Next::Wait => {
                    self.disconnect();
                    self.ranges.wait();
                }
            }
        }
    }

    /// Takes bytes from a connection, up to `end` or to where range workers take over. Returns false where the connection ended before.
    fn stream(&mut self, mut end: u64) -> Result<bool, StreamFailure> {
        let mut stream = self.connect(end)?;
        let most = usize::try_from(end - self.writer.position()).map_or(CHUNK, |left| left.min(CHUNK));
        let mut chunk = vec![0; most.max(1)];
        let mut watched = (Instant::now(), self.writer.position());
        loop {
            self.check_cancel()?;
            let position = self.writer.position();
            if position == end && end < stream.end {
                self.stream = Some(stream);
                return Ok(true);
            }
            // At the blob's end one byte more is asked for: it would be one too many, and its absence lets the connection be used again.
            let left = usize::try_from(end - position).unwrap_or(usize::MAX).max(1);
            let most = left.min(chunk.len());
            match stream.reader.read(&mut chunk[..most]) {
                Ok(0) => return Ok(position == end),
                Ok(count) => {
                    let written = self.writer.write(&chunk[..count]);
                    written.map_err(|error| self.judge(error))?;
                    (self.request.progress)(self.ranges.arrive(count as u64));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(StreamFailure::Other(read_fault(error))),
            }
            let (began, since) = watched;
            if began.elapsed() >= WATCH {
                let position = self.writer.position();
                let rate = (position - since) as f64 / began.elapsed().as_secs_f64();
                end = self.share(position, end, rate);
                watched = (Instant::now(), position);
            }
        }
    }

    /// A connection that has the bytes up to `end`: the one that is open, where it has them.
    fn connect(&mut self, end: u64) -> Result<BlobStream, StreamFailure> {
        if let Some(stream) = self.stream.take().filter(|stream| stream.end >= end) {
            return Ok(stream);
        }
        let (request, position) = (self.request, self.writer.position());
        if end < request.blob.size
            && let Some(reader) = request.open_part(position..end).map_err(StreamFailure::Other)?
        {
            return Ok(BlobStream { reader, end });
        }
        Ok(BlobStream {
            reader: request.open(position).map_err(StreamFailure::Other)?,
            end: request.blob.size,
        })
    }

    /// Gives up the connection, and with it a place at its host that range workers may need.
    fn disconnect(&mut self) {
        self.stream = None;
    }

    /// Calls range workers, where one connection that brings `rate` bytes a second is the bottleneck. Returns where the owner's own
    /// bytes end.
    fn share(&self, position: u64, end: u64, rate: f64) -> u64 {
        let Some(workers) = self.request.workers else {
            return end;
        };
        if !self.request.source.offers().is_remote {
            return end;
        }
        // One more than there are places: more are allowed where somebody waits and more gets done.
        let places = self.request.source.free_permits().saturating_add(1);
        let idle = workers.idle().min(places);
        let left = self.request.blob.size - self.ranges.arrived().min(self.request.blob.size);
        let Some(piece) = self.ranges.piece_size(left, rate, workers.busy(), idle) else {
            return end;
        };
        self.ranges.split(piece);
        let own = end.min(position.saturating_add(piece));
        self.ranges.give_back(own..end);
        for _ in 0..idle {
            if self.ranges.has_pieces() {
                workers.call(self.ranges);
            }
        }
        own
    }

    fn absorb(&mut self, start: u64) -> Result<(), StreamFailure> {
        self.disconnect();
        let request = self.request;
        let absorbed = Parts::absorb(self.writer, start, |_| request.check_cancel().is_ok());
        absorbed.map_err(|error| self.judge(error))
    }

    /// Fetches a later piece rather than wait.
    fn fetch(&mut self, range: Range<u64>) {
        self.disconnect();
        let worker = RangeWorker {
            source: self.request.source.as_ref(),
            progress: self.request.progress,
            cancel: self.request.cancel,
            is_wanted: &|| false,
        };
        self.ranges.fetch(range, &worker);
    }

    fn check_cancel(&self) -> Result<(), StreamFailure> {
        self.request.check_cancel().map_err(StreamFailure::Other)
    }

    fn judge(&self, error: Error) -> StreamFailure {
        if error.is_wrong_content() {
            wrong_content(self.request, self.from_elsewhere, error)
        } else {
            StreamFailure::Other(at_destination(error))
        }
    }
}

impl Drop for Owner<'_, '_> {
    /// Range workers write files beside the writer's own, whose lock goes with the writer.
    fn drop(&mut self) {
        self.disconnect();
        self.ranges.end();
    }
}
