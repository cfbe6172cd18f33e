//! Regular expressions with Go's syntax and meaning.

use std::rc::Rc;

use regex::{Regex, RegexBuilder};

use super::Arguments;
use crate::error::Fault;
use crate::value::Value;

type Given = Result<Value, Fault>;

/// The most bytes that a compiled expression may take.
const MAX_SIZE: usize = 256 << 10;
/// What compiling one costs, in values that are looked at.
const COMPILING: usize = 10_000;

fn compiled(args: &Arguments<'_>) -> Result<Rc<Regex>, Fault> {
    let pattern = args.text(0)?;
    let text = args.text(1)?;
    // The time is that of the text for each place of the expression, in the worst case.
    args.budget
        .work(text.len().saturating_mul(pattern.len()) / 64, args.span)?;
    if let Some(known) = args.budget.regexes.borrow().get(pattern) {
        return Ok(Rc::clone(known));
    }
    args.budget.work(COMPILING, args.span)?;
    let regex = RegexBuilder::new(&translated(pattern))
        .size_limit(MAX_SIZE)
        .dfa_size_limit(MAX_SIZE)
        .build()
        .map_err(|cause| {
            let cause = cause.to_string();
            let cause = cause
                .lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches("error: ");
            args.refused(0, format!("this isn't a regular expression: {cause}"))
        })?;
    let regex = Rc::new(regex);
    args.budget
        .regexes
        .borrow_mut()
        .insert(pattern.to_owned(), Rc::clone(&regex));
    Ok(regex)
}

/// The expression in the syntax of the `regex` crate, where Go's differs: classes are ASCII's, sets in brackets have no operators, a
/// brace that repeats nothing is a brace, and `\Q…\E` is text.
fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    let mut in_set = false;
    while let Some(letter) = rest.chars().next() {
        let mut after = &rest[letter.len_utf8()..];
        match letter {
            '\\' => {
                let Some(escaped) = after.chars().next() else {
                    out.push('\\');
                    break;
                };
                after = &after[escaped.len_utf8()..];
                match escaped {
                    'd' if in_set => out.push_str("0-9"),
                    's' if in_set => out.push_str(r"\t\n\f\r "),
                    'w' if in_set => out.push_str("0-9A-Za-z_"),
                    'd' => out.push_str("[0-9]"),
                    's' => out.push_str(r"[\t\n\f\r ]"),
                    'w' => out.push_str("[0-9A-Za-z_]"),
                    'D' => out.push_str("[^0-9]"),
                    'S' => out.push_str(r"[^\t\n\f\r ]"),
                    'W' => out.push_str("[^0-9A-Za-z_]"),
                    'b' | 'B' if !in_set => {
                        out.push_str(if escaped == 'b' { r"(?-u:\b)" } else { r"(?-u:\B)" });
                    }
                    'Q' => {
                        let (text, behind) = after.split_once(r"\E").unwrap_or((after, ""));
                        out.push_str(&regex::escape(text));
                        after = behind;
                    }
                    other => out.extend(['\\', other]),
                }
            }
            '[' if in_set && !after.starts_with(':') => out.push_str(r"\["),
            '[' if !in_set => {
                in_set = true;
                out.push('[');
                for first in ['^', ']'] {
                    if let Some(behind) = after.strip_prefix(first) {
                        out.push_str(if first == ']' { r"\]" } else { "^" });
                        after = behind;
                    }
                }
            }
            '[' => {
                // A class with a name, up to its own bracket.
                let end = after.find(":]").map_or(0, |end| end + 2);
                out.push('[');
                out.push_str(&after[..end]);
                after = &after[end..];
            }
            ']' if in_set => {
                in_set = false;
                out.push(']');
            }
            '&' | '~' if in_set => out.extend(['\\', letter]),
            '-' if in_set && after.starts_with('-') => out.push_str(r"\-"),
            '{' if !in_set && !repeats(after) => out.push_str(r"\{"),
            other => out.push(other),
        }
        rest = after;
    }
    out
}

/// Whether what follows a brace makes it a repetition: `3}`, `3,}` or `3,5}`.
fn repeats(after: &str) -> bool {
    let Some((inner, _)) = after.split_once('}') else {
        return false;
    };
    let (least, most) = inner.split_once(',').unwrap_or((inner, ""));
    let is_number = |text: &str| text.chars().all(|digit| digit.is_ascii_digit());
    !least.is_empty() && is_number(least) && is_number(most)
}

pub(super) fn matches(args: &Arguments<'_>) -> Given {
    Ok(compiled(args)?.is_match(args.text(1)?).into())
}

pub(super) fn find(args: &Arguments<'_>) -> Given {
    let found = compiled(args)?;
    Ok(found
        .find(args.text(1)?)
        .map_or("", |found| found.as_str())
        .into())
}

/// `regexFindAll REGEX TEXT COUNT`; a negative count is all.
pub(super) fn find_all(args: &Arguments<'_>) -> Given {
    let count = usize::try_from(args.whole(2)?).unwrap_or(usize::MAX);
    let found = compiled(args)?;
    let found = found.find_iter(args.text(1)?).take(count);
    Ok(found.map(|found| Value::from(found.as_str())).collect())
}

/// `regexReplaceAll REGEX TEXT REPLACEMENT`, with `${1}` for groups.
pub(super) fn replace_all(args: &Arguments<'_>) -> Given {
    replaced(args, |replacement, found, text| found.expand(replacement, text))
}

pub(super) fn replace_all_literal(args: &Arguments<'_>) -> Given {
    replaced(args, |replacement, _, text| text.push_str(replacement))
}

fn replaced(args: &Arguments<'_>, put: impl Fn(&str, &regex::Captures<'_>, &mut String)) -> Given {
    let regex = compiled(args)?;
    let (text, replacement) = (args.text(1)?, args.text(2)?);
    let mut result = String::new();
    let mut end = 0;
    for found in regex.captures_iter(text) {
        let whole = found.get_match();
        result.push_str(&text[end..whole.start()]);
        put(replacement, &found, &mut result);
        args.check_length(result.len())?;
        end = whole.end();
    }
    result.push_str(&text[end..]);
    Ok(result.into())
}

/// `regexSplit REGEX TEXT COUNT`; a negative count is all.
pub(super) fn split(args: &Arguments<'_>) -> Given {
    let regex = compiled(args)?;
    let (text, count) = (args.text(1)?, args.whole(2)?);
    if count == 0 {
        return Ok(Value::Array(Vec::new()));
    }
    if !args.text(0)?.is_empty() && text.is_empty() {
        return Ok(Value::Array(vec!["".into()]));
    }
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    let (mut begin, mut end) = (0, 0);
    for found in regex.find_iter(text) {
        if parts.len() == most - 1 {
            break;
        }
        end = found.start();
        if found.end() != 0 {
            parts.push(Value::from(&text[begin..end]));
        }
        begin = found.end();
    }
    if end != text.len() {
        parts.push(Value::from(&text[begin..]));
    }
    Ok(Value::Array(parts))
}

/// The text with escapes, so that it is found as it is.
pub(super) fn quote_meta(args: &Arguments<'_>) -> Given {
    let mut quoted = String::new();
    for letter in args.text(0)?.chars() {
        if r"\.+*?()|[]{}^$".contains(letter) {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    Ok(quoted.into())
}
