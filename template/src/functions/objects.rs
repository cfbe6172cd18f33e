//! Sprig's functions on objects, which it calls dictionaries.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Arguments, format, wrong_type};
use crate::ast::Expr;
use crate::error::Fault;
use crate::evaluate::{Missing, Scope};
use crate::value::{Value, is_true};

type Given = Result<Value, Fault>;
type Object = BTreeMap<String, Value>;

/// `dict KEY VALUE …`; a last key without a value has an empty text.
pub(super) fn dict(args: &Arguments<'_>) -> Given {
    let pairs = args.values.chunks(2).map(|pair| {
        let value = pair
            .get(1)
            .map_or_else(|| Value::from(""), |value| Value::clone(value));
        (format::plain(&pair[0]), value)
    });
    Ok(Value::Object(pairs.collect()))
}

/// The key's value, or an empty text.
pub(super) fn get(args: &Arguments<'_>) -> Given {
    let value = args.object(0)?.get(args.text(1)?);
    Ok(value.cloned().unwrap_or_else(|| "".into()))
}

pub(super) fn set(args: &Arguments<'_>) -> Given {
    let mut object = args.object(0)?.clone();
    object.insert(args.text(1)?.to_owned(), Value::clone(&args.values[2]));
    Ok(Value::Object(object))
}

pub(super) fn unset(args: &Arguments<'_>) -> Given {
    let mut object = args.object(0)?.clone();
    object.remove(args.text(1)?);
    Ok(Value::Object(object))
}

pub(super) fn has_key(args: &Arguments<'_>) -> Given {
    Ok(args.object(0)?.contains_key(args.text(1)?).into())
}

/// The keys of all objects, each object's sorted. Sprig's have no order.
pub(super) fn keys(args: &Arguments<'_>) -> Given {
    let mut keys = Vec::new();
    for at in 0..args.values.len() {
        keys.extend(args.object(at)?.keys().map(|key| Value::from(key.as_str())));
    }
    Ok(Value::Array(keys))
}

/// The values in the order of their keys. Sprig's have no order.
pub(super) fn values(args: &Arguments<'_>) -> Given {
    Ok(args.object(0)?.values().cloned().collect())
}

pub(super) fn pick(args: &Arguments<'_>) -> Given {
    let object = args.object(0)?;
    let mut picked = Object::new();
    for at in 1..args.values.len() {
        let key = args.text(at)?;
        if let Some(value) = object.get(key) {
            picked.insert(key.to_owned(), value.clone());
        }
    }
    Ok(Value::Object(picked))
}

pub(super) fn omit(args: &Arguments<'_>) -> Given {
    let mut object = args.object(0)?.clone();
    for at in 1..args.values.len() {
        object.remove(args.text(at)?);
    }
    Ok(Value::Object(object))
}

/// `pluck KEY OBJECT …`: the key's values.
pub(super) fn pluck(args: &Arguments<'_>) -> Given {
    let key = args.text(0)?;
    let mut plucked = Vec::new();
    for at in 1..args.values.len() {
        plucked.extend(args.object(at)?.get(key).cloned());
    }
    Ok(Value::Array(plucked))
}

/// Objects merged at every depth: earlier ones win where they aren't empty.
pub(super) fn merge(args: &Arguments<'_>) -> Given {
    merged(args, false)
}

/// Objects merged at every depth: later ones win.
pub(super) fn merge_overwrite(args: &Arguments<'_>) -> Given {
    merged(args, true)
}

fn merged(args: &Arguments<'_>, overwrite: bool) -> Given {
    let mut all = args.object(0)?.clone();
    for at in 1..args.values.len() {
        merge_into(&mut all, args.object(at)?, overwrite);
    }
    Ok(Value::Object(all))
}

fn merge_into(all: &mut Object, more: &Object, overwrite: bool) {
    for (key, value) in more {
        match (all.get_mut(key), value) {
            (None, Value::Null) if !overwrite => {}
            (None, value) => {
                all.insert(key.clone(), value.clone());
            }
            (Some(Value::Object(known)), Value::Object(value)) => merge_into(known, value, overwrite),
            (Some(_), Value::Null) if !overwrite => {}
            (Some(known), value) if overwrite || !is_true(known) => *known = value.clone(),
            _ => {}
        }
    }
}

/// `dig KEY … DEFAULT OBJECT`: the value that the keys lead to.
pub(super) fn dig<'v>(
    scope: &Scope<'v>,
    args: &'v [Expr],
    missing: Missing,
) -> Result<Cow<'v, Value>, Fault> {
    let [keys @ .., default, object] = args else {
        return Ok(Cow::Owned(Value::Null));
    };
    let object = scope.evaluate(object, Missing::Refused)?;
    let mut value = &*object;
    for (at, key) in keys.iter().enumerate() {
        let name = scope.evaluate(key, Missing::Refused)?;
        let Value::String(name) = &*name else {
            return Err(wrong_type("dig", at, "text", &name, key));
        };
        let Value::Object(object) = value else {
            return Err(wrong_type("dig", at, "an object before", value, key));
        };
        value = match object.get(name) {
            Some(value) => value,
            None => return scope.evaluate(default, missing),
        };
    }
    Ok(Cow::Owned(value.clone()))
}

/// Values are copied anyway.
pub(super) fn copy(args: &Arguments<'_>) -> Given {
    Ok(Value::clone(&args.values[0]))
}
