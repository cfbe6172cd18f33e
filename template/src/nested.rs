//! Variables that are templates themselves: rendered before the template that names them.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::ops::Range;
use std::rc::Rc;

use crate::budget::Budget;
use crate::error::{ErrorKind, Fault};
use crate::value::Value;
use crate::words::shown;
use crate::{Template, has_actions};

/// Variables that need one another.
const MAX_CHAIN: usize = 50;
/// The most variables that are rendered for one template.
const MAX_RENDERED: usize = 10_000;
/// How often what a variable gives may be a template again.
const MAX_ROUNDS: usize = 10;

/// A step on the way to a value.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    Key(String),
    At(usize),
}

/// The variables, with those rendered that the template names.
pub(crate) fn resolved<'v>(
    paths: impl Iterator<Item = (&'v String, &'v Range<usize>)> + Clone,
    variables: &'v Value,
    budget: &Rc<Budget>,
) -> Result<Cow<'v, Value>, Fault> {
    if !paths
        .clone()
        .any(|(path, _)| leads_to_templates(variables, &keys(path)))
    {
        return Ok(Cow::Borrowed(variables));
    }
    let mut resolver = Resolver {
        variables: variables.clone(),
        chain: Vec::new(),
        rendered: 0,
        budget,
    };
    for (path, span) in paths {
        resolver
            .path(path)
            .map_err(|fault| Fault::new(fault.kind, span, fault.message).maybe_hint(fault.hint))?;
    }
    Ok(Cow::Owned(resolver.variables))
}

/// The paths that a template names, with those of the variables that are templates themselves.
pub(crate) fn all_paths<'v>(paths: impl Iterator<Item = &'v String>, variables: &Value) -> BTreeSet<String> {
    let mut found: BTreeSet<String> = BTreeSet::new();
    let mut next: Vec<String> = paths.cloned().collect();
    while let Some(path) = next.pop() {
        if found.len() > MAX_RENDERED || !found.insert(path.clone()) {
            continue;
        }
        let mut texts = Vec::new();
        templates_on_the_way(variables, &keys(&path), &mut texts);
        let templates = texts.into_iter().filter_map(|text| Template::parse(text).ok());
        next.extend(templates.flat_map(|template| template.variables().to_vec()));
    }
    found
}

fn keys(path: &str) -> Vec<Step> {
    let keys = path.split('.').filter(|key| !key.is_empty());
    keys.map(|key| Step::Key(key.to_owned())).collect()
}

fn step_into<'v>(value: &'v Value, step: &Step) -> Option<&'v Value> {
    match (value, step) {
        (Value::Object(object), Step::Key(key)) => object.get(key),
        (Value::Array(list), Step::At(at)) => list.get(*at),
        _ => None,
    }
}

fn value_at<'v>(root: &'v Value, steps: &[Step]) -> Option<&'v Value> {
    steps.iter().try_fold(root, step_into)
}

fn leads_to_templates(variables: &Value, steps: &[Step]) -> bool {
    let mut texts = Vec::new();
    templates_on_the_way(variables, steps, &mut texts);
    !texts.is_empty()
}

/// The templates that a path passes, or that are in what it leads to.
fn templates_on_the_way<'v>(variables: &'v Value, steps: &[Step], texts: &mut Vec<&'v str>) {
    let mut value = variables;
    for step in steps {
        match step_into(value, step) {
            Some(inner) => value = inner,
            None => break,
        }
        if let Value::String(text) = value
            && has_actions(text)
        {
            texts.push(text);
            return;
        }
    }
    if let Some(end) = value_at(variables, steps) {
        templates_in(end, texts);
    }
}

fn templates_in<'v>(value: &'v Value, texts: &mut Vec<&'v str>) {
    match value {
        Value::String(text) if has_actions(text) => texts.push(text),
        Value::Array(list) => list.iter().for_each(|item| templates_in(item, texts)),
        Value::Object(object) => object.values().for_each(|item| templates_in(item, texts)),
        _ => {}
    }
}

struct Resolver<'b> {
    variables: Value,
    /// The variables that are being rendered, each because the one before it names it.
    chain: Vec<Vec<Step>>,
    rendered: usize,
    budget: &'b Rc<Budget>,
}

