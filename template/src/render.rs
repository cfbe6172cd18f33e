//! Rendering: what actions and conditions give is evaluated here, block by block where the block is taken; tinytemplate puts the
//! text together.

use std::borrow::Cow;
use std::rc::Rc;

use tinytemplate::{TinyTemplate, format_unescaped};

use crate::ast::{Arm, Binding, Expr, Leave, Loop, Node};
use crate::budget::Budget;
use crate::error::{ErrorKind, Fault};
use crate::evaluate::{Missing, Scope, rendered};
use crate::lower::{Slot, Slots, condition_name, constants, goes_on_name, rounds_name, value_name};
use crate::value::{Value, described, is_true};

/// Renders `lowered`, which `nodes` were lowered to.
pub(crate) fn render(
    nodes: &[Node],
    lowered: &str,
    variables: &Value,
    budget: &Rc<Budget>,
) -> Result<String, Fault> {
    let mut filler = Filler {
        scope: Scope::new(variables, Rc::clone(budget)),
        loops: 0,
    };
    let mut slots = constants();
    filler.nodes(nodes, &mut slots)?;
    assemble(lowered, &slots)
}

/// The expression of a template that is one action between blanks.
pub(crate) fn only_action<'t>(nodes: &'t [Node], source: &str) -> Option<&'t Expr> {
    let is_blank = |node: &&Node| matches!(node, Node::Text(span) if source[span.clone()].trim().is_empty());
    let mut others = nodes.iter().filter(|node| !is_blank(node));
    match (others.next(), others.next()) {
        (Some(Node::Value { value, .. }), None) => Some(value),
        _ => None,
    }
}

/// Whether tinytemplate takes this text, and what it gives.
pub(crate) fn assemble(lowered: &str, slots: &Slots) -> Result<String, Fault> {
    const NAME: &str = "template";
    let refused = |cause: tinytemplate::error::Error| {
        let message = format!("tinytemplate refuses what this template was lowered to: {cause}");
        Fault::new(ErrorKind::Unsupported, &(0..0), message)
    };
    let mut engine = TinyTemplate::new();
    engine.set_default_formatter(&format_unescaped);
    engine.add_template(NAME, lowered).map_err(refused)?;
    engine.render(NAME, slots).map_err(refused)
}

/// Fills the context: the values of everything that tinytemplate will come by.
struct Filler<'v> {
    scope: Scope<'v>,
    loops: usize,
}

impl<'v> Filler<'v> {
    /// Fills the nodes up to a `break` or `continue`, which is returned.
    fn nodes(&mut self, nodes: &'v [Node], slots: &mut Slots) -> Result<Option<Leave>, Fault> {
        for node in nodes {
            let left = match node {
                Node::Text(span) => {
                    if self.loops > 0 {
                        self.scope.budget.write(span.len(), span)?;
                    }
                    None
                }
                Node::Value { id, value: expr } => {
                    let value = self.scope.evaluate(expr, Missing::Refused)?;
                    let text = rendered(&value, expr)?;
                    self.scope.budget.write(text.len(), &expr.span)?;
                    slots.insert(value_name(*id), Slot::Text(text));
                    None
                }
                Node::Set { binding, value } => {
                    let value = self.scope.evaluate(value, Missing::Refused)?;
                    self.bind(binding, value);
                    None
                }
                Node::Choice {
                    arms,
                    otherwise,
                    leaves,
                } => {
                    let left = self.choice(arms, otherwise, slots)?;
                    if let Some(arm) = arms.first().filter(|_| *leaves) {
                        slots.insert(goes_on_name(arm.id), Slot::Holds(left.is_none()));
                    }
                    left
                }
                Node::Range(range) => {
                    let left = self.range(range, slots)?;
                    if range.leaves {
                        slots.insert(goes_on_name(range.id), Slot::Holds(left.is_none()));
                    }
                    left
                }
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

    /// Fills one body; the variables that it sets end with it.
    fn body(&mut self, nodes: &'v [Node], slots: &mut Slots) -> Result<Option<Leave>, Fault> {
        let mark = self.scope.mark();
        let left = self.nodes(nodes, slots)?;
        self.scope.forget(mark);
        Ok(left)
    }

    fn choice(
        &mut self,
        arms: &'v [Arm],
        otherwise: &'v [Node],
        slots: &mut Slots,
    ) -> Result<Option<Leave>, Fault> {
        let mark = self.scope.mark();
        let mut taken = otherwise;
        let mut dot = None;
        for arm in arms {
            let value = self.scope.evaluate(&arm.condition, Missing::Allowed)?;
            let holds = is_true(&value);
            slots.insert(condition_name(arm.id), Slot::Holds(holds));
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
            None => self.body(taken, slots)?,
            Some(dot) => {
                let around = std::mem::replace(&mut self.scope.dot, dot);
                let left = self.body(taken, slots)?;
                self.scope.dot = around;
                left
            }
        };
        self.scope.forget(mark);
        Ok(left)
    }

    /// Fills a loop's rounds. Its `else` may leave the loop around it.
    fn range(&mut self, range: &'v Loop, slots: &mut Slots) -> Result<Option<Leave>, Fault> {
        let over = self.scope.evaluate(&range.over, Missing::Refused)?;
        let items = items(over, &range.over)?;
        if items.is_empty() {
            slots.insert(rounds_name(range.id), Slot::Rounds(Vec::new()));
            return self.body(&range.otherwise, slots);
        }
        let around = self.scope.dot.clone();
        let mark = self.scope.mark();
        let mut rounds = Vec::with_capacity(items.len());
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
            let mut round = Slots::new();
            let left = self.nodes(&range.body, &mut round)?;
            rounds.push(round);
            self.scope.forget(mark);
            if left == Some(Leave::Break) {
                break;
            }
        }
        self.loops -= 1;
        self.scope.dot = around;
        slots.insert(rounds_name(range.id), Slot::Rounds(rounds));
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
