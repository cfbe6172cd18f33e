//! Ranges of blobs ([RFC 9110, section 14]), and the ranges of uploads.
//!
//! [RFC 9110, section 14]: https://www.rfc-editor.org/rfc/rfc9110#section-14

use std::ops::Range;

/// What part of a blob is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it: no range, several, or one in an unknown form. Answering several would let a small request ask for a blob many times.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// Bytes that it doesn't have.
    Unsatisfiable,
}

/// Tells what a `Range` header asks of a blob of `size` bytes.
pub(crate) fn wanted(header: Option<&str>, size: u64) -> Wanted {
    let Some(range) = header.and_then(|header| header.trim().strip_prefix("bytes=")) else {
        return Wanted::Whole;
    };
    let Some((first, last)) = range.split_once('-') else {
        return Wanted::Whole;
    };
    match (number(first), number(last)) {
        (Some(Some(first)), Some(last)) => {
            let end = last.map_or(size, |last| last.saturating_add(1).min(size));
            match first < end {
                true => Wanted::Part(first..end),
                false => Wanted::Unsatisfiable,
            }
        }
        (Some(None), Some(Some(length))) => match length.min(size) {
            0 => Wanted::Unsatisfiable,
            length => Wanted::Part(size - length..size),
        },
        _ => Wanted::Whole,
    }
}

/// A number of digits alone, `Some(None)` where there is nothing. A number beyond all sizes is the largest.
fn number(text: &str) -> Option<Option<u64>> {
    let text = text.trim();
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((!text.is_empty()).then(|| text.parse().unwrap_or(u64::MAX)))
}

/// Reads the `Content-Range` of an upload's part: `0-1023`, or `bytes 0-1023/*` as other APIs write it; none where it is no range.
pub(crate) fn part(header: &str) -> Option<Range<u64>> {
    let range = header.trim();
    let range = range
        .strip_prefix("bytes")
        .map_or(range, |rest| rest.trim_start_matches([' ', '=']));
    let range = range.split('/').next().unwrap_or(range);
    let (first, last) = range.split_once('-')?;
    let (first, last) = (number(first)??, number(last)??);
    (first <= last).then_some(first..last.checked_add(1)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_are_read_as_the_protocol_says() {
        for (header, expected) in [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=5-9", Wanted::Part(5..10)),
            ("bytes=5-", Wanted::Part(5..10)),
            ("bytes=5-99", Wanted::Part(5..10)),
            ("bytes=-3", Wanted::Part(7..10)),
            ("bytes=-99", Wanted::Part(0..10)),
            ("bytes=-0", Wanted::Unsatisfiable),
            ("bytes=10-", Wanted::Unsatisfiable),
            ("bytes=10-20", Wanted::Unsatisfiable),
            ("bytes=5-0", Wanted::Unsatisfiable),
            ("bytes=99999999999999999999999-", Wanted::Unsatisfiable),
            ("bytes=0-1,3-4", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes", Wanted::Whole),
            ("items=0-1", Wanted::Whole),
        ] {
            assert_eq!(wanted(Some(header), 10), expected, "{header}");
        }
        assert_eq!(wanted(None, 10), Wanted::Whole);
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Unsatisfiable);
    }

    #[test]
    fn a_thousand_ranges_are_one_whole() {
        let many = format!("bytes={}", vec!["0-"; 1000].join(","));
        assert_eq!(wanted(Some(&many), 10), Wanted::Whole);
    }

    #[test]
    fn parts_of_uploads_are_read_in_both_forms() {
        for header in ["0-9", " 0-9", "bytes 0-9/*", "bytes=0-9", "bytes 0-9/10"] {
            assert_eq!(part(header), Some(0..10), "{header}");
        }
        for header in ["", "-", "9-0", "0-", "-9", "a-b", "0-18446744073709551615"] {
            assert_eq!(part(header), None, "{header}");
        }
    }

    proptest! {
        #[test]
        fn no_range_leads_out_of_a_blob(header in "bytes=[0-9]{0,21}-[0-9]{0,21}", size in any::<u64>()) {
            if let Wanted::Part(range) = wanted(Some(&header), size) {
                prop_assert!(range.start < range.end && range.end <= size);
            }
        }
    }
}
