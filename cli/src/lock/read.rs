//! Reading a lock file. It is kept by this program and merged by people: every mistake is told at its line and column.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use transload_reference::{Digest, Reference};

use super::{Entry, Lock};
use crate::task::TaskErrors;
use crate::task::diagnostic::{Sink, Source};
use crate::task::fields::Fields;
use crate::task::reader::describe;
use crate::yaml::{self, Node, Yaml};

/// The form that is written and read.
const VERSION: u64 = 1;

const KEYS: [&str; 2] = ["version", "images"];
const ENTRY: [&str; 6] = ["image", "digest", "written", "locked", "platforms", "referrers"];
const PLATFORM: [&str; 2] = ["platform", "digest"];

impl Lock {
    /// Reads a file's text; `name` is the file's for messages. A file without anything in it is one without images.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(super) fn read(name: &str, text: &str) -> Result<Lock, TaskErrors> {
        let source = Source { name, text };
        let parsed = yaml::parse(text).map_err(|error| source.syntax_error(error))?;
        let mut sink = Sink::with(parsed.mistakes);
        let mut entries: BTreeMap<Reference, Vec<Entry>> = BTreeMap::new();
        for document in parsed
            .documents
            .iter()
            .filter(|document| !matches!(document.value, Yaml::Null))
        {
            for (image, entry) in read_document(document, &mut sink) {
                entries.entry(image).or_default().push(entry);
            }
        }
        source.close(sink, &[])?;
        Ok(Lock {
            file: name.to_owned(),
            entries,
        })
    }
}

fn read_document(document: &Node, sink: &mut Sink) -> Vec<(Reference, Entry)> {
    let Some(fields) = Fields::of("a lock file", document, sink) else {
        return Vec::new();
    };
    match fields.get("version").map(|node| (node, &node.value)) {
        Some((_, Yaml::Number(number))) if number.value.as_u64() == Some(VERSION) => {}
        Some((node, found)) => {
            let message = format!("`version` must be {VERSION}, not {}", describe(node));
            let note = sink.error(node.id, message);
            if matches!(found, Yaml::Number(_)) {
                note.hint("another version of transload wrote this file");
            }
            // What follows may mean something else.
            return Vec::new();
        }
        None => {
            sink.error(fields.at, "a lock file needs `version`")
                .hint("is this another file? a lock file is written by --lock");
            return Vec::new();
        }
    }
    fields.check(&KEYS, sink);
    list("images", &fields, sink)
        .iter()
        .filter_map(|node| read_entry(node, sink))
        .collect()
}

fn read_entry(node: &Node, sink: &mut Sink) -> Option<(Reference, Entry)> {
    let fields = Fields::of("an image", node, sink)?;
    fields.check(&ENTRY, sink);
    let image = value::<Reference>("image", &fields, sink);
    let digest = value("digest", &fields, sink);
    let written = value("written", &fields, sink);
    let locked = value("locked", &fields, sink);
    let platforms: Vec<(String, Digest)> = list("platforms", &fields, sink)
        .iter()
        .filter_map(|node| {
            let fields = Fields::of("a platform", node, sink)?;
            fields.check(&PLATFORM, sink);
            value("platform", &fields, sink).zip(value("digest", &fields, sink))
        })
        .collect();
    let referrers = match fields.get("referrers") {
        Some(_) => digests("referrers", &fields, sink),
        None => BTreeSet::new(),
    };
    Some((
        image?.or_latest(),
        Entry {
            digest: digest?,
            written: written?,
            locked: locked?,
            platforms,
            referrers,
        },
    ))
}

fn digests(name: &str, fields: &Fields<'_>, sink: &mut Sink) -> BTreeSet<Digest> {
    let mut digests = BTreeSet::new();
    for node in list(name, fields, sink) {
        match &node.value {
            Yaml::Text(text) => match text.parse() {
                Ok(digest) => {
                    digests.insert(digest);
                }
                Err(error) => {
                    sink.error(node.id, format!("`{name}`: {error}"));
                }
            },
            _ => {
                sink.error(
                    node.id,
                    format!("`{name}` must be digests, not {}", describe(node)),
                );
            }
        }
    }
    digests
}

fn list<'n>(name: &str, fields: &Fields<'n>, sink: &mut Sink) -> &'n [Node] {
    match fields.get(name).map(|node| (node, &node.value)) {
        Some((_, Yaml::List(items))) => items,
        Some((node, _)) => {
            sink.error(
                node.id,
                format!("`{name}` must be a list, not {}", describe(node)),
            );
            &[]
        }
        None => {
            sink.error(fields.at, format!("`{name}` is missing here"));
            &[]
        }
    }
}

fn value<T: FromStr<Err: std::fmt::Display>>(name: &str, fields: &Fields<'_>, sink: &mut Sink) -> Option<T> {
    let Some(node) = fields.get(name) else {
        sink.error(fields.at, format!("`{name}` is missing here"));
        return None;
    };
    let Yaml::Text(text) = &node.value else {
        sink.error(node.id, format!("`{name}` must be text, not {}", describe(node)));
        return None;
    };
    match text.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            sink.error(node.id, format!("`{name}`: {error}"));
            None
        }
    }
}
