//! A large blob over several connections: which part of it is whose.
//!
//! The **owner** has the blob's writer. It takes the bytes in their order: from a connection of its own, or from parts that
//! **helpers** have fetched into files of their own. Helpers are workers that have nothing else to do; each takes the next piece that
//! nobody is at, again and again, until there is other work.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use transload_layout_store::{KeptPart, Parts};
use transload_reference::{Descriptor, Digest, Repository};

use super::destination::CHUNK;
use super::fault::{Fault, Side};
use super::source::{Source, read_fault};
use super::tandem::Tandem;

/// The smallest piece, in bytes: a request costs a round trip.
const LEAST_PIECE: u64 = 1 << 20;

/// A blob of which fewer bytes are left is its owner's alone.
const LEAST_LEFT: u64 = 4 << 20;

/// A connection that brings so many bytes a second isn't what limits the transfer.
const FAST: f64 = (64 << 20) as f64;

/// Where all that are at work bring so many bytes a second together, the link or the machine is what limits them.
pub(crate) const ENOUGH: f64 = (512 << 20) as f64;

/// What will be there so soon, in seconds, needs no help. The last layers of many images are what a run waits for, so that it isn't much more
/// than helpers need to begin and to bring the least piece: a few round trips.
const SOON: f64 = 0.2;

/// How long a piece should take, in seconds: long beside a round trip, short beside a large blob.
const PIECE_SECONDS: f64 = 2.0;

/// How long a wait goes without a look at the cancel flag.
const SLICE: Duration = Duration::from_millis(50);

/// Workers that may help.
pub trait Crew: Sync {
    /// How many of them have nothing to do.
    fn idle(&self) -> usize;

    /// How many of them are at something.
    fn busy(&self) -> usize;

    /// Lets one of them help, by calling [`Split::help`].
    fn call(&self, split: &Arc<Split>);

    /// Where they go on in twos.
    fn tandem(&self) -> &Tandem;
}

/// How a helper works.
pub struct Shift<'a> {
    /// Where the bytes come from.
    pub source: &'a dyn Source,
    /// Told how many of the blob's bytes are there, wherever they are in it.
    pub progress: &'a dyn Fn(u64),
    /// Set once the user wants to stop.
    pub cancel: &'a AtomicBool,
    /// Whether the worker is wanted elsewhere.
    pub is_wanted: &'a dyn Fn() -> bool,
}

/// A blob that is being fetched, and who is at which part of it.
#[derive(Debug)]
pub struct Split {
    blob: Descriptor,
    repository: Repository,
    parts: Parts,
    arrived: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// What nobody is at, in order.
    gaps: Vec<Range<u64>>,
    /// Parts beyond the owner's bytes, by their offsets.
    parts: BTreeMap<u64, Part>,
    /// How large pieces are, in bytes; the owner takes all it can while there is no size.
    piece: Option<u64>,
    /// How many helpers are at a piece.
    busy: usize,
    /// Why nobody is to begin another piece.
    end: Option<End>,
}

#[derive(Debug, Clone, Copy)]
struct Part {
    end: u64,
    is_done: bool,
}

#[derive(Debug)]
enum End {
    /// The registry serves no parts: the owner goes on alone.
    Whole,
    /// The owner needs no more.
    Over,
    Failed(Fault),
}

/// What the owner does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Take the bytes up to there from a connection.
    Stream(u64),
    /// Take the part that begins there.
    Absorb(u64),
    /// Fetch a piece that comes later, as a helper does.
    Help(Range<u64>),
    /// Somebody is at what comes next.
    Wait,
    /// All bytes are there.
    Done,
}