impl Resolver<'_> {
    /// Renders what stands on a path and at its end. That there is nothing is told by the template that names it.
    fn path(&mut self, path: &str) -> Result<(), Fault> {
        let steps = keys(path);
        for length in 1..=steps.len() {
            self.text(&steps[..length])?;
        }
        // The root stands for all variables, and the template needs hardly all of them.
        let is_lenient = steps.is_empty();
        self.below(&steps, is_lenient)
    }

    /// Renders all templates in the value.
    fn below(&mut self, steps: &[Step], is_lenient: bool) -> Result<(), Fault> {
        let inner: Vec<Step> = match value_at(&self.variables, steps) {
            Some(Value::Array(list)) => (0..list.len()).map(Step::At).collect(),
            Some(Value::Object(object)) => object.keys().cloned().map(Step::Key).collect(),
            Some(Value::String(_)) => {
                let chain = self.chain.len();
                let result = self.text(steps);
                if result.is_err() && is_lenient {
                    self.chain.truncate(chain);
                    return Ok(());
                }
                return result;
            }
            _ => return Ok(()),
        };
        for step in inner {
            self.below(&[steps, &[step]].concat(), is_lenient)?;
        }
        Ok(())
    }

    /// Renders the value, if it is a text that is a template, until it is none.
    fn text(&mut self, steps: &[Step]) -> Result<(), Fault> {
        for round in 0..MAX_ROUNDS {
            let text = match value_at(&self.variables, steps) {
                Some(Value::String(text)) if has_actions(text) => text.clone(),
                _ => return Ok(()),
            };
            let template = match Template::parse(&text) {
                Ok(template) => template,
                // What a template gave and is none has braces as its own, such as a password.
                Err(_) if round > 0 => return Ok(()),
                Err(error) => return Err(unreadable(steps, &error)),
            };
            self.check_chain(steps)?;
            self.chain.push(steps.to_vec());
            for path in template.variables() {
                self.path(path)?;
            }
            let value = template
                .evaluate_within(&self.variables, self.budget)
                .map_err(|error| of_variable(steps, &error))?;
            if let Some(slot) = slot(&mut self.variables, steps) {
                *slot = value;
            }
            if !matches!(value_at(&self.variables, steps), Some(Value::String(_))) {
                self.below(steps, false)?;
            }
            self.chain.pop();
        }
        let message = format!("the variable `{}` gives templates without end", named(steps));
        Err(Fault::new(ErrorKind::Limit, &(0..0), message))
    }

    fn check_chain(&mut self, steps: &[Step]) -> Result<(), Fault> {
        if let Some(at) = self.chain.iter().position(|known| known == steps) {
            let names: Vec<String> = self.chain[at..]
                .iter()
                .chain([&steps.to_vec()])
                .map(|steps| format!("`{}`", named(steps)))
                .collect();
            let message = format!(
                "the variable {} refers to itself: {}",
                names[0],
                names.join(" → ")
            );
            return Err(Fault::new(ErrorKind::Value, &(0..0), message)
                .hint("give one of them a value without a template"));
        }
        self.rendered += 1;
        if self.chain.len() >= MAX_CHAIN || self.rendered > MAX_RENDERED {
            let message = format!(
                "too many variables are templates that need one another: more than {MAX_CHAIN} in a row, or {MAX_RENDERED} together"
            );
            return Err(Fault::new(ErrorKind::Limit, &(0..0), message));
        }
        Ok(())
    }
}

fn slot<'v>(root: &'v mut Value, steps: &[Step]) -> Option<&'v mut Value> {
    steps.iter().try_fold(root, |value, step| match (value, step) {
        (Value::Object(object), Step::Key(key)) => object.get_mut(key),
        (Value::Array(list), Step::At(at)) => list.get_mut(*at),
        _ => None,
    })
}

/// A variable that has braces and is no template. What stands in them isn't quoted: it may be a password.
fn unreadable(steps: &[Step], error: &crate::Error) -> Fault {
    let message = format!(
        "the variable `{}` has `{{{{` in it and can't be read as a template (its line {}, column {})",
        named(steps),
        error.line(),
        error.column()
    );
    let hint = "text with braces of its own is written as a literal, such as '{{ \"a{{b\" }}'";
    Fault::new(error.kind(), &(0..0), message).hint(hint)
}

/// An error of a variable's template. The template isn't shown: it may hold a secret.
fn of_variable(steps: &[Step], error: &crate::Error) -> Fault {
    let message = format!(
        "the variable `{}` is a template itself: {}",
        named(steps),
        error.message()
    );
    Fault::new(error.kind(), &(0..0), message).maybe_hint(error.hint().map(str::to_owned))
}

/// `.list[0].key`
fn named(steps: &[Step]) -> String {
    let mut name = String::new();
    for step in steps {
        // Writing to a String can't fail.
        let _ = match step {
            Step::Key(key) => write!(name, ".{}", shown(key)),
            Step::At(at) => write!(name, "[{at}]"),
        };
    }
    name
}
