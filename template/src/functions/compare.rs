//! Comparing text with text, numbers with numbers, booleans with booleans.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::{Arguments, wrong_type};
use crate::ast::{Expr, ExprKind};
use crate::error::{ErrorKind, Fault};
use crate::evaluate::{Missing, Scope};
use crate::value::{Value, compare, described};

type Chosen<'v> = Result<Cow<'v, Value>, Fault>;

/// Whether the first argument is one of the others.
pub(super) fn eq<'v>(scope: &Scope<'v>, args: &'v [Expr], _: Missing) -> Chosen<'v> {
    is_any("eq", scope, args).map(|equal| Cow::Owned(equal.into()))
}

pub(super) fn ne<'v>(scope: &Scope<'v>, args: &'v [Expr], _: Missing) -> Chosen<'v> {
    is_any("ne", scope, args).map(|equal| Cow::Owned((!equal).into()))
}

fn is_any<'v>(function: &str, scope: &Scope<'v>, args: &'v [Expr]) -> Result<bool, Fault> {
    // Who writes `eq .a nil` asks whether there is one.
    let asks_for_nil = args
        .iter()
        .any(|arg| matches!(arg.kind, ExprKind::Literal(Value::Null)));
    let missing = if asks_for_nil {
        Missing::Allowed
    } else {
        Missing::Refused
    };
    let mut values = Vec::with_capacity(args.len());
    for arg in args {
        values.push(scope.evaluate(arg, missing)?);
    }
    for at in 1..values.len() {
        if equal(function, (&values[0], &values[at]), args, at)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equal(function: &str, pair: (&Value, &Value), args: &[Expr], at: usize) -> Result<bool, Fault> {
    match pair {
        (Value::Null, other) | (other, Value::Null) => Ok(other.is_null()),
        (Value::String(a), Value::String(b)) => Ok(a == b),
        (Value::Bool(a), Value::Bool(b)) => Ok(a.value == b.value),
        (Value::Number(a), Value::Number(b)) => Ok(compare(&a.value, &b.value) == Some(Ordering::Equal)),
        (list @ (Value::Array(_) | Value::Object(_)), _) => Err(no_scalar(function, 0, list, args)),
        (_, list @ (Value::Array(_) | Value::Object(_))) => Err(no_scalar(function, at, list, args)),
        (a, b) => Err(mixed(function, a, b, &args[at])),
    }
}

fn no_scalar(function: &str, at: usize, value: &Value, args: &[Expr]) -> Fault {
    wrong_type(function, at, "text, a number or a boolean", value, &args[at])
}

fn mixed(function: &str, a: &Value, b: &Value, second: &Expr) -> Fault {
    let message = format!(
        "`{function}` can't compare {} with {}",
        described(a),
        described(b)
    );
    let fault = Fault::new(ErrorKind::Type, &second.span, message);
    match (a, b) {
        (Value::Bool(_), _) | (_, Value::Bool(_)) => fault.hint("true and false are written without quotes"),
        _ => fault.hint("`(toString …)` makes a number text, `(int …)` makes text a number"),
    }
}

fn ordered(args: &Arguments<'_>) -> Result<Ordering, Fault> {
    match (&*args.values[0], &*args.values[1]) {
        (Value::String(a), Value::String(b)) => Ok(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => Ok(compare(&a.value, &b.value).unwrap_or(Ordering::Equal)),
        (a @ (Value::String(_) | Value::Number(_)), b @ (Value::String(_) | Value::Number(_))) => {
            Err(mixed(args.function.name, a, b, &args.exprs[1]))
        }
        (Value::String(_) | Value::Number(_), other) => Err(args.wrong(1, "text or a number", other)),
        (other, _) => Err(args.wrong(0, "text or a number", other)),
    }
}

pub(super) fn lt(args: &Arguments<'_>) -> Result<Value, Fault> {
    ordered(args).map(|order| order.is_lt().into())
}

pub(super) fn le(args: &Arguments<'_>) -> Result<Value, Fault> {
    ordered(args).map(|order| order.is_le().into())
}

pub(super) fn gt(args: &Arguments<'_>) -> Result<Value, Fault> {
    ordered(args).map(|order| order.is_gt().into())
}

pub(super) fn ge(args: &Arguments<'_>) -> Result<Value, Fault> {
    ordered(args).map(|order| order.is_ge().into())
}
