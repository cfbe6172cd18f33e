//! Functions on text.

use serde_json::Number;

use super::Arguments;
use crate::error::{ErrorKind, Fault};
use crate::evaluate::MAX_TEXT;
use crate::value::{Value, quoted, whole};

type Given = Result<Value, Fault>;

pub(super) fn contains(args: &Arguments<'_>) -> Given {
    let (part, text) = (args.text(0)?, args.text(1)?);
    Ok(text.contains(part).into())
}

pub(super) fn has_prefix(args: &Arguments<'_>) -> Given {
    let (start, text) = (args.text(0)?, args.text(1)?);
    Ok(text.starts_with(start).into())
}

pub(super) fn has_suffix(args: &Arguments<'_>) -> Given {
    let (end, text) = (args.text(0)?, args.text(1)?);
    Ok(text.ends_with(end).into())
}

pub(super) fn replace(args: &Arguments<'_>) -> Given {
    let (old, new, text) = (args.text(0)?, args.text(1)?, args.text(2)?);
    let added = text.matches(old).count().saturating_mul(new.len());
    if added.saturating_add(text.len()) > MAX_TEXT.saturating_mul(2) {
        let message = format!("`replace` gives more than {} MiB of text", MAX_TEXT >> 20);
        return Err(Fault::new(ErrorKind::Limit, args.span, message));
    }
    Ok(text.replace(old, new).into())
}

pub(super) fn trim(args: &Arguments<'_>) -> Given {
    Ok(args.text(0)?.trim().into())
}

pub(super) fn trim_all(args: &Arguments<'_>) -> Given {
    let (letters, text) = (args.text(0)?, args.text(1)?);
    Ok(text.trim_matches(|letter| letters.contains(letter)).into())
}

pub(super) fn trim_prefix(args: &Arguments<'_>) -> Given {
    let (start, text) = (args.text(0)?, args.text(1)?);
    Ok(text.strip_prefix(start).unwrap_or(text).into())
}

pub(super) fn trim_suffix(args: &Arguments<'_>) -> Given {
    let (end, text) = (args.text(0)?, args.text(1)?);
    Ok(text.strip_suffix(end).unwrap_or(text).into())
}

/// Letter by letter, as Go does: no letter becomes several, and none looks at its neighbours.
pub(super) fn lower(args: &Arguments<'_>) -> Given {
    let lowered = |letter: char| letter.to_lowercase().next().unwrap_or(letter);
    Ok(Value::String(args.text(0)?.chars().map(lowered).collect()))
}

pub(super) fn upper(args: &Arguments<'_>) -> Given {
    let raised = |letter: char| {
        let mut letters = letter.to_uppercase();
        if letters.len() == 1 {
            letters.next().unwrap_or(letter)
        } else {
            letter
        }
    };
    Ok(Value::String(args.text(0)?.chars().map(raised).collect()))
}

/// Go's `path.Base`.
pub(super) fn base(args: &Arguments<'_>) -> Given {
    let path = args.text(0)?;
    if path.is_empty() {
        return Ok(".".into());
    }
    let path = path.trim_end_matches('/');
    let name = path.rsplit('/').next().unwrap_or_default();
    Ok(if name.is_empty() { "/" } else { name }.into())
}

/// Go's `path.Dir`: what is before the last slash, cleaned.
pub(super) fn dir(args: &Arguments<'_>) -> Given {
    let path = args.text(0)?;
    Ok(clean(path.rfind('/').map_or("", |at| &path[..=at])).into())
}

/// Go's `path.Clean`.
fn clean(path: &str) -> String {
    let is_rooted = path.starts_with('/');
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." if names.last().is_some_and(|last| *last != "..") => {
                names.pop();
            }
            ".." if is_rooted => {}
            name => names.push(name),
        }
    }
    match (is_rooted, names.join("/")) {
        (true, path) => format!("/{path}"),
        (false, path) if path.is_empty() => ".".to_owned(),
        (false, path) => path,
    }
}

/// Go's `fmt.Sprint`: blanks between values where neither is text.
pub(super) fn print(args: &Arguments<'_>) -> Given {
    let mut text = String::new();
    for (at, value) in args.values.iter().enumerate() {
        let is_text = |value: &Value| matches!(value, Value::String(_));
        if at > 0 && !is_text(value) && !is_text(&args.values[at - 1]) {
            text.push(' ');
        }
        text.push_str(&args.printed(at)?);
    }
    Ok(text.into())
}

pub(super) fn quote(args: &Arguments<'_>) -> Given {
    let words: Vec<String> = (0..args.values.len())
        .map(|at| args.printed(at).map(|text| quoted(&text)))
        .collect::<Result<_, _>>()?;
    Ok(words.join(" ").into())
}

pub(super) fn to_string(args: &Arguments<'_>) -> Given {
    args.printed(0).map(Value::String)
}

/// A whole number: of a number what is before the point, of text its decimal digits.
pub(super) fn int(args: &Arguments<'_>) -> Given {
    let value = match &*args.values[0] {
        Value::Bool(value) => Some(i64::from(value.value)),
        Value::Number(number) => truncated(&number.value),
        Value::String(text) => match text.trim().parse() {
            Ok(value) => Some(value),
            Err(_) => return Err(args.refused(0, "`int` can't read this text as a whole number")),
        },
        other => return Err(args.wrong(0, "a number, text or a boolean", other)),
    };
    match value {
        Some(value) => Ok(value.into()),
        None => Err(args.refused(0, "this number is too large for `int`")),
    }
}

fn truncated(number: &Number) -> Option<i64> {
    if let Some(whole) = whole(number) {
        return i64::try_from(whole).ok();
    }
    let value = number.as_f64()?.trunc();
    (value.abs() < 9e18).then_some(value as i64)
}
