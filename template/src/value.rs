//! Values as Go's templates see them: truth, types, printing, comparing.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::{self, Write};

use serde_json::Number;
use serde_json::value::RawValue;

/// A value that templates read. Its kinds are JSON's.
///
/// Booleans and numbers keep the text that they were written as, so that `1.10` is a number in a condition and stays `1.10` in a name:
///
/// ```
/// use std::collections::BTreeMap;
/// use transload_template::{Scalar, Template, Value};
///
/// let version = Value::Number(Scalar::written(serde_json::Number::from_f64(1.1).unwrap(), "1.10"));
/// let variables = Value::Object(BTreeMap::from([("version".to_owned(), version)]));
/// let template = Template::parse("app:{{ .version }}{{ if eq .version 1.1 }}-old{{ end }}")?;
/// assert_eq!(template.render(&variables)?, "app:1.10-old");
/// # Ok::<(), transload_template::Error>(())
/// ```
///
/// `From` makes values of those of [`serde_json`]; these have no text of their own.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// True or false.
    Bool(Scalar<bool>),
    /// A number.
    Number(Scalar<Number>),
    /// Text.
    String(String),
    /// A list.
    Array(Vec<Value>),
    /// An object, or mapping.
    Object(BTreeMap<String, Value>),
}

/// A boolean or a number, with the text that it was written as where it is known.
///
/// Two of them are equal where their values are, whatever their texts.
#[derive(Debug, Clone)]
pub struct Scalar<T> {
    /// The value.
    pub value: T,
    text: Option<Box<str>>,
}

impl<T> Scalar<T> {
    /// Creates a scalar without a text of its own: it prints as Go prints the value.
    pub fn new(value: T) -> Scalar<T> {
        Scalar { value, text: None }
    }

    /// Creates a scalar that prints as `text`.
    pub fn written(value: T, text: impl Into<Box<str>>) -> Scalar<T> {
        Scalar {
            value,
            text: Some(text.into()),
        }
    }

    /// Returns the text that the value was written as.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }
}

/// The text that the value was written as, else the value's own.
impl<T: fmt::Display> fmt::Display for Scalar<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            Some(text) => f.write_str(text),
            None => self.value.fmt(f),
        }
    }
}

impl<T: PartialEq> PartialEq for Scalar<T> {
    fn eq(&self, other: &Scalar<T>) -> bool {
        self.value == other.value
    }
}

impl Value {
    /// Returns the value of this key, if this is an object that has it.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Object(object) => object.get(key),
            _ => None,
        }
    }

    /// Returns whether this is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Value {
        match value {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(value) => value.into(),
            serde_json::Value::Number(number) => Value::Number(Scalar::new(number)),
            serde_json::Value::String(text) => Value::String(text),
            serde_json::Value::Array(list) => list.into_iter().map(Value::from).collect(),
            serde_json::Value::Object(object) => {
                let entries = object.into_iter();
                Value::Object(entries.map(|(key, value)| (key, value.into())).collect())
            }
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(Scalar::new(value))
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Number(Scalar::new(value.into()))
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Value {
        Value::Number(Scalar::new(value.into()))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::String(text)
    }
}

impl FromIterator<Value> for Value {
    fn from_iter<I: IntoIterator<Item = Value>>(values: I) -> Value {
        Value::Array(values.into_iter().collect())
    }
}

/// Reads JSON; numbers keep their texts.
pub(crate) fn from_json(text: &str) -> serde_json::Result<Value> {
    // What is nested too deep, or no JSON, is refused here.
    serde_json::from_str::<serde_json::Value>(text)?;
    from_raw(text.trim())
}

fn from_raw(text: &str) -> serde_json::Result<Value> {
    Ok(match text.as_bytes().first() {
        Some(b'{') => {
            let entries: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
            let entries = entries
                .into_iter()
                .map(|(key, raw)| Ok((key, from_raw(raw.get())?)));
            Value::Object(entries.collect::<serde_json::Result<_>>()?)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text)?;
            let items = items.into_iter().map(|raw| from_raw(raw.get()));
            Value::Array(items.collect::<serde_json::Result<_>>()?)
        }
        Some(b'-' | b'0'..=b'9') => Value::Number(Scalar::written(serde_json::from_str(text)?, text)),
        _ => serde_json::from_str::<serde_json::Value>(text)?.into(),
    })
}

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
        Value::Bool(value) => value.value,
        Value::Number(number) => number.value.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(object) => !object.is_empty(),
    }
}

