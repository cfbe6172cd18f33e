//! Functions on lists and objects.

use std::borrow::Cow;

use super::{Arguments, wrong_type};
use crate::ast::Expr;
use crate::error::{ErrorKind, Fault};
use crate::evaluate::{MAX_TEXT, Missing, Scope};
use crate::value::{Value, described, printed, whole};
use crate::words::{counted, guess, listed, ordinal, shown};

type Given = Result<Value, Fault>;
type Chosen<'v> = Result<Cow<'v, Value>, Fault>;

/// Lists and objects inside one another, in what templates make themselves or write as JSON.
const MAX_NESTING: usize = 200;
/// The most values in what a template makes itself.
const MAX_VALUES: usize = 1 << 20;

pub(super) fn len(args: &Arguments<'_>) -> Given {
    let length = match &*args.values[0] {
        Value::String(text) => text.len(),
        Value::Array(list) => list.len(),
        Value::Object(object) => object.len(),
        other => return Err(args.wrong(0, "text, a list or an object", other)),
    };
    Ok(length.into())
}

pub(super) fn list(args: &Arguments<'_>) -> Given {
    check_weight(args)?;
    Ok(args.values.iter().map(|value| Value::clone(value)).collect())
}

/// Lists of lists double quickly, and what is nested deep exhausts the stack of whoever walks it.
fn check_weight(args: &Arguments<'_>) -> Result<(), Fault> {
    let mut room = MAX_VALUES;
    if args
        .values
        .iter()
        .all(|value| is_light(value, MAX_NESTING, &mut room))
    {
        return Ok(());
    }
    let message = format!(
        "what `{}` is given is too large or nested too deep",
        args.function.name
    );
    Err(Fault::new(ErrorKind::Limit, args.span, message))
}

fn is_light(value: &Value, depth: usize, room: &mut usize) -> bool {
    let weight = match value {
        Value::String(text) => 1 + text.len() / 64,
        _ => 1,
    };
    if depth == 0 || *room < weight {
        return false;
    }
    *room -= weight;
    match value {
        Value::Array(list) => list.iter().all(|item| is_light(item, depth - 1, room)),
        Value::Object(object) => object.values().all(|item| is_light(item, depth - 1, room)),
        _ => true,
    }
}

pub(super) fn first<'v>(scope: &Scope<'v>, args: &'v [Expr], missing: Missing) -> Chosen<'v> {
    end_of("first", scope, &args[0], missing)
}

pub(super) fn last<'v>(scope: &Scope<'v>, args: &'v [Expr], missing: Missing) -> Chosen<'v> {
    end_of("last", scope, &args[0], missing)
}

fn end_of<'v>(function: &'static str, scope: &Scope<'v>, arg: &'v Expr, missing: Missing) -> Chosen<'v> {
    let over = scope.evaluate(arg, missing)?;
    let item = match over {
        Cow::Borrowed(Value::Array(list)) => {
            let item = if function == "first" {
                list.first()
            } else {
                list.last()
            };
            item.map(Cow::Borrowed)
        }
        Cow::Owned(Value::Array(list)) => {
            let mut list = list.into_iter();
            let item = if function == "first" {
                list.next()
            } else {
                list.next_back()
            };
            item.map(Cow::Owned)
        }
        null if null.is_null() && missing == Missing::Allowed => Some(null),
        other => return Err(wrong_type(function, 0, "a list", &other, arg)),
    };
    match (item, missing) {
        (Some(item), _) => Ok(item),
        (None, Missing::Allowed) => Ok(Cow::Owned(Value::Null)),
        (None, Missing::Refused) => {
            let message = format!("`{function}` has nothing to give: the list is empty");
            Err(Fault::new(ErrorKind::Missing, &arg.span, message))
        }
    }
}

pub(super) fn index<'v>(scope: &Scope<'v>, args: &'v [Expr], missing: Missing) -> Chosen<'v> {
    let start = scope.evaluate(&args[0], missing)?;
    let mut keys = Vec::with_capacity(args.len());
    for arg in &args[1..] {
        keys.push(scope.evaluate(arg, Missing::Refused)?);
    }
    let found = match &start {
        Cow::Borrowed(start) => indexed(start, &keys, args, missing)?.map(Cow::Borrowed),
        Cow::Owned(start) => indexed(start, &keys, args, missing)?.map(|value| Cow::Owned(value.clone())),
    };
    Ok(found.unwrap_or(Cow::Owned(Value::Null)))
}

