//! What one rendering may cost: text, rounds of loops and work, shared with the templates that `tpl` renders in it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use regex::Regex;

use crate::error::{ErrorKind, Fault};
use crate::value::Value;

/// The most bytes that actions and loops may add to a template's own text.
const MAX_OUTPUT: usize = 16 << 20;
/// The most rounds of all loops, and nodes in them, together.
const MAX_STEPS: usize = 200_000;
/// The most values that functions may look at, or 16 bytes of text each.
const MAX_WORK: usize = 8_000_000;
/// Templates that `tpl` renders inside one another: each takes a good part of a thread's stack.
const MAX_NESTED: usize = 3;

#[derive(Default)]
pub(crate) struct Budget {
    output: Cell<usize>,
    steps: Cell<usize>,
    work: Cell<usize>,
    nested: Cell<usize>,
    /// Compiled regular expressions by their texts.
    pub regexes: RefCell<HashMap<String, Rc<Regex>>>,
}

impl Budget {
    /// Notes text that goes into the result.
    pub fn write(&self, bytes: usize, span: &Range<usize>) -> Result<(), Fault> {
        let message = || format!("the template gives more than {} MiB of text", MAX_OUTPUT >> 20);
        spend(&self.output, bytes, MAX_OUTPUT, span, message)
    }

    /// Notes rounds of a loop.
    pub fn step(&self, steps: usize, span: &Range<usize>) -> Result<(), Fault> {
        let message = || "the template's loops run too often".to_owned();
        spend(&self.steps, steps, MAX_STEPS, span, message)
    }

    /// Notes values that are looked at or copied.
    pub fn work(&self, weight: usize, span: &Range<usize>) -> Result<(), Fault> {
        let message = || "the template works on too many values".to_owned();
        spend(&self.work, weight, MAX_WORK, span, message)
    }

    /// Runs `render` as a template inside another.
    pub fn nest<T>(
        &self,
        span: &Range<usize>,
        render: impl FnOnce() -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        if self.nested.get() == MAX_NESTED {
            let message = format!("`tpl` is nested too deep: more than {MAX_NESTED} templates");
            return Err(Fault::new(ErrorKind::Limit, span, message));
        }
        self.nested.set(self.nested.get() + 1);
        let result = render();
        self.nested.set(self.nested.get() - 1);
        result
    }
}

fn spend(
    spent: &Cell<usize>,
    more: usize,
    most: usize,
    span: &Range<usize>,
    message: impl FnOnce() -> String,
) -> Result<(), Fault> {
    spent.set(spent.get().saturating_add(more));
    if spent.get() > most {
        return Err(Fault::new(ErrorKind::Limit, span, message()));
    }
    Ok(())
}

/// How much a value weighs: 1 for each value in it, and for every 16 bytes of text.
pub(crate) fn weight(value: &Value) -> usize {
    1 + match value {
        Value::String(text) => text.len() / 16,
        Value::Array(list) => list.iter().map(weight).sum(),
        Value::Object(object) => object
            .iter()
            .map(|(key, value)| key.len() / 16 + weight(value))
            .sum(),
        _ => 0,
    }
}
