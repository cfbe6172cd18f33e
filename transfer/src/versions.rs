//! The order of versions.

use std::cmp::Ordering;

/// Compares two tags as people compare versions: 1.9 comes before 1.10, and 1.9-rc.1 before 1.9.
///
/// Tags needn't be semantic versions, and all of them have a place in this order: numbers go by their values, other text by its letters, and a
/// text that goes on with `-` comes before the text without it.
pub(crate) fn by_version(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let is_suffix = |rest: &str| rest.starts_with('-');
        let (one, other) = match (run(&mut left), run(&mut right)) {
            (None, None) => return a.cmp(b),
            (None, Some(rest)) if is_suffix(rest) => return Ordering::Greater,
            (Some(rest), None) if is_suffix(rest) => return Ordering::Less,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(one), Some(other)) => (one, other),
        };
        let is_number = |run: &str| run.starts_with(|c: char| c.is_ascii_digit());
        let order = if is_number(one) && is_number(other) {
            let (one, other) = (one.trim_start_matches('0'), other.trim_start_matches('0'));
            one.len().cmp(&other.len()).then(one.cmp(other))
        } else {
            one.cmp(other)
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Takes the digits, or the other letters, that a text begins with.
fn run<'t>(text: &mut &'t str) -> Option<&'t str> {
    let is_digit = text.chars().next()?.is_ascii_digit();
    let end = text
        .find(|c: char| c.is_ascii_digit() != is_digit)
        .unwrap_or(text.len());
    let (run, rest) = text.split_at(end);
    *text = rest;
    Some(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_in_the_order_of_their_numbers_and_prereleases_come_before_their_release() {
        let sorted = [
            "1",
            "1.2",
            "1.9-rc1",
            "1.9-rc.2",
            "1.9",
            "1.9.1",
            "1.10",
            "1.010.1",
            "10",
            "latest",
            "v1.9.0",
            "v1.10.0-alpine",
            "v1.10.0",
        ];
        for (at, one) in sorted.iter().enumerate() {
            for (other_at, other) in sorted.iter().enumerate() {
                assert_eq!(by_version(one, other), at.cmp(&other_at), "{one} {other}");
            }
        }
    }
}
