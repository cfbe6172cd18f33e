//! Functions on text.

use super::{Arguments, format};
use crate::error::Fault;
use crate::evaluate::is_null;
use crate::value::{Value, quoted};

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
    let found = text.matches(old).count();
    args.check_length((text.len() - found * old.len()).saturating_add(found.saturating_mul(new.len())))?;
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

fn raised(letter: char) -> char {
    let mut letters = letter.to_uppercase();
    if letters.len() == 1 {
        letters.next().unwrap_or(letter)
    } else {
        letter
    }
}

pub(super) fn upper(args: &Arguments<'_>) -> Given {
    Ok(Value::String(args.text(0)?.chars().map(raised).collect()))
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

/// `fmt.Sprintln`.
pub(super) fn println(args: &Arguments<'_>) -> Given {
    let words = (0..args.values.len())
        .map(|at| args.printed(at))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(format!("{}\n", words.join(" ")).into())
}

pub(super) fn quote(args: &Arguments<'_>) -> Given {
    words(args, |value| quoted(&format::plain(value)))
}

pub(super) fn squote(args: &Arguments<'_>) -> Given {
    words(args, |value| format!("'{}'", format::plain(value)))
}

/// Values with blanks between them.
pub(super) fn cat(args: &Arguments<'_>) -> Given {
    words(args, format::plain)
}

pub(super) fn to_string(args: &Arguments<'_>) -> Given {
    words(args, format::plain)
}

/// Sprig leaves null out; here it is an error, as wherever nothing would be written.
fn words(args: &Arguments<'_>, word: impl Fn(&Value) -> String) -> Given {
    let mut words = Vec::with_capacity(args.values.len());
    for (value, expr) in args.values.iter().zip(args.exprs) {
        if value.is_null() {
            return Err(is_null(expr));
        }
        words.push(word(value));
    }
    Ok(words.join(" ").into())
}

/// The first bytes, or the last where the count is negative. Go cuts letters in two; here one that would be is left out.
pub(super) fn trunc(args: &Arguments<'_>) -> Given {
    let (count, text) = (args.whole(0)?, args.text(1)?);
    let size = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if size >= text.len() {
        return Ok(text.into());
    }
    let mut cut = if count < 0 { text.len() - size } else { size };
    while !text.is_char_boundary(cut) {
        cut = if count < 0 { cut + 1 } else { cut - 1 };
    }
    let (before, after) = text.split_at(cut);
    Ok(if count < 0 { after } else { before }.into())
}

/// `substr START END TEXT`, in bytes: a negative start is the beginning, a negative end or one beyond the text its end.
pub(super) fn substr(args: &Arguments<'_>) -> Given {
    let (start, end, text) = (args.whole(0)?, args.whole(1)?, args.text(2)?);
    let from = usize::try_from(start).unwrap_or(0);
    let to = match usize::try_from(end) {
        Ok(end) if end <= text.len() => end,
        _ if start < 0 => return Err(args.refused(1, "`substr` has no such end in the text")),
        _ => text.len(),
    };
    match text.get(from..to) {
        Some(part) => Ok(part.into()),
        None if from > to => Err(args.refused(0, "`substr` has no such beginning before the end")),
        None => Err(args.refused(0, "`substr` would cut a letter in two: it counts bytes")),
    }
}

pub(super) fn repeat(args: &Arguments<'_>) -> Given {
    let (count, text) = (args.whole(0)?, args.text(1)?);
    let Ok(count) = usize::try_from(count) else {
        return Err(args.refused(0, "`repeat` needs a count from 0 up"));
    };
    args.check_length(text.len().saturating_mul(count))?;
    Ok(if text.is_empty() {
        text.into()
    } else {
        text.repeat(count).into()
    })
}

pub(super) fn nospace(args: &Arguments<'_>) -> Given {
    let letters = args.text(0)?.chars().filter(|letter| !letter.is_whitespace());
    Ok(Value::String(letters.collect()))
}

/// Go's `strings.Title`: a capital at each word's beginning.
pub(super) fn title(args: &Arguments<'_>) -> Given {
    let mut before = ' ';
    let titled = args.text(0)?.chars().map(|letter| {
        let begins = is_separator(before);
        before = letter;
        if begins { raised(letter) } else { letter }
    });
    Ok(Value::String(titled.collect()))
}

fn is_separator(letter: char) -> bool {
    match letter {
        '_' => false,
        '\0'..='\x7f' => !letter.is_ascii_alphanumeric(),
        _ => letter.is_whitespace(),
    }
}

/// A small letter at the beginning of the text.
pub(super) fn untitle(args: &Arguments<'_>) -> Given {
    let text = args.text(0)?;
    let mut before = ' ';
    let letters = text.chars().map(|letter| {
        let begins = before.is_whitespace();
        before = letter;
        if begins {
            letter.to_lowercase().next().unwrap_or(letter)
        } else {
            letter
        }
    });
    Ok(Value::String(letters.collect()))
}

pub(super) fn indent(args: &Arguments<'_>) -> Given {
    indented(args).map(Value::String)
}

pub(super) fn nindent(args: &Arguments<'_>) -> Given {
    indented(args).map(|text| format!("\n{text}").into())
}

fn indented(args: &Arguments<'_>) -> Result<String, Fault> {
    let (width, text) = (args.whole(0)?, args.text(1)?);
    let Ok(width) = usize::try_from(width) else {
        return Err(args.refused(0, "an indent must be a number from 0 up"));
    };
    let lines = 1 + text.matches('\n').count();
    args.check_length(width.saturating_mul(lines).saturating_add(text.len()))?;
    let pad = " ".repeat(width);
    Ok(format!("{pad}{}", text.replace('\n', &format!("\n{pad}"))))
}

/// `plural ONE MANY COUNT`
pub(super) fn plural(args: &Arguments<'_>) -> Given {
    let (one, many) = (args.text(0)?, args.text(1)?);
    Ok(if args.whole(2)? == 1 { one } else { many }.into())
}

/// KubeKey's: the text of a literal, or the text itself where it is none.
pub(super) fn unquote(args: &Arguments<'_>) -> Given {
    let text = args.text(0)?;
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let is_literal = |inner: &&str| {
        let mut escaped = false;
        !inner.chars().any(|letter| {
            let ends = letter == '\n' || (letter == '"' && !escaped);
            escaped = letter == '\\' && !escaped;
            ends
        }) && !escaped
    };
    let unquoted = inner
        .filter(is_literal)
        .and_then(|inner| crate::literal::unquote(inner).ok());
    Ok(unquoted.unwrap_or_else(|| text.to_owned()).into())
}
