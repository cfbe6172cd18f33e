//! Between two tries, the request backs off, the host is paused, or the host is given up.
//!
//! A failed request waits alone and without a permit, twice as long after each failure. The host's
//! [`Throttle`](crate::throttle::Throttle) pauses all requests: as long as the host asks for, or briefly.

use std::time::{Duration, Instant};

use transload_reference::Registry;

use crate::core::Core;
use crate::error::{Error, ErrorKind};
use crate::network::Network;
use crate::notice::NoticeKind;
use crate::throttle::Pause;

/// How often a request may wait without counting a try: if a host asks for fewer requests while it serves others, and if too many files
/// are open.
const MAX_WAITS: u32 = 50;

/// The longest time of such waits in all.
const MAX_WAITED: Duration = Duration::from_secs(600);

/// After this many successes of others between two refusals of a request, the refusals are about that request: the host isn't paused.
const MANY: u64 = 16;

/// The tries of one request.
#[derive(Debug, Default)]
pub(crate) struct Tries {
    failures: u32,
    /// Refusals (429) since something succeeded at the host. They count as failures while nothing does.
    refusals: u32,
    /// Waits that didn't count as tries, and their time.
    waits: u32,
    waited: Duration,
    /// The host of the last failure, whether it was a write, and the number of successes of that kind there.
    seen: Option<(Registry, bool, u64)>,
}

/// What a failure tells about the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    /// It asks for fewer requests.
    Refusal,
    /// It is overloaded, unless the request itself is at fault.
    Overload,
    /// It, or the link, may be overloaded.
    Slow,
    /// A single cut is the link's. Several in a row may come from an overloaded host.
    Cut,
    /// This process has too many open files.
    NoFiles,
    Nothing,
}

impl Sign {
    fn of(error: &Error) -> Sign {
        let asks = error
            .refusal()
            .is_some_and(|refusal| refusal.retry_after.is_some());
        match error.kind() {
            ErrorKind::Network { network, .. } => match network {
                Network::ConnectTimeout | Network::Stalled => Sign::Slow,
                Network::Reset | Network::Refused => Sign::Cut,
                Network::NoFiles => Sign::NoFiles,
                _ => Sign::Nothing,
            },
            _ => match error.status() {
                Some(429) => Sign::Refusal,
                Some(503) if asks => Sign::Refusal,
                Some(503) => Sign::Overload,
                _ => Sign::Nothing,
            },
        }
    }
}

impl Tries {
    /// Returns the number of failed tries.
    pub fn count(&self) -> u32 {
        self.failures + self.refusals
    }

    /// Records progress: the tries are counted anew.
    pub fn progress(&mut self) {
        *self = Tries::default();
    }

    /// Returns the error to end with, after a failure that no further try can fix.
    pub fn end(&self, error: Error) -> Error {
        match error.is_final() {
            true => error,
            false => {
                let count = self.count().saturating_add(1).max(error.attempts());
                error.after(count)
            }
        }
    }

    /// Counts a failure. Returns whether it counts as a try.
    fn count_failure(&mut self, sign: Sign, others_succeed: bool) -> bool {
        let is_wait = sign == Sign::NoFiles || sign == Sign::Refusal && others_succeed;
        if is_wait && self.waits < MAX_WAITS && self.waited < MAX_WAITED {
            self.waits += 1;
            self.refusals = 0;
            return false;
        }
        match sign {
            Sign::Refusal => self.refusals += 1,
            _ => self.failures += 1,
        }
        true
    }
}

