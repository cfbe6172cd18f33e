//! A large blob over several connections.
//!
//! The **owner** has the blob's writer and takes the bytes in their order: from a connection of its own, or from parts that **range workers**
//! fetched into files of their own. A range worker is a worker without other work; it fetches one piece after the other until there are
//! none left, or other work comes.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use transload_layout_store::parts::Parts;
use transload_reference::{Descriptor, Digest, Repository};

use super::fault::{Fault, Side};
use super::place::{CHUNK, Source, read_fault};
use crate::lock::{lock, wait, wait_for};

/// The smallest piece, in bytes: a request costs a round trip.
const LEAST_PIECE: u64 = 1 << 20;

/// A blob of which fewer bytes are left is its owner's alone.
const LEAST_LEFT: u64 = 4 << 20;

/// A connection that brings this many bytes a second isn't the bottleneck.
const FAST: f64 = (64 << 20) as f64;

/// Where all workers together bring this many bytes a second, the link or the machine is the bottleneck.
const ENOUGH: f64 = (512 << 20) as f64;

/// A rest that arrives within this many seconds isn't split. It is little more than range workers need to begin and to bring the smallest
/// piece, since a run's last layers are what its end waits for.
const SOON: f64 = 0.2;

/// How long a piece should take, in seconds: long beside a round trip, short beside a large blob.
const PIECE_SECONDS: f64 = 2.0;

/// How long a wait goes without a look at the cancel flag.
const SLICE: Duration = Duration::from_millis(50);

/// Workers that may fetch ranges.
pub trait RangeWorkers: Sync {
    /// How many of them are idle.
    fn idle(&self) -> usize;

    /// How many of them are at work.
    fn busy(&self) -> usize;

    /// Has an idle one run [`RangeFetch::work`].
    fn call(&self, fetch: &Arc<RangeFetch>);
}

/// A worker as it fetches ranges.
pub struct RangeWorker<'a> {
    /// Where the bytes come from.
    pub source: &'a dyn Source,
    /// Told how many of the blob's bytes are there, wherever they are in it.
    pub progress: &'a dyn Fn(u64),
    /// Set once the user wants to stop.
    pub cancel: &'a AtomicBool,
    /// Whether other work waits for this worker.
    pub is_wanted: &'a dyn Fn() -> bool,
}

/// A blob that is being fetched, and who fetches which range of it.
#[derive(Debug)]
pub struct RangeFetch {
    blob: Descriptor,
    repository: Repository,
    parts: Parts,
    arrived: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// Ranges that nobody fetches, in order.
    gaps: Vec<Range<u64>>,
    /// Parts beyond the owner's bytes, by their offsets.
    parts: BTreeMap<u64, Part>,
    /// The size of pieces in bytes; without one, the owner takes all it can.
    piece: Option<u64>,
    /// How many pieces are being fetched.
    busy: usize,
    /// Why nobody begins another piece.
    end: Option<End>,
}

#[derive(Debug, Clone, Copy)]
struct Part {
    end: u64,
    is_done: bool,
}

#[derive(Debug)]
enum End {
    /// Pieces can't be fetched: the owner goes on alone.
    Alone,
    /// The owner needs no more.
    Over,
    Failed(Fault),
}

/// The owner's next step.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Take the bytes up to there from a connection.
    Stream(u64),
    /// Take the part that begins there.
    Absorb(u64),
    /// Fetch a later piece, as a range worker does.
    Fetch(Range<u64>),
    /// Wait for the range worker that fetches the next bytes.
    Wait,
    /// All bytes are there.
    Done,
}

impl RangeFetch {
    /// A blob of which the bytes before `offset` are there, and some parts beyond.
    pub fn new(
        blob: &Descriptor,
        repository: &Repository,
        parts: Parts,
        offset: u64,
        kept: &[Range<u64>],
    ) -> RangeFetch {
        let mut gaps = Vec::new();
        let mut reached = offset;
        for part in kept {
            gaps.extend((reached < part.start).then_some(reached..part.start));
            reached = reached.max(part.end);
        }
        gaps.extend((reached < blob.size).then_some(reached..blob.size));
        let missing: u64 = gaps.iter().map(|gap| gap.end - gap.start).sum();
        let done = kept.iter().map(|part| {
            let end = part.end;
            (part.start, Part { end, is_done: true })
        });
        RangeFetch {
            blob: blob.clone(),
            repository: repository.clone(),
            parts,
            arrived: AtomicU64::new(blob.size - missing),
            state: Mutex::new(State {
                gaps,
                parts: done.collect(),
                piece: None,
                busy: 0,
                end: None,
            }),
            changed: Condvar::new(),
        }
    }

