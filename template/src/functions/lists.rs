//! Functions on lists and objects.

use std::borrow::Cow;

use super::{Arguments, wrong_type};
use crate::ast::Expr;
use crate::error::{ErrorKind, Fault};
use crate::evaluate::{Missing, Scope};
use crate::value::{Value, described, printed, whole};
use crate::words::{counted, guess, listed, ordinal, shown};

type Given = Result<Value, Fault>;
type Chosen<'v> = Result<Cow<'v, Value>, Fault>;

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
    Ok(args.values.iter().map(|value| Value::clone(value)).collect())
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

/// Sprig's `join`: null elements are left out, and text, a number or a boolean alone is one element.
pub(super) fn join(args: &Arguments<'_>) -> Given {
    let separator = args.text(0)?;
    let items = match &*args.values[1] {
        Value::Array(list) => list.as_slice(),
        other @ (Value::Null | Value::Object(_)) => return Err(args.wrong(1, "a list", other)),
        scalar => std::slice::from_ref(scalar),
    };
    let mut texts = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate().filter(|(_, item)| !item.is_null()) {
        texts.push(printed(item).ok_or_else(|| {
            let message = format!(
                "`join` needs text: the list's {} element is {}",
                ordinal(at),
                described(item)
            );
            Fault::new(ErrorKind::Type, &args.exprs[1].span, message)
        })?);
    }
    args.check_length(texts.iter().map(|text| text.len() + separator.len()).sum())?;
    Ok(texts.join(separator).into())
}

pub(super) fn split_list(args: &Arguments<'_>) -> Given {
    let (separator, text) = (args.text(0)?, args.text(1)?);
    if separator.is_empty() {
        return Ok(text.chars().map(|letter| Value::String(letter.into())).collect());
    }
    Ok(text.split(separator).map(Value::from).collect())
}
