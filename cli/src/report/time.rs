//! Times as programs and people read them, in UTC.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;

/// `2026-03-01T08:05:09.120Z`: RFC 3339, with milliseconds.
pub fn rfc3339(time: SystemTime) -> String {
    format!("{:.3}", timestamp(time))
}

/// Today's date, as `2026-03-01`.
pub fn today() -> String {
    timestamp(SystemTime::now()).strftime("%Y-%m-%d").to_string()
}

/// Seconds, to the millisecond.
pub fn seconds(duration: Duration) -> f64 {
    duration.as_millis() as f64 / 1000.0
}

/// A clock that is wrong by thousands of years shows the beginning of 1970.
fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn times_are_shown_in_utc_with_milliseconds() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_709_251_199_007, "2024-02-29T23:59:59.007Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_millis(millis)), text);
        }
        assert_eq!(
            rfc3339(UNIX_EPOCH - Duration::from_secs(9)),
            "1969-12-31T23:59:51.000Z"
        );
        assert_eq!(today().len(), "2026-03-01".len());
    }
}