    /// The blob's digest.
    pub fn digest(&self) -> &Digest {
        &self.blob.digest
    }

    /// How many bytes are there, wherever they are in the blob.
    pub fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }

    /// Counts bytes that came. Returns how many are there now.
    pub fn arrive(&self, bytes: u64) -> u64 {
        self.arrived.fetch_add(bytes, Ordering::Relaxed) + bytes
    }

    /// The next step of the owner, who has all bytes before `position`. A range that it is to fetch is taken for it.
    pub fn next(&self, position: u64) -> Result<Next, Fault> {
        let mut state = lock(&self.state);
        if let Some(End::Failed(fault)) = &state.end {
            return Err(fault.clone());
        }
        if position == self.blob.size {
            return Ok(Next::Done);
        }
        let before = state
            .parts
            .range(..=position)
            .next_back()
            .map(|(start, part)| (*start, *part));
        if let Some((start, part)) = before.filter(|(_, part)| position < part.end || !part.is_done) {
            if part.is_done {
                state.parts.remove(&start);
                return Ok(Next::Absorb(start));
            }
            return Ok(state.take_piece().map_or(Next::Wait, Next::Fetch));
        }
        Ok(match state.take_front(position) {
            Some(end) => Next::Stream(end),
            None => Next::Wait,
        })
    }

    /// Gives back the range that the owner took and leaves to others.
    pub fn give_back(&self, range: Range<u64>) {
        lock(&self.state).give_back(range);
        self.changed.notify_all();
    }

    /// Returns the size of pieces, in bytes, where it pays to split the blob. The owner brings `rate` bytes a second as one of `busy` workers,
    /// `left` bytes are still to come, and `idle` workers could fetch ranges.
    pub fn piece_size(&self, left: u64, rate: f64, busy: usize, idle: usize) -> Option<u64> {
        let is_slow = rate > 0.0 && rate < FAST && rate * (busy as f64) < ENOUGH;
        let takes_time = left as f64 > rate * SOON;
        if idle == 0 || !is_slow || !takes_time || left < LEAST_LEFT || lock(&self.state).end.is_some() {
            return None;
        }
        let each = left / (idle as u64 + 1) / 2;
        Some(each.min((rate * PIECE_SECONDS) as u64).max(LEAST_PIECE))
    }

    /// Splits the gaps into pieces of this size from now on.
    pub fn split(&self, piece: u64) {
        lock(&self.state).piece = Some(piece);
    }

    /// Whether there are pieces for range workers.
    pub fn has_pieces(&self) -> bool {
        let state = lock(&self.state);
        state.piece.is_some() && state.end.is_none() && !state.gaps.is_empty()
    }

    /// Fetches pieces until there are none left, or other work waits for the worker.
    pub fn work(&self, worker: &RangeWorker<'_>) {
        while !(worker.is_wanted)()
            && let Some(range) = self.take_piece()
        {
            self.fetch(range, worker);
        }
    }

    fn take_piece(&self) -> Option<Range<u64>> {
        lock(&self.state).take_piece()
    }

    /// Fetches a piece that was taken, as far as that goes.
    pub fn fetch(&self, range: Range<u64>, worker: &RangeWorker<'_>) {
        let mut piece = Piece {
            fetch: self,
            position: range.start,
            range,
            // Stays so where the worker panics: others would panic as well, and the owner can do without them.
            end: Some(End::Alone),
        };
        piece.end = match piece.fetch_into_part(worker) {
            Ok(true) => None,
            Ok(false) => Some(End::Alone),
            Err(fault) => Some(End::Failed(fault)),
        };
    }

    fn is_ended(&self) -> bool {
        matches!(lock(&self.state).end, Some(End::Over | End::Failed(_)))
    }

    /// Waits until a piece is done, or some time has passed.
    pub fn wait(&self) {
        drop(wait_for(&self.changed, lock(&self.state), SLICE));
    }

    /// Lets nobody begin another piece, and waits for the range workers that are at one.
    pub fn end(&self) {
        let mut state = lock(&self.state);
        state.end_by(End::Over);
        while state.busy > 0 {
            state = wait(&self.changed, state);
        }
    }
}

