//! Sizes, times and names for people.

use std::time::Duration;

use indicatif::{BinaryBytes, HumanDuration};

/// `1.50 GiB`.
pub fn bytes(bytes: u64) -> String {
    BinaryBytes(bytes).to_string()
}

/// `0.4 s`, `12 s`, `3 minutes`.
pub fn duration(duration: Duration) -> String {
    match duration.as_secs() {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        seconds @ 10..120 => format!("{seconds} s"),
        _ => HumanDuration(duration).to_string(),
    }
}

/// `1 image`, `2 images`.
pub fn count(number: usize, thing: &str) -> String {
    if number == 1 {
        format!("1 {thing}")
    } else {
        format!("{number} {thing}s")
    }
}

/// The digest's algorithm and first twelve digits.
pub fn short_digest(digest: &transload_reference::Digest) -> String {
    format!("{}:{}", digest.algorithm().as_str(), digest.short())
}

/// At most `width` characters: what is too long loses its middle, since the ends tell names apart.
pub fn shorten(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    let tail = kept.div_ceil(2);
    let head: String = text.chars().take(kept - tail).collect();
    let end: String = text.chars().skip(length - tail).collect();
    format!("{head}…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_lose_their_middle() {
        assert_eq!(shorten("docker.io/library/alpine:3.19", 13), "docker…e:3.19");
        assert_eq!(shorten("alpine", 6), "alpine");
        assert_eq!(shorten("alpine", 1), "…");
        assert_eq!(shorten("alpine", 0), "…");
    }

    #[test]
    fn times_have_a_fitting_unit() {
        for (millis, text) in [
            (40, "0.0 s"),
            (1_240, "1.2 s"),
            (61_000, "61 s"),
            (600_000, "10 minutes"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
    }
}
