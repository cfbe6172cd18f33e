//! Rendering: the nodes are evaluated into pieces of text, which tinytemplate puts together.

use std::borrow::Cow;
use std::cell::LazyCell;
use std::rc::Rc;

use serde::Serialize;
use tinytemplate::{TinyTemplate, format_unescaped};

use crate::ast::{Arm, Binding, Expr, Leave, Loop, Node};
use crate::budget::Budget;
use crate::error::{ErrorKind, Fault};
use crate::evaluate::{Missing, Scope, rendered};
use crate::value::{Value, described, is_true};

/// Renders a template's nodes over variables.
pub(crate) fn render(
    nodes: &[Node],
    source: &str,
    variables: &Value,
    budget: &Rc<Budget>,
) -> Result<String, Fault> {
    let mut renderer = Renderer {
        source,
        scope: Scope::new(variables, Rc::clone(budget)),
        loops: 0,
        pieces: Vec::new(),
    };
    renderer.nodes(nodes)?;
    assemble(&Pieces {
        pieces: renderer.pieces,
    })
}

/// The expression of a template that is one action between blanks.
pub(crate) fn only_action<'t>(nodes: &'t [Node], source: &str) -> Option<&'t Expr> {
    let is_blank = |node: &&Node| matches!(node, Node::Text(span) if source[span.clone()].trim().is_empty());
    let mut others = nodes.iter().filter(|node| !is_blank(node));
    match (others.next(), others.next()) {
        (Some(Node::Value(value)), None) => Some(value),
        _ => None,
    }
}

/// The context of [`assemble`]'s template.
#[derive(Serialize)]
struct Pieces<'t> {
    pieces: Vec<Cow<'t, str>>,
}

fn assemble(pieces: &Pieces<'_>) -> Result<String, Fault> {
    const NAME: &str = "pieces";
    thread_local! {
        static ENGINE: LazyCell<Result<TinyTemplate<'static>, tinytemplate::error::Error>> = LazyCell::new(|| {
            let mut engine = TinyTemplate::new();
            engine.set_default_formatter(&format_unescaped);
            engine.add_template(NAME, "{{ for piece in pieces }}{piece}{{ endfor }}")?;
            Ok(engine)
        });
    }
    let refused = |cause: &tinytemplate::error::Error| {
        let message = format!("tinytemplate can't put the text together: {cause}");
        Fault::new(ErrorKind::Unsupported, &(0..0), message)
    };
    ENGINE.with(|engine| {
        let engine = LazyCell::force(engine).as_ref().map_err(refused)?;
        engine.render(NAME, pieces).map_err(|cause| refused(&cause))
    })
}

/// Evaluates nodes in their order, each block only if it is taken.
struct Renderer<'v> {
    source: &'v str,
    scope: Scope<'v>,
    loops: usize,
    pieces: Vec<Cow<'v, str>>,
}

impl<'v> Renderer<'v> {
    /// Renders the nodes up to a `break` or `continue`, which is returned.
    fn nodes(&mut self, nodes: &'v [Node]) -> Result<Option<Leave>, Fault> {
        for node in nodes {
            let left = match node {
                Node::Text(span) => {
                    if self.loops > 0 {
                        self.scope.budget.write(span.len(), span)?;
                    }
                    self.pieces.push(Cow::Borrowed(&self.source[span.clone()]));
                    None
                }
                Node::Value(expr) => {
                    let value = self.scope.evaluate(expr, Missing::Refused)?;
                    let text = rendered(&value, expr)?;
                    self.scope.budget.write(text.len(), &expr.span)?;
                    self.pieces.push(Cow::Owned(text));
                    None
                }
                Node::Set { binding, value } => {
                    let value = self.scope.evaluate(value, Missing::Refused)?;
                    self.bind(binding, value);
                    None
                }
                Node::Choice { arms, otherwise } => self.choice(arms, otherwise)?,
                Node::Range(range) => self.range(range)?,
                Node::Leave(leave) => Some(*leave),
            };
            if left.is_some() {
                return Ok(left);
            }
        }
        Ok(None)
    }

