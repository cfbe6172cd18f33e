//! JSON, as this program writes it.

use std::fmt::Write as _;

use serde::Serialize;
use transload_reference::is_unprintable;

/// Returns a value as JSON over several lines, the last one ended.
pub(crate) fn json(value: &impl Serialize) -> String {
    let mut text = harmless(&serde_json::to_string_pretty(value).unwrap_or_default());
    text.push('\n');
    text
}

/// Returns a value as JSON on one line, without its end.
pub(crate) fn json_line(value: &impl Serialize) -> String {
    harmless(&serde_json::to_string(value).unwrap_or_default())
}

/// Escapes the characters that a terminal obeys or hides: they can only be in strings, and mean the same to a parser.
fn harmless(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        // The serialiser escapes line breaks in strings: these are its own.
        if character == '\n' || !is_unprintable(character) {
            text.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(text, "\\u{unit:04x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json as value};

    use super::*;

    #[test]
    fn characters_that_a_terminal_obeys_are_escaped() {
        let value = value!({ "\u{202e}key": "a\u{1b}[2J\u{7f}\u{9b}31m\u{200b}\u{e0041}\n\té😀" });
        let expected = r#"{"\u202ekey":"a\u001b[2J\u007f\u009b31m\u200b\udb40\udc41\n\té😀"}"#;
        assert_eq!(json_line(&value), expected);
        assert_eq!(json(&value!([1])), "[\n  1\n]\n");
    }

    proptest! {
        #[test]
        fn a_parser_reads_what_was_written(key: String, text: String) {
            let value = value!({ key: [text] });
            for text in [json_line(&value), json(&value)] {
                prop_assert_eq!(&serde_json::from_str::<Value>(&text).unwrap(), &value);
                prop_assert!(text.chars().all(|character| character == '\n' || !is_unprintable(character)));
            }
        }
    }
}
