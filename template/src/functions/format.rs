//! Values as Go's `fmt` writes them.

use crate::value::{Value, printed};

/// `%v`: a scalar as it was written, `[a b]`, `map[k:v]`, `<nil>`.
pub(super) fn plain(value: &Value) -> String {
    let mut text = String::new();
    write_plain(value, &mut text);
    text
}

fn write_plain(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("<nil>"),
        Value::Array(list) => {
            text.push('[');
            for (at, item) in list.iter().enumerate() {
                if at > 0 {
                    text.push(' ');
                }
                write_plain(item, text);
            }
            text.push(']');
        }
        Value::Object(object) => {
            text.push_str("map[");
            for (at, (key, item)) in object.iter().enumerate() {
                if at > 0 {
                    text.push(' ');
                }
                text.push_str(key);
                text.push(':');
                write_plain(item, text);
            }
            text.push(']');
        }
        scalar => text.push_str(&printed(scalar).unwrap_or_default()),
    }
}

/// `%e`, `%f` or `%g` of a number, without a sign where it isn't negative. No precision is as many digits as the number needs for `%g`,
/// and 6 for the others.
pub(super) fn float(value: f64, verb: char, precision: Option<usize>) -> String {
    match verb {
        'f' | 'F' => format!("{value:.*}", precision.unwrap_or(6)),
        'e' | 'E' => with_exponent(&format!("{value:.*e}", precision.unwrap_or(6))),
        _ => general(value, precision),
    }
}

/// `%g`.
pub(crate) fn general(value: f64, precision: Option<usize>) -> String {
    let scientific = match precision {
        None => format!("{value:e}"),
        Some(precision) => format!("{value:.*e}", precision.max(1) - 1),
    };
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits = match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.'),
        false => digits,
    };
    let count = digits.bytes().filter(u8::is_ascii_digit).count() as i32;
    let most = match precision {
        None => 6,
        Some(precision) => {
            let precision = precision.max(1) as i32;
            if precision > count && count > exponent {
                count
            } else {
                precision
            }
        }
    };
    let has_exponent = value != 0.0 && (exponent < -4 || exponent >= most);
    if has_exponent {
        return with_exponent(&format!("{digits}e{exponent}"));
    }
    match precision {
        None => format!("{value}"),
        Some(_) => format!("{value:.*}", (count - 1 - exponent).max(0) as usize),
    }
}

/// Rust's exponent as Go's: a sign and two digits.
fn with_exponent(text: &str) -> String {
    let (digits, exponent) = text.split_once('e').unwrap_or((text, "0"));
    match exponent.strip_prefix('-') {
        Some(exponent) => format!("{digits}e-{exponent:0>2}"),
        None => format!("{digits}e+{exponent:0>2}"),
    }
}
