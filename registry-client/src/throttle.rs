//! Decides when a request to a host may start: one limit, one pause and one health for each host, shared by all workers.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use crate::cancel::Cancel;
use crate::error::Error;
use crate::health::Health;
use crate::limit::Limit;
use crate::retry::RetryPolicy;

/// The interval between two checks of the cancel flag.
const SLICE: Duration = Duration::from_millis(50);

/// The longest brief pause.
const LONGEST_BRIEF: Duration = Duration::from_millis(400);

/// A host's limit, its pause and its health.
#[derive(Debug)]
pub(crate) struct Throttle {
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug)]
struct State {
    limit: Limit,
    running: usize,
    /// The running requests by thread. An upload whose bytes come from the same host must not wait for itself.
    by_thread: HashMap<ThreadId, usize>,
    paused_until: Option<Instant>,
    /// Brief pauses since the last success.
    briefs: u32,
    /// Apart for reads and writes: a registry may serve the ones and refuse the others.
    reads: Health,
    writes: Health,
}

/// The right to run one request, its answer's body included. Dropping it releases it.
#[derive(Debug)]
pub(crate) struct Permit {
    throttle: Arc<Throttle>,
    thread: ThreadId,
    began: Began,
}

/// The number of the host's overloads when a request began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Began(u64);

/// The pause after an overload, during which no request starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause {
    None,
    /// This long, doubled each time while nothing succeeds.
    Brief(Duration),
    /// As long as the host asks for.
    Asked(Duration),
}

/// How long a request waits for a permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PermitWait {
    /// Until there is one.
    Unlimited,
    /// At most this long: it holds a permit of another host, which holders of permits here may be waiting for.
    AtMost(Duration),
    /// Not at all: it belongs to a transfer that has had its permit.
    Skip,
}

