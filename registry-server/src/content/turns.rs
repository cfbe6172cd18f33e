//! Who may use a directory when: requests share it, removing images excludes them, and between requests nobody is kept out.

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::lock::{lock, wait_for};

/// How long a directory is used and left alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// How long requests may follow each other before others get a turn.
    pub term: Duration,
    /// How long that turn is, at least. Who waits for a directory looks every 20 ms.
    pub rest: Duration,
    /// How long a request waits for a turn.
    pub patience: Duration,
    /// How long the directory is held after something was written: a push's blobs aren't needed by an image before its last request.
    pub after_write: Duration,
}

impl Default for Terms {
    fn default() -> Terms {
        Terms {
            term: Duration::from_secs(2),
            rest: Duration::from_millis(30),
            patience: Duration::from_secs(10),
            after_write: Duration::from_secs(60),
        }
    }
}

/// How long passes between looks whether others let go of a directory.
const LOOK: Duration = Duration::from_millis(20);

/// What is held in turns: a directory's lease.
pub(super) trait Lease {
    type Error;

    /// Returns false while others exclude it.
    fn try_take(&self) -> Result<bool, Self::Error>;

    fn release(&self);
}

/// The order of turns.
#[derive(Debug)]
pub(super) struct Turns {
    terms: Terms,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    users: usize,
    /// Whether somebody here removes something, or waits to.
    is_excluded: bool,
    is_held: bool,
    /// When the last rest was over.
    term_began: Instant,
    /// When the lease was let go of.
    rested_since: Instant,
    written: Option<Instant>,
}

/// Why there was no turn.
#[derive(Debug)]
pub(super) enum Refused<E> {
    /// Others took too long.
    Busy,
    Failed(E),
}

/// A turn, until it is dropped.
pub(super) struct Turn<'a, L: Lease> {
    turns: &'a Turns,
    lease: &'a L,
}

impl Turns {
    /// Begins without a lease.
    pub fn new(terms: Terms) -> Turns {
        let now = Instant::now();
        Turns {
            terms,
            state: Mutex::new(State {
                users: 0,
                is_excluded: false,
                is_held: false,
                term_began: now,
                rested_since: now,
                written: None,
            }),
            changed: Condvar::new(),
        }
    }

    /// Waits for a turn beside other requests.
    pub fn enter<'a, L: Lease>(&'a self, lease: &'a L) -> Result<Turn<'a, L>, Refused<L::Error>> {
        let deadline = Instant::now() + self.terms.patience;
        let mut state = lock(&self.state);
        loop {
            self.let_go(&mut state, lease);
            let now = Instant::now();
            if let Some(wait) = self.wait_of(&state, now) {
                if now >= deadline {
                    return Err(Refused::Busy);
                }
                state = wait_for(&self.changed, state, wait);
                continue;
            }
            if !state.is_held {
                if !lease.try_take().map_err(Refused::Failed)? {
                    if now >= deadline {
                        return Err(Refused::Busy);
                    }
                    state = wait_for(&self.changed, state, LOOK);
                    continue;
                }
                if now - state.rested_since >= self.terms.rest {
                    state.term_began = now;
                }
                state.is_held = true;
            }
            state.users += 1;
            return Ok(Turn { turns: self, lease });
        }
    }

    /// How long to wait before a request may begin; none if it may now.
    fn wait_of(&self, state: &State, now: Instant) -> Option<Duration> {
        if state.is_excluded {
            return Some(self.terms.patience);
        }
        let is_over = now - state.term_began >= self.terms.term;
        if !is_over || self.is_writing(state, now) {
            return None;
        }
        if state.is_held {
            return (state.users > 0).then_some(self.terms.patience);
        }
        let rested = now - state.rested_since;
        self.terms.rest.checked_sub(rested).filter(|left| !left.is_zero())
    }

    /// Notes that something is written.
    pub fn note_write(&self) {
        lock(&self.state).written = Some(Instant::now());
    }

    /// Lets go of the lease if nobody uses it and nothing was written lately. Returns how long to wait before the next look, if there is to
    /// be one.
    pub fn tidy(&self, lease: &impl Lease) -> Option<Duration> {
        let mut state = lock(&self.state);
        self.let_go(&mut state, lease);
        let written = state.written.filter(|_| state.is_held)?;
        let left = (written + self.terms.after_write).saturating_duration_since(Instant::now());
        // A request may still be at it.
        Some(left.max(LOOK))
    }

