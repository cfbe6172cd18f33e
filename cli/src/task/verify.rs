//! `verify`: what images must fulfil before they move.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use transload_transfer::job::{Endpoint, Location};
use transload_transfer::place::LocalPlace;
use transload_transfer::{TrustPolicy, TrustProgram, TrustRule};

use super::fields::Fields;
use super::image::values::pattern;
use super::keys::VERIFY;
use super::reader::{Reader, describe};
use super::yaml::{Id, Node, Yaml};
use crate::trust::{read_keys, read_signers};

/// Reads a list of rules, or a text that renders to one. A list without a rule would let nothing through: it is a mistake.
pub(super) fn read(node: &Node, reader: &mut Reader<'_>) -> Option<TrustPolicy> {
    let rendered;
    let list = match &node.value {
        Yaml::Text(_) => {
            rendered = Node::literal(node.id, &reader.value("verify", node)?);
            &rendered
        }
        _ => node,
    };
    let Yaml::List(entries) = &list.value else {
        let found = describe(list);
        let message = format!("`verify` must be a list of mappings, not {found}");
        let note = reader.sink.error(node.id, message);
        note.hint("write `verify: [{keys: cosign.pub}]`; without `verify`, nothing is checked");
        return None;
    };
    if entries.is_empty() {
        let note = reader
            .sink
            .error(node.id, "`verify` is empty, so that no image could move");
        note.hint("give a rule, or leave `verify` out to check nothing");
        return None;
    }
    let rules: Vec<_> = entries.iter().map(|entry| read_rule(entry, reader)).collect();
    let rules = rules.into_iter().collect::<Option<Vec<TrustRule>>>()?;
    Some(TrustPolicy { rules })
}

/// Reads who has to have signed the bundle that a source is.
pub(super) fn with_signers(
    source: Option<Endpoint>,
    node: &Node,
    reader: &mut Reader<'_>,
) -> Option<Endpoint> {
    let file = reader.text("trust", node)?;
    // An empty variable mustn't mean that nothing is checked.
    if file.trim().is_empty() {
        let note = reader.sink.error(node.id, "`trust`: it is empty");
        note.hint("give a file of allowed signers, or leave `trust` out to check nothing");
        return None;
    }
    let Some(Endpoint::Fixed(Location::Local(place))) = source.filter(is_bundle) else {
        let message = "`trust`: `src` isn't a bundle, and only bundles are signed as a whole";
        reader
            .sink
            .error(node.id, message)
            .hint("a bundle is written `src: bundle:/mnt/usb/2026-12`");
        return None;
    };
    match read_signers(Path::new(file.trim())) {
        Ok(signers) => Some(Location::Local(place.with_signers(Some(signers))).into()),
        Err(errors) => {
            for problem in errors.problems() {
                let message = format!("`trust`: {}: {}", problem.file(), problem.message());
                let note = reader.sink.error(node.id, message);
                if let Some(hint) = problem.hint() {
                    note.hint(hint);
                }
            }
            None
        }
    }
}

fn is_bundle(source: &Endpoint) -> bool {
    source.local().is_some_and(LocalPlace::is_bundle)
}

fn read_rule(entry: &Node, reader: &mut Reader<'_>) -> Option<TrustRule> {
    let errors = reader.sink.error_count();
    if !matches!(entry.value, Yaml::Map(_)) {
        let message = format!("an entry of `verify` must be a mapping, not {}", describe(entry));
        reader.sink.error(entry.id, message);
        return None;
    }
    let fields = Fields::of("an entry of `verify`", entry, reader.sink)?;
    fields.check(&VERIFY.names(), reader.sink);
    let mut rule = TrustRule::default();
    if let Some(node) = fields.get("pattern") {
        // It would match every image, which nobody writes for that.
        if reader.text("pattern", node)?.trim().is_empty() {
            let note = reader.sink.error(node.id, "`pattern`: it is empty");
            note.hint("leave it out for a rule that is for all images");
        }
        rule.pattern = pattern(node, reader);
    }
    if let Some(node) = fields.get("keys") {
        let files = words("keys", node, reader)?;
        match read_keys(&files.iter().map(PathBuf::from).collect::<Vec<_>>()) {
            Ok(keys) => rule.keys = Some(Arc::new(keys)),
            Err(problems) => problems.iter().for_each(|problem| {
                let message = format!("`keys`: {}: {}", problem.file(), problem.message());
                let note = reader.sink.error(node.id, message);
                if let Some(hint) = problem.hint() {
                    note.hint(hint);
                }
            }),
        }
    }
    if let Some(node) = fields.get("with") {
        let mut words = words("with", node, reader)?.into_iter();
        let program = words.next()?;
        rule.program = Some(TrustProgram::new(program, words.map(Into::into).collect()));
    }
    if fields.get("keys").is_none() && fields.get("with").is_none() {
        nothing_checks(entry.id, reader);
    }
    (reader.sink.error_count() == errors).then_some(rule)
}

/// A list with something in it: an empty variable mustn't mean that nothing is checked.
fn words(name: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let words = reader.list(name, node)?;
    if words.is_empty() {
        reader.sink.error(node.id, format!("`{name}`: it is empty"));
        return None;
    }
    Some(words.into_iter().map(|(_, word)| word).collect())
}

fn nothing_checks(at: Id, reader: &mut Reader<'_>) {
    let message = "this entry has neither `keys` nor `with`, so that nothing could vouch for its images";
    reader.sink.error(at, message).hint("add `keys: cosign.pub`");
}
