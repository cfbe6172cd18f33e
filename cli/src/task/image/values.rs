//! The values of the module's keys.

use std::collections::HashMap;

use transload_policy::{ImagePattern, PlatformPattern, PlatformSet, RenameError, Renaming};
use transload_template::{Snippet, suggest};
use transload_transfer::job::{ImageEntry, Referrers};

use super::Request;
use crate::task::problem::Part;
use crate::task::reader::{Reader, TextAt, shortened};
use crate::task::yaml::{Id, Node, Yaml};

/// Which referrers come along.
pub(super) fn referrers(node: &Node, reader: &mut Reader<'_>) -> Option<Referrers> {
    let text = reader.text("referrers", node)?;
    // Empty is as good as none: templates give that.
    if text.trim().is_empty() {
        return None;
    }
    match text.parse() {
        Ok(referrers) => Some(referrers),
        Err(error) => {
            reader.sink.error(node.id, format!("`referrers`: {error}"));
            None
        }
    }
}

/// Whether nothing was written, which is a mistake; a template that gives nothing has its reasons.
pub(super) fn is_written_empty(node: &Node) -> bool {
    match &node.value {
        Yaml::Null => true,
        Yaml::Text(text) => text.trim().is_empty(),
        Yaml::List(items) => items.iter().all(is_written_empty),
        _ => false,
    }
}

/// The images of a list, and the places of the globs among them.
pub(super) fn images(node: &Node, reader: &mut Reader<'_>) -> (Vec<ImageEntry>, Vec<Id>) {
    let mut images: Vec<ImageEntry> = Vec::new();
    let mut globs_at = Vec::new();
    let mut seen: HashMap<String, String> = HashMap::new();
    for (at, text) in reader.list("manifests", node).unwrap_or_default() {
        let image: ImageEntry = match text.parse() {
            Ok(image) => image,
            Err(cause) => {
                let note = reader.sink.error(at, format!("`manifests`: {cause}"));
                if let Some(hint) = cause.hint() {
                    note.hint(hint);
                }
                continue;
            }
        };
        let what = match &image {
            ImageEntry::Name(name) => name.reference().to_string(),
            ImageEntry::Glob(glob) => glob.to_string(),
        };
        match seen.get(&what) {
            Some(first) if *first == text => {
                reader
                    .sink
                    .warn(at, format!("{text} is in the list twice: it is moved once"));
            }
            Some(first) => {
                reader.sink.warn(
                    at,
                    format!("{text} and {first} are the same image: it is moved once"),
                );
            }
            None => {
                seen.insert(what, text);
                if let ImageEntry::Glob(_) = image {
                    globs_at.push(at);
                }
                images.push(image);
            }
        }
    }
    (images, globs_at)
}

pub(super) fn platforms(node: &Node, of_old: bool, reader: &mut Reader<'_>) -> Option<PlatformSet> {
    let mut list: Vec<TextAt> = reader.list("platform", node)?;
    for (_, text) in list.iter_mut().filter(|_| of_old) {
        if text == "*" {
            "all".clone_into(text);
        } else if !text.contains('/') && !text.eq_ignore_ascii_case("all") {
            text.insert_str(0, "linux/");
        }
    }
    let mut all_good = true;
    for (at, text) in list.iter().filter(|(_, text)| !text.eq_ignore_ascii_case("all")) {
        if let Err(cause) = text.parse::<PlatformPattern>() {
            let note = reader.sink.error(*at, format!("`platform`: {cause}"));
            if let Some(hint) = cause.hint() {
                note.hint(hint);
            }
            all_good = false;
        }
    }
    if !all_good {
        return None;
    }
    let names: Vec<&str> = list.iter().map(|(_, text)| text.as_str()).collect();
    PlatformSet::parse(&names)
        .map_err(|cause| reader.sink.error(node.id, format!("`platform`: {cause}")))
        .ok()
}

pub(in crate::task) fn pattern(node: &Node, reader: &mut Reader<'_>) -> Option<ImagePattern> {
    let text = reader.text("pattern", node)?;
    match ImagePattern::new(&text) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            let message = format!("`pattern` isn't a regular expression: {}", error.cause());
            let note = reader.sink.error(node.id, message);
            if let Some(at) = error.position() {
                let line = text.split('\n').nth(at.line - 1).unwrap_or_default();
                note.within(Part {
                    number: at.line,
                    snippet: Snippet::new(line, at.column - 1, 1),
                });
            }
            if let Some(hint) = error.hint() {
                note.hint(hint);
            }
            None
        }
    }
}

pub(super) fn renaming(request: &Request<'_>, reader: &mut Reader<'_>) -> Renaming {
    let strip = request.strip_registry;
    let strip = strip.and_then(|node| reader.flag("strip_registry", node));
    let prefix = request.prefix.and_then(|node| reader.text("prefix", node));
    let rules = request.rename.and_then(|node| reader.list("rename", node));
    // One by one: each mistake is told where its rule is.
    let rules: Vec<TextAt> = rules.unwrap_or_default();
    let mut is_good = true;
    let mut check =
        |at: Id, name: &str, read: Result<Renaming, Vec<RenameError>>, reader: &mut Reader<'_>| {
            for error in read.err().into_iter().flatten() {
                reader.sink.error(at, format!("`{name}`: {error}"));
                is_good = false;
            }
        };
    for (at, rule) in &rules {
        check(*at, "rename", Renaming::new(&[rule], false, None), reader);
    }
    if let (Some(node), Some(prefix)) = (request.prefix, &prefix) {
        check(
            node.id,
            "prefix",
            Renaming::new::<&str>(&[], false, Some(prefix)),
            reader,
        );
    }
    let rules: Vec<&str> = rules
        .iter()
        .filter(|_| is_good)
        .map(|(_, rule)| rule.as_str())
        .collect();
    Renaming::new(&rules, strip.unwrap_or(false), prefix.as_deref()).unwrap_or_default()
}

pub(super) fn choice<T: Copy>(
    name: &str,
    node: &Node,
    choices: &[(&str, T)],
    reader: &mut Reader<'_>,
) -> Option<T> {
    let text = reader.text(name, node)?;
    // Empty is as good as none: templates give that.
    if text.trim().is_empty() {
        return None;
    }
    if let Some((_, chosen)) = choices.iter().find(|(word, _)| *word == text.trim()) {
        return Some(*chosen);
    }
    let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
    let message = format!(
        "`{name}` must be {}, not \"{}\"",
        words.join(" or "),
        shortened(&text)
    );
    let note = reader.sink.error(node.id, message);
    if let Some(meant) = suggest(&text, words.iter().copied()) {
        note.hint(format!("did you mean `{meant}`?"));
    }
    None
}
