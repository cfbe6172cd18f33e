//! How often and when a failed request is retried.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, SystemTime};

use crate::error::{Error, ErrorKind};
use crate::network::Network;

/// How often a request is tried, and the waits in between.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// The number of tries in all, at least 1.
    pub attempts: u32,
    /// The wait after the first failure. It doubles with each further one, with jitter.
    pub first_wait: Duration,
    /// The longest wait between two tries.
    pub longest_wait: Duration,
    /// The longest wait for a registry's Retry-After.
    pub longest_retry_after: Duration,
    /// How long a host that has served requests may fail them all before it is given up
    /// ([`Client::readmit_hosts`](crate::Client::readmit_hosts)).
    pub longest_outage: Duration,
    /// The wait before refused credentials are tried once more. Harbor locks a user name for 1.5 seconds after any failed login.
    pub login_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> RetryPolicy {
        RetryPolicy {
            attempts: 6,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
            longest_retry_after: Duration::from_secs(120),
            longest_outage: Duration::from_secs(60),
            login_wait: Duration::from_secs(2),
        }
    }
}

impl RetryPolicy {
    /// Returns the default policy with this number of tries in all; 0 counts as 1.
    pub fn attempts(attempts: u32) -> RetryPolicy {
        RetryPolicy {
            attempts: attempts.max(1),
            ..RetryPolicy::default()
        }
    }

    /// Sets the wait after the first failure, and the longest wait.
    pub fn waits(mut self, first: Duration, longest: Duration) -> RetryPolicy {
        self.first_wait = first;
        self.longest_wait = longest;
        self
    }

    /// Returns the wait before a second login.
    pub(crate) fn login_wait(&self) -> Duration {
        self.login_wait.min(self.longest_wait)
    }

    /// Returns the number of tries for a request that fails like this. A host that has answered before may be restarting and gets all tries;
    /// one that never did gets few, since it may not exist.
    pub(crate) fn tries(&self, error: &Error) -> u32 {
        let few = match error.kind() {
            ErrorKind::Network { network, .. } if error.inner().is_unknown_host => match network {
                // A resolver that has just started may not know all names yet.
                Network::NoSuchHost => 2,
                // A registry takes a moment to start, and a user who sets many tries wants to wait for it.
                Network::Refused | Network::Proxy | Network::ProxyLogin => 3.max(self.attempts / 2),
                _ => self.attempts,
            },
            _ => self.attempts,
        };
        few.min(self.attempts)
    }

    /// Returns the wait after the `attempt`-th failure (from 1): exponential, with jitter, and at least Retry-After.
    pub(crate) fn wait(&self, attempt: u32, retry_after: Option<Duration>) -> Duration {
        let doubled = self
            .first_wait
            .saturating_mul(1 << attempt.saturating_sub(1).min(16));
        let longest = doubled.min(self.longest_wait);
        // Between half and all of it, so that workers that failed together don't return together.
        let wait = longest.mul_f64(0.5 + 0.5 * chance());
        match retry_after {
            Some(asked) => wait.max(asked.min(self.longest_retry_after)),
            None => wait,
        }
    }
}

/// Returns a random number in 0..1: the standard library seeds each of these hashers anew, which is enough for jitter.
pub(crate) fn chance() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

/// Parses Retry-After: seconds or a date (RFC 9110, section 10.2.3).
pub(crate) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than fit mean a very long time.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::from(u32::MAX))));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{Operation, Place};

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let table = [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30)),
            ("Sunday, 06-Nov-94 08:50:07 GMT", Some(30)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
            ("99999999999999999999999", Some(u64::from(u32::MAX))),
        ];
        for (value, seconds) in table {
            assert_eq!(
                retry_after(value, now),
                seconds.map(Duration::from_secs),
                "{value}"
            );
        }
    }

    #[test]
    fn waits_double_with_jitter_up_to_the_longest() {
        let policy = RetryPolicy::default().waits(Duration::from_secs(1), Duration::from_secs(8));
        for (attempt, longest) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 8), (40, 8)] {
            for _ in 0..50 {
                let wait = policy.wait(attempt, None);
                let longest = Duration::from_secs(longest);
                assert!(wait >= longest / 2 && wait <= longest, "{attempt}: {wait:?}");
            }
        }
    }

    #[test]
    fn retry_after_is_granted_up_to_a_limit() {
        let policy = RetryPolicy::default();
        assert_eq!(
            policy.wait(1, Some(Duration::from_secs(60))),
            Duration::from_secs(60)
        );
        assert_eq!(
            policy.wait(1, Some(Duration::from_secs(86400))),
            policy.longest_retry_after
        );
    }

    #[test]
    fn a_host_that_never_answered_gets_few_tries_and_one_that_did_gets_all() {
        let place = Place::nowhere(Operation::Ping);
        let error = |network| {
            let message = String::new();
            Error::new(&place, ErrorKind::Network { network, message })
        };
        let table = [
            (Network::NoSuchHost, [1, 2, 2, 2]),
            (Network::Refused, [1, 2, 3, 10]),
            (Network::Proxy, [1, 2, 3, 10]),
            (Network::Dns, [1, 2, 6, 21]),
            (Network::Reset, [1, 2, 6, 21]),
        ];
        for (network, strangers) in table {
            for (attempts, few) in [1, 2, 6, 21].into_iter().zip(strangers) {
                let policy = RetryPolicy::attempts(attempts);
                assert_eq!(
                    policy.tries(&error(network).of_unknown_host()),
                    few,
                    "{network:?}"
                );
                assert_eq!(policy.tries(&error(network)), attempts, "{network:?}");
            }
        }
    }
}
