//! Finds how few requests at once move as many bytes as more would.
//!
//! On a link that all connections share, fewer of them are faster each, and other users of the link get their part. Where each connection has
//! a rate of its own, fewer move less. A probe tells these apart: it lowers the limit a little and sees whether each stream becomes faster.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long one limit is measured.
const PERIOD: Duration = Duration::from_millis(500);

/// A period with fewer bytes in streams tells nothing.
const LEAST: u64 = 1 << 20;

/// No probe goes below this limit: one stream's pause should leave the link to others of the run.
const FEWEST: f64 = 3.0;

/// The part of the limit that the first probe takes away. Each that succeeds doubles it.
const CAREFUL: f64 = 0.125;

/// The largest part, and the largest where few requests are left.
const BOLD: f64 = 0.5;
const BOLD_WITH_FEW: f64 = 0.25;

/// So many requests are few.
const FEW: f64 = 8.0;

/// How many periods pass before the first probe: at first, most streams wait for their first bytes.
const FIRST: u32 = 3;

/// How many periods pass between a probe that failed and the next one, at first and at most.
const HOLDS: [u32; 2] = [4, 32];

/// A lower limit must move so much of what the higher one did.
const ENOUGH: f64 = 0.93;

/// Bytes that moved on all connections to a host, and the time that they took on each, added up. The wait for an answer isn't part of it.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    bytes: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Traffic {
    /// Adds what moved on one connection.
    pub fn add(&self, bytes: usize, time: Duration) {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.nanoseconds.fetch_add(time, Ordering::Relaxed);
    }

    /// Returns the sums so far.
    pub fn now(&self) -> Sums {
        Sums {
            bytes: self.bytes.load(Ordering::Relaxed),
            nanoseconds: self.nanoseconds.load(Ordering::Relaxed),
        }
    }
}

/// The sums of a host's traffic at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sums {
    bytes: u64,
    nanoseconds: u64,
}

/// A search for the lowest limit that is enough.
#[derive(Debug)]
pub(crate) struct Probe {
    /// The beginning of the present period.
    begun: Option<(Instant, Sums)>,
    /// The most requests that ran at a time in it.
    most: usize,
    /// What the limit before the present one moved, if the present one is a probe.
    before: Option<Moved>,
    /// The part of the limit that the next probe takes away.
    cut: f64,
    /// How many periods pass before the next probe, and how many will after the next failure.
    wait: u32,
    hold: u32,
    /// Whether a lower limit was found to be enough.
    is_lower: bool,
    /// Whether the next probe raises the limit.
    raises: bool,
}

/// What a limit moved, in bytes a second.
#[derive(Debug, Clone, Copy)]
struct Moved {
    limit: f64,
    /// How many requests ran at a time.
    used: f64,
    all: f64,
    each: f64,
}

impl Default for Probe {
    fn default() -> Probe {
        Probe {
            begun: None,
            most: 0,
            before: None,
            cut: CAREFUL,
            wait: FIRST,
            hold: HOLDS[0],
            is_lower: false,
            raises: false,
        }
    }
}

impl Probe {
    /// Notes that so many requests run.
    pub fn runs(&mut self, running: usize) {
        self.most = self.most.max(running);
    }

    /// Whether more requests than the limit allows are known to bring nothing.
    pub fn is_lower(&self) -> bool {
        self.is_lower
    }

    /// Begins anew, since the limit changed for another reason.
    pub fn interrupt(&mut self) {
        (self.begun, self.before, self.wait) = (None, None, self.hold);
    }

    /// Returns the limit from now on.
    pub fn look(&mut self, now: Instant, limit: f64, running: usize, sums: Sums) -> f64 {
        // Requests of the higher limit before are still under way.
        if running as f64 > limit {
            self.begun = None;
            return limit;
        }
        let Some((begun, before)) = self.begun else {
            (self.begun, self.most) = (Some((now, sums)), running);
            return limit;
        };
        let time = now.saturating_duration_since(begun);
        if time < PERIOD {
            return limit;
        }
        self.begun = Some((now, sums));
        let used = std::mem::replace(&mut self.most, running) as f64;
        let (bytes, nanoseconds) = (sums.bytes - before.bytes, sums.nanoseconds - before.nanoseconds);
        let is_busy = bytes >= LEAST && nanoseconds > 0;
        if !is_busy || self.before.is_some() && used < limit.floor() {
            // There is too little to do for a verdict.
            return self.before.take().map_or(limit, |before| before.limit);
        }
        let moved = Moved {
            limit,
            used: used.min(limit),
            all: bytes as f64 / time.as_secs_f64(),
            each: bytes as f64 / (nanoseconds as f64 / 1e9),
        };
        let next = match self.before.take() {
            None if self.wait > 0 => {
                self.wait -= 1;
                return limit;
            }
            None => self.begin(moved),
            Some(before) if limit < before.limit => self.end_of_cut(before, moved),
            Some(before) => self.end_of_raise(before, moved),
        };
        if next != limit {
            self.begun = None;
            log::debug!(
                "{:.0} requests move {:.1} MB/s, each {:.2}; {next:.0} are next",
                moved.used,
                moved.all / 1e6,
                moved.each / 1e6
            );
        }
        next
    }