    fn bind(&mut self, binding: &'v Binding, value: Cow<'v, Value>) {
        if binding.is_new {
            self.scope.declare(&binding.name, value);
        } else {
            self.scope.assign(&binding.name, value);
        }
    }

    /// Renders one body; the variables that it sets end with it.
    fn body(&mut self, nodes: &'v [Node]) -> Result<Option<Leave>, Fault> {
        let mark = self.scope.mark();
        let left = self.nodes(nodes)?;
        self.scope.forget(mark);
        Ok(left)
    }

    fn choice(&mut self, arms: &'v [Arm], otherwise: &'v [Node]) -> Result<Option<Leave>, Fault> {
        let mark = self.scope.mark();
        let mut taken = otherwise;
        let mut dot = None;
        for arm in arms {
            let value = self.scope.evaluate(&arm.condition, Missing::Allowed)?;
            let holds = is_true(&value);
            if let Some(binding) = &arm.binding {
                self.bind(binding, value.clone());
            }
            if holds {
                taken = &arm.body;
                dot = arm.moves_dot.then_some(value);
                break;
            }
        }
        let left = match dot {
            None => self.body(taken)?,
            Some(dot) => {
                let around = std::mem::replace(&mut self.scope.dot, dot);
                let left = self.body(taken)?;
                self.scope.dot = around;
                left
            }
        };
        self.scope.forget(mark);
        Ok(left)
    }

    /// Renders a loop's rounds. Its `else` may leave the loop around it.
    fn range(&mut self, range: &'v Loop) -> Result<Option<Leave>, Fault> {
        let over = self.scope.evaluate(&range.over, Missing::Refused)?;
        let items = items(over, &range.over)?;
        if items.is_empty() {
            return self.body(&range.otherwise);
        }
        let around = self.scope.dot.clone();
        let mark = self.scope.mark();
        self.loops += 1;
        for (index, item) in items {
            self.scope.budget.step(1 + range.body.len(), &range.over.span)?;
            if let Some(name) = &range.index {
                self.scope.declare(name, Cow::Owned(index));
            }
            if let Some(name) = &range.element {
                self.scope.declare(name, item.clone());
            }
            self.scope.dot = item;
            let left = self.nodes(&range.body)?;
            self.scope.forget(mark);
            if left == Some(Leave::Break) {
                break;
            }
        }
        self.loops -= 1;
        self.scope.dot = around;
        Ok(None)
    }
}

/// What a loop runs over: a list's elements, or an object's values in the order of their keys.
fn items<'v>(over: Cow<'v, Value>, expr: &Expr) -> Result<Vec<(Value, Cow<'v, Value>)>, Fault> {
    Ok(match over {
        Cow::Borrowed(Value::Array(list)) => (0..)
            .map(|at: usize| Value::from(at))
            .zip(list.iter().map(Cow::Borrowed))
            .collect(),
        Cow::Owned(Value::Array(list)) => (0..)
            .map(|at: usize| Value::from(at))
            .zip(list.into_iter().map(Cow::Owned))
            .collect(),
        Cow::Borrowed(Value::Object(object)) => object
            .iter()
            .map(|(key, value)| (Value::from(key.as_str()), Cow::Borrowed(value)))
            .collect(),
        Cow::Owned(Value::Object(object)) => object
            .into_iter()
            .map(|(key, value)| (Value::String(key), Cow::Owned(value)))
            .collect(),
        other => {
            let message = format!(
                "`range` needs a list or an object, and this is {}",
                described(&other)
            );
            return Err(match *other {
                Value::Null => Fault::new(ErrorKind::Missing, &expr.span, message)
                    .hint("`… | default list` gives an empty list in its place"),
                _ => Fault::new(ErrorKind::Type, &expr.span, message),
            });
        }
    })
}
