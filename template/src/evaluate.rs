//! Expressions over variables.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use crate::ast::{Base, Expr, ExprKind, Key};
use crate::budget::{Budget, weight};
use crate::error::{ErrorKind, Fault};
use crate::functions::{Arguments, Body, Function, Plain};
use crate::value::{Value, described, printed};
use crate::words::{guess, listed, shown, there_are};

/// The longest text that a function may give, in bytes: templates that double a text again and again end here.
pub(crate) const MAX_TEXT: usize = 1 << 20;

/// Lists and objects inside one another, in what templates make themselves.
const MAX_NESTING: usize = 200;
/// The most values in what a template makes itself.
const MAX_VALUES: usize = 1 << 20;

/// What to do about null.
pub(crate) const DEFAULT_HINT: &str = "`… | default \"x\"` gives \"x\" in its place";

/// What to do where a path's value isn't there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It is an error.
    Refused,
    /// It is null: conditions and functions that choose among values ask so.
    Allowed,
}

/// The variables at one place of a template.
pub(crate) struct Scope<'v> {
    root: &'v Value,
    pub dot: Cow<'v, Value>,
    /// Later ones hide earlier ones of the same name. `set` changes them in the middle of an expression.
    variables: RefCell<Vec<(&'v str, Cow<'v, Value>)>>,
    pub budget: Rc<Budget>,
}

impl<'v> Scope<'v> {
    pub fn new(root: &'v Value, budget: Rc<Budget>) -> Scope<'v> {
        Scope {
            root,
            dot: Cow::Borrowed(root),
            variables: RefCell::default(),
            budget,
        }
    }

    /// How many variables there are, to forget later ones at a block's end.
    pub fn mark(&self) -> usize {
        self.variables.borrow().len()
    }

    pub fn forget(&self, mark: usize) {
        self.variables.borrow_mut().truncate(mark);
    }

    pub fn declare(&self, name: &'v str, value: Cow<'v, Value>) {
        self.variables.borrow_mut().push((name, value));
    }

    pub fn assign(&self, name: &str, value: Cow<'v, Value>) {
        let mut variables = self.variables.borrow_mut();
        if let Some((_, slot)) = variables.iter_mut().rev().find(|(known, _)| *known == name) {
            *slot = value;
        }
    }

    /// Puts `value` where a path from a variable leads, such as `$dict.key`. Data from outside stays as it is.
    fn change(&self, path: &Expr, value: &Value) {
        let ExprKind::Path {
            base: Base::Variable(name),
            keys,
        } = &path.kind
        else {
            return;
        };
        let mut variables = self.variables.borrow_mut();
        let Some((_, slot)) = variables.iter_mut().rev().find(|(known, _)| known == name) else {
            return;
        };
        let target = keys.iter().try_fold(slot.to_mut(), |target, key| match target {
            Value::Object(object) => object.get_mut(&key.name),
            _ => None,
        });
        if let Some(target) = target {
            *target = value.clone();
        }
    }

    pub fn evaluate(&self, expr: &'v Expr, missing: Missing) -> Result<Cow<'v, Value>, Fault> {
        match &expr.kind {
            ExprKind::Literal(value) => Ok(Cow::Borrowed(value)),
            ExprKind::Path { base, keys } => {
                let walk = |start: &Cow<'v, Value>| {
                    let walk = Walk {
                        base,
                        keys,
                        missing,
                        from_root: std::ptr::eq(&**start, self.root),
                    };
                    match start {
                        Cow::Borrowed(start) => walk.to(start).map(Cow::Borrowed),
                        Cow::Owned(start) => {
                            let found = walk.to(start)?;
                            self.budget.work(weight(found), &expr.span)?;
                            Ok(Cow::Owned(found.clone()))
                        }
                    }
                };
                match base {
                    Base::Dot => walk(&self.dot),
                    Base::Root => walk(&Cow::Borrowed(self.root)),
                    Base::Variable(name) => {
                        let variables = self.variables.borrow();
                        let found = variables.iter().rev().find(|(known, _)| known == name);
                        found.map_or(Ok(Cow::Owned(Value::Null)), |(_, value)| walk(value))
                    }
                    Base::Inner(inner) => walk(&self.evaluate(inner, missing)?),
                }
            }
            ExprKind::Call { function, args } => {
                let value = self.call(function, args, &expr.span, missing)?;
                // What is borrowed was checked, or comes from outside.
                if let Cow::Owned(value) = &value {
                    check_size(function, value, &expr.span)?;
                }
                Ok(value)
            }
        }
    }

    fn call(
        &self,
        function: &'static Function,
        args: &'v [Expr],
        span: &Range<usize>,
        missing: Missing,
    ) -> Result<Cow<'v, Value>, Fault> {
        match function.body {
            Body::Choosing(choose) => choose(self, args, missing),
            Body::Plain(run) => self.run(run, function, args, span, Missing::Refused),
            Body::Lenient(run) => self.run(run, function, args, span, Missing::Allowed),
            Body::Changing(run) => {
                let value = self.run(run, function, args, span, Missing::Refused)?;
                self.change(&args[0], &value);
                Ok(value)
            }
        }
    }

    fn run(
        &self,
        run: Plain,
        function: &'static Function,
        args: &'v [Expr],
        span: &Range<usize>,
        missing: Missing,
    ) -> Result<Cow<'v, Value>, Fault> {
        let mut values = Vec::with_capacity(args.len());
        let mut total = 1;
        for arg in args {
            let value = self.evaluate(arg, missing)?;
            total += weight(&value);
            values.push(value);
        }
        self.budget.work(total, span)?;
        let arguments = Arguments {
            function,
            values: &values,
            exprs: args,
            span,
            budget: &self.budget,
        };
        run(&arguments).map(Cow::Owned)
    }
}