    fn begin(&mut self, moved: Moved) -> f64 {
        let next = match self.raises {
            true => (moved.limit * (1.0 + BOLD_WITH_FEW))
                .max(moved.limit + 1.0)
                .floor(),
            false => self.cut(moved.used),
        };
        if next == moved.limit || next >= moved.used && !self.raises {
            self.pause();
            return moved.limit;
        }
        self.before = Some(moved);
        next
    }

    fn cut(&self, limit: f64) -> f64 {
        let part = if limit > FEW {
            self.cut
        } else {
            self.cut.min(BOLD_WITH_FEW)
        };
        (limit * (1.0 - part))
            .ceil()
            .min(limit - 1.0)
            .max(FEWEST)
            .min(limit)
    }

    /// A lower limit is enough where the streams make up for at least half of those that are gone, and the link isn't idle.
    fn end_of_cut(&mut self, before: Moved, moved: Moved) -> f64 {
        let is_shared = moved.each / before.each >= f64::midpoint(1.0, before.used / moved.used);
        if is_shared && moved.all >= ENOUGH * before.all {
            self.is_lower = true;
            self.cut = (2.0 * self.cut).min(BOLD);
            return self.begin(moved);
        }
        self.pause();
        before.limit
    }

    /// A higher limit is better where the streams lose less than half of what they would on a shared link.
    fn end_of_raise(&mut self, before: Moved, moved: Moved) -> f64 {
        let is_shared = moved.each / before.each < f64::midpoint(1.0, before.used / moved.used);
        if is_shared || moved.all < before.all {
            self.pause();
            return before.limit;
        }
        self.is_lower = false;
        self.begin(moved)
    }

    fn pause(&mut self) {
        self.cut = CAREFUL;
        self.wait = self.hold;
        self.hold = (2 * self.hold).min(HOLDS[1]);
        // Where a limit was lowered, it is seen now and then whether that still holds.
        self.raises = self.is_lower && !self.raises;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets a probe find its limit over a link, which tells the bytes a second of so many streams; gives the limits in turn.
    fn search(start: f64, seconds: u64, link: impl Fn(f64) -> f64) -> Vec<f64> {
        let (mut probe, mut now, mut sums) = (Probe::default(), Instant::now(), Sums::default());
        let mut limits = vec![start];
        let step = Duration::from_millis(50);
        for _ in 0..seconds * 20 {
            let limit = *limits.last().unwrap();
            let streams = limit.floor();
            sums.bytes += (link(streams) * step.as_secs_f64()) as u64;
            sums.nanoseconds += step.as_nanos() as u64 * streams as u64;
            now += step;
            let next = probe.look(now, limit, streams as usize, sums);
            limits.extend((next != limit).then_some(next));
        }
        limits
    }

    #[test]
    fn a_shared_link_is_left_to_few_streams() {
        let limits = search(48.0, 20, |_| 25e6);
        assert!(limits.contains(&FEWEST), "{limits:?}");
        assert!(limits.windows(2).take(4).all(|two| two[1] < two[0]), "{limits:?}");
    }

    #[test]
    fn streams_with_a_rate_of_their_own_stay_but_for_a_careful_look() {
        let limits = search(48.0, 20, |streams| 12.5e6 * streams);
        let least = limits.iter().copied().fold(f64::MAX, f64::min);
        assert!(least >= 48.0 * (1.0 - CAREFUL), "{limits:?}");
        assert!(
            limits.iter().filter(|limit| **limit < 48.0).count() <= 4,
            "{limits:?}"
        );
    }

    #[test]
    fn another_user_of_a_link_gets_a_quarter_of_it_at_least() {
        let limits = search(48.0, 60, |streams| 25e6 * streams / (streams + 1.0));
        let first = limits.iter().position(|limit| *limit == FEWEST);
        let rest = &limits[first.unwrap()..];
        assert!(
            rest.contains(&4.0) && rest.iter().all(|limit| *limit <= 4.0),
            "{limits:?}"
        );
    }

    #[test]
    fn as_many_streams_are_kept_as_fill_a_link_between_their_waits() {
        // Each stream brings 2 MB/s with its waits, up to what the link has.
        let limits = search(48.0, 60, |streams| (2e6 * streams).min(25e6));
        let last = limits.last().unwrap();
        assert!((11.0..=16.0).contains(last), "{limits:?}");
    }

    #[test]
    fn nothing_changes_where_few_requests_run_or_little_moves() {
        for (running, megabytes) in [(3, 16), (16, 0)] {
            let (mut probe, mut now) = (Probe::default(), Instant::now());
            for n in 0..100 {
                now += PERIOD;
                let sums = Sums {
                    bytes: n * (megabytes << 20),
                    nanoseconds: n << 30,
                };
                assert_eq!(probe.look(now, 16.0, running, sums), 16.0);
            }
        }
    }
}
