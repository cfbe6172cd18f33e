//! The images of a directory, for people and for programs.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};
use transload_transfer::Referrer;
use transload_transfer::inventory::{Entry, Inventory};

use crate::report::ReferrerReport;

use super::format::{bytes, count, path, platform_list, short_digest};

/// Lines of columns: numbers to the right, all others to the left. The last column is as long as it is.
fn columns<const N: usize>(rows: &[[String; N]], is_number: [bool; N]) -> String {
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (at, cell) in row.iter().enumerate() {
            let width = widths[at];
            let _ = match (at + 1 == N, is_number[at]) {
                (_, true) => write!(line, "{cell:>width$}  "),
                (true, false) => write!(line, "{cell}"),
                (false, false) => write!(line, "{cell:<width$}  "),
            };
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// A line for each image, and totals.
pub fn inventory_table(inventory: &Inventory) -> String {
    if inventory.entries.is_empty() {
        return String::new();
    }
    let head = ["IMAGE", "DIGEST", "SIZE", "SHARED", "PLATFORMS"].map(str::to_owned);
    let row = |entry: &Entry| {
        let [size, shared] = sizes(entry);
        [
            name(entry),
            short_digest(&entry.digest),
            size,
            shared,
            platforms(entry),
        ]
    };
    let rows: Vec<[String; 5]> = [head]
        .into_iter()
        .chain(inventory.entries.iter().map(row))
        .collect();
    columns(&rows, [false, false, true, true, false]) + &totals(inventory)
}

/// Registries, the repositories in each, the tags in each.
pub fn inventory_tree(inventory: &Inventory) -> String {
    let mut text = String::new();
    let mut above = (String::new(), String::new());
    let mut entries = inventory.entries.as_slice();
    while let Some(first) = entries.first() {
        let repository = first.reference.repository();
        let is_same = |entry: &&Entry| entry.reference.repository() == repository;
        let (here, rest) = entries.split_at(entries.iter().take_while(is_same).count());
        if above.0 != repository.registry().as_str() {
            let _ = writeln!(text, "{}", repository.registry());
        }
        above = (
            repository.registry().as_str().to_owned(),
            repository.path().to_owned(),
        );
        let _ = writeln!(text, "  {}", above.1);
        let rows: Vec<[String; 5]> = here
            .iter()
            .map(|entry| {
                let [size, shared] = sizes(entry);
                let tag = entry.reference.tag();
                let tag = tag.map_or_else(|| "(no tag)".to_owned(), |tag| format!(":{tag}"));
                let shared = format!("{shared} shared");
                [
                    format!("    {tag}"),
                    short_digest(&entry.digest),
                    size,
                    shared,
                    platforms(entry),
                ]
            })
            .collect();
        text += &columns(&rows, [false, false, true, true, false]);
        entries = rest;
    }
    if !text.is_empty() {
        text += &totals(inventory);
    }
    text
}

/// `image  digest`, and nothing else.
pub fn inventory_names(inventory: &Inventory) -> String {
    let mut text = String::new();
    for entry in &inventory.entries {
        let _ = writeln!(text, "{}  {}", entry.reference, entry.digest);
    }
    text
}

/// Referrers for programs.
pub(super) fn referrers_json(referrers: &[Referrer]) -> Value {
    let reports = referrers.iter().map(ReferrerReport::from);
    reports.map(|report| json!(report)).collect()
}

fn totals(inventory: &Inventory) -> String {
    let all: u64 = inventory.entries.iter().map(|entry| entry.size).sum();
    let mut text = format!(
        "\n{}, {}: {}",
        count(inventory.entries.len(), "image"),
        count(inventory.blobs, "blob"),
        bytes(inventory.bytes)
    );
    if all > inventory.bytes {
        let _ = write!(text, " ({} if nothing were shared)", bytes(all));
    }
    text.push('\n');
    text
}

/// The image's name; its digest, where it has no tag, is in a column of its own.
fn name(entry: &Entry) -> String {
    match entry.reference.tag() {
        Some(_) => entry.reference.to_string(),
        None => format!("{}@…", entry.reference.repository()),
    }
}

fn sizes(entry: &Entry) -> [String; 2] {
    match &entry.flaw {
        Some(_) if entry.blobs == 0 => ["?".to_owned(), "?".to_owned()],
        _ => [bytes(entry.size), bytes(entry.shared)],
    }
}

fn platforms(entry: &Entry) -> String {
    let platforms = platforms_there(entry);
    match entry.referrers.len() {
        0 => platforms,
        number => format!("{platforms}, {}", count(number, "referrer")),
    }
}

fn platforms_there(entry: &Entry) -> String {
    match (&entry.flaw, entry.platforms.is_empty()) {
        (Some(_), true) => "damaged".to_owned(),
        (Some(_), false) => format!("{} (damaged)", platform_list(&entry.platforms)),
        (None, true) => "-".to_owned(),
        (None, false) => platform_list(&entry.platforms),
    }
}

/// What can't be read, and what to do about it; empty where all is well.
pub fn inventory_flaws(dir: &Path, inventory: &Inventory) -> String {
    let mut text = String::new();
    for entry in &inventory.entries {
        if let Some(flaw) = &entry.flaw {
            let _ = writeln!(text, "warning: {}: {flaw}", entry.reference);
        }
    }
    for damage in &inventory.damage {
        let _ = writeln!(text, "warning: {}", damage.error);
    }
    if !text.is_empty() {
        let _ = writeln!(
            text,
            "  hint: `transload verify {dir}` lists all problems; with --repair it fetches missing parts",
            dir = path(dir)
        );
    }
    text
}

/// The same for programs:
///
/// ```json
/// {
///   "directory": "images",
///   "images": [{
///     "image": "docker.io/library/alpine:3.19",
///     "registry": "docker.io", "repository": "library/alpine", "tag": "3.19",   // no tag: null
///     "digest": "sha256:…",
///     "platforms": ["linux/amd64"],
///     "blobs": 3, "size": 4711, "shared": 12,     // bytes; what of it other images of the directory need too
///     "referrers": [{                             // its signatures, SBOMs and the like
///       "digest": "sha256:…", "artifact_type": "application/spdx+json",
///       "subject": "sha256:…", "tag": null        // how it is found: by the manifest that it refers to, or by cosign's tag
///     }],
///     "flaw": null                                // why not everything of it is known
///   }],
///   "blobs": 3, "bytes": 4711,                    // each blob once
///   "damage": []                                  // what else can't be read
/// }
/// ```
pub fn inventory_json(dir: &Path, inventory: &Inventory) -> Value {
    let images = inventory.entries.iter().map(|entry| {
        let repository = entry.reference.repository();
        let platforms = entry.platforms.iter().map(ToString::to_string);
        json!({
            "image": entry.reference.to_string(),
            "registry": repository.registry().as_str(),
            "repository": repository.path(),
            "tag": entry.reference.tag().map(ToString::to_string),
            "digest": entry.digest.to_string(),
            "platforms": platforms.collect::<Vec<_>>(),
            "blobs": entry.blobs,
            "size": entry.size,
            "shared": entry.shared,
            "referrers": referrers_json(&entry.referrers),
            "flaw": entry.flaw,
        })
    });
    let damage = inventory.damage.iter().map(|damage| damage.error.to_string());
    json!({
        "directory": dir.display().to_string(),
        "images": images.collect::<Vec<_>>(),
        "blobs": inventory.blobs,
        "bytes": inventory.bytes,
        "damage": damage.collect::<Vec<_>>(),
    })
}
