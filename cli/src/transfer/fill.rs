//! Filling a store's blob from its source.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use transload_layout_store::{BlobWriter, Error};

use super::destination::Bring;
use super::fault::{Fault, Side};
use super::leg::{Leg, Over, Stream};
use super::source::{FRESH_STARTS, Offer, read_fault};
use super::split::{Next, Shift, Split};
use super::tandem::Driver;

/// How long a connection is watched before its speed is judged, and then from one judgement to the next.
const WATCH: Duration = Duration::from_millis(100);

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
        let filling = Filling {
            request,
            split: Arc::new(split),
            from_elsewhere,
        };
        (request.started)(filling.split.arrived());
        let (filled, leg) = filling.run(Leg::new(writer, &filling.split));
        writer = leg.into_writer();
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
    split: Arc<Split>,
    /// Whether bytes of an earlier try are among the blob's.
    from_elsewhere: bool,
}

type Filled<T> = (Result<T, StreamFailure>, Leg);

impl Filling<'_, '_> {
    fn run(&self, mut leg: Leg) -> Filled<()> {
        loop {
            let next = self
                .request
                .check_cancel()
                .and_then(|()| self.split.next(leg.position()));
            let done = match next {
                Ok(Next::Done) => return (Ok(()), leg),
                Ok(Next::Stream(end)) => {
                    let (streamed, back) = self.stream(leg, end);
                    leg = back;
                    match streamed {
                        // What ended early is judged as a whole.
                        Ok(false) => return (Ok(()), leg),
                        streamed => streamed.map(drop),
                    }
                }
                Ok(Next::Absorb(start)) => self.absorb(&mut leg, start),
                Ok(Next::Help(piece)) => {
                    self.help(&mut leg, piece);
                    Ok(())
                }
                Ok(Next::Wait) => {
                    // It holds a place at its host, which those who are waited for may need.
                    leg.close();
                    self.split.wait();
                    Ok(())
                }
                Err(fault) => Err(StreamFailure::Other(fault)),
            };
            if let Err(failure) = done {
                return (Err(failure), leg);
            }
        }
    }

    /// Takes bytes from a connection, up to `end`, or less far where others are to help. Whether all of them came.
    fn stream(&self, mut leg: Leg, end: u64) -> Filled<bool> {
        if let Err(failure) = self.connect(&mut leg, end) {
            return (Err(failure), leg);
        }
        let mut driver = Driver::new(self.request.crew.map(|crew| crew.tandem()));
        let mut watch = (Instant::now(), leg.position());
        let over = loop {
            if let Err(fault) = self.request.check_cancel() {
                return (Err(StreamFailure::Other(fault)), leg);
            }
            if let Some(seat) = driver.find_seat(&leg) {
                let (back, over) = seat.ride(leg, &|| self.look());
                leg = back;
                if let Some(over) = over {
                    break over;
                }
                watch = (Instant::now(), leg.position());
            }
            match driver.advance(&mut leg) {
                Ok(bytes) => self.note(bytes),
                Err(over) => break over,
            }
            self.tell();
            let now = Instant::now();
            let (began, since) = watch;
            let watched = now.duration_since(began);
            if watched >= WATCH {
                let rate = (leg.position() - since) as f64 / watched.as_secs_f64();
                leg.end = self.share(leg.position(), leg.end, rate);
                watch = (now, leg.position());
            }
        };
        self.tell();
        (self.judge_end(over, &leg), leg)
    }

    /// Takes note of bytes that moved.
    fn note(&self, bytes: u64) {
        if let Some(crew) = self.request.crew {
            crew.tandem().moved(bytes, || crew.busy());
        }
    }

    /// Tells how many bytes are there.
    fn tell(&self) {
        (self.request.progress)(self.split.arrived());
    }

    /// Tells how many bytes are there. Whether to go on.
    fn look(&self) -> bool {
        self.tell();
        self.request.check_cancel().is_ok()
    }

    fn connect(&self, leg: &mut Leg, end: u64) -> Result<(), StreamFailure> {
        let (request, position) = (self.request, leg.position());
        if !leg.reaches(end) {
            let is_part = end < request.blob.size;
            let part = if is_part {
                request.open_part(position..end)
            } else {
                Ok(None)
            };
            let stream = match part.map_err(StreamFailure::Other)? {
                Some(reader) => Stream { reader, end },
                None => Stream {
                    reader: request.open(position).map_err(StreamFailure::Other)?,
                    end: request.blob.size,
                },
            };
            leg.connect(stream);
        }
        leg.end = end;
        Ok(())
    }

    /// What it means that a connection goes no further: whether all of its bytes came.
    fn judge_end(&self, over: Over, leg: &Leg) -> Result<bool, StreamFailure> {
        match over {
            Over::Reached => Ok(true),
            Over::Short => Ok(false),
            Over::Unread(error) => {
                self.split.give_back(leg.position(), leg.end);
                Err(StreamFailure::Other(read_fault(error)))
            }
            Over::Unwritten(error) => Err(self.judge(error)),
        }
    }

    /// Lets idle workers help, where one connection, which brings `rate` bytes a second, is the limit. How far the owner goes by itself.
    fn share(&self, position: u64, end: u64, rate: f64) -> u64 {
        let Some(crew) = self.request.crew else {
            return end;
        };
        if matches!(self.request.source.offer(), Offer::Store(_)) {
            return end;
        }
        // One more than there are places: more are allowed where somebody waits and more gets done.
        let places = self.request.source.free_places().saturating_add(1);
        let idle = crew.idle().min(places);
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

    fn absorb(&self, leg: &mut Leg, start: u64) -> Result<(), StreamFailure> {
        leg.close();
        let absorbed = leg
            .writer
            .absorb_part(start, |_| self.request.check_cancel().is_ok());
        absorbed.map_err(|error| self.judge(error))
    }

    fn help(&self, leg: &mut Leg, piece: Range<u64>) {
        leg.close();
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