/// The text of a value: as it was written, else as Go prints it. Null, lists and objects have none.
pub(crate) fn printed(value: &Value) -> Option<String> {
    match value {
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(
            number
                .text()
                .map_or_else(|| printed_number(&number.value), str::to_owned),
        ),
        Value::String(text) => Some(text.clone()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn printed_number(number: &Number) -> String {
    match (number.is_f64(), number.as_f64()) {
        (true, Some(value)) if value.is_sign_negative() => {
            format!("-{}", crate::functions::general(value.abs(), None))
        }
        (true, Some(value)) => crate::functions::general(value, None),
        _ => number.to_string(),
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

/// How JSON is written.
#[derive(Clone, Copy)]
pub(crate) struct Json {
    /// On lines of their own, with two blanks for each level.
    pretty: bool,
    /// `<`, `>` and `&` as escapes, so that the text may stand in HTML.
    escape_html: bool,
}

impl Json {
    pub const PRETTY: Json = Json {
        pretty: true,
        escape_html: true,
    };
    pub const RAW: Json = Json {
        pretty: false,
        escape_html: false,
    };
}

/// JSON as Go's encoder writes it: keys sorted, whole numbers without a fraction, escapes for HTML. A number's text stays where it
/// is one in JSON, too.
pub(crate) fn to_json(value: &Value) -> String {
    write_json(
        value,
        Json {
            pretty: false,
            escape_html: true,
        },
    )
}

pub(crate) fn write_json(value: &Value, how: Json) -> String {
    let mut json = String::new();
    how.value(value, 0, &mut json);
    json
}

impl Json {
    fn value(self, value: &Value, level: usize, json: &mut String) {
        match value {
            Value::Array(list) => {
                let items = list.iter().map(|item| (None, item));
                self.items(['[', ']'], items, level, json);
            }
            Value::Object(object) => {
                let items = object.iter().map(|(key, item)| (Some(key.as_str()), item));
                self.items(['{', '}'], items, level, json);
            }
            Value::Number(number) => {
                let is_json = |text: &&str| serde_json::from_str::<Number>(text).is_ok();
                match number.text().filter(is_json) {
                    Some(text) => json.push_str(text),
                    None => json.push_str(&json_number(&number.value)),
                }
            }
            Value::Null => json.push_str("null"),
            Value::Bool(value) => json.push_str(&value.value.to_string()),
            Value::String(text) => self.text(text, json),
        }
    }

    fn items<'a>(
        self,
        [open, close]: [char; 2],
        items: impl ExactSizeIterator<Item = (Option<&'a str>, &'a Value)>,
        level: usize,
        json: &mut String,
    ) {
        let is_empty = items.len() == 0;
        let line = |level: usize, json: &mut String| {
            if self.pretty && !is_empty {
                json.push('\n');
                json.extend(std::iter::repeat_n("  ", level));
            }
        };
        json.push(open);
        for (at, (key, item)) in items.enumerate() {
            if at > 0 {
                json.push(',');
            }
            line(level + 1, json);
            if let Some(key) = key {
                self.text(key, json);
                json.push_str(if self.pretty { ": " } else { ":" });
            }
            self.value(item, level + 1, json);
        }
        line(level, json);
        json.push(close);
    }

    fn text(self, text: &str, json: &mut String) {
        for letter in serde_json::Value::from(text).to_string().chars() {
            let escape = match letter {
                '<' | '>' | '&' => self.escape_html,
                '\u{2028}' | '\u{2029}' => true,
                _ => false,
            };
            if escape {
                // Writing to a String can't fail.
                let _ = write!(json, "\\u{:04x}", u32::from(letter));
            } else {
                json.push(letter);
            }
        }
    }
}

/// A number without an exponent unless it is very small or very large.
fn json_number(number: &Number) -> String {
    if let Some(whole) = whole(number) {
        return whole.to_string();
    }
    let value = number.as_f64().unwrap_or_default();
    let size = value.abs();
    if (1e-6..1e21).contains(&size) {
        return format!("{value}");
    }
    let text = format!("{value:e}");
    if text.contains("e-") {
        text
    } else {
        text.replace('e', "e+")
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
            assert_eq!(
                printed(&value.clone().into()).as_deref(),
                Some(expected),
                "{value}"
            );
        }
    }

    #[test]
    fn what_was_written_is_what_is_printed() {
        let number =
            |value: f64, text: &str| Value::Number(Scalar::written(Number::from_f64(value).unwrap(), text));
        for (value, text, json) in [
            (number(1.1, "1.10"), "1.10", "1.10"),
            (number(1.0, "1.0"), "1.0", "1.0"),
            (number(1000.0, "1e3"), "1e3", "1e3"),
            (number(31.0, "0x1F"), "0x1F", "31"),
            (number(0.5, ".5"), ".5", "0.5"),
            (Value::Bool(Scalar::written(true, "True")), "True", "true"),
        ] {
            assert_eq!(printed(&value).as_deref(), Some(text));
            assert_eq!(to_json(&value), json, "{text}");
        }
    }

    #[test]
    fn numbers_in_json_keep_their_texts() {
        let text = r#"{"a": [1.10, {"b": 1e3}], "c": "1.0", "d": true, "e": null}"#;
        let value = from_json(text).unwrap();
        assert_eq!(
            value,
            serde_json::from_str::<serde_json::Value>(text).unwrap().into()
        );
        assert_eq!(
            to_json(&value),
            r#"{"a":[1.10,{"b":1e3}],"c":"1.0","d":true,"e":null}"#
        );
        for bad in ["", "{", "1.10 x", "[1,]", &"[".repeat(200)] {
            assert!(from_json(bad).is_err(), "{bad}");
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
        let value =
            Value::from(json!({"b": [1, 2.0, 1.5, null, true, 1e21, 1.5e-7], "a": "<&>\"\n", "c": {}}));
        assert_eq!(
            write_json(&value, Json::RAW),
            r#"{"a":"<&>\"\n","b":[1,2,1.5,null,true,1e+21,1.5e-7],"c":{}}"#
        );
        assert!(to_json(&value).starts_with(r#"{"a":"\u003c\u0026\u003e\"\n","#));
        assert_eq!(
            write_json(&json!({"a": [1, {}], "b": []}).into(), Json::PRETTY),
            "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}"
        );
    }

    #[test]
    fn numbers_compare_by_value() {
        let number = |value: serde_json::Value| value.as_number().cloned().unwrap();
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