    /// Keeps requests out and lets go of the lease, so that the caller can take one of its own, for as long as `work` takes.
    pub fn exclude<T>(&self, lease: &impl Lease, work: impl FnOnce(Instant) -> T) -> Option<T> {
        let deadline = Instant::now() + self.terms.patience;
        let mut state = lock(&self.state);
        while state.is_excluded {
            let left = deadline.checked_duration_since(Instant::now())?;
            state = wait_for(&self.changed, state, left);
        }
        // Those who come now wait until this is over.
        state.is_excluded = true;
        while state.users > 0 {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                drop(state);
                drop(Excluded(self));
                return None;
            };
            state = wait_for(&self.changed, state, left);
        }
        lease.release();
        state.is_held = false;
        drop(state);
        // Others may come again even if the work panics.
        let end = Excluded(self);
        let done = work(deadline);
        let mut state = lock(&self.state);
        // What is being pushed is still to be kept.
        state.is_held = self.is_writing(&state, Instant::now()) && lease.try_take().unwrap_or(false);
        drop(state);
        drop(end);
        Some(done)
    }

    fn is_writing(&self, state: &State, now: Instant) -> bool {
        let written = state.written;
        written.is_some_and(|written| now - written < self.terms.after_write)
    }

    fn let_go(&self, state: &mut State, lease: &impl Lease) {
        let now = Instant::now();
        if state.is_held && state.users == 0 && !self.is_writing(state, now) {
            lease.release();
            state.is_held = false;
            state.rested_since = now;
        }
    }
}

impl<L: Lease> Drop for Turn<'_, L> {
    fn drop(&mut self) {
        let mut state = lock(&self.turns.state);
        state.users -= 1;
        if state.users == 0 {
            self.turns.let_go(&mut state, self.lease);
            self.turns.changed.notify_all();
        }
    }
}

struct Excluded<'a>(&'a Turns);

impl Drop for Excluded<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.is_excluded = false;
        state.rested_since = Instant::now();
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    /// A lease that others may hold.
    #[derive(Default)]
    struct Shared {
        is_taken: AtomicBool,
        is_held: AtomicBool,
        releases: AtomicUsize,
    }

    impl Lease for Shared {
        type Error = ();

        fn try_take(&self) -> Result<bool, ()> {
            let is_free = !self.is_taken.load(Ordering::SeqCst);
            self.is_held.store(is_free, Ordering::SeqCst);
            Ok(is_free)
        }

        fn release(&self) {
            self.is_held.store(false, Ordering::SeqCst);
            self.releases.fetch_add(1, Ordering::SeqCst);
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    fn terms() -> Terms {
        Terms {
            term: LONG,
            rest: Duration::from_millis(1),
            patience: LONG,
            after_write: Duration::ZERO,
        }
    }

    #[test]
    fn the_last_request_lets_go_of_the_lease() {
        let (turns, lease) = (Turns::new(terms()), Shared::default());
        let first = turns.enter(&lease).unwrap_or_else(|_| panic!("it is free"));
        let second = turns.enter(&lease).unwrap_or_else(|_| panic!("it is shared"));
        drop(first);
        assert!(lease.is_held.load(Ordering::SeqCst));
        drop(second);
        assert!(!lease.is_held.load(Ordering::SeqCst));
    }

    #[test]
    fn a_lease_is_kept_for_a_while_after_a_write() {
        let mut terms = terms();
        terms.after_write = LONG;
        let (turns, lease) = (Turns::new(terms), Shared::default());
        let turn = turns.enter(&lease).unwrap_or_else(|_| panic!("it is free"));
        turns.note_write();
        drop(turn);
        assert!(lease.is_held.load(Ordering::SeqCst));
        assert!(turns.tidy(&lease).is_some_and(|wait| wait > LONG / 2));
        let excluded = turns.exclude(&lease, |_| lease.is_held.load(Ordering::SeqCst));
        assert_eq!(
            excluded,
            Some(false),
            "removing something here needn't wait for that"
        );
    }

    #[test]
    fn requests_without_a_pause_give_others_a_turn() {
        let mut terms = terms();
        (terms.term, terms.rest) = (Duration::from_millis(20), Duration::from_millis(5));
        let (turns, lease) = (Turns::new(terms), Shared::default());
        let is_done = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !is_done.load(Ordering::SeqCst) {
                        drop(turns.enter(&lease));
                    }
                });
            }
            let rests = || {
                lock(&turns.state).rested_since.elapsed() >= Duration::from_millis(3)
                    && !lock(&turns.state).is_held
            };
            while !rests() {
                thread::yield_now();
            }
            is_done.store(true, Ordering::SeqCst);
        });
        assert!(lease.releases.load(Ordering::SeqCst) > 0);
    }

    #[test]
    fn a_request_that_others_keep_out_is_refused_in_time() {
        let mut terms = terms();
        terms.patience = Duration::from_millis(30);
        let (turns, lease) = (Turns::new(terms), Shared::default());
        lease.is_taken.store(true, Ordering::SeqCst);
        assert!(matches!(turns.enter(&lease), Err(Refused::Busy)));
        lease.is_taken.store(false, Ordering::SeqCst);
        let turn = turns.enter(&lease);
        assert!(turn.is_ok());
        assert_eq!(turns.exclude(&lease, |_| ()), None, "a request is at it");
        drop(turn);
        assert_eq!(turns.exclude(&lease, |_| ()), Some(()));
        assert!(turns.enter(&lease).is_ok());
    }
}
