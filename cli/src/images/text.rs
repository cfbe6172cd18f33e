//! A file's text: a list of images, or YAML documents.

use std::collections::BTreeSet;

use transload_transfer::job::ImageEntry;

use super::walk::{self, Walk};
use super::{Findings, Mention};
use crate::task::Problem;
use crate::yaml;

/// Reads a file's text. `as_list`: it is a list of images even where a line is none.
pub(super) fn read(file: &str, text: &str, as_list: bool, findings: &mut Findings) {
    if as_list || is_list(text) {
        return read_list(file, text, findings);
    }
    for (first, document) in documents(text) {
        read_document(file, first, document, findings);
    }
}

/// Whether each line is an image's name, as in what `kubeadm config images list` prints.
pub(super) fn is_list(text: &str) -> bool {
    // Words alone are no list: a text may be one word.
    images(text).any(|(_, image)| image.contains([':', '/', '@']))
        && images(text).all(|(_, image)| image.parse::<ImageEntry>().is_ok())
}

/// The lines of a list without comments and blank lines, by their numbers.
fn images(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate();
    let without_comments = lines.map(|(at, line)| (at + 1, crate::jobs::without_comment(line).trim()));
    without_comments.filter(|(_, image)| !image.is_empty())
}

fn read_list(file: &str, text: &str, findings: &mut Findings) {
    let mut mentions = Vec::new();
    for (line, image) in images(text) {
        match image.parse::<ImageEntry>() {
            Ok(_) => mentions.push(Mention {
                image: image.to_owned(),
                is_sure: true,
                line,
            }),
            Err(error) => {
                let problem = Problem::in_line(file, (line, image), 1, error.to_string());
                findings.problems.push(problem.maybe_hint(error.hint()));
            }
        }
    }
    findings.add(file, mentions);
}

/// The YAML documents of a text, each with how many lines stand before it. A line that begins with `---` begins one wherever it stands, also
/// within a text (YAML 1.2, 9.1.2).
fn documents(text: &str) -> Vec<(usize, &str)> {
    let mut documents = Vec::new();
    let (mut start, mut first, mut at) = (0, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let rest = line.strip_prefix("---");
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace)) {
            documents.push((first, &text[start..at]));
            (start, first) = (at, number);
        }
        at += line.len();
    }
    documents.push((first, &text[start..]));
    let has_content = |text: &str| {
        text.lines().any(|line| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with(['#', '%']) && line != "---"
        })
    };
    documents.retain(|(_, document)| has_content(document));
    documents
}

fn read_document(file: &str, first: usize, document: &str, findings: &mut Findings) {
    let lines: Vec<&str> = document.lines().collect();
    let line = |number: usize| lines.get(number.saturating_sub(1)).copied().unwrap_or_default();
    let parsed = match yaml::parse_foreign(document) {
        Ok(parsed) => parsed,
        Err(error) => {
            let problem = match error.place {
                Some((number, column)) => {
                    Problem::in_line(file, (first + number, line(number)), column, error.message)
                }
                None => Problem::of_file(file, error.message),
            };
            findings.problems.push(match document.contains("{{") {
                true => problem.with_hint("render templates first: helm template CHART | transload images -"),
                false => problem,
            });
            return;
        }
    };
    let mut walk = Walk::default();
    parsed
        .documents
        .iter()
        .for_each(|document| walk::document(document, &mut walk));
    let found = walk.found.iter().map(|found| found.at);
    let wanted: BTreeSet<_> = found.chain(walk.problems.iter().map(|(at, _)| *at)).collect();
    let places = yaml::positions(document, wanted);
    let mut mentions = Vec::new();
    for found in walk.found {
        let (number, _) = places.get(&found.at).copied().unwrap_or((1, 1));
        // In a text of several lines, the line that has it.
        let within = lines
            .iter()
            .skip(number - 1)
            .position(|line| line.contains(&found.image));
        let number = if found.is_in_text {
            number + within.unwrap_or(0)
        } else {
            number
        };
        mentions.push(Mention {
            image: found.image,
            is_sure: found.is_sure,
            line: first + number,
        });
    }
    for (at, message) in walk.problems {
        let (number, column) = places.get(&at).copied().unwrap_or((1, 1));
        let problem = Problem::in_line(file, (first + number, line(number)), column, message);
        findings.problems.push(problem);
    }
    findings.add(file, mentions);
}
