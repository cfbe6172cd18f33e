//! The limit on concurrent requests to a host: it doubles while that raises the throughput.
//!
//! A link with long round trips, or one that gives each connection its share, carries the more the more is asked for at once; a
//! processor, a disk or a thin link that is busy doesn't. So the limit on requests that run at once begins modest (less so far away) and doubles as long as
//! that pays, and answers come as promptly as ever: late ones wait for something that is busy. What an overload does to it is the throttle's matter.

use std::time::{Duration, Instant};

/// The limit to begin with.
pub(crate) const MODEST: usize = 16;

/// How long what gets done is watched before it is judged.
const WINDOW: Duration = Duration::from_millis(60);

/// How much more than before must get done for another doubling.
const PAYS: f64 = 1.1;

/// How much later than the quickest answers come, on average, where something is busy: so many times, and so much.
const LATE: u32 = 3;
const TOLERANCE: Duration = Duration::from_millis(2);

/// A first answer that takes so long comes over a link with long round trips, and so will one that isn't there by then. Twice as many
/// requests at once are fewer a second there than a modest number is nearby, so that the limit doubles unseen, once.
const LONG: Duration = Duration::from_millis(20);

/// What a request is worth beside the bytes that it moves.
const REQUEST_WORTH: u64 = 32 << 10;

/// How much of the best rate a window leaves that falls short of it: the best of another time, or of other work, is forgotten.
const MEMORY: f64 = 0.9;

/// What got done, and what was made of it.
#[derive(Debug)]
pub(crate) struct ConcurrencyLimit {
    since: Instant,
    /// What had been done then.
    done_before: u64,
    done: u64,
    /// The best that was seen, a second.
    best: f64,
    /// Whether somebody had to wait for the limit's sake.
    was_full: bool,
    /// The shortest time that an answer ever took.
    quickest: Duration,
    /// How many answers came meanwhile, and how long they took together.
    answers: (u32, Duration),
    /// When somebody first began to connect.
    reached_for_at: Option<Instant>,
    /// Whether anything was answered, be it no.
    is_heard: bool,
    way: Way,
}

/// What is known of the way, and what was made of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Unknown,
    Long,
    /// Long, and that was heeded.
    Heeded,
}

impl ConcurrencyLimit {
    pub fn new(now: Instant) -> ConcurrencyLimit {
        ConcurrencyLimit {
            since: now,
            done_before: 0,
            done: 0,
            best: 0.0,
            was_full: false,
            quickest: Duration::MAX,
            answers: Default::default(),
            reached_for_at: None,
            is_heard: false,
            way: Way::Unknown,
        }
    }

    /// Somebody begins to connect. True: the first.
    pub fn reaches(&mut self, now: Instant) -> bool {
        let is_first = self.reached_for_at.is_none();
        if is_first {
            self.reached_for_at = Some(now);
            // What came before is nothing to compare with.
            self.since = now;
        }
        is_first
    }

    /// For how long nothing may be answered yet before the way counts as long; none where that is known, or nobody has begun to connect.
    pub fn silence_left(&self, now: Instant) -> Option<Duration> {
        let is_unknown = self.way == Way::Unknown && !self.is_heard;
        let since = self.reached_for_at.filter(|_| is_unknown)?;
        Some(LONG.saturating_sub(now.saturating_duration_since(since)))
    }

    /// The host has answered something.
    pub fn hears(&mut self) {
        self.is_heard = true;
    }

    /// A request was answered. How long that took, where it tells something.
    pub fn answered(&mut self, latency: Option<Duration>) {
        self.hears();
        self.done = self.done.saturating_add(REQUEST_WORTH);
        if let Some(latency) = latency {
            if self.way == Way::Unknown && self.quickest == Duration::MAX && latency >= LONG {
                self.way = Way::Long;
            }
            self.quickest = self.quickest.min(latency);
            self.answers.0 += 1;
            self.answers.1 += latency;
        }
    }

    /// Somebody has to wait.
    pub fn is_full(&mut self) {
        self.was_full = true;
    }