impl Throttle {
    pub fn new(most: usize) -> Arc<Throttle> {
        Arc::new(Throttle {
            state: Mutex::new(State {
                limit: Limit::new(most),
                running: 0,
                by_thread: HashMap::new(),
                paused_until: None,
                briefs: 0,
                reads: Health::default(),
                writes: Health::default(),
            }),
            freed: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the end of a pause and for a free permit; without one, as long as `wait` allows. `None` if cancelled.
    pub fn acquire(self: &Arc<Self>, cancel: &Cancel, wait: PermitWait) -> Option<Permit> {
        let thread = thread::current().id();
        let since = Instant::now();
        let mut state = self.lock();
        loop {
            if cancel.is_set() {
                return None;
            }
            let pause = state.pause(Instant::now());
            state.limit.wait(Instant::now());
            let is_free = state.running < state.limit.get();
            let waits = match wait {
                PermitWait::Unlimited => true,
                PermitWait::AtMost(longest) => since.elapsed() < longest,
                PermitWait::Skip => false,
            };
            if pause.is_none() && (is_free || !waits || state.by_thread.contains_key(&thread)) {
                break;
            }
            let nap = pause.map_or(SLICE, |pause| pause.min(SLICE));
            state = self
                .freed
                .wait_timeout(state, nap)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        state.running += 1;
        *state.by_thread.entry(thread).or_default() += 1;
        Some(Permit {
            throttle: Arc::clone(self),
            thread,
            began: Began(state.limit.overloads()),
        })
    }

    /// Returns the present limit.
    pub fn limit(&self) -> usize {
        self.lock().limit.get()
    }

    /// Returns the number of free permits.
    pub fn free(&self) -> usize {
        let state = self.lock();
        state.limit.get().saturating_sub(state.running)
    }

    /// Records an overload: no request starts during the pause, and the limit is halved. Returns the new limit if it fell. Failures of
    /// requests that ran together count once; `began` is `None` if it isn't known.
    pub fn record_overload(&self, now: Instant, began: Option<Began>, pause: Pause) -> Option<usize> {
        let mut state = self.lock();
        let is_news = began.is_none_or(|began| began.0 == state.limit.overloads());
        let pause = match pause {
            Pause::Asked(asked) => asked,
            Pause::Brief(first) if is_news => {
                let doubled = first.saturating_mul(1 << state.briefs.min(16));
                state.briefs += 1;
                doubled.min(LONGEST_BRIEF)
            }
            Pause::Brief(_) | Pause::None => Duration::ZERO,
        };
        let until = now + pause;
        state.paused_until = Some(state.paused_until.map_or(until, |earlier| earlier.max(until)));
        is_news.then(|| state.limit.halve()).flatten()
    }

    /// Records that something was sent over a new connection.
    pub fn sent(&self, now: Instant) {
        self.lock().limit.sent(now);
    }

    /// Records the first round trip over a new connection.
    pub fn measured(&self, round_trip: Duration) {
        self.lock().limit.measured(round_trip);
        self.freed.notify_all();
    }

    /// Records an answer. `is_good`: it isn't a passing failure.
    pub fn record_answer(&self, now: Instant, is_write: bool, is_good: bool) {
        let mut state = self.lock();
        if is_good {
            state.briefs = 0;
            state.health(is_write).succeeds();
        } else {
            state.health(is_write).fails(now, true);
        }
    }

    /// Records a request without an answer.
    pub fn fails(&self, now: Instant, is_write: bool) {
        self.lock().health(is_write).fails(now, false);
    }

    /// Whether the host has answered anything.
    pub fn has_answered(&self) -> bool {
        let state = self.lock();
        state.reads.has_answered() || state.writes.has_answered()
    }

    /// Returns how many requests of this kind succeeded.
    pub fn successes(&self, is_write: bool) -> u64 {
        self.lock().health(is_write).successes()
    }

    /// Gives the host up with the error of a request that has used up its tries, if nothing has succeeded for too long.
    pub fn give_up(&self, now: Instant, error: &Error, tries: u32, policy: &RetryPolicy) {
        let (silence, outage) = (policy.first_wait, policy.longest_outage);
        let mut state = self.lock();
        let health = state.health(error.inner().is_write);
        health.give_up(now, error, tries, silence, outage);
        if health.given_up().is_some() {
            // Waiting requests fail at once.
            state.paused_until = None;
            self.freed.notify_all();
        }
    }

    /// Returns the error for all requests of this kind, if the host was given up.
    pub fn given_up(&self, is_write: bool) -> Option<Error> {
        let mut state = self.lock();
        state.health(is_write).given_up().map(|error| error.copy())
    }

    /// Allows requests again to a host that was given up.
    pub fn readmit(&self) {
        let mut state = self.lock();
        state.reads.readmit();
        state.writes.readmit();
    }

    /// Whether the host was given up for requests of this kind.
    pub fn is_given_up(&self, is_write: bool) -> bool {
        self.lock().health(is_write).given_up().is_some()
    }

    /// Records a success.
    pub fn record_success(&self) {
        let mut state = self.lock();
        let is_used_up = state.running >= state.limit.get();
        state.limit.succeed(is_used_up);
    }
}

impl State {
    fn health(&mut self, is_write: bool) -> &mut Health {
        match is_write {
            true => &mut self.writes,
            false => &mut self.reads,
        }
    }

    /// Returns what is left of the pause.
    fn pause(&self, now: Instant) -> Option<Duration> {
        let left = self.paused_until?.saturating_duration_since(now);
        Some(left).filter(|left| !left.is_zero())
    }
}

impl Permit {
    /// Returns when its request began.
    pub fn began(&self) -> Began {
        self.began
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.throttle.lock();
        state.running -= 1;
        if let Some(count) = state.by_thread.get_mut(&self.thread) {
            *count -= 1;
            if *count == 0 {
                state.by_thread.remove(&self.thread);
            }
        }
        drop(state);
        self.throttle.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{Operation, Place};

    /// Takes every permit there is.
    fn fill(throttle: &Arc<Throttle>) -> Vec<Permit> {
        let cancel = Cancel::default();
        let take = || throttle.acquire(&cancel, PermitWait::Skip);
        (0..throttle.free()).map_while(|_| take()).collect()
    }

    #[test]
    fn concurrency_falls_once_per_overload_and_recovers() {
        let (throttle, cancel, now) = (Throttle::new(8), Cancel::default(), Instant::now());
        let begin = || throttle.acquire(&cancel, PermitWait::Skip).unwrap().began();
        let together = [begin(), begin(), begin()].map(Some);
        let fallen = together.map(|began| throttle.record_overload(now, began, Pause::None));
        assert_eq!(fallen, [Some(4), None, None]);
        assert_eq!(throttle.record_overload(now, Some(begin()), Pause::None), Some(2));
        assert_eq!(throttle.limit(), 2);
        throttle.record_success();
        assert_eq!(throttle.limit(), 2, "nothing runs");
        let _running = fill(&throttle);
        (0..100).for_each(|_| throttle.record_success());
        assert_eq!(throttle.limit(), 3, "no more are wanted");
    }

    #[test]
    fn a_pause_is_brief_and_grows_while_nothing_succeeds() {
        const BRIEF: Duration = Duration::from_millis(100);
        let (throttle, now) = (Throttle::new(8), Instant::now());
        let overload = |now, began| {
            throttle.record_overload(now, began, Pause::Brief(BRIEF));
            throttle.lock().pause(now).unwrap_or_default()
        };
        let mut at = now;
        let mut pauses = Vec::new();
        for _ in 0..4 {
            pauses.push(overload(at, None).as_millis());
            at += LONGEST_BRIEF;
        }
        assert_eq!(pauses, [100, 200, 400, 400]);
        throttle.record_answer(at, false, false);
        assert_eq!(overload(at, None), LONGEST_BRIEF);
        at += LONGEST_BRIEF;
        throttle.record_answer(at, false, true);
        assert_eq!(overload(at, Some(Began(0))), Duration::ZERO, "it began before");
        assert_eq!(overload(at, None), BRIEF);
        throttle.record_overload(at, Some(Began(0)), Pause::Asked(Duration::from_secs(7)));
        assert_eq!(overload(at, None), Duration::from_secs(7), "the longer one holds");
    }

    #[test]
    fn giving_a_host_up_ends_every_wait_for_it() {
        let (throttle, cancel, now) = (Throttle::new(1), Cancel::default(), Instant::now());
        let place = Place::nowhere(Operation::Ping);
        let error = Error::new(&place, crate::error::ErrorKind::Protocol("broken".to_owned()));
        let policy = RetryPolicy::attempts(1);
        throttle.record_overload(now, None, Pause::Asked(Duration::from_secs(3600)));
        thread::scope(|scope| {
            let waiter = scope.spawn(|| throttle.acquire(&cancel, PermitWait::Unlimited).is_some());
            let sleeper =
                scope.spawn(|| cancel.sleep(Duration::from_secs(3600), || throttle.is_given_up(false)));
            (0..3).for_each(|_| throttle.fails(now, false));
            throttle.give_up(now + Duration::from_secs(60), &error, 1, &policy);
            assert!(waiter.join().unwrap() && sleeper.join().unwrap());
        });
        assert!(throttle.given_up(false).is_some_and(|error| error.is_final()));
        assert!(!throttle.is_given_up(true), "writes may succeed");
        throttle.readmit();
        assert!(!throttle.is_given_up(false));
    }

    #[test]
    fn a_silent_host_gets_more_requests() {
        let throttle = Throttle::new(100);
        throttle.sent(Instant::now() - Duration::from_secs(1));
        let _permit = throttle.acquire(&Cancel::default(), PermitWait::Unlimited);
        assert_eq!(throttle.limit(), 64);
    }

    #[test]
    fn a_thread_that_holds_a_permit_does_not_wait_for_itself() {
        let throttle = Throttle::new(1);
        let cancel = Cancel::default();
        let outer = throttle.acquire(&cancel, PermitWait::Unlimited);
        let inner = throttle.acquire(&cancel, PermitWait::Unlimited);
        assert!(outer.is_some() && inner.is_some());
        assert_eq!(throttle.free(), 0);
        drop(inner);
        drop(outer);
        assert_eq!(throttle.free(), 1);
        let state = throttle.lock();
        assert_eq!((state.running, state.by_thread.len()), (0, 0));
    }

    #[test]
    fn another_thread_waits_for_a_free_permit() {
        let throttle = Throttle::new(1);
        let cancel = Cancel::default();
        let first = throttle.acquire(&cancel, PermitWait::Unlimited);
        thread::scope(|scope| {
            let waiter = scope.spawn(|| throttle.acquire(&cancel, PermitWait::Unlimited).is_some());
            assert_eq!(throttle.lock().running, 1);
            // Permits may be given back by another thread than the one that got them.
            scope.spawn(move || drop(first));
            assert!(waiter.join().unwrap());
        });
        let state = throttle.lock();
        assert_eq!((state.running, state.by_thread.len()), (0, 0));
    }

    #[test]
    fn a_bounded_wait_for_a_permit_ends() {
        let throttle = Throttle::new(1);
        let cancel = Cancel::default();
        let _first = throttle.acquire(&cancel, PermitWait::Unlimited);
        for wait in [PermitWait::Skip, PermitWait::AtMost(Duration::from_millis(1))] {
            let other = || throttle.acquire(&cancel, wait).is_some();
            assert!(
                thread::scope(|scope| scope.spawn(other).join().unwrap()),
                "{wait:?}"
            );
        }
    }

    #[test]
    fn a_pause_stops_all_requests_and_the_cancel_flag_ends_the_wait() {
        let throttle = Throttle::new(4);
        let hour = Duration::from_secs(3600);
        throttle.record_overload(Instant::now(), None, Pause::Asked(hour));
        let cancel = Cancel::default();
        cancel.set();
        for wait in [PermitWait::Unlimited, PermitWait::Skip] {
            assert!(throttle.acquire(&cancel, wait).is_none());
        }
    }
}
