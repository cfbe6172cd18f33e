//! How long the rest of a run will take, without jumps.

use std::time::{Duration, Instant};

/// By what factor the time left may change within a second, beside the second that passes.
const MOST_CHANGE: f64 = 1.5;

/// The time left that is shown: it follows what the bytes and the speed give, and never jumps there.
#[derive(Debug, Default)]
pub(super) struct TimeLeft {
    /// When it was last looked at, and how many seconds were left by then.
    last: Option<(Instant, f64)>,
}

impl TimeLeft {
    /// Takes note of the bytes that are left and of how many come in a second; one that isn't known hides the time left.
    pub fn look(&mut self, left: Option<u64>, rate: Option<f64>, now: Instant) {
        let target = match (left, rate) {
            (Some(left @ 1..), Some(rate)) if rate >= 1.0 => left as f64 / rate,
            _ => {
                self.last = None;
                return;
            }
        };
        let shown = match self.last {
            None => target,
            Some((at, before)) => {
                let passed = now.saturating_duration_since(at).as_secs_f64();
                let expected = (before - passed).max(1.0);
                let change = MOST_CHANGE.powf(passed);
                target.clamp(expected / change, expected * change)
            }
        };
        self.last = Some((now, shown));
    }

    /// What is shown.
    pub fn shown(&self) -> Option<Duration> {
        Duration::try_from_secs_f64(self.last?.1.ceil()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seconds that are shown, a second after another, with these bytes left and these in a second.
    fn shown(moments: impl IntoIterator<Item = (Option<u64>, Option<f64>)>) -> Vec<Option<u64>> {
        let (mut time_left, start) = (TimeLeft::default(), Instant::now());
        let looked = (0..).zip(moments).map(|(second, (left, rate))| {
            time_left.look(left, rate, start + Duration::from_secs(second));
            time_left.shown().map(|left| left.as_secs())
        });
        looked.collect()
    }

    #[test]
    fn it_is_told_once_bytes_and_speed_are_known() {
        let moments = [
            (None, None),
            (None, Some(10.0)),
            (Some(100), None),
            (Some(100), Some(10.0)),
            (Some(90), Some(10.0)),
            (Some(0), Some(10.0)),
        ];
        assert_eq!(shown(moments), [None, None, None, Some(10), Some(9), None]);
    }

    #[test]
    fn it_never_jumps_and_gets_there() {
        // What takes 23 minutes is found to be there, all but three seconds of it: the time left doesn't fall at once.
        let slow = (0..5).map(|second| (Some(138_000 - second * 100), Some(100.0)));
        let quick = (0..30).map(|_| (Some(300), Some(100.0)));
        let shown: Vec<u64> = shown(slow.chain(quick)).into_iter().flatten().collect();
        assert_eq!(shown[..5], [1380, 1379, 1378, 1377, 1376]);
        for pair in shown.windows(2) {
            assert!(
                pair[1] as f64 >= (pair[0] as f64 - 1.0) / MOST_CHANGE - 1.0,
                "{shown:?}"
            );
        }
        assert_eq!(shown.last(), Some(&3), "{shown:?}");
    }
}
