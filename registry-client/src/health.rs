//! The health of a host: whether requests succeed, and whether the host is given up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::Error;

/// A host is given up after the tries of this many requests failed in a row.
const REQUESTS: u32 = 3;

/// The results of the requests to one host.
#[derive(Debug, Default)]
pub(crate) struct Health {
    has_answered: bool,
    successes: u64,
    /// Failures since the last success, and when the first of them was.
    failures: u32,
    failing_since: Option<Instant>,
    given_up: Option<Arc<Error>>,
}

impl Health {
    /// Counts a success: an answer that isn't a passing failure.
    pub fn succeeds(&mut self) {
        *self = Health {
            has_answered: true,
            successes: self.successes + 1,
            ..Health::default()
        };
    }

    /// Counts a passing failure. `is_answer`: the host answered.
    pub fn fails(&mut self, now: Instant, is_answer: bool) {
        self.has_answered |= is_answer;
        self.failures = self.failures.saturating_add(1);
        self.failing_since.get_or_insert(now);
    }

    /// Allows requests again to a host that was given up.
    pub fn readmit(&mut self) {
        self.given_up = None;
        self.failures = 0;
        self.failing_since = None;
    }

    /// Whether the host has answered anything.
    pub fn has_answered(&self) -> bool {
        self.has_answered
    }

    /// Returns how many requests succeeded.
    pub fn successes(&self) -> u64 {
        self.successes
    }

    /// Returns the error of a host that was given up.
    pub fn given_up(&self) -> Option<&Arc<Error>> {
        self.given_up.as_ref()
    }

    /// Gives the host up with the error of a request that has used up its `tries`, if enough requests failed in a row for long enough:
    /// `silence` at a host where nothing ever succeeded, `outage` at others.
    pub fn give_up(&mut self, now: Instant, error: &Error, tries: u32, silence: Duration, outage: Duration) {
        let least = match self.successes {
            0 => silence,
            _ => outage,
        };
        let is_over = self
            .failing_since
            .is_some_and(|since| now.saturating_duration_since(since) >= least);
        if is_over && self.failures >= tries.saturating_mul(REQUESTS) && self.given_up.is_none() {
            self.given_up = Some(Arc::new(error.of_host()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::network::Network;
    use crate::operation::{Operation, Place};

    const SILENCE: Duration = Duration::from_millis(500);
    const OUTAGE: Duration = Duration::from_secs(60);

    fn error() -> Error {
        let place = Place::nowhere(Operation::Ping);
        let (network, message) = (Network::Refused, "refused".to_owned());
        Error::new(&place, ErrorKind::Network { network, message })
    }

    /// Whether the host is given up after so many failures, the first of them that long ago.
    fn is_given_up(health: &mut Health, failures: u32, ago: Duration) -> bool {
        let start = Instant::now();
        (0..failures).for_each(|_| health.fails(start, true));
        health.give_up(start + ago, &error(), 6, SILENCE, OUTAGE);
        health.given_up().is_some()
    }

    #[test]
    fn a_host_is_given_up_after_the_tries_of_three_requests() {
        let table = [
            (18, SILENCE, true),
            (17, SILENCE, false),
            (1000, SILENCE / 2, false),
        ];
        for (failures, ago, expected) in table {
            let mut health = Health::default();
            assert_eq!(
                is_given_up(&mut health, failures, ago),
                expected,
                "{failures}, {ago:?}"
            );
        }
    }

    #[test]
    fn a_host_that_served_before_is_waited_for_as_long_as_an_outage_may_last() {
        for (ago, expected) in [(OUTAGE / 2, false), (OUTAGE, true)] {
            let mut health = Health::default();
            health.succeeds();
            assert_eq!(is_given_up(&mut health, 1000, ago), expected, "{ago:?}");
        }
    }

    #[test]
    fn a_success_resets_the_count_and_takes_a_host_back() {
        let mut health = Health::default();
        assert!(!is_given_up(&mut health, 17, SILENCE));
        health.succeeds();
        assert!(!is_given_up(&mut health, 17, OUTAGE));
        assert!(is_given_up(&mut health, 1, OUTAGE));
        health.succeeds();
        assert!(health.given_up().is_none() && health.successes() == 2);
        assert!(is_given_up(&mut health, 18, OUTAGE));
        health.readmit();
        assert!(!is_given_up(&mut health, 17, OUTAGE) && health.successes() == 2);
    }

    #[test]
    fn an_answer_of_any_kind_tells_that_a_host_is_there() {
        let mut health = Health::default();
        health.fails(Instant::now(), false);
        assert!(!health.has_answered());
        health.fails(Instant::now(), true);
        assert!(health.has_answered() && health.successes() == 0);
    }
}