/// A piece while it is being fetched. Dropped, be it by a panic, it leaves a part with the bytes that came and gives back the rest.
struct Piece<'a> {
    fetch: &'a RangeFetch,
    range: Range<u64>,
    /// The offset of the next byte.
    position: u64,
    end: Option<End>,
}

impl Piece<'_> {
    /// Returns false where the source serves no ranges.
    fn fetch_into_part(&mut self, worker: &RangeWorker<'_>) -> Result<bool, Fault> {
        let fetch = self.fetch;
        let opened = worker
            .source
            .open_part(&fetch.repository, &fetch.blob, self.range.clone())?;
        let Some(mut reader) = opened else {
            return Ok(false);
        };
        let destination = |error| Fault::store(Side::Destination, error);
        let mut writer = None;
        let mut chunk = vec![0; CHUNK];
        loop {
            if worker.cancel.load(Ordering::Relaxed) {
                return Err(Fault::interrupted());
            }
            if fetch.is_ended() {
                return Ok(true);
            }
            let count = match reader.read(&mut chunk) {
                Ok(0) => return Ok(true),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(read_fault(error)),
            };
            let writer = match &mut writer {
                Some(writer) => writer,
                None => writer.insert(fetch.parts.begin(self.range.start).map_err(destination)?),
            };
            writer.write(&chunk[..count]).map_err(destination)?;
            self.position += count as u64;
            (worker.progress)(fetch.arrive(count as u64));
        }
    }
}

impl Drop for Piece<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.fetch.state);
        state.busy -= 1;
        state.parts.remove(&self.range.start);
        if self.position > self.range.start {
            let part = Part {
                end: self.position,
                is_done: true,
            };
            state.parts.insert(self.range.start, part);
        }
        state.give_back(self.position..self.range.end);
        if let Some(end) = self.end.take() {
            state.end_by(end);
        }
        drop(state);
        self.fetch.changed.notify_all();
    }
}

impl State {
    /// Lets nobody begin another piece. The first fault stays.
    fn end_by(&mut self, end: End) {
        match (&self.end, &end) {
            (Some(End::Failed(_)), _) | (Some(End::Over), End::Alone) => {}
            _ => self.end = Some(end),
        }
    }

    /// Takes the owner's next bytes, which begin at `position` if nobody fetches them. Returns where they end.
    fn take_front(&mut self, position: u64) -> Option<u64> {
        let first = self.gaps.first().filter(|gap| gap.start == position)?.clone();
        let most = match (self.piece, &self.end) {
            (Some(piece), None) => first.end.min(position.saturating_add(piece)),
            _ => first.end,
        };
        self.take(position..most);
        Some(most)
    }

    /// Takes the first piece that nobody fetches. It is a part from now on.
    fn take_piece(&mut self) -> Option<Range<u64>> {
        let (piece, None) = (self.piece?, &self.end) else {
            return None;
        };
        let gap = self.gaps.first()?.clone();
        let mut end = gap.end.min(gap.start.saturating_add(piece));
        // A rest that is too small for a piece of its own goes along.
        if gap.end - end < LEAST_PIECE / 2 {
            end = gap.end;
        }
        self.take(gap.start..end);
        self.parts.insert(gap.start, Part { end, is_done: false });
        self.busy += 1;
        Some(gap.start..end)
    }

    /// Takes a range off the front of the first gap.
    fn take(&mut self, range: Range<u64>) {
        if self.gaps[0].end == range.end {
            self.gaps.remove(0);
        } else {
            self.gaps[0].start = range.end;
        }
    }

    fn give_back(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let at = self.gaps.partition_point(|gap| gap.start < range.start);
        match self.gaps.get_mut(at) {
            Some(next) if next.start == range.end => next.start = range.start,
            _ => self.gaps.insert(at, range),
        }
    }
}

#[cfg(test)]
mod tests;
