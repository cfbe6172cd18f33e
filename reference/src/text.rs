//! Text from elsewhere, on its way to a terminal or a log.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text as it may be shown: control characters and those that reorder or hide others are escaped, since a terminal would obey
/// them, and of more than `most` characters the middle is left out, since a hostile document quotes itself in megabytes.
///
/// ```
/// use transload_reference::printable;
///
/// assert_eq!(printable("plain", 80), "plain");
/// assert_eq!(printable("red\u{1b}[31m\n", 80), "red\\u{1b}[31m\\n");
/// assert_eq!(printable("0123456789", 5), "0123…9");
/// ```
pub fn printable(text: &str, most: usize) -> Cow<'_, str> {
    let is_long = text.len() > most && text.chars().nth(most).is_some();
    if !is_long && !text.contains(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::new();
    if is_long {
        let tail = most / 4;
        let end: Vec<char> = text.chars().rev().take(tail).collect();
        escape(&mut shown, text.chars().take(most - tail));
        shown.push('…');
        escape(&mut shown, end.into_iter().rev());
    } else {
        escape(&mut shown, text.chars());
    }
    Cow::Owned(shown)
}

fn escape(shown: &mut String, text: impl Iterator<Item = char>) {
    for character in text {
        match character {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            obeyed if is_unprintable(obeyed) => {
                let _ = write!(shown, "{}", obeyed.escape_unicode());
            }
            other => shown.push(other),
        }
    }
}

/// Returns whether a terminal would obey a character or hide it: control characters, line separators, and the format characters of
/// Unicode that have no shape of their own, those that reorder text among them.
pub fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        for (text, shown) in [
            ("a\u{9b}2J", "a\\u{9b}2J"),
            ("\u{202e}gnp.exe", "\\u{202e}gnp.exe"),
            ("x\u{7f}\u{8}", "x\\u{7f}\\u{8}"),
            ("é \"ü\" \\ 東", "é \"ü\" \\ 東"),
        ] {
            assert_eq!(printable(text, 100), shown);
        }
    }

    proptest! {
        #[test]
        fn nothing_obeyed_is_left_and_the_length_is_bounded(text in "(?s).{0,300}", most in 1usize..200) {
            let shown = printable(&text, most);
            prop_assert!(!shown.contains(is_unprintable));
            prop_assert!(shown.chars().count() <= most * 9 + 1);
            prop_assert_eq!(printable(&shown, usize::MAX), shown.clone());
        }
    }
}
