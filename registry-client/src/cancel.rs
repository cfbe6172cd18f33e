//! The flag that cancels a client's requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The interval between two checks of the flag.
const SLICE: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Default)]
pub(crate) struct Cancel(pub Arc<AtomicBool>);

impl Cancel {
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Sleeps for `wait`, or until `is_over`. Returns false if the flag is set first.
    pub fn sleep(&self, wait: Duration, is_over: impl Fn() -> bool) -> bool {
        let until = Instant::now() + wait;
        loop {
            if self.is_set() {
                return false;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || is_over() {
                return true;
            }
            std::thread::sleep(left.min(SLICE));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_ends_a_wait_at_once() {
        let (cancel, hour) = (Cancel::default(), Duration::from_secs(3600));
        assert!(cancel.sleep(Duration::ZERO, || false) && cancel.sleep(hour, || true));
        cancel.set();
        assert!(!cancel.sleep(hour, || false));
    }
}
