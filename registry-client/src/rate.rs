//! A limit on the bytes a second of all connections together.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The longest idle time to make up for.
const SAVED: Duration = Duration::from_millis(100);

/// The interval between two checks of the cancel flag.
const SLICE: Duration = Duration::from_millis(50);

/// The least share of each connection, in bytes a second. Slower ones would look stalled to their servers.
const SHARE: u64 = 64 << 10;

/// A rate that all connections share.
#[derive(Debug)]
pub(crate) struct Rate {
    bytes_per_second: u64,
    /// When the bytes so far will have had their time.
    paid_until: Mutex<Instant>,
}

impl Rate {
    pub fn new(bytes_per_second: u64) -> Rate {
        Rate {
            bytes_per_second: bytes_per_second.max(1),
            paid_until: Mutex::new(Instant::now()),
        }
    }

    /// Returns how many connections the rate is enough for.
    pub fn connections(&self) -> usize {
        usize::try_from(self.bytes_per_second / SHARE)
            .unwrap_or(usize::MAX)
            .max(1)
    }

    /// Waits until this many bytes may pass, or `cancel` is set.
    pub fn pass(&self, bytes: usize, cancel: &AtomicBool) {
        let begin = {
            let mut paid_until = self.paid_until.lock().unwrap_or_else(PoisonError::into_inner);
            let earliest = Instant::now().checked_sub(SAVED);
            let begin = earliest.map_or(*paid_until, |earliest| earliest.max(*paid_until));
            *paid_until = begin + Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
            begin
        };
        while !cancel.load(Ordering::Relaxed) {
            let wait = begin.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                return;
            }
            thread::sleep(wait.min(SLICE));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_threads_share_the_rate() {
        let rate = Rate::new(1 << 20);
        let cancel = AtomicBool::new(false);
        let began = Instant::now();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..4).for_each(|_| rate.pass(32 << 10, &cancel)));
            }
        });
        // Half a mebibyte, of which the last chunk needn't be waited for, and a tenth of a second was saved before.
        let least = Duration::from_secs_f64(0.5 - 1.0 / 32.0) - SAVED;
        assert!(began.elapsed() >= least, "{:?}", began.elapsed());
    }

    #[test]
    fn the_cancel_flag_ends_the_wait() {
        let rate = Rate::new(1);
        let cancel = AtomicBool::new(true);
        for _ in 0..3 {
            rate.pass(1 << 30, &cancel);
        }
    }

    #[test]
    fn a_low_rate_allows_few_connections() {
        for (rate, connections) in [(0, 1), (1000, 1), (1 << 20, 16), (1 << 30, 16384)] {
            assert_eq!(Rate::new(rate).connections(), connections, "{rate}");
        }
    }
}
