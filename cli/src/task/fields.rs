//! Mappings with known keys.

use transload_template::suggest;

use super::diagnostic::{Note, Sink};
use super::reader::{describe, shortened};
use super::yaml::{Id, Key, Node, Yaml};

/// A mapping with known keys.
pub(crate) struct Fields<'n> {
    /// What the mapping is, as in "a task".
    what: &'static str,
    pub at: Id,
    entries: &'n [(Key, Node)],
}

impl<'n> Fields<'n> {
    pub(crate) fn of(what: &'static str, node: &'n Node, sink: &mut Sink) -> Option<Fields<'n>> {
        match &node.value {
            Yaml::Map(entries) => Some(Fields {
                what,
                at: node.id,
                entries,
            }),
            _ => {
                sink.error(
                    node.id,
                    format!("{what} must be a mapping, not {}", describe(node)),
                );
                None
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &'n (Key, Node)> {
        self.entries.iter()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'n Node> {
        self.entries
            .iter()
            .find(|(key, _)| key.name == name)
            .map(|(_, value)| value)
    }

    /// A key and its value.
    pub(crate) fn entry(&self, name: &str) -> Option<(&'n Key, &'n Node)> {
        let mut entries = self.entries.iter();
        entries
            .find(|(key, _)| key.name == name)
            .map(|(key, value)| (key, value))
    }

    /// The value under either of two names for the same thing.
    pub(crate) fn either(&self, name: &str, alias: &str, sink: &mut Sink) -> Option<&'n Node> {
        let second = self.entries.iter().find(|(key, _)| key.name == alias);
        match (self.get(name), second) {
            (Some(_), Some((key, _))) => {
                sink.error(
                    key.id,
                    format!("`{alias}` is another name for `{name}`: give one of them"),
                );
                None
            }
            (first, second) => first.or(second.map(|(_, value)| value)),
        }
    }

    /// Reports the keys that aren't known.
    pub(crate) fn check(&self, known: &[&str], sink: &mut Sink) {
        self.check_with(known, |_| None, sink);
    }

    /// Reports the keys that aren't known. `elsewhere` tells where a key belongs that is known elsewhere.
    pub(crate) fn check_with(
        &self,
        known: &[&str],
        elsewhere: impl Fn(&str) -> Option<String>,
        sink: &mut Sink,
    ) {
        for (key, _) in self.entries {
            if known.contains(&key.name.as_str()) {
                continue;
            }
            let note = unknown_key(self.what, key, known, sink);
            if let Some(hint) = elsewhere(&key.name) {
                note.hint(hint);
            }
        }
    }
}

pub(crate) fn unknown_key<'s>(what: &str, key: &Key, known: &[&str], sink: &'s mut Sink) -> &'s mut Note {
    let note = sink.error(key.id, format!("{what} has no key `{}`", shortened(&key.name)));
    match suggest(&key.name, known.iter().copied()) {
        Some(meant) => note.hint(format!("did you mean `{meant}`?")),
        None => note.hint(format!("the keys are {}", known.join(", "))),
    }
    note
}