/// The value that the keys lead to, or nothing where it may be missing and is.
fn indexed<'d>(
    start: &'d Value,
    keys: &[Cow<'_, Value>],
    args: &[Expr],
    missing: Missing,
) -> Result<Option<&'d Value>, Fault> {
    let mut value = start;
    for (at, key) in (1..).zip(keys) {
        let found = match (value, &**key) {
            (Value::Array(list), Value::Number(number)) => {
                let at = whole(&number.value).and_then(|number| usize::try_from(number).ok());
                at.and_then(|at| list.get(at))
            }
            (Value::Object(object), Value::String(name)) => object.get(name),
            (Value::Array(_), other) => {
                return Err(wrong_type("index", at, "a number for a list", other, &args[at]));
            }
            (Value::Object(_), other) => {
                return Err(wrong_type("index", at, "text for an object", other, &args[at]));
            }
            (Value::Null, _) if missing == Missing::Allowed => return Ok(None),
            (other, _) if at == 1 => {
                return Err(wrong_type("index", 0, "a list or an object", other, &args[0]));
            }
            (other, _) => {
                let message = format!(
                    "`index` finds {} before its {} argument, and needs a list or an object",
                    described(other),
                    ordinal(at)
                );
                return Err(Fault::new(ErrorKind::Type, &args[at].span, message));
            }
        };
        value = match found {
            Some(value) => value,
            None if missing == Missing::Allowed => return Ok(None),
            None => return Err(nothing_there(value, key, &args[at])),
        };
    }
    Ok(Some(value))
}

fn nothing_there(value: &Value, key: &Value, expr: &Expr) -> Fault {
    let fault = |message: String| Fault::new(ErrorKind::Missing, &expr.span, message);
    match (value, key) {
        (Value::Object(object), Value::String(name)) => {
            let names = || object.keys().map(String::as_str);
            let there = if object.is_empty() {
                "it is empty".to_owned()
            } else {
                format!("it has {}", listed(names(), ""))
            };
            fault(format!("the object has no `{}`: {there}", shown(name))).maybe_hint(guess(
                name,
                names(),
                "",
            ))
        }
        (Value::Array(list), _) => {
            let there = if list.is_empty() {
                "it is empty".to_owned()
            } else {
                format!("it has {}, counted from 0", counted(list.len(), "element"))
            };
            fault(format!("the list has no such element: {there}"))
        }
        _ => fault("there is nothing of that name".to_owned()),
    }
}

pub(super) fn split_list(args: &Arguments<'_>) -> Given {
    let (separator, text) = (args.text(0)?, args.text(1)?);
    if separator.is_empty() {
        return Ok(text.chars().map(|letter| Value::String(letter.into())).collect());
    }
    Ok(text.split(separator).map(Value::from).collect())
}

pub(super) fn join(args: &Arguments<'_>) -> Given {
    let separator = args.text(0)?;
    let list = match &*args.values[1] {
        Value::Array(list) => list,
        Value::Null | Value::Object(_) => return Err(args.wrong(1, "a list", &args.values[1])),
        _ => return args.printed(1).map(Value::String),
    };
    let mut joined = String::new();
    for (at, item) in list.iter().enumerate() {
        if at > 0 {
            joined.push_str(separator);
        }
        let Some(text) = printed(item) else {
            let message = format!(
                "`join` needs text: the list's {} element is {}",
                ordinal(at),
                described(item)
            );
            return Err(Fault::new(ErrorKind::Type, &args.exprs[1].span, message));
        };
        joined.push_str(&text);
        if joined.len() > MAX_TEXT {
            break;
        }
    }
    Ok(joined.into())
}

pub(super) fn to_json(args: &Arguments<'_>) -> Given {
    check_weight(args)?;
    Ok(crate::value::to_json(&args.values[0]).into())
}

pub(super) fn from_json(args: &Arguments<'_>) -> Given {
    let value = crate::value::from_json(args.text(0)?);
    value.map_err(|cause| args.refused(0, format!("`fromJson` can't read this text: {cause}")))
}
