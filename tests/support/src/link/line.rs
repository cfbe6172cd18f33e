//! One direction of a connection: what is on its way, and what becomes of it.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{LinkConditions, Loss, Shared};

/// The fewest and the most bytes that are taken from a socket at once; between them, what passes in [`LUMP`].
const CHUNK: [usize; 2] = [16 * 1024, 64 * 1024];

/// How long one chunk takes to pass, where the rate allows it: bytes arrive in lumps, as they do from a network card.
const LUMP: Duration = Duration::from_millis(5);

/// How many bytes may be on their way: a window, beyond which the sender waits.
const WINDOW: usize = 4 * 1024 * 1024;

/// How long nothing passes after a loss that doesn't end the connection.
const PAUSE: Duration = Duration::from_secs(1);

/// In how many chunks they may be: a sender of single bytes waits, too.
const WINDOW_CHUNKS: usize = 256;

/// How many chunks are taken before another line has its turn.
const TURN: usize = 16;

/// Buffers that can be filled again.
#[derive(Debug, Default)]
pub(super) struct Spare(Vec<Vec<u8>>);

impl Spare {
    fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_else(|| vec![0; CHUNK[1]])
    }
}

/// One direction of one connection.
#[derive(Debug)]
pub(super) struct Line {
    /// The connection's.
    pub number: u64,
    /// When the connection is made, as far as the clients can tell.
    ready: Instant,
    is_from_server: bool,
    from: Arc<TcpStream>,
    to: Arc<TcpStream>,
    /// Nothing has been taken so far.
    is_new: bool,
    passing: VecDeque<Passing>,
    /// The bytes of `passing`.
    held: usize,
    /// How many bytes were given so far.
    given: u64,
    /// When the line is free again after what it carried last.
    free: Instant,
    /// The side that is taken from has more, or may have.
    has_more: bool,
    /// The side that is given to takes no more for now.
    is_blocked: bool,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Everything was taken; what is on its way still arrives.
    Ends,
    /// What comes is taken and forgotten, so that only the client waits.
    Forgets,
    /// Nothing is taken and nothing given any more.
    Holds,
    Over,
}

/// Bytes on their way.
#[derive(Debug)]
struct Passing {
    buffer: Vec<u8>,
    /// Those of the buffer that are to be given.
    start: usize,
    end: usize,
    /// How many were taken.
    count: usize,
    /// When the first of them is there, where the line is free.
    arrives: Instant,
    /// What comes after them, once the conditions has had its way with them.
    then: Option<Then>,
    /// They were lost once, and are sent again.
    is_again: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    GoesOn,
    Cuts,
    Stalls,
}

impl Passing {
    /// When the last of these bytes is there, on a line that is free from then on.
    fn last_arrives(&self, free: Instant, conditions: &LinkConditions) -> Instant {
        let first_arrives = self.arrives.max(free);
        match conditions.rate {
            Some(rate) => first_arrives + Duration::from_secs_f64(self.count as f64 / rate as f64),
            None => first_arrives,
        }
    }
}

/// Whether a connection lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Lasts,
    /// Both of its lines and sockets are to be closed.
    Ended,
}

impl Line {
    /// A line whose sockets don't block.
    pub fn new(number: u64, ready: Instant, [from, to]: [&Arc<TcpStream>; 2], is_from_server: bool) -> Line {
        Line {
            number,
            ready,
            is_from_server,
            from: Arc::clone(from),
            to: Arc::clone(to),
            is_new: true,
            passing: VecDeque::new(),
            held: 0,
            given: 0,
            free: ready,
            // What came before the line was watched is told to nobody.
            has_more: true,
            is_blocked: false,
            state: State::Open,
        }
    }

    /// One of the connection's sockets has more, or has room again.
    pub fn notice(&mut self, is_far: bool, has_more: bool, has_room: bool) {
        if is_far == self.is_from_server {
            self.has_more |= has_more;
        } else {
            self.is_blocked &= !has_room;
        }
    }

    /// Whether there may be something to take, and room for it.
    pub fn can_take(&self) -> bool {
        let has_room = self.held < WINDOW && self.passing.len() < WINDOW_CHUNKS;
        self.has_more && (self.state == State::Forgets || self.state == State::Open && has_room)
    }

    /// When there will be something to give.
    pub fn due(&self, conditions: &LinkConditions) -> Option<Instant> {
        let first = self.passing.front().filter(|_| !self.is_blocked)?;
        Some(first.last_arrives(self.free, conditions))
    }

    /// Whether nothing will happen here any more.
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Takes what is there.
    pub fn take(&mut self, conditions: &LinkConditions, spare: &mut Spare) {
        let most = chunk(conditions.rate);
        for _ in 0..TURN {
            if !self.can_take() {
                return;
            }
            let mut buffer = spare.take();
            let taken = (&*self.from).read(&mut buffer[..most]);
            match taken {
                Ok(count) if count > 0 && self.state == State::Open => {
                    self.pass(buffer, count, conditions);
                    continue;
                }
                Ok(count) if count > 0 => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // It will be told when there is more.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.has_more = false,
                // A side that breaks off has said all, too.
                Ok(_) | Err(_) if self.state == State::Forgets => self.state = State::Over,
                Ok(_) | Err(_) => self.state = State::Ends,
            }
            spare.0.push(buffer);
        }
    }

