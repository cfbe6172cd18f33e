//! The limit of concurrent requests to a host.
//!
//! It starts by the host's round-trip time: requests over a long link wait for the link, not for the host. It then grows by one for each
//! round of successes that used it up (additive increase), and is halved by an overload (multiplicative decrease), as TCP does with its
//! window.

use std::time::{Duration, Instant};

/// The initial limit for a host nearby.
const START: f64 = 16.0;

/// The largest initial limit.
const LARGEST_START: f64 = 64.0;

/// The initial limit grows by [`START`] for each of these in the round-trip time. A shorter one may be a busy machine's.
const LONG: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(crate) struct Limit {
    most: f64,
    value: f64,
    overloads: u64,
    first_round_trip: RoundTrip,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RoundTrip {
    NotBegun,
    /// Something was sent, and nothing has come back.
    Since(Instant),
    Over,
}

impl Limit {
    /// Returns the limit for a host nearby, of which `most` is the largest value.
    pub fn new(most: usize) -> Limit {
        let most = most.max(1) as f64;
        Limit {
            most,
            value: START.min(most),
            overloads: 0,
            first_round_trip: RoundTrip::NotBegun,
        }
    }

    /// Returns the number of requests that may run.
    pub fn get(&self) -> usize {
        self.value.floor().max(1.0) as usize
    }

    /// Returns how often the host was overloaded.
    pub fn overloads(&self) -> u64 {
        self.overloads
    }

    /// Records that something was sent to the host.
    pub fn sent(&mut self, now: Instant) {
        if self.first_round_trip == RoundTrip::NotBegun {
            self.first_round_trip = RoundTrip::Since(now);
        }
    }

    /// Raises the limit while the host is silent: the first round trip takes at least as long.
    pub fn wait(&mut self, now: Instant) {
        if let RoundTrip::Since(sent) = self.first_round_trip {
            self.raise(now.saturating_duration_since(sent));
        }
    }

    /// Sets the initial limit by the first round trip. Ignores later ones.
    pub fn measured(&mut self, round_trip: Duration) {
        if self.first_round_trip != RoundTrip::Over {
            self.first_round_trip = RoundTrip::Over;
            self.raise(round_trip);
        }
    }

    /// Counts a success. `is_used_up`: as many requests run as may.
    pub fn succeed(&mut self, is_used_up: bool) {
        if is_used_up {
            self.value = (self.value + 1.0 / self.value).min(self.most);
        }
    }

    /// Counts an overload, and returns the new limit if it fell.
    pub fn halve(&mut self) -> Option<usize> {
        self.overloads += 1;
        let before = self.value;
        self.value = (before / 2.0).max(1.0);
        (self.value < before).then(|| self.get())
    }

    fn raise(&mut self, round_trip: Duration) {
        let start = START * (1.0 + round_trip.div_duration_f64(LONG).floor());
        let start = start.min(LARGEST_START).min(self.most);
        if self.overloads == 0 && start > self.value {
            self.value = start;
            log::debug!("{} requests at once, {round_trip:?} away", self.get());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_starts_by_the_first_round_trip() {
        for (milliseconds, most, expected) in [
            (0, 100, 16),
            (19, 100, 16),
            (20, 100, 32),
            (41, 100, 48),
            (500, 100, 64),
            (500, 40, 40),
            (500, 3, 3),
        ] {
            let mut limit = Limit::new(most);
            limit.measured(Duration::from_millis(milliseconds));
            assert_eq!(limit.get(), expected, "{milliseconds} ms");
            limit.measured(Duration::from_secs(1));
            assert_eq!(limit.get(), expected, "the first one counts");
        }
        let mut limit = Limit::new(100);
        assert_eq!(limit.halve(), Some(8));
        limit.measured(Duration::from_secs(1));
        assert_eq!(limit.get(), 8, "an overload counts for more");
    }

    #[test]
    fn it_rises_while_the_host_is_silent() {
        let (mut limit, start) = (Limit::new(100), Instant::now());
        limit.wait(start + LONG);
        assert_eq!(limit.get(), 16, "nothing was sent");
        limit.sent(start);
        limit.sent(start + LONG);
        for (silence, expected) in [(LONG / 2, 16), (LONG, 32), (2 * LONG, 48)] {
            limit.wait(start + silence);
            assert_eq!(limit.get(), expected);
        }
        limit.measured(2 * LONG);
        limit.wait(start + 10 * LONG);
        assert_eq!(limit.get(), 48, "it has answered");
    }

    #[test]
    fn a_round_of_successes_that_used_it_up_raises_it_by_one() {
        let mut limit = Limit::new(18);
        for expected in [16, 17, 18, 18] {
            assert_eq!(limit.get(), expected);
            limit.succeed(false);
            assert_eq!(limit.get(), expected, "not used up");
            // The last fraction of one is lost in rounding down.
            (0..=expected).for_each(|_| limit.succeed(true));
        }
    }

    #[test]
    fn an_overload_halves_it_down_to_one() {
        let mut limit = Limit::new(4);
        assert_eq!(
            [limit.halve(), limit.halve(), limit.halve()],
            [Some(2), Some(1), None]
        );
        assert_eq!(limit.overloads(), 3);
    }
}
