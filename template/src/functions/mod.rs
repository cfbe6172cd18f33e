//! The functions, with the order of arguments that Go and sprig give them.

mod choose;
mod compare;
mod encodings;
mod format;
mod kinds;
mod lists;
mod numbers;
mod objects;
mod paths;
mod printf;
mod regexes;
mod sequences;
mod table;
mod text;
mod versions;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use crate::ast::Expr;
use crate::budget::Budget;
use crate::error::{ErrorKind, Fault};
use crate::evaluate::{DEFAULT_HINT, MAX_TEXT, Missing, Scope, is_null, no_text};
use crate::value::{Value, described, printed, whole};
use crate::words::ordinal;
pub(crate) use format::general;
use table::{FUNCTIONS, REFUSED};

type Choose = for<'v> fn(&Scope<'v>, &'v [Expr], Missing) -> Result<Cow<'v, Value>, Fault>;
pub(crate) type Plain = fn(&Arguments<'_>) -> Result<Value, Fault>;

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
    /// Works on values, of which any may be missing.
    Lenient(Plain),
    /// Works on values, and changes the variable that its first argument is, as Go's maps change.
    Changing(Plain),
}

/// Every function, sorted by name.
pub(crate) fn all() -> impl Iterator<Item = &'static Function> {
    FUNCTIONS.iter()
}

pub(crate) fn find(name: &str) -> Option<&'static Function> {
    let at = FUNCTIONS.binary_search_by_key(&name, |function| function.name);
    at.ok().map(|at| &FUNCTIONS[at])
}

/// Why a function that Sprig or KubeKey has isn't among these.
pub(crate) fn why_not(name: &str) -> Option<&'static str> {
    let (_, why) = REFUSED.iter().find(|(names, _)| names.contains(&name))?;
    Some(why)
}

/// The arguments of one call.
pub(crate) struct Arguments<'a> {
    pub function: &'static Function,
    pub values: &'a [Cow<'a, Value>],
    pub exprs: &'a [Expr],
    pub span: &'a Range<usize>,
    pub budget: &'a Budget,
}

impl Arguments<'_> {
    pub fn text(&self, at: usize) -> Result<&str, Fault> {
        match &*self.values[at] {
            Value::String(text) => Ok(text),
            other => Err(self.wrong(at, "text", other)),
        }
    }

    pub fn list(&self, at: usize) -> Result<&[Value], Fault> {
        match &*self.values[at] {
            Value::Array(list) => Ok(list),
            other => Err(self.wrong(at, "a list", other)),
        }
    }

    pub fn object(&self, at: usize) -> Result<&BTreeMap<String, Value>, Fault> {
        match &*self.values[at] {
            Value::Object(object) => Ok(object),
            other => Err(self.wrong(at, "an object", other)),
        }
    }

    /// A whole number, as Go's `int` parameters take it.
    pub fn whole(&self, at: usize) -> Result<i64, Fault> {
        let number = match &*self.values[at] {
            Value::Number(number) => whole(&number.value).and_then(|number| i64::try_from(number).ok()),
            _ => None,
        };
        number.ok_or_else(|| self.wrong(at, "a whole number", &self.values[at]))
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

    /// Refuses a text that is about to grow too long.
    pub fn check_length(&self, bytes: usize) -> Result<(), Fault> {
        if bytes <= MAX_TEXT {
            return Ok(());
        }
        let message = format!(
            "`{}` gives more than {} MiB of text",
            self.function.name,
            MAX_TEXT >> 20
        );
        Err(Fault::new(ErrorKind::Limit, self.span, message))
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
        let names: Vec<&str> = all().map(|function| function.name).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
        for function in all() {
            let words: Vec<&str> = function.usage.split(' ').collect();
            assert_eq!(words[0], function.name);
            assert!(
                (function.min..=function.max).contains(&(words.len() - 1)),
                "{}",
                function.usage
            );
            assert_eq!(why_not(function.name), None, "{}", function.name);
        }
    }
}