/// Texts and lists double quickly, and what is nested deep exhausts the stack of whoever walks it.
fn check_size(function: &Function, value: &Value, span: &Range<usize>) -> Result<(), Fault> {
    let message = match value {
        Value::String(text) if text.len() > MAX_TEXT => format!(
            "`{}` gives more than {} MiB of text",
            function.name,
            MAX_TEXT >> 20
        ),
        _ if !is_light(value, MAX_NESTING, &mut { MAX_VALUES }) => {
            format!(
                "the result of `{}` is too large or nested too deep",
                function.name
            )
        }
        _ => return Ok(()),
    };
    Err(Fault::new(ErrorKind::Limit, span, message))
}

fn is_light(value: &Value, depth: usize, room: &mut usize) -> bool {
    let own = match value {
        Value::String(text) => 1 + text.len() / 64,
        _ => 1,
    };
    if depth == 0 || *room < own {
        return false;
    }
    *room -= own;
    match value {
        Value::Array(list) => list.iter().all(|item| is_light(item, depth - 1, room)),
        Value::Object(object) => object.values().all(|item| is_light(item, depth - 1, room)),
        _ => true,
    }
}

/// The text that an action stands for.
pub(crate) fn rendered(value: &Value, expr: &Expr) -> Result<String, Fault> {
    printed(value).ok_or_else(|| match value {
        Value::Null => is_null(expr),
        _ => no_text(value, expr),
    })
}

pub(crate) fn is_null(expr: &Expr) -> Fault {
    let message = match name_of(expr) {
        Some(path) => format!("`{path}` is null, and null has no text"),
        None => "this is null, and null has no text".to_owned(),
    };
    Fault::new(ErrorKind::Missing, &expr.span, message).hint(DEFAULT_HINT)
}

pub(crate) fn no_text(value: &Value, expr: &Expr) -> Fault {
    let what = name_of(expr).map_or("this".to_owned(), |path| format!("`{path}`"));
    let message = format!("{what} is {} and has no text of its own", described(value));
    let hint = match value {
        Value::Array(_) => "`… | join \",\"`, `… | first` or `… | toJson` give text",
        _ => "name one of its fields, or `… | toJson`",
    };
    Fault::new(ErrorKind::Type, &expr.span, message).hint(hint)
}

/// A path as it is written.
fn name_of(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Path { base, keys } => Some(written(base, keys)),
        _ => None,
    }
}

fn written(base: &Base, keys: &[Key]) -> String {
    let mut text = match base {
        Base::Dot if keys.is_empty() => ".".to_owned(),
        Base::Dot => String::new(),
        Base::Root => "$".to_owned(),
        Base::Variable(name) => format!("${}", shown(name)),
        Base::Inner(_) => "(…)".to_owned(),
    };
    for key in keys {
        text.push('.');
        text.push_str(&shown(&key.name));
    }
    text
}

/// The way from a value to the one that a path names.
struct Walk<'a> {
    base: &'a Base,
    keys: &'a [Key],
    missing: Missing,
    from_root: bool,
}

impl Walk<'_> {
    fn to<'d>(&self, start: &'d Value) -> Result<&'d Value, Fault> {
        let mut value = start;
        for (at, key) in self.keys.iter().enumerate() {
            let Value::Object(object) = value else {
                if value.is_null() && self.missing == Missing::Allowed {
                    return Ok(&Value::Null);
                }
                return Err(self.no_object(at, value));
            };
            value = match object.get(&key.name) {
                Some(value) => value,
                None if self.missing == Missing::Allowed => return Ok(&Value::Null),
                None => return Err(self.no_key(at, object)),
            };
        }
        Ok(value)
    }

    fn no_key(&self, at: usize, object: &BTreeMap<String, Value>) -> Fault {
        let key = &self.keys[at];
        let names = || object.keys().map(String::as_str);
        let before = match at {
            0 => self.base_name(),
            _ => written(self.base, &self.keys[..at]),
        };
        let is_root = at == 0 && self.from_root;
        let name = shown(&key.name);
        let prefix = if is_root { "." } else { "" };
        let message = match (is_root, object.is_empty()) {
            (true, true) => format!("there is no variable `.{name}`: no variables are set"),
            (true, false) => format!(
                "there is no variable `.{name}`: {}",
                there_are(object.keys().map(String::as_str), ".")
            ),
            (false, true) => format!("`{before}` has no `{name}`: it is empty"),
            (false, false) => format!("`{before}` has no `{name}`: it has {}", listed(names(), "")),
        };
        Fault::new(ErrorKind::Missing, &key.span, message).maybe_hint(guess(&key.name, names(), prefix))
    }

    fn no_object(&self, at: usize, value: &Value) -> Fault {
        let key = &self.keys[at];
        let before = match at {
            0 => self.base_name(),
            _ => written(self.base, &self.keys[..at]),
        };
        let name = shown(&key.name);
        if value.is_null() {
            let message = format!("`{before}` is null and has no `{name}`");
            return Fault::new(ErrorKind::Missing, &key.span, message).hint(DEFAULT_HINT);
        }
        let message = format!("`{before}` is {} and has no `{name}`", described(value));
        let is_list = matches!(value, Value::Array(_));
        let hint = is_list.then(|| "`index … 0` takes an element of a list".to_owned());
        Fault::new(ErrorKind::Type, &key.span, message).maybe_hint(hint)
    }

    fn base_name(&self) -> String {
        match self.base {
            Base::Dot => ".".to_owned(),
            base => written(base, &[]),
        }
    }
}
