//! What pruning removes, for people and for programs.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};
use transload_layout_store::Garbage;

use super::format::{bytes, count, short_digest};
use super::health::files_json;

/// A store that was pruned, or would be.
#[derive(Debug)]
pub struct Pruned<'a> {
    /// The folder.
    pub dir: &'a Path,
    /// What goes.
    pub garbage: &'a Garbage,
    /// Which images stay, for people; none where all do.
    pub rule: Option<String>,
    /// How many images stay.
    pub kept: usize,
    /// How many of them stay because they refer to one that does.
    pub referrers: usize,
    /// Whether nothing was removed.
    pub dry_run: bool,
}

/// The images that go, a line each, and totals.
pub fn garbage_text(pruned: &Pruned<'_>) -> String {
    let garbage = pruned.garbage;
    let mut text = String::new();
    if let Some(rule) = &pruned.rule {
        let by_rule = pruned.kept - pruned.referrers;
        let referrers = match pruned.referrers {
            0 => String::new(),
            more => format!(", and {more} that refer to them (signatures and the like)"),
        };
        let _ = writeln!(text, "keeping {}, {rule}{referrers}", count(by_rule, "image"));
    }
    let verb = if pruned.dry_run { "would remove" } else { "removed" };
    for image in &garbage.images {
        let _ = writeln!(
            text,
            "{verb}  {}  {}",
            image.reference,
            short_digest(&image.digest)
        );
    }
    let number = pruned.kept + garbage.images.len();
    if *garbage == Garbage::default() {
        let _ = writeln!(text, "prune: nothing to remove beside {}", count(number, "image"));
        return text;
    }
    let mut parts = vec![match garbage.images.len() {
        0 => format!("none of {}", count(number, "image")),
        gone => format!("{gone} of {}", count(number, "image")),
    }];
    for (number, thing) in [
        (garbage.manifests.len(), "manifest"),
        (garbage.blobs.len(), "blob"),
    ] {
        if number > 0 {
            parts.push(count(number, thing));
        }
    }
    if !garbage.partial.is_empty() {
        let leftovers = count(garbage.partial.len(), "leftover");
        parts.push(format!("{leftovers} of interrupted transfers"));
    }
    let what = parts.join(", ");
    let free = match (pruned.dry_run, garbage.bytes()) {
        (false, size) => format!("{} freed", bytes(size)),
        (true, size) => format!("{} would be freed", bytes(size)),
    };
    let _ = writeln!(text, "prune: {what}: {free}");
    text
}

/// The same for programs:
///
/// ```json
/// {
///   "directory": "images",
///   "dry_run": true,            // whether nothing was removed
///   "kept": 2,                  // images, with those that refer to others that stay
///   "images": [{"image": "docker.io/library/alpine:3.19", "digest": "sha256:…"}],    // those that go
///   "manifests": ["images/docker.io/library/alpine/manifests/sha256:…"],
///   "blobs": [{"path": "…", "digest": "sha256:…", "size": 12}],
///   "leftovers": [],            // of interrupted transfers, of the same shape
///   "bytes": 12                 // of blobs and leftovers
/// }
/// ```
pub fn garbage_json(pruned: &Pruned<'_>) -> Value {
    let garbage = pruned.garbage;
    let images = garbage
        .images
        .iter()
        .map(|image| json!({"image": image.reference.to_string(), "digest": image.digest.to_string()}));
    let manifests = garbage
        .manifests
        .iter()
        .map(|(_, path)| path.display().to_string());
    json!({
        "directory": pruned.dir.display().to_string(),
        "dry_run": pruned.dry_run,
        "kept": pruned.kept,
        "images": images.collect::<Vec<_>>(),
        "manifests": manifests.collect::<Vec<_>>(),
        "blobs": files_json(&garbage.blobs),
        "leftovers": files_json(&garbage.partial),
        "bytes": garbage.bytes(),
    })
}
