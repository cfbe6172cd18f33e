//! Sprig's arithmetic: on whole numbers of 64 bits unless a function says otherwise.

use serde_json::Number;

use super::Arguments;
use crate::error::Fault;
use crate::literal;
use crate::value::{Scalar, Value, whole};

type Given = Result<Value, Fault>;

fn float(args: &Arguments<'_>, value: f64) -> Given {
    match Number::from_f64(value) {
        Some(number) => Ok(Value::Number(Scalar::new(number))),
        None => Err(too_large(args, 0)),
    }
}

fn too_large(args: &Arguments<'_>, at: usize) -> Fault {
    let message = format!("the number is too large for `{}`", args.function.name);
    args.refused(at, message)
}

/// A number without its fraction, a text that Go reads as a whole number, or 1 and 0 for true and false.
fn integer(args: &Arguments<'_>, at: usize) -> Result<i64, Fault> {
    let value = match &*args.values[at] {
        Value::Bool(value) => Some(i64::from(value.value)),
        Value::Number(number) => truncated(&number.value),
        Value::String(text) => Some(read_integer(text).ok_or_else(|| unread(args, at, "a whole number"))?),
        other => return Err(args.wrong(at, "a number, text or a boolean", other)),
    };
    value.ok_or_else(|| too_large(args, at))
}

fn unread(args: &Arguments<'_>, at: usize, what: &str) -> Fault {
    let message = format!("`{}` can't read this text as {what}", args.function.name);
    args.refused(at, message)
}

/// Digits in any base that Go's literals have, and a fraction of nothing but zeros.
fn read_integer(text: &str) -> Option<i64> {
    let text = text.trim();
    let text = match text.split_once('.') {
        Some((before, zeros)) if !zeros.is_empty() && zeros.chars().all(|digit| digit == '0') => before,
        _ => text,
    };
    match literal::number(text) {
        Ok(Value::Number(number)) if !number.value.is_f64() => number.value.as_i64(),
        _ => None,
    }
}

fn truncated(number: &Number) -> Option<i64> {
    if let Some(whole) = whole(number) {
        return i64::try_from(whole).ok();
    }
    let value = number.as_f64()?.trunc();
    (value.abs() < 9e18).then_some(value as i64)
}

fn real(args: &Arguments<'_>, at: usize) -> Result<f64, Fault> {
    match &*args.values[at] {
        Value::Bool(value) => Ok(f64::from(u8::from(value.value))),
        Value::Number(number) => number.value.as_f64().ok_or_else(|| too_large(args, at)),
        Value::String(text) => {
            // Rust also reads "inf" and "nan", which are no numbers in JSON.
            let value = text.parse().ok().filter(|value: &f64| value.is_finite());
            value.ok_or_else(|| unread(args, at, "a number"))
        }
        other => Err(args.wrong(at, "a number, text or a boolean", other)),
    }
}

pub(super) fn int(args: &Arguments<'_>) -> Given {
    integer(args, 0).map(Value::from)
}

pub(super) fn float64(args: &Arguments<'_>) -> Given {
    float(args, real(args, 0)?)
}

/// Decimal digits, as `strconv.Atoi` reads them.
pub(super) fn atoi(args: &Arguments<'_>) -> Given {
    let number = args.text(0)?.parse::<i64>();
    number
        .map(Value::from)
        .map_err(|_| unread(args, 0, "a whole number"))
}

fn fold(args: &Arguments<'_>, calculate: fn(i64, i64) -> Option<i64>) -> Given {
    let mut total = integer(args, 0)?;
    for at in 1..args.values.len() {
        total = calculate(total, integer(args, at)?).ok_or_else(|| too_large(args, at))?;
    }
    Ok(total.into())
}

pub(super) fn add(args: &Arguments<'_>) -> Given {
    if args.values.is_empty() {
        return Ok(0_i64.into());
    }
    fold(args, i64::checked_add)
}

pub(super) fn add1(args: &Arguments<'_>) -> Given {
    let sum = integer(args, 0)?.checked_add(1);
    sum.map(Value::from).ok_or_else(|| too_large(args, 0))
}

pub(super) fn sub(args: &Arguments<'_>) -> Given {
    fold(args, i64::checked_sub)
}

pub(super) fn mul(args: &Arguments<'_>) -> Given {
    fold(args, i64::checked_mul)
}

pub(super) fn div(args: &Arguments<'_>) -> Given {
    check_divisor(args)?;
    fold(args, i64::checked_div)
}

/// The rest of a division, with the sign of what is divided.
pub(super) fn modulo(args: &Arguments<'_>) -> Given {
    check_divisor(args)?;
    fold(args, i64::checked_rem)
}

fn check_divisor(args: &Arguments<'_>) -> Result<(), Fault> {
    match integer(args, 1)? {
        0 => Err(args.refused(1, "nothing can be divided by 0")),
        _ => Ok(()),
    }
}

pub(super) fn max(args: &Arguments<'_>) -> Given {
    fold(args, |a, b| Some(a.max(b)))
}

pub(super) fn min(args: &Arguments<'_>) -> Given {
    fold(args, |a, b| Some(a.min(b)))
}

fn fold_real(args: &Arguments<'_>, calculate: fn(f64, f64) -> f64) -> Given {
    let mut total = real(args, 0)?;
    for at in 1..args.values.len() {
        total = calculate(total, real(args, at)?);
    }
    float(args, total)
}

pub(super) fn maxf(args: &Arguments<'_>) -> Given {
    fold_real(args, f64::max)
}

pub(super) fn minf(args: &Arguments<'_>) -> Given {
    fold_real(args, f64::min)
}

/// KubeKey's: `pow BASE EXPONENT`.
pub(super) fn pow(args: &Arguments<'_>) -> Given {
    fold_real(args, f64::powf)
}

pub(super) fn floor(args: &Arguments<'_>) -> Given {
    float(args, real(args, 0)?.floor())
}

pub(super) fn ceil(args: &Arguments<'_>) -> Given {
    float(args, real(args, 0)?.ceil())
}

/// `round NUMBER PLACES`: halves go up.
pub(super) fn round(args: &Arguments<'_>) -> Given {
    let (value, places) = (real(args, 0)?, args.whole(1)?);
    let power = 10_f64.powi(places.clamp(-400, 400) as i32);
    let digits = power * value;
    let rounded = if digits - digits.trunc() >= 0.5 {
        digits.ceil()
    } else {
        digits.floor()
    };
    float(args, rounded / power)
}

/// KubeKey's: true and false of text and numbers.
pub(super) fn to_bool(args: &Arguments<'_>) -> Given {
    match &*args.values[0] {
        Value::Bool(value) => Ok(value.value.into()),
        Value::Number(number) => Ok((number.value.as_f64() != Some(0.0)).into()),
        Value::String(text) => match text.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true.into()),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false.into()),
            _ => Err(unread(args, 0, "true or false")),
        },
        other => Err(args.wrong(0, "a boolean, a number or text", other)),
    }
}