impl Split {
    /// A blob of which the bytes before `offset` are there, and some parts beyond.
    pub fn new(
        blob: &Descriptor,
        repository: &Repository,
        parts: Parts,
        offset: u64,
        kept: &[KeptPart],
    ) -> Split {
        let mut gaps = Vec::new();
        let mut reached = offset;
        for part in kept {
            gaps.extend((reached < part.start).then_some(reached..part.start));
            reached = reached.max(part.end());
        }
        gaps.extend((reached < blob.size).then_some(reached..blob.size));
        let missing: u64 = gaps.iter().map(|gap| gap.end - gap.start).sum();
        let done = kept.iter().map(|part| {
            let end = part.end();
            (part.start, Part { end, is_done: true })
        });
        Split {
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

    /// Takes note of bytes that came. How many are there now.
    pub fn arrive(&self, bytes: u64) -> u64 {
        self.arrived.fetch_add(bytes, Ordering::Relaxed) + bytes
    }

    /// What the owner, who has all bytes before `position`, does next. What it is to fetch is its own then.
    pub fn next(&self, position: u64) -> Result<Next, Fault> {
        let mut state = self.lock();
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
            return Ok(state.take_piece().map_or(Next::Wait, Next::Help));
        }
        Ok(match state.take_front(position) {
            Some(end) => Next::Stream(end),
            None => Next::Wait,
        })
    }

    /// Gives back what the owner doesn't fetch itself of what it took: from `from` up to `end`.
    pub fn give_back(&self, from: u64, end: u64) {
        self.lock().give_back(from..end);
        self.changed.notify_all();
    }

    /// Whether the blob may be split between `helpers` and the owner, who brings `rate` bytes a second as one of `busy` workers: the size
    /// of the pieces then, in bytes.
    pub fn worthwhile(&self, left: u64, rate: f64, busy: usize, helpers: usize) -> Option<u64> {
        let is_slow = rate > 0.0 && rate < FAST && rate * (busy as f64) < ENOUGH;
        let takes_time = left as f64 > rate * SOON;
        if helpers == 0 || !is_slow || !takes_time || left < LEAST_LEFT || self.lock().end.is_some() {
            return None;
        }
        let each = left / (helpers as u64 + 1) / 2;
        Some(each.min((rate * PIECE_SECONDS) as u64).max(LEAST_PIECE))
    }

    /// Splits what nobody is at into pieces of this size from now on.
    pub fn begin(&self, piece: u64) {
        self.lock().piece = Some(piece);
    }

    /// Whether there is something for helpers.
    pub fn has_work(&self) -> bool {
        let state = self.lock();
        state.piece.is_some() && state.end.is_none() && !state.gaps.is_empty()
    }

    /// Helps until there is nothing left to fetch, or the worker is wanted elsewhere.
    pub fn help(&self, shift: &Shift<'_>) {
        loop {
            if (shift.is_wanted)() {
                return;
            }
            let Some(piece) = self.take_for_helper() else {
                return;
            };
            self.fetch(piece, shift);
            let mut state = self.lock();
            state.busy -= 1;
            drop(state);
            self.changed.notify_all();
        }
    }

    fn take_for_helper(&self) -> Option<Range<u64>> {
        let mut state = self.lock();
        let piece = state.take_piece()?;
        state.busy += 1;
        Some(piece)
    }

    /// Fetches a piece that was taken, as far as that goes. What is missing in the end is a gap again.
    pub fn fetch(&self, piece: Range<u64>, shift: &Shift<'_>) {
        let mut position = piece.start;
        let result = self.fetch_into(&piece, &mut position, shift);
        let mut state = self.lock();
        if position > piece.start {
            let part = Part {
                end: position,
                is_done: true,
            };
            state.parts.insert(piece.start, part);
        } else {
            state.parts.remove(&piece.start);
        }
        state.give_back(position..piece.end);
        match result {
            Ok(true) => {}
            Ok(false) if state.end.is_none() => state.end = Some(End::Whole),
            Ok(false) => {}
            Err(fault) => state.end = Some(End::Failed(fault)),
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Whether the registry serves parts at all.
    fn fetch_into(&self, piece: &Range<u64>, position: &mut u64, shift: &Shift<'_>) -> Result<bool, Fault> {
        let opened = shift
            .source
            .open_part(&self.repository, &self.blob, piece.clone())?;
        let Some(mut reader) = opened else {
            return Ok(false);
        };
        let mut writer = None;
        let mut chunk = vec![0; CHUNK];
        loop {
            if shift.cancel.load(Ordering::Relaxed) {
                return Err(Fault::interrupted());
            }
            if self.is_ended() {
                return Ok(true);
            }
            let count = match reader.read(&mut chunk) {
                Ok(0) => return Ok(true),
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(read_fault(error)),
            };
            let destination = |error| Fault::store(Side::Destination, error);
            let writer = match &mut writer {
                Some(writer) => writer,
                None => writer.insert(self.parts.begin(piece.start).map_err(destination)?),
            };
            writer.write(&chunk[..count]).map_err(destination)?;
            *position += count as u64;
            (shift.progress)(self.arrive(count as u64));
        }
    }

    fn is_ended(&self) -> bool {
        matches!(self.lock().end, Some(End::Over | End::Failed(_)))
    }

    /// Waits until a helper is done with a piece, or some time has passed.
    pub fn wait(&self) {
        let state = self.lock();
        let waited = self.changed.wait_timeout(state, SLICE);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Lets nobody begin another piece, and waits for those who are at one.
    pub fn end(&self) {
        let mut state = self.lock();
        if !matches!(state.end, Some(End::Failed(_))) {
            state.end = Some(End::Over);
        }
        while state.busy > 0 {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The owner's next bytes, which begin at `position` if nobody is at them: up to where they go.
    fn take_front(&mut self, position: u64) -> Option<u64> {
        let first = self.gaps.first().filter(|gap| gap.start == position)?.clone();
        let most = match (self.piece, &self.end) {
            (Some(piece), None) => first.end.min(position.saturating_add(piece)),
            _ => first.end,
        };
        self.take(0, position..most);
        Some(most)
    }

    /// The first piece that nobody is at. It is a part from now on.
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
        self.take(0, gap.start..end);
        self.parts.insert(gap.start, Part { end, is_done: false });
        Some(gap.start..end)
    }

    fn take(&mut self, gap: usize, range: Range<u64>) {
        if self.gaps[gap].end == range.end {
            self.gaps.remove(gap);
        } else {
            self.gaps[gap].start = range.end;
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
mod tests {
    use transload_layout_store::{BlobWrite, Store};
    use transload_reference::MediaType;

    use super::*;

    const SIZE: u64 = 100 << 20;

    fn split(offset: u64, kept: &[(u64, u64)]) -> Split {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(folder.path()).unwrap();
        let blob = Descriptor::new(MediaType::new("x/y"), Digest::of(b"blob"), SIZE);
        let BlobWrite::Writer(writer) = store.write_blob(&blob).unwrap() else {
            unreachable!("it isn't there")
        };
        let kept: Vec<KeptPart> = kept
            .iter()
            .map(|&(start, length)| KeptPart { start, length })
            .collect();
        Split::new(
            &blob,
            &"hub.local/a".parse().unwrap(),
            writer.parts(),
            offset,
            &kept,
        )
    }

    fn done(split: &Split, piece: &Range<u64>) {
        let mut state = split.lock();
        state.parts.insert(
            piece.start,
            Part {
                end: piece.end,
                is_done: true,
            },
        );
        split.arrive(piece.end - piece.start);
    }

    #[test]
    fn who_is_alone_takes_everything_in_one_go_and_parts_of_an_earlier_try_in_between() {
        let whole = split(0, &[]);
        assert_eq!(whole.next(0).unwrap(), Next::Stream(SIZE));
        assert_eq!(whole.next(SIZE).unwrap(), Next::Done);

        // The first part was being taken when the earlier try ended.
        let resumed = split(30, &[(20, 20), (60, 10)]);
        assert_eq!(resumed.arrived(), 50);
        assert_eq!(resumed.next(30).unwrap(), Next::Absorb(20));
        assert_eq!(resumed.next(40).unwrap(), Next::Stream(60));
        assert_eq!(resumed.next(60).unwrap(), Next::Absorb(60));
        assert_eq!(resumed.next(70).unwrap(), Next::Stream(SIZE));
    }

    #[test]
    fn pieces_are_nobody_elses_and_the_owner_takes_them_in_order() {
        let split = split(0, &[]);
        assert_eq!(split.next(0).unwrap(), Next::Stream(SIZE));
        let piece = 40 << 20;
        assert!(split.take_for_helper().is_none(), "all is the owner's");
        split.begin(piece);
        split.give_back(piece, SIZE);
        let first = split.take_for_helper().unwrap();
        assert_eq!(first, piece..2 * piece);
        let second = split.take_for_helper().unwrap();
        assert_eq!(second, 2 * piece..SIZE);
        assert!(split.take_for_helper().is_none());
        assert_eq!(
            split.next(piece).unwrap(),
            Next::Wait,
            "somebody is at it, and nothing else is left"
        );
        done(&split, &first);
        assert_eq!(split.next(piece).unwrap(), Next::Absorb(piece));
        assert_eq!(split.next(2 * piece).unwrap(), Next::Wait);
        done(&split, &second);
        assert_eq!(split.next(2 * piece).unwrap(), Next::Absorb(2 * piece));
        assert_eq!(split.next(SIZE).unwrap(), Next::Done);
    }

    #[test]
    fn the_owner_helps_rather_than_waits() {
        let split = split(0, &[]);
        split.next(0).unwrap();
        split.begin(LEAST_PIECE);
        split.give_back(LEAST_PIECE, SIZE);
        split.take_for_helper().unwrap();
        assert_eq!(
            split.next(LEAST_PIECE).unwrap(),
            Next::Help(2 * LEAST_PIECE..3 * LEAST_PIECE)
        );
    }

    #[test]
    fn what_a_helper_leaves_is_a_gap_again() {
        let split = split(0, &[]);
        split.next(0).unwrap();
        split.begin(LEAST_PIECE);
        split.give_back(10, SIZE);
        let piece = split.take_for_helper().unwrap();
        split.lock().give_back(piece.start + 5..piece.end);
        let gaps =
            || -> Vec<(u64, u64)> { split.lock().gaps.iter().map(|gap| (gap.start, gap.end)).collect() };
        assert_eq!(gaps(), [(piece.start + 5, SIZE)]);
        split.lock().give_back(3..10);
        assert_eq!(gaps(), [(3, 10), (piece.start + 5, SIZE)]);
    }

    #[test]
    fn only_what_is_slow_and_long_is_split() {
        let split = split(0, &[]);
        let mib = (1 << 20) as f64;
        assert_eq!(split.worthwhile(SIZE, 10.0 * mib, 1, 0), None, "nobody is idle");
        assert_eq!(
            split.worthwhile(SIZE, 80.0 * mib, 1, 7),
            None,
            "the connection is no limit"
        );
        assert_eq!(
            split.worthwhile(SIZE, 40.0 * mib, 16, 7),
            None,
            "sixteen such connections share what there is"
        );
        assert_eq!(
            split.worthwhile(10 << 20, 60.0 * mib, 1, 7),
            None,
            "it will be there at once"
        );
        assert_eq!(split.worthwhile(3 << 20, mib, 1, 7), None, "it is too short");
        assert_eq!(split.worthwhile(SIZE, 10.0 * mib, 1, 4), Some(10 << 20));
        assert_eq!(
            split.worthwhile(10 * SIZE, 10.0 * mib, 1, 7),
            Some(20 << 20),
            "what comes in two seconds"
        );
        assert_eq!(split.worthwhile(SIZE, mib / 4.0, 1, 7), Some(LEAST_PIECE));
        assert_eq!(split.worthwhile(6 << 20, 10.0 * mib, 1, 7), Some(LEAST_PIECE));
    }
}
