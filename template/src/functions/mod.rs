//! The functions, with the order of arguments that Go and sprig give them.

mod choose;
mod compare;
mod lists;
mod printf;
mod text;

use std::borrow::Cow;
use std::ops::Range;

use crate::ast::Expr;
use crate::error::{ErrorKind, Fault};
use crate::evaluate::{DEFAULT_HINT, Missing, Scope, is_null, no_text};
use crate::value::{Value, described, printed};
use crate::words::ordinal;

type Choose = for<'v> fn(&Scope<'v>, &'v [Expr], Missing) -> Result<Cow<'v, Value>, Fault>;
type Plain = fn(&Arguments<'_>) -> Result<Value, Fault>;

#[derive(Debug)]
pub(crate) struct Function {
    pub name: &'static str,
    /// A call as it is written, for hints.
    pub usage: &'static str,
    pub min: usize,
    pub max: usize,
    pub body: Body,
}

#[derive(Debug)]
pub(crate) enum Body {
    /// Evaluates the arguments that it needs itself.
    Choosing(Choose),
    /// Works on values.
    Plain(Plain),
}

const MANY: usize = usize::MAX;

const fn plain(name: &'static str, usage: &'static str, min: usize, max: usize, body: Plain) -> Function {
    Function {
        name,
        usage,
        min,
        max,
        body: Body::Plain(body),
    }
}

const fn choosing(name: &'static str, usage: &'static str, min: usize, max: usize, body: Choose) -> Function {
    Function {
        name,
        usage,
        min,
        max,
        body: Body::Choosing(body),
    }
}

/// Sorted by name.
static FUNCTIONS: [Function; 39] = [
    choosing("and", "and A B", 1, MANY, choose::and),
    plain("base", "base PATH", 1, 1, text::base),
    choosing("coalesce", "coalesce A B", 1, MANY, choose::coalesce),
    plain("contains", "contains PART TEXT", 2, 2, text::contains),
    choosing("default", "default FALLBACK VALUE", 2, 2, choose::default),
    plain("dir", "dir PATH", 1, 1, text::dir),
    choosing("empty", "empty VALUE", 1, 1, choose::empty),
    choosing("eq", "eq A B", 2, MANY, compare::eq),
    choosing("first", "first LIST", 1, 1, lists::first),
    plain("fromJson", "fromJson TEXT", 1, 1, lists::from_json),
    plain("ge", "ge A B", 2, 2, compare::ge),
    plain("gt", "gt A B", 2, 2, compare::gt),
    plain("hasPrefix", "hasPrefix START TEXT", 2, 2, text::has_prefix),
    plain("hasSuffix", "hasSuffix END TEXT", 2, 2, text::has_suffix),
    choosing("index", "index LIST_OR_OBJECT KEY", 1, MANY, lists::index),
    plain("int", "int VALUE", 1, 1, text::int),
    plain("join", "join SEPARATOR LIST", 2, 2, lists::join),
    choosing("last", "last LIST", 1, 1, lists::last),
    plain("le", "le A B", 2, 2, compare::le),
    plain("len", "len VALUE", 1, 1, lists::len),
    plain("list", "list A B", 0, MANY, lists::list),
    plain("lower", "lower TEXT", 1, 1, text::lower),
    plain("lt", "lt A B", 2, 2, compare::lt),
    choosing("ne", "ne A B", 2, 2, compare::ne),
    choosing("not", "not VALUE", 1, 1, choose::not),
    choosing("or", "or A B", 1, MANY, choose::or),
    plain("print", "print A B", 0, MANY, text::print),
    plain("printf", "printf FORMAT A B", 1, MANY, printf::printf),
    plain("quote", "quote VALUE", 1, MANY, text::quote),
    plain("replace", "replace OLD NEW TEXT", 3, 3, text::replace),
    plain("splitList", "splitList SEPARATOR TEXT", 2, 2, lists::split_list),
    choosing("ternary", "ternary THEN ELSE CONDITION", 3, 3, choose::ternary),
    plain("toJson", "toJson VALUE", 1, 1, lists::to_json),
    plain("toString", "toString VALUE", 1, 1, text::to_string),
    plain("trim", "trim TEXT", 1, 1, text::trim),
    plain("trimAll", "trimAll LETTERS TEXT", 2, 2, text::trim_all),
    plain("trimPrefix", "trimPrefix START TEXT", 2, 2, text::trim_prefix),
    plain("trimSuffix", "trimSuffix END TEXT", 2, 2, text::trim_suffix),
    plain("upper", "upper TEXT", 1, 1, text::upper),
];

pub(crate) fn all() -> impl Iterator<Item = &'static Function> {
    FUNCTIONS.iter()
}

pub(crate) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// The arguments of one call.
pub(crate) struct Arguments<'a> {
    pub function: &'static Function,
    pub values: &'a [Cow<'a, Value>],
    pub exprs: &'a [Expr],
    pub span: &'a Range<usize>,
}

impl Arguments<'_> {
    pub fn text(&self, at: usize) -> Result<&str, Fault> {
        match &*self.values[at] {
            Value::String(text) => Ok(text),
            other => Err(self.wrong(at, "text", other)),
        }
    }

    /// The text that a value prints as.
    pub fn printed(&self, at: usize) -> Result<String, Fault> {
        let value = &*self.values[at];
        printed(value).ok_or_else(|| match value {
            Value::Null => is_null(&self.exprs[at]),
            _ => no_text(value, &self.exprs[at]),
        })
    }

    pub fn wrong(&self, at: usize, wanted: &str, found: &Value) -> Fault {
        wrong_type(self.function.name, at, wanted, found, &self.exprs[at])
    }

    /// A value of the right type that doesn't do.
    pub fn refused(&self, at: usize, message: impl Into<String>) -> Fault {
        Fault::new(ErrorKind::Value, &self.exprs[at].span, message)
    }
}

/// An argument of the wrong type.
fn wrong_type(function: &str, at: usize, wanted: &str, found: &Value, expr: &Expr) -> Fault {
    let argument = ordinal(at);
    let message = format!(
        "`{function}` needs {wanted} as its {argument} argument, and this is {}",
        described(found)
    );
    match found {
        Value::Null => {
            let fault = Fault::new(ErrorKind::Missing, &expr.span, message);
            fault.hint(DEFAULT_HINT)
        }
        Value::Number(_) | Value::Bool(_) if wanted == "text" => {
            let fault = Fault::new(ErrorKind::Type, &expr.span, message);
            fault.hint("`… | toString` makes it text")
        }
        _ => Fault::new(ErrorKind::Type, &expr.span, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_sorted_and_their_usage_names_them() {
        assert!(FUNCTIONS.is_sorted_by_key(|function| function.name));
        for function in &FUNCTIONS {
            let words: Vec<&str> = function.usage.split(' ').collect();
            assert_eq!(words[0], function.name);
            assert!(
                (function.min..=function.max).contains(&(words.len() - 1)),
                "{}",
                function.usage
            );
        }
    }
}
