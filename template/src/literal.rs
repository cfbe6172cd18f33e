//! Literals as Go writes them (<https://go.dev/ref/spec#Lexical_elements>).

use serde_json::Number;

use crate::value::{Scalar, Value};

/// Reads what is between the quotes of an interpreted string.
///
/// The error is a byte offset in `inner` and a message.
pub(crate) fn unquote(inner: &str) -> Result<String, (usize, String)> {
    let mut bytes = Vec::with_capacity(inner.len());
    let mut at = 0;
    while let Some(letter) = inner[at..].chars().next() {
        let start = at;
        at += letter.len_utf8();
        if letter != '\\' {
            bytes.extend_from_slice(&inner.as_bytes()[start..at]);
            continue;
        }
        let escape = inner[at..].chars().next().unwrap_or('\\');
        at += escape.len_utf8();
        let simple = match escape {
            'a' => 7,
            'b' => 8,
            'f' => 12,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 11,
            '\\' => b'\\',
            '"' => b'"',
            _ => 0,
        };
        if simple != 0 {
            bytes.push(simple);
            continue;
        }
        let (from, radix, length) = match escape {
            'x' => (at, 16, 2),
            'u' => (at, 16, 4),
            'U' => (at, 16, 8),
            '0'..='7' => (at - 1, 8, 3),
            _ => {
                return Err((
                    start,
                    format!(
                        "`\\{}` isn't an escape of Go's strings",
                        crate::words::printable(escape)
                    ),
                ));
            }
        };
        let code = inner
            .get(from..from + length)
            .filter(|digits| digits.chars().all(|digit| digit.is_digit(radix)))
            .and_then(|digits| u32::from_str_radix(digits, radix).ok())
            .ok_or_else(|| (start, format!("the escape `\\{escape}` needs {length} digits")))?;
        at = from + length;
        if length > 3 {
            let letter = char::from_u32(code)
                .ok_or_else(|| (start, "this escape isn't a Unicode character".to_owned()))?;
            bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            bytes
                .push(u8::try_from(code).map_err(|_| (start, "this escape is more than a byte".to_owned()))?);
        }
    }
    String::from_utf8(bytes).map_err(|_| (0, "the escapes of this text don't make valid UTF-8".to_owned()))
}

/// Reads a number: decimal, hexadecimal, octal, binary, or with a fraction or an exponent.
pub(crate) fn number(text: &str) -> Result<Value, &'static str> {
    number_of(text).map(|number| Value::Number(Scalar::written(number, text)))
}

fn number_of(text: &str) -> Result<Number, &'static str> {
    const NO_NUMBER: &str = "isn't a number";
    const TOO_LARGE: &str = "is too large for a number";
    let (negative, body) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = body.to_ascii_lowercase();
    let (radix, digits) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        _ if lower.contains(['.', 'e']) => {
            let starts_well = lower.starts_with(|c: char| c.is_ascii_digit() || c == '.');
            let value: f64 = text.parse().map_err(|_| NO_NUMBER)?;
            if !starts_well {
                return Err(NO_NUMBER);
            }
            return Number::from_f64(value).ok_or(TOO_LARGE);
        }
        _ if lower.len() > 1 && lower.starts_with('0') => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    // Underscores separate digits, or a prefix from them.
    let separated = digits.strip_prefix('_').filter(|_| radix != 10).unwrap_or(digits);
    if separated.split('_').any(str::is_empty) {
        return Err(NO_NUMBER);
    }
    let digits = separated.replace('_', "");
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err(NO_NUMBER);
    }
    let value = i128::from(u64::from_str_radix(&digits, radix).map_err(|_| TOO_LARGE)?);
    Number::from_i128(if negative { -value } else { value }).ok_or(TOO_LARGE)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_gos() {
        for (text, expected) in [
            ("0", json!(0)),
            ("42", json!(42)),
            ("-42", json!(-42)),
            ("+42", json!(42)),
            ("0x1F", json!(31)),
            ("-0xff", json!(-255)),
            ("0b101", json!(5)),
            ("0o17", json!(15)),
            ("017", json!(15)),
            ("1_000", json!(1000)),
            ("0x_1f", json!(31)),
            ("1.5", json!(1.5)),
            ("-1.5", json!(-1.5)),
            (".5", json!(0.5)),
            ("1.", json!(1.0)),
            ("1e3", json!(1000.0)),
            ("1E-3", json!(0.001)),
            ("9223372036854775807", json!(i64::MAX)),
            ("-9223372036854775808", json!(i64::MIN)),
            ("18446744073709551615", json!(u64::MAX)),
        ] {
            assert_eq!(number(text), Ok(expected.into()), "{text}");
        }
        for text in [
            "", "-", "+", ".", "08", "0x", "0b2", "1__0", "_1", "1_", "0x1p4", "1i", "12abc", "1.5.2", "e5",
            "+e5", "1e", "--1",
        ] {
            assert_eq!(number(text), Err("isn't a number"), "{text}");
        }
        for text in [
            "18446744073709551616",
            "-9223372036854775809",
            "99999999999999999999999999999999999999999999",
            "1e999",
        ] {
            assert_eq!(number(text), Err("is too large for a number"), "{text}");
        }
    }

    #[test]
    fn escapes_are_gos() {
        for (inner, expected) in [
            ("", ""),
            ("a/b", "a/b"),
            (r#"a\"b\\c"#, "a\"b\\c"),
            (r"\a\b\f\n\r\t\v", "\u{7}\u{8}\u{c}\n\r\t\u{b}"),
            (r"\x41\101\u00e9\U0001F600", "AAé😀"),
            (r"\xc3\xa9", "é"),
            (r"\000\x00", "\0\0"),
        ] {
            assert_eq!(unquote(inner).as_deref(), Ok(expected), "{inner}");
        }
        for (inner, at, message) in [
            (r"a\d", 1, r"`\d` isn't an escape of Go's strings"),
            (r"\'", 0, r"`\'` isn't an escape of Go's strings"),
            (r"\8", 0, r"`\8` isn't an escape of Go's strings"),
            (r"\x4", 0, r"the escape `\x` needs 2 digits"),
            (r"\x+4", 0, r"the escape `\x` needs 2 digits"),
            (r"\u00é", 0, r"the escape `\u` needs 4 digits"),
            (r"\08", 0, r"the escape `\0` needs 3 digits"),
            (r"\400", 0, "this escape is more than a byte"),
            (r"\ud800", 0, "this escape isn't a Unicode character"),
            (r"\UFFFFFFFF", 0, "this escape isn't a Unicode character"),
            (r"ab\xff", 0, "the escapes of this text don't make valid UTF-8"),
        ] {
            assert_eq!(unquote(inner), Err((at, message.to_owned())), "{inner}");
        }
    }
}
