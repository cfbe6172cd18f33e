//! Sprig's functions that make lists of lists.

use std::collections::HashSet;

use super::{Arguments, format};
use crate::error::Fault;
use crate::value::{Value, is_true, to_json};

type Given = Result<Value, Fault>;

/// The elements as text: null is left out, and what isn't a list is the one element.
pub(super) fn texts(args: &Arguments<'_>, at: usize) -> Result<Vec<String>, Fault> {
    let value = &*args.values[at];
    let items = match value {
        Value::Array(list) => list.as_slice(),
        Value::Null => return Err(args.wrong(at, "a list", value)),
        other => std::slice::from_ref(other),
    };
    let items = items.iter().filter(|item| !item.is_null());
    Ok(items.map(format::plain).collect())
}

pub(super) fn append(args: &Arguments<'_>) -> Given {
    let mut list = args.list(0)?.to_vec();
    list.push(Value::clone(&args.values[1]));
    Ok(Value::Array(list))
}

pub(super) fn prepend(args: &Arguments<'_>) -> Given {
    let mut list = vec![Value::clone(&args.values[1])];
    list.extend_from_slice(args.list(0)?);
    Ok(Value::Array(list))
}

pub(super) fn concat(args: &Arguments<'_>) -> Given {
    let mut all = Vec::new();
    for at in 0..args.values.len() {
        all.extend_from_slice(args.list(at)?);
    }
    Ok(Value::Array(all))
}

/// A text that equal values have in common, and no others.
fn fingerprint(value: &Value) -> String {
    match value {
        Value::Number(number) => number.value.to_string(),
        Value::Array(list) => {
            let items: Vec<String> = list.iter().map(fingerprint).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(object) => {
            let entries = object.iter();
            let entries: Vec<String> = entries
                .map(|(key, value)| format!("{key:?}:{}", fingerprint(value)))
                .collect();
            format!("{{{}}}", entries.join(","))
        }
        scalar => to_json(scalar),
    }
}

pub(super) fn uniq(args: &Arguments<'_>) -> Given {
    let mut seen = HashSet::new();
    let list = args.list(0)?.iter();
    Ok(list
        .filter(|item| seen.insert(fingerprint(item)))
        .cloned()
        .collect())
}

pub(super) fn without(args: &Arguments<'_>) -> Given {
    let left_out: HashSet<String> = args.values[1..].iter().map(|item| fingerprint(item)).collect();
    keep(args, |item| !left_out.contains(&fingerprint(item)))
}

/// KubeKey's: the first list without the second's elements.
pub(super) fn subtract_list(args: &Arguments<'_>) -> Given {
    let left_out: HashSet<String> = args.list(1)?.iter().map(fingerprint).collect();
    keep(args, |item| !left_out.contains(&fingerprint(item)))
}

pub(super) fn compact(args: &Arguments<'_>) -> Given {
    keep(args, is_true)
}

fn keep(args: &Arguments<'_>, wanted: impl Fn(&Value) -> bool) -> Given {
    let list = args.list(0)?.iter();
    Ok(list.filter(|item| wanted(item)).cloned().collect())
}

pub(super) fn reverse(args: &Arguments<'_>) -> Given {
    Ok(args.list(0)?.iter().rev().cloned().collect())
}

pub(super) fn sort_alpha(args: &Arguments<'_>) -> Given {
    let mut texts = texts(args, 0)?;
    texts.sort_unstable();
    Ok(texts.into_iter().map(Value::String).collect())
}

/// `has ELEMENT LIST`
pub(super) fn has(args: &Arguments<'_>) -> Given {
    if args.values[1].is_null() {
        return Ok(false.into());
    }
    Ok(args.list(1)?.contains(&args.values[0]).into())
}

/// `slice LIST START END`
pub(super) fn slice(args: &Arguments<'_>) -> Given {
    let list = args.list(0)?;
    let mut bounds = [0, list.len()];
    for at in 1..args.values.len() {
        let bound = usize::try_from(args.whole(at)?).ok();
        let bound = bound.filter(|bound| *bound <= list.len());
        bounds[at - 1] = bound.ok_or_else(|| {
            let message = format!("the list has no such place: it is {} long", list.len());
            args.refused(at, message)
        })?;
    }
    match list.get(bounds[0]..bounds[1]) {
        Some(part) => Ok(Value::Array(part.to_vec())),
        None => Err(args.refused(1, "`slice` begins after its end")),
    }
}

/// The list without its first element.
pub(super) fn rest(args: &Arguments<'_>) -> Given {
    Ok(args.list(0)?.iter().skip(1).cloned().collect())
}

/// The list without its last element.
pub(super) fn initial(args: &Arguments<'_>) -> Given {
    let list = args.list(0)?;
    Ok(list[..list.len().saturating_sub(1)].iter().cloned().collect())
}

/// `chunk SIZE LIST`: lists of so many elements.
pub(super) fn chunk(args: &Arguments<'_>) -> Given {
    let list = args.list(1)?;
    match usize::try_from(args.whole(0)?) {
        Ok(size @ 1..) => Ok(list
            .chunks(size)
            .map(|part| Value::Array(part.to_vec()))
            .collect()),
        _ => Err(args.refused(0, "`chunk` needs a size from 1 up")),
    }
}

pub(super) fn to_strings(args: &Arguments<'_>) -> Given {
    Ok(texts(args, 0)?.into_iter().map(Value::String).collect())
}

pub(super) fn all(args: &Arguments<'_>) -> Given {
    Ok(args.values.iter().all(|value| is_true(value)).into())
}

pub(super) fn any(args: &Arguments<'_>) -> Given {
    Ok(args.values.iter().any(|value| is_true(value)).into())
}

pub(super) fn until(args: &Arguments<'_>) -> Given {
    let count = args.whole(0)?;
    Ok(steps(args, 0, count, count.signum())?
        .into_iter()
        .map(Value::from)
        .collect())
}

pub(super) fn until_step(args: &Arguments<'_>) -> Given {
    let steps = steps(args, args.whole(0)?, args.whole(1)?, args.whole(2)?)?;
    Ok(steps.into_iter().map(Value::from).collect())
}

/// `seq END`, `seq START END` or `seq START STEP END`, as the shell's: text.
pub(super) fn seq(args: &Arguments<'_>) -> Given {
    let number = |at| args.whole(at);
    let (start, step, end) = match args.values.len() {
        0 => return Ok("".into()),
        1 => (1, None, number(0)?),
        2 => (number(0)?, None, number(1)?),
        _ => (number(0)?, Some(number(1)?), number(2)?),
    };
    let direction = if end < start { -1 } else { 1 };
    let step = step.unwrap_or(direction);
    if step == 0 || (direction < 0 && step > 0) {
        return Ok("".into());
    }
    let numbers = steps(args, start, end.saturating_add(direction), step)?;
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    Ok(numbers.join(" ").into())
}

/// The numbers from `start` up to `stop`, without it.
fn steps(args: &Arguments<'_>, start: i64, stop: i64, step: i64) -> Result<Vec<i64>, Fault> {
    let is_on_the_way = |at: i64| if step > 0 { at < stop } else { at > stop };
    let mut numbers = Vec::new();
    let mut at = start;
    while step != 0 && is_on_the_way(at) {
        args.budget.work(1, args.span)?;
        args.check_length(numbers.len().saturating_mul(8))?;
        numbers.push(at);
        match at.checked_add(step) {
            Some(next) => at = next,
            None => break,
        }
    }
    Ok(numbers)
}
