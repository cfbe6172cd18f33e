//! Nodes as tinytemplate's text.
//!
//! What a node needs at rendering is in tinytemplate's context under a name made of the node's number: `v1` is the text of an
//! action, `c2` whether a condition holds, `r3` the rounds of a loop, each an object like the context itself that `i3` stands for
//! in the loop's body, `g4` whether a round goes on behind a node in which it may be left.

use std::fmt::{self, Write};

use serde::Serialize;

use crate::ast::{Id, Node};

/// The values that tinytemplate looks up.
pub(crate) type Slots = std::collections::BTreeMap<String, Slot>;

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Slot {
    Text(String),
    Holds(bool),
    Rounds(Vec<Slots>),
}

/// Letters that are syntax to tinytemplate. They can't be escaped everywhere (a backslash at the end escapes what isn't there), so
/// that they come from the context as well.
const SPECIAL: [(char, &str); 2] = [('{', "brace"), ('\\', "backslash")];

pub(crate) fn value_name(id: Id) -> String {
    format!("v{id}")
}

pub(crate) fn condition_name(id: Id) -> String {
    format!("c{id}")
}

pub(crate) fn rounds_name(id: Id) -> String {
    format!("r{id}")
}

pub(crate) fn goes_on_name(id: Id) -> String {
    format!("g{id}")
}

/// What is in every template's context.
pub(crate) fn constants() -> Slots {
    let constant = |(letter, name): (char, &str)| (name.to_owned(), Slot::Text(letter.to_string()));
    SPECIAL.into_iter().map(constant).collect()
}

/// The nodes in tinytemplate's syntax.
pub(crate) fn lower(nodes: &[Node], source: &str) -> String {
    let mut lowered = Lowered {
        source,
        text: String::with_capacity(source.len()),
    };
    // Writing to a String can't fail.
    let _ = lowered.nodes(nodes, "");
    lowered.text
}

struct Lowered<'s> {
    source: &'s str,
    text: String,
}

impl Lowered<'_> {
    /// `place` is what the names of values begin with: the loop around them.
    fn nodes(&mut self, nodes: &[Node], place: &str) -> fmt::Result {
        let mut open = 0;
        for node in nodes {
            let leaving = match node {
                Node::Text(span) => {
                    self.literal(&self.source[span.clone()])?;
                    None
                }
                Node::Value { id, .. } => {
                    write!(self.text, "{{{place}{}}}", value_name(*id))?;
                    None
                }
                Node::Set { .. } => None,
                Node::Choice {
                    arms,
                    otherwise,
                    leaves,
                } => {
                    for arm in arms {
                        write!(self.text, "{{{{ if {place}{} }}}}", condition_name(arm.id))?;
                        self.nodes(&arm.body, place)?;
                        self.text.push_str("{{ else }}");
                    }
                    self.nodes(otherwise, place)?;
                    self.text.push_str(&"{{ endif }}".repeat(arms.len()));
                    arms.first().filter(|_| *leaves).map(|arm| arm.id)
                }
                Node::Range(range) => {
                    let (rounds, round) = (rounds_name(range.id), format!("i{}", range.id));
                    write!(
                        self.text,
                        "{{{{ if {place}{rounds} }}}}{{{{ for {round} in {place}{rounds} }}}}"
                    )?;
                    self.nodes(&range.body, &format!("{round}."))?;
                    self.text.push_str("{{ endfor }}{{ else }}");
                    self.nodes(&range.otherwise, place)?;
                    self.text.push_str("{{ endif }}");
                    range.leaves.then_some(range.id)
                }
                // Nothing behind it is reached.
                Node::Leave(_) => break,
            };
            if let Some(id) = leaving {
                write!(self.text, "{{{{ if {place}{} }}}}", goes_on_name(id))?;
                open += 1;
            }
        }
        self.text.push_str(&"{{ endif }}".repeat(open));
        Ok(())
    }

    fn literal(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            match SPECIAL.iter().find(|(special, _)| *special == letter) {
                Some((_, name)) => write!(self.text, "{{{name}}}")?,
                None => self.text.push(letter),
            }
        }
        Ok(())
    }
}
