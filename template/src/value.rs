//! Values as Go's templates see them: truth, types, printing, comparing.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Number, Value};

/// What a value is, for messages.
pub(crate) fn described(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Go's truth: false, 0, and everything that is empty or missing is not true.
pub(crate) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(object) => !object.is_empty(),
    }
}

/// The text of a value, as Go prints it; null, lists and objects have none.
pub(crate) fn printed(value: &Value) -> Option<String> {
    match value {
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(printed_number(number)),
        Value::String(text) => Some(text.clone()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn printed_number(number: &Number) -> String {
    let value = match (number.is_f64(), number.as_f64()) {
        (true, Some(value)) => value,
        _ => return number.to_string(),
    };
    let size = value.abs();
    // Go's %v of a float is %g: an exponent below 1e-4 and from 1e6.
    if size == 0.0 || (1e-4..1e6).contains(&size) {
        return format!("{value}");
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    match exponent.strip_prefix('-') {
        Some(exponent) => format!("{digits}e-{exponent:0>2}"),
        None => format!("{digits}e+{exponent:0>2}"),
    }
}

/// The whole number that this is, if it is one.
pub(crate) fn whole(number: &Number) -> Option<i128> {
    if let Some(whole) = number.as_i128() {
        return Some(whole);
    }
    let value = number.as_f64()?;
    // Beyond that floats have gaps between whole numbers wider than any that is meant.
    (value.fract() == 0.0 && value.abs() < 1e18).then_some(value as i128)
}

pub(crate) fn compare(a: &Number, b: &Number) -> Option<Ordering> {
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

/// JSON as Go's encoder writes it: keys sorted, whole numbers without a fraction. `<`, `>` and `&` stay.
pub(crate) fn to_json(value: &Value) -> String {
    let mut json = String::new();
    write_json(value, &mut json);
    json
}

fn write_json(value: &Value, json: &mut String) {
    match value {
        Value::Array(list) => {
            json.push('[');
            for (at, item) in list.iter().enumerate() {
                if at > 0 {
                    json.push(',');
                }
                write_json(item, json);
            }
            json.push(']');
        }
        Value::Object(object) => {
            let sorted: BTreeMap<&String, &Value> = object.iter().collect();
            json.push('{');
            for (at, (key, item)) in sorted.into_iter().enumerate() {
                if at > 0 {
                    json.push(',');
                }
                write_json(&Value::String(key.clone()), json);
                json.push(':');
                write_json(item, json);
            }
            json.push('}');
        }
        Value::Number(number) => match whole(number) {
            Some(whole) => json.push_str(&whole.to_string()),
            None => json.push_str(&number.to_string()),
        },
        Value::Null | Value::Bool(_) | Value::String(_) => json.push_str(&value.to_string()),
    }
}

/// Text in double quotes with Go's escapes (`strconv.Quote`).
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            letter if is_printed(letter) => quoted.push(letter),
            letter => {
                let code = u32::from(letter);
                // Writing to a String can't fail.
                let _ = match code {
                    0..=0x7f => write!(quoted, "\\x{code:02x}"),
                    0x80..=0xffff => write!(quoted, "\\u{code:04x}"),
                    _ => write!(quoted, "\\U{code:08x}"),
                };
            }
        }
    }
    quoted.push('"');
    quoted
}

/// Whether a letter is printed as it is. The standard library knows, but tells it only by escaping; a single quote is escaped
/// for another reason, and what extends the letter before is escaped only at a text's beginning.
fn is_printed(letter: char) -> bool {
    letter == '\'' || format!("x{letter}").escape_debug().count() == 2
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_print_as_in_go() {
        for (value, expected) in [
            (json!(0), "0"),
            (json!(-7), "-7"),
            (json!(u64::MAX), "18446744073709551615"),
            (json!(3.0), "3"),
            (json!(3.19), "3.19"),
            (json!(0.0001), "0.0001"),
            (json!(0.00001), "1e-05"),
            (json!(1.5e-7), "1.5e-07"),
            (json!(100_000.0), "100000"),
            (json!(1e6), "1e+06"),
            (json!(1_234_567.25), "1.23456725e+06"),
            (json!(1e21), "1e+21"),
            (json!(-1.25e100), "-1.25e+100"),
            (json!(8443.5), "8443.5"),
            (json!(0.0), "0"),
        ] {
            assert_eq!(printed(&value).as_deref(), Some(expected), "{value}");
        }
    }

    #[test]
    fn text_is_quoted_as_in_go() {
        for (text, expected) in [
            ("", r#""""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("it's", r#""it's""#),
            ("\u{7}\u{8}\u{c}\n\r\t\u{b}", r#""\a\b\f\n\r\t\v""#),
            ("\0\u{1b}\u{7f}", r#""\x00\x1b\x7f""#),
            ("é日😀", "\"é日😀\""),
            ("e\u{301}", "\"e\u{301}\""),
            ("\u{301}", "\"\u{301}\""),
            ("\u{a0}\u{200b}\u{feff}", r#""\u00a0\u200b\ufeff""#),
            ("\u{e0001}", r#""\U000e0001""#),
        ] {
            assert_eq!(quoted(text), expected, "{text:?}");
        }
    }

    #[test]
    fn json_is_sorted_and_plain() {
        let value = json!({"b": [1, 2.0, 1.5, null, true], "a": "<&>\"\n", "c": {}});
        assert_eq!(
            to_json(&value),
            r#"{"a":"<&>\"\n","b":[1,2,1.5,null,true],"c":{}}"#
        );
    }

    #[test]
    fn numbers_compare_by_value() {
        let number = |value: Value| value.as_number().cloned().unwrap();
        for (a, b, expected) in [
            (json!(1), json!(1.0), Ordering::Equal),
            (json!(-1), json!(u64::MAX), Ordering::Less),
            (
                json!(9007199254740993_u64),
                json!(9007199254740992_u64),
                Ordering::Greater,
            ),
            (json!(1.5), json!(1), Ordering::Greater),
            (json!(1e300), json!(i64::MAX), Ordering::Greater),
        ] {
            assert_eq!(compare(&number(a), &number(b)), Some(expected));
        }
    }
}
