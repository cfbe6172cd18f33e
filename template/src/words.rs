//! Names in messages: shown, listed and guessed.

use crate::suggest::suggest;

/// A list of names ends here.
const MOST_NAMES: usize = 20;
/// A longer name is cut.
const LONGEST_NAME: usize = 60;

/// The letter, or a stand-in for one that a terminal would obey or hide.
///
/// The characters are those of `transload_reference::is_unprintable`: this crate depends on none of its siblings, so they are named here once
/// more, and a test compares the two.
pub(crate) fn printable(letter: char) -> char {
    let is_unprintable = letter.is_control()
        || matches!(
            letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        );
    match letter {
        '\t' | '\n' | '\r' => ' ',
        _ if is_unprintable => '\u{fffd}',
        _ => letter,
    }
}

/// What takes a letter's room in the line below it.
pub(crate) fn blank(letter: char) -> char {
    let is_wide = matches!(letter, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}' | '\u{1f300}'..='\u{1faff}');
    if is_wide { '\u{3000}' } else { ' ' }
}

/// A name as messages show it: cut where it is very long.
pub(crate) fn shown(name: &str) -> String {
    let mut shown: String = name.chars().take(LONGEST_NAME).map(printable).collect();
    if name.chars().nth(LONGEST_NAME).is_some() {
        shown.push('…');
    }
    shown
}

/// "`a`, `b` and `c`", sorted; very many are counted.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>, prefix: &str) -> String {
    let mut names: Vec<&str> = names.into_iter().collect();
    names.sort_unstable();
    let more = names.len().saturating_sub(MOST_NAMES);
    let mut words: Vec<String> = names
        .iter()
        .take(MOST_NAMES)
        .map(|name| format!("`{prefix}{}`", shown(name)))
        .collect();
    let last = if more > 0 {
        Some(format!("{more} more"))
    } else {
        words.pop()
    };
    match (words.join(", "), last) {
        (first, Some(last)) if first.is_empty() => last,
        (first, Some(last)) => format!("{first} and {last}"),
        (first, None) => first,
    }
}

/// "there is `a`", "there are `a` and `b`".
pub(crate) fn there_are<'a>(
    names: impl IntoIterator<Item = &'a str, IntoIter: ExactSizeIterator>,
    prefix: &str,
) -> String {
    let names = names.into_iter();
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!("there {verb} {}", listed(names, prefix))
}

/// "did you mean …?", where a name is near.
pub(crate) fn guess<'a>(
    name: &str,
    names: impl IntoIterator<Item = &'a str>,
    prefix: &str,
) -> Option<String> {
    suggest(name, names).map(|near| format!("did you mean `{prefix}{}`?", shown(near)))
}

/// "1st", "2nd", "3rd", "4th", counted from `index` 0.
pub(crate) fn ordinal(index: usize) -> String {
    let number = index + 1;
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// "no arguments", "1 argument", "2 arguments".
pub(crate) fn counted(count: usize, one: &str) -> String {
    match count {
        0 => format!("no {one}s"),
        1 => format!("1 {one}"),
        _ => format!("{count} {one}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_in_order_and_counted_where_they_are_many() {
        assert_eq!(listed([], "."), "");
        assert_eq!(listed(["a"], "."), "`.a`");
        assert_eq!(listed(["b", "a"], ""), "`a` and `b`");
        assert_eq!(listed(["b", "a", "c"], ""), "`a`, `b` and `c`");
        let many: Vec<String> = (0..25).map(|n| format!("n{n:02}")).collect();
        let text = listed(many.iter().map(String::as_str), "");
        assert!(
            text.starts_with("`n00`, `n01`, ") && text.ends_with("`n19` and 5 more"),
            "{text}"
        );
    }

    #[test]
    fn long_and_hostile_names_are_shown_short_and_harmless() {
        assert_eq!(shown("a\u{1b}[31m\nb"), "a\u{fffd}[31m b");
        assert_eq!(shown(&"x".repeat(100)), format!("{}…", "x".repeat(60)));
    }

    #[test]
    fn every_letter_that_the_other_crates_escape_has_a_stand_in() {
        for letter in '\0'..=char::MAX {
            let is_shown = printable(letter) == letter;
            assert_eq!(
                is_shown,
                !transload_reference::is_unprintable(letter),
                "{letter:?}"
            );
        }
    }

    #[test]
    fn ordinals_are_english() {
        let words: Vec<String> = [0, 1, 2, 3, 10, 11, 12, 20, 110].map(ordinal).into();
        assert_eq!(
            words,
            [
                "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "111th"
            ]
        );
    }
}