    fn pass(&mut self, buffer: Vec<u8>, count: usize, conditions: &LinkConditions) {
        let mut arrives = self.ready.max(Instant::now()) + conditions.delay;
        if std::mem::take(&mut self.is_new) && self.is_from_server {
            arrives += conditions.slow_start;
        }
        self.held += count;
        self.passing.push_back(Passing {
            buffer,
            start: 0,
            end: count,
            count,
            arrives,
            then: None,
            is_again: false,
        });
    }

    /// Gives what has arrived.
    pub fn give(&mut self, shared: &Shared, conditions: &LinkConditions, spare: &mut Spare) -> Verdict {
        if self.is_blocked {
            return Verdict::Lasts;
        }
        while let Some(mut first) = self.arrived(conditions) {
            match self.loss(&first, shared, conditions) {
                None => {}
                Some(Loss::Cuts) => return Verdict::Ended,
                Some(Loss::Waits) => {
                    first.is_again = true;
                    first.arrives = Instant::now() + PAUSE;
                    self.passing.push_front(first);
                    return Verdict::Lasts;
                }
            }
            let then = match first.then {
                Some(then) => then,
                None => self.befall(&mut first, shared, conditions),
            };
            match self.write(&mut first, shared) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.is_blocked = true;
                    self.passing.push_front(first);
                    return Verdict::Lasts;
                }
                Err(_) => return Verdict::Ended,
            }
            self.held -= first.count;
            spare.0.push(first.buffer);
            match then {
                Then::GoesOn => {}
                Then::Cuts => return Verdict::Ended,
                Then::Stalls => {
                    self.passing.clear();
                    self.state = match self.is_from_server {
                        true => State::Forgets,
                        false => State::Holds,
                    };
                    return Verdict::Lasts;
                }
            }
        }
        if self.state == State::Ends && self.passing.is_empty() {
            // One side said all; the other may still speak.
            self.to.shutdown(Shutdown::Write).ok();
            self.state = State::Over;
        }
        Verdict::Lasts
    }

    /// What is to be given now.
    fn arrived(&mut self, conditions: &LinkConditions) -> Option<Passing> {
        let first = self.passing.front()?;
        if first.then.is_none() {
            let arrived = first.last_arrives(self.free, conditions);
            if arrived > Instant::now() {
                return None;
            }
            self.free = arrived;
        }
        self.passing.pop_front()
    }

    /// Whether bytes that are about to be given for the first time are lost.
    fn loss(&self, first: &Passing, shared: &Shared, conditions: &LinkConditions) -> Option<Loss> {
        if first.is_again || first.then.is_some() {
            return None;
        }
        let bytes = self.given..self.given + first.count as u64;
        let loss = conditions.loss(self.number, self.is_from_server, bytes);
        loss.filter(|_| shared.strikes_now())
    }

    /// Lets the conditions have its way with bytes that are about to be given.
    fn befall(&self, first: &mut Passing, shared: &Shared, conditions: &LinkConditions) -> Then {
        let way = conditions.way(self.number, self.is_from_server);
        let is_past = way.end.is_some_and(|end| self.given + first.count as u64 > end);
        let is_ending = is_past && shared.strikes_now();
        if let Some(end) = way.end.filter(|_| is_ending) {
            let room = end.saturating_sub(self.given);
            first.end = usize::try_from(room).map_or(first.count, |room| room.min(first.count));
        }
        let damaged = way.corrupt.and_then(|at| at.checked_sub(self.given));
        if let Some(byte) =
            damaged.and_then(|at| first.buffer[..first.end].get_mut(usize::try_from(at).ok()?))
            && shared.strikes_now()
        {
            *byte ^= 1;
        }
        let then = match (is_ending, way.stalls) {
            (false, _) => Then::GoesOn,
            (true, false) => Then::Cuts,
            (true, true) => Then::Stalls,
        };
        *first.then.insert(then)
    }

    fn write(&mut self, first: &mut Passing, shared: &Shared) -> io::Result<()> {
        let counter = match self.is_from_server {
            true => &shared.from_server,
            false => &shared.to_server,
        };
        while first.start < first.end {
            match (&*self.to).write(&first.buffer[first.start..first.end]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    first.start += count;
                    self.given += count as u64;
                    counter.fetch_add(count as u64, Ordering::Relaxed);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// How many bytes are taken at once.
fn chunk(rate: Option<u64>) -> usize {
    let [least, most] = CHUNK;
    let lump = rate.map(|rate| rate as f64 * LUMP.as_secs_f64());
    lump.map_or(most, |bytes| (bytes as usize).clamp(least, most))
}