impl Core {
    /// Waits before the next try. Returns the error.
    ///
    /// # Errors
    /// The error to end with, if the tries are used up or the host is given up.
    pub fn again(&self, tries: &mut Tries, error: Error, kind: NoticeKind) -> Result<Error, Error> {
        if error.is_cancelled() || error.is_final() {
            return Err(error);
        }
        let most = self.retry.tries(&error);
        let place = &error.inner().place;
        let Some(registry) = &place.registry else {
            return Err(error);
        };
        // A client that is cancelled shuts its connections: they didn't fail.
        if self.cancel.is_set() {
            return Err(Error::new(place, ErrorKind::Cancelled));
        }
        let pace = self.throttle(registry);
        let host = error.inner().host.as_ref().unwrap_or(registry);
        let health = self.throttle(host);
        let is_write = error.inner().is_write;
        let successes = health.successes(is_write);
        let others = match tries.seen.replace((host.clone(), is_write, successes)) {
            Some((before, wrote, seen)) if before == *host && wrote == is_write => successes - seen,
            _ => 0,
        };
        let others_succeed = others > 0;
        let sign = Sign::of(&error);
        let is_try = tries.count_failure(sign, others_succeed);
        if is_try && tries.count() >= most {
            health.give_up(Instant::now(), &error, most, &self.retry);
            let own = || error.after(tries.count()).into_final();
            return Err(health.given_up(is_write).unwrap_or_else(own));
        }
        let count = tries.count().max(1);
        let asked = error.refusal().and_then(|refusal| refusal.retry_after);
        let asked = asked.map(|asked| asked.min(self.retry.longest_retry_after));
        // Damaged bytes don't mean a busy host: the wait doesn't grow.
        let is_damage = matches!(error.kind(), ErrorKind::Manifest(_));
        let mut wait = self.retry.wait(if is_damage { 1 } else { count }, asked);
        // The server may just have closed an idle connection.
        if sign == Sign::Cut && count == 1 {
            wait = wait.min(Duration::from_millis(50));
        }
        if !is_try {
            tries.waited += wait;
        }
        self.notify(kind, place, count, wait, error.kind());
        let brief = Pause::Brief(self.retry.first_wait / 5);
        let pause = match sign {
            // A request that fails again while others succeed may itself be at fault.
            Sign::Refusal if !others_succeed => Some(asked.map_or(brief, Pause::Asked)),
            Sign::Refusal if others < MANY => Some(brief),
            Sign::Overload if !others_succeed => Some(brief),
            Sign::Slow | Sign::NoFiles => Some(Pause::None),
            Sign::Cut if count > 1 => Some(Pause::None),
            Sign::Refusal | Sign::Overload | Sign::Cut | Sign::Nothing => None,
        };
        let slowed = pause.and_then(|pause| pace.record_overload(Instant::now(), error.inner().began, pause));
        if let Some(concurrency) = slowed {
            let kind = NoticeKind::SlowDown { concurrency };
            self.notify(kind, place, count, wait, error.kind());
        }
        if sign == Sign::NoFiles {
            // Idle connections are open files, too.
            self.connections.close_idle();
        }
        match self.cancel.sleep(wait, || health.is_given_up(is_write)) {
            true => Ok(error),
            false => Err(Error::new(place, ErrorKind::Cancelled)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_no_try_while_others_succeed_and_waits_are_bounded() {
        let mut tries = Tries::default();
        assert!(tries.count_failure(Sign::Refusal, false) && tries.count_failure(Sign::Refusal, false));
        assert_eq!(tries.count(), 2);
        assert!(!tries.count_failure(Sign::Refusal, true));
        assert_eq!(tries.count(), 0, "those before weren't tries either");
        assert!(tries.count_failure(Sign::Overload, true));
        for _ in 1..MAX_WAITS {
            assert!(!tries.count_failure(Sign::Refusal, true));
        }
        for count in 2..5 {
            assert!(tries.count_failure(Sign::Refusal, true), "the waits are used up");
            assert_eq!(tries.count(), count);
        }
        let mut tries = Tries {
            waited: MAX_WAITED,
            ..Tries::default()
        };
        assert!(tries.count_failure(Sign::Refusal, true));
    }

    #[test]
    fn a_request_waits_for_files_a_bounded_number_of_times() {
        let mut tries = Tries::default();
        let waits = (0..1000).take_while(|_| !tries.count_failure(Sign::NoFiles, false));
        assert_eq!(waits.count(), MAX_WAITS as usize);
    }
}
