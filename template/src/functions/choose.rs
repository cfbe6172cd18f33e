//! Functions that choose among their arguments, and evaluate no more of them than they need.

use std::borrow::Cow;

use super::{Arguments, wrong_type};
use crate::Template;
use crate::ast::Expr;
use crate::error::{ErrorKind, Fault};
use crate::evaluate::{Missing, Scope};
use crate::value::{Value, is_true};
use crate::words::printable;

type Chosen<'v> = Result<Cow<'v, Value>, Fault>;

/// The first argument that isn't true, or the last.
pub(super) fn and<'v>(scope: &Scope<'v>, args: &'v [Expr], missing: Missing) -> Chosen<'v> {
    let mut value = Cow::Owned(Value::Null);
    for arg in args {
        value = scope.evaluate(arg, missing)?;
        if !is_true(&value) {
            break;
        }
    }
    Ok(value)
}

/// The first argument that is true, or the last. Those before the last may be missing.
pub(super) fn or<'v>(scope: &Scope<'v>, args: &'v [Expr], missing: Missing) -> Chosen<'v> {
    let mut value = Cow::Owned(Value::Null);
    for (at, arg) in args.iter().enumerate() {
        let is_last = at + 1 == args.len();
        value = scope.evaluate(arg, if is_last { missing } else { Missing::Allowed })?;
        if is_true(&value) {
            break;
        }
    }
    Ok(value)
}

pub(super) fn not<'v>(scope: &Scope<'v>, args: &'v [Expr], _: Missing) -> Chosen<'v> {
    let value = scope.evaluate(&args[0], Missing::Allowed)?;
    Ok(Cow::Owned(Value::from(!is_true(&value))))
}

/// sprig's: what isn't true is empty.
pub(super) fn empty<'v>(scope: &Scope<'v>, args: &'v [Expr], missing: Missing) -> Chosen<'v> {
    not(scope, args, missing)
}

pub(super) fn default<'v>(scope: &Scope<'v>, args: &'v [Expr], missing: Missing) -> Chosen<'v> {
    let value = scope.evaluate(&args[1], Missing::Allowed)?;
    if is_true(&value) {
        Ok(value)
    } else {
        scope.evaluate(&args[0], missing)
    }
}

pub(super) fn coalesce<'v>(scope: &Scope<'v>, args: &'v [Expr], missing: Missing) -> Chosen<'v> {
    for arg in args {
        let value = scope.evaluate(arg, Missing::Allowed)?;
        if is_true(&value) {
            return Ok(value);
        }
    }
    match missing {
        Missing::Allowed => Ok(Cow::Owned(Value::Null)),
        Missing::Refused => {
            let start = args.first().map_or(0, |arg| arg.span.start);
            let end = args.iter().map(|arg| arg.span.end).max().unwrap_or(start);
            let message = "everything that `coalesce` looks at is missing or empty";
            Err(Fault::new(ErrorKind::Missing, &(start..end), message)
                .hint("give it a last argument that isn't"))
        }
    }
}

pub(super) fn ternary<'v>(scope: &Scope<'v>, args: &'v [Expr], missing: Missing) -> Chosen<'v> {
    match &*scope.evaluate(&args[2], Missing::Refused)? {
        Value::Bool(condition) if condition.value => scope.evaluate(&args[0], missing),
        Value::Bool(_) => scope.evaluate(&args[1], missing),
        other => Err(wrong_type("ternary", 2, "a boolean", other, &args[2])),
    }
}

/// Helm's and KubeKey's: a text rendered as a template over data.
pub(super) fn tpl<'v>(scope: &Scope<'v>, args: &'v [Expr], _: Missing) -> Chosen<'v> {
    let text = scope.evaluate(&args[0], Missing::Refused)?;
    let data = scope.evaluate(&args[1], Missing::Refused)?;
    let Value::String(text) = &*text else {
        return Err(wrong_type("tpl", 0, "text", &text, &args[0]));
    };
    let span = &args[0].span;
    scope.budget.work(text.len() / 16, span)?;
    let rendered = scope.budget.nest(span, || {
        let rendered =
            Template::parse(text).and_then(|template| template.render_within(&data, &scope.budget));
        rendered.map_err(|error| {
            let message = format!("the template that `tpl` is given: {}", error.message());
            let hint = error.hint().map(str::to_owned);
            Fault::new(error.kind(), span, message).maybe_hint(hint)
        })
    })?;
    Ok(Cow::Owned(rendered.into()))
}

/// `required MESSAGE VALUE`: the value, or an error where it is missing or an empty text.
pub(super) fn required(args: &Arguments<'_>) -> Result<Value, Fault> {
    match &*args.values[1] {
        Value::Null => Err(failed(args)),
        Value::String(text) if text.is_empty() => Err(failed(args)),
        value => Ok(value.clone()),
    }
}

/// An error with the template's own words.
pub(super) fn fail(args: &Arguments<'_>) -> Result<Value, Fault> {
    args.text(0)?;
    Err(failed(args))
}

fn failed(args: &Arguments<'_>) -> Fault {
    let text = match &*args.values[0] {
        Value::String(text) => text.chars().take(200).map(printable).collect(),
        _ => "a value is required here".to_owned(),
    };
    Fault::new(ErrorKind::Value, args.span, text)
}