    /// Whether it is time to allow more; `bytes` have moved in all.
    pub fn pays(&mut self, now: Instant, bytes: u64) -> bool {
        if self.way == Way::Long || self.silence_left(now) == Some(Duration::ZERO) {
            self.way = Way::Heeded;
            return true;
        }
        let elapsed = now.saturating_duration_since(self.since);
        // The first window is over once there is an answer to judge.
        if elapsed < WINDOW || self.quickest == Duration::MAX {
            return false;
        }
        let done = self.done.saturating_add(bytes);
        let rate = done.saturating_sub(self.done_before) as f64 / elapsed.as_secs_f64();
        let was_full = std::mem::replace(&mut self.was_full, false);
        let (answers, took) = std::mem::take(&mut self.answers);
        let is_prompt =
            took <= (self.quickest.saturating_mul(LATE).saturating_add(TOLERANCE)).saturating_mul(answers);
        (self.since, self.done_before) = (now, done);
        let is_better = rate > self.best * PAYS;
        // A window in which nothing was held up says nothing of the limit.
        if was_full || is_better {
            self.best = rate.max(self.best * MEMORY);
        }
        was_full && is_better && answers > 0 && is_prompt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROMPT: Option<Duration> = Some(Duration::from_millis(10));

    /// The limit that a link comes to which does so much a second with so many requests at once.
    fn settled(rate: impl Fn(usize) -> f64, latency: Duration) -> usize {
        let mut now = Instant::now();
        let mut concurrency = ConcurrencyLimit::new(now);
        concurrency.answered(PROMPT);
        let (mut limit, mut bytes) = (MODEST, 0);
        for _ in 0..20 {
            now += WINDOW;
            bytes += (rate(limit) * WINDOW.as_secs_f64()) as u64;
            concurrency.is_full();
            for _ in 0..5 {
                concurrency.answered(Some(latency));
            }
            if concurrency.pays(now, bytes) {
                limit *= 2;
            }
        }
        limit
    }

    #[test]
    fn it_grows_while_it_pays() {
        let (prompt, late) = (Duration::from_millis(25), Duration::from_millis(75));
        let a_share_each = |limit: usize| 12e6 * limit.min(100) as f64;
        assert_eq!(
            settled(a_share_each, prompt),
            256,
            "one doubling beyond where it stops paying"
        );
        assert_eq!(settled(|_| 1e9, prompt), 2 * MODEST, "a thin link");
        assert_eq!(
            settled(|limit| 1e9 / limit as f64, prompt),
            2 * MODEST,
            "one that is worse off with more"
        );
        assert_eq!(settled(a_share_each, late), MODEST, "a busy processor");
    }

    #[test]
    fn a_first_answer_from_far_away_is_enough() {
        let start = Instant::now();
        let far = Some(Duration::from_millis(40));
        let mut concurrency = ConcurrencyLimit::new(start);
        concurrency.answered(far);
        assert!(concurrency.pays(start, 0) && !concurrency.pays(start, 0), "once");
        concurrency.answered(far);
        assert!(!concurrency.pays(start, 0), "it isn't the first");
        let mut nearby = ConcurrencyLimit::new(start);
        nearby.answered(PROMPT);
        nearby.answered(far);
        assert!(!nearby.pays(start, 0));
    }

    #[test]
    fn a_first_answer_that_does_not_come_is_one_from_far_away() {
        let start = Instant::now();
        let mut concurrency = ConcurrencyLimit::new(start);
        assert!(!concurrency.pays(start + LONG, 0), "nobody has begun to connect");
        assert!(concurrency.reaches(start + LONG) && !concurrency.reaches(start + 2 * LONG));
        assert_eq!(concurrency.silence_left(start + LONG), Some(LONG));
        assert!(!concurrency.pays(start + LONG + LONG / 2, 0), "too early");
        assert!(
            concurrency.pays(start + 2 * LONG, 0) && !concurrency.pays(start + 2 * LONG, 0),
            "once"
        );
        assert_eq!(concurrency.silence_left(start + 2 * LONG), None);
        concurrency.answered(Some(2 * LONG));
        assert!(!concurrency.pays(start + 2 * LONG, 0), "it was heeded");
        // The first window began with the first connection, and isn't over before there is an answer.
        concurrency.is_full();
        let over = start + LONG + WINDOW;
        assert!(!concurrency.pays(over - LONG / 2, 0) && concurrency.pays(over, 0));

        let mut nearby = ConcurrencyLimit::new(start);
        nearby.reaches(start);
        nearby.hears();
        assert_eq!(nearby.silence_left(start + LONG), None);
        assert!(!nearby.pays(start + LONG, 0), "something was answered");
    }

    #[test]
    fn it_stays_where_nobody_waits_and_where_nothing_is_answered() {
        let start = Instant::now();
        let mut concurrency = ConcurrencyLimit::new(start);
        concurrency.answered(PROMPT);
        assert!(!concurrency.pays(start + WINDOW, 1 << 20), "nobody waited");
        concurrency.is_full();
        concurrency.answered(PROMPT);
        assert!(
            !concurrency.pays(start + WINDOW + WINDOW / 2, 1 << 30),
            "too early"
        );
        assert!(concurrency.pays(start + 2 * WINDOW, 1 << 30));
        concurrency.is_full();
        assert!(
            !concurrency.pays(start + 3 * WINDOW, 1 << 40),
            "nothing was answered"
        );
    }

    #[test]
    fn answers_without_a_body_count() {
        let start = Instant::now();
        let mut concurrency = ConcurrencyLimit::new(start);
        for window in 1..5 {
            concurrency.is_full();
            (0..window).for_each(|_| concurrency.answered(PROMPT));
            assert!(concurrency.pays(start + window * WINDOW, 0));
        }
    }
}
