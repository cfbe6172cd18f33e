//! The pace that a host is spoken to at, shared by all workers.

use std::cell::RefCell;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::cancel::Cancel;

/// How long a wait goes without a look at the cancel flag.
const SLICE: Duration = Duration::from_millis(50);

/// How many requests may run at once, and until when none may start.
#[derive(Debug)]
pub(crate) struct Throttle {
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug)]
struct State {
    /// The ceiling on `limit`.
    most: f64,
    limit: f64,
    running: usize,
    paused_until: Option<Instant>,
    slowed_at: Option<Instant>,
}

/// The right to run one request; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit<'a>(&'a Throttle);

thread_local! {
    /// The throttles that this thread holds permits of. An upload whose bytes come from the same host must not wait for itself.
    static HELD: RefCell<Vec<*const Throttle>> = const { RefCell::new(Vec::new()) };
}

impl Throttle {
    pub fn new(most: usize) -> Throttle {
        let most = most.max(1) as f64;
        Throttle {
            state: Mutex::new(State {
                most,
                limit: most,
                running: 0,
                paused_until: None,
                slowed_at: None,
            }),
            freed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a free place and the end of a pause. `None` where the user wants to stop.
    pub fn acquire(&self, cancel: &Cancel) -> Option<Permit<'_>> {
        let nested = HELD.with_borrow(|held| held.contains(&std::ptr::from_ref(self)));
        let mut state = self.lock();
        loop {
            if cancel.is_set() {
                return None;
            }
            let pause = state
                .paused_until
                .map(|until| until.saturating_duration_since(Instant::now()));
            let is_paused = pause.is_some_and(|pause| !pause.is_zero());
            if !is_paused && (nested || (state.running as f64) < state.limit.floor().max(1.0)) {
                break;
            }
            let wait = pause
                .filter(|_| is_paused)
                .map_or(SLICE, |pause| pause.min(SLICE));
            state = self
                .freed
                .wait_timeout(state, wait)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        state.running += 1;
        HELD.with_borrow_mut(|held| held.push(std::ptr::from_ref(self)));
        Some(Permit(self))
    }

    /// The host was overloaded: nobody starts a request for `wait`, and fewer run at once afterwards. Returns their number if
    /// it fell: failures of requests that were under way together count once.
    pub fn slow_down(&self, wait: Duration) -> Option<usize> {
        let now = Instant::now();
        let mut state = self.lock();
        let until = now + wait;
        state.paused_until = Some(state.paused_until.map_or(until, |earlier| earlier.max(until)));
        let recently = state
            .slowed_at
            .is_some_and(|at| now.duration_since(at) < Duration::from_secs(1).max(wait));
        if recently || state.limit <= 1.0 {
            return None;
        }
        state.slowed_at = Some(now);
        state.limit = (state.limit / 2.0).max(1.0);
        Some(state.limit.floor() as usize)
    }

    /// A request went well: after as many of those as run at once, one more may.
    pub fn speed_up(&self) {
        let mut state = self.lock();
        if state.limit < state.most {
            state.limit = (state.limit + 1.0 / state.limit).min(state.most);
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        HELD.with_borrow_mut(|held| {
            if let Some(at) = held.iter().rposition(|held| std::ptr::eq(*held, self.0)) {
                held.swap_remove(at);
            }
        });
        self.0.lock().running -= 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(throttle: &Throttle) -> usize {
        throttle.lock().limit.floor() as usize
    }

    #[test]
    fn concurrency_falls_once_per_overload_and_recovers() {
        let throttle = Throttle::new(8);
        assert_eq!(throttle.slow_down(Duration::ZERO), Some(4));
        assert_eq!(throttle.slow_down(Duration::ZERO), None);
        assert_eq!(limit(&throttle), 4);
        for _ in 0..100 {
            throttle.speed_up();
        }
        assert_eq!(limit(&throttle), 8);
    }

    #[test]
    fn a_thread_that_holds_a_place_does_not_wait_for_itself() {
        let throttle = Throttle::new(1);
        let cancel = Cancel::default();
        let outer = throttle.acquire(&cancel);
        let inner = throttle.acquire(&cancel);
        assert!(outer.is_some() && inner.is_some());
        drop(inner);
        drop(outer);
        assert_eq!(throttle.lock().running, 0);
    }

    #[test]
    fn another_thread_waits_until_a_place_is_free() {
        let throttle = Throttle::new(1);
        let cancel = Cancel::default();
        let first = throttle.acquire(&cancel);
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| throttle.acquire(&cancel).is_some());
            assert_eq!(throttle.lock().running, 1);
            drop(first);
            assert!(waiter.join().unwrap());
        });
    }

    #[test]
    fn a_pause_holds_everyone_and_the_cancel_flag_ends_the_wait() {
        let throttle = Throttle::new(4);
        throttle.slow_down(Duration::from_secs(3600));
        let cancel = Cancel::default();
        cancel.set();
        assert!(throttle.acquire(&cancel).is_none());
    }
}
