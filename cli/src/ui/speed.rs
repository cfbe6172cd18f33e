//! How fast bytes move, by how many had moved at moments of the last seconds.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far back a moment may be to count.
const WINDOW: Duration = Duration::from_secs(12);
/// How much time there must be between moments before a speed is told.
const LEAST: Duration = Duration::from_millis(700);
/// How much time there must be between moments before the time left is told.
const STEADY: Duration = Duration::from_secs(3);
/// How near to each other moments are noted.
const STEP: Duration = Duration::from_millis(200);
/// How long nothing may happen before the work counts as stalled.
const STALLED: Duration = Duration::from_secs(5);

/// How fast bytes move, and since when none do.
#[derive(Debug)]
pub(super) struct Speed {
    moments: VecDeque<(Instant, u64)>,
    moved: u64,
    last_sign: Instant,
}

impl Speed {
    pub fn new(now: Instant) -> Speed {
        Speed {
            moments: VecDeque::from([(now, 0)]),
            moved: 0,
            last_sign: now,
        }
    }

    /// Takes note of more bytes that moved.
    pub fn moved(&mut self, bytes: u64, now: Instant) {
        if bytes > 0 {
            self.moved = self.moved.saturating_add(bytes);
            self.sign_of_life(now);
        }
        self.look(now);
    }

    /// Takes note that something got on.
    pub fn sign_of_life(&mut self, now: Instant) {
        self.last_sign = self.last_sign.max(now);
    }

    /// Takes note of how things stand at a moment.
    pub fn look(&mut self, now: Instant) {
        if self
            .moments
            .back()
            .is_none_or(|(last, _)| now.saturating_duration_since(*last) >= STEP)
        {
            self.moments.push_back((now, self.moved));
        }
        // One moment beyond the window stays, so that there are always two to compare.
        while self
            .moments
            .get(1)
            .is_some_and(|(at, _)| now.saturating_duration_since(*at) >= WINDOW)
        {
            self.moments.pop_front();
        }
    }

    /// Bytes a second of late; none where that can't be told yet.
    pub fn rate(&self, now: Instant) -> Option<f64> {
        let (at, moved) = self.moments.front()?;
        let passed = now.saturating_duration_since(*at);
        (passed >= LEAST).then(|| (self.moved - moved) as f64 / passed.as_secs_f64())
    }

    /// Bytes a second of late, once they were watched for a while; none before, and where none came.
    pub fn steady_rate(&self, now: Instant) -> Option<f64> {
        let (at, _) = self.moments.front()?;
        let is_steady = now.saturating_duration_since(*at) >= STEADY;
        self.rate(now).filter(|rate| is_steady && *rate >= 1.0)
    }

    /// For how long nothing has got on, where that is longer than usual.
    pub fn stalled(&self, now: Instant) -> Option<Duration> {
        Some(now.saturating_duration_since(self.last_sign)).filter(|since| *since >= STALLED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speed_is_that_of_the_last_seconds() {
        let start = Instant::now();
        let at = |millis: u64| start + Duration::from_millis(millis);
        let mut speed = Speed::new(start);
        assert_eq!(speed.rate(at(100)), None, "too early to tell");
        for second in 1..=20 {
            speed.moved(1000, at(second * 1000));
        }
        assert_eq!(speed.rate(at(20_000)).map(f64::round), Some(1000.0));
        for second in 21..=40 {
            speed.moved(50, at(second * 1000));
        }
        assert_eq!(speed.rate(at(40_000)).map(f64::round), Some(50.0));
        assert_eq!(speed.stalled(at(44_000)), None);
        speed.look(at(60_000));
        assert_eq!(speed.stalled(at(60_000)), Some(Duration::from_secs(20)));
        speed.moved(0, at(61_000));
        assert!(speed.stalled(at(61_000)).is_some(), "no byte is no sign of life");
        speed.sign_of_life(at(61_000));
        assert_eq!(speed.stalled(at(62_000)), None);
    }
}
