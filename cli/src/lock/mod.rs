//! Lock files: what each image's tag stood for, and what was written (`--lock`, `--locked`).
//!
//! ```yaml
//! version: 1
//! images:
//!   - image: docker.io/library/alpine:3.19
//!     digest: sha256:…      # what the tag stood for at the source
//!     written: sha256:…     # what stands at the destination: something else where an index was cut down to some platforms
//!     locked: 2026-11-25    # since when
//!     platforms:
//!       - {platform: linux/amd64, digest: sha256:…}
//!     referrers: [sha256:…]   # signatures and the like that came along, if any did
//! ```
//!
//! An image has several blocks where one run wrote it in several forms. Its name says what it is, not where it came from: a mirror may
//! stand in for a registry, and a directory for both, as long as the digest is the same. What was written counts as good as what it was made of, so that
//! one file serves for pulling (where an index is cut down) and for pushing what was pulled.

mod drift;
mod file;
mod read;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use transload_reference::{Digest, Platform, Reference};
use transload_transfer::job::ImageName;
use transload_transfer::{ImageOutcome, Status};

pub(crate) use file::LockFile;

/// What a lock file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lock {
    /// The file's name, for messages.
    file: String,
    entries: BTreeMap<Reference, Vec<Entry>>,
}

/// What an image was once.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// What its tag stood for at the source.
    digest: Digest,
    /// What was written to the destination.
    written: Digest,
    /// Since when, as `2026-11-25` (UTC).
    locked: String,
    /// The platforms that moved, sorted, with the digests of their manifests.
    platforms: Vec<(String, Digest)>,
    /// The referrers that came along.
    referrers: BTreeSet<Digest>,
}

impl Lock {
    /// Takes note of what became of a run's images, on this day. Those that didn't arrive stay as they were.
    fn record<'o>(&mut self, outcomes: impl IntoIterator<Item = &'o ImageOutcome>, today: &str) {
        let mut anew: BTreeMap<Reference, Vec<Entry>> = BTreeMap::new();
        for outcome in outcomes {
            let Some((image, entry)) = entry(outcome, today) else {
                continue;
            };
            let before = self.entries.get(&image).map(Vec::as_slice).unwrap_or_default();
            let of_run = anew.entry(image).or_default();
            // What is moved on as it was written is no news.
            let is_moved_on = entry.digest == entry.written
                && of_run
                    .iter()
                    .chain(before)
                    .any(|other| other.written == entry.written && other.digest != entry.digest);
            let same = of_run.iter().any(|other| other.is_same(&entry));
            if is_moved_on || same {
                continue;
            }
            let known = before.iter().find(|other| other.is_same(&entry));
            of_run.push(known.cloned().unwrap_or(entry));
        }
        for (image, mut entries) in anew {
            if !entries.is_empty() {
                entries.sort_by(|a, b| {
                    (a.digest.as_str(), a.written.as_str()).cmp(&(b.digest.as_str(), b.written.as_str()))
                });
                self.entries.insert(image, entries);
            }
        }
    }
}

impl Entry {
    /// Whether it says the same, whenever that was noted.
    fn is_same(&self, other: &Entry) -> bool {
        self.digest == other.digest
            && self.written == other.written
            && self.platforms == other.platforms
            && self.referrers == other.referrers
    }
}

/// What there is to note of an image; nothing if it didn't arrive.
fn entry(outcome: &ImageOutcome, today: &str) -> Option<(Reference, Entry)> {
    if !matches!(outcome.status, Status::Copied | Status::AlreadyThere) {
        return None;
    }
    let image: ImageName = outcome.image.parse().ok()?;
    let entry = Entry {
        digest: outcome.source_digest.clone()?,
        written: outcome.digest.clone()?,
        locked: today.to_owned(),
        platforms: described(&outcome.parts),
        referrers: outcome
            .referrers
            .iter()
            .map(|referrer| referrer.digest.clone())
            .collect(),
    };
    Some((image.reference().clone(), entry))
}

/// Platforms as the file has them, sorted.
fn described(parts: &[(Platform, Digest)]) -> Vec<(String, Digest)> {
    let mut described: Vec<_> = parts
        .iter()
        .map(|(platform, digest)| (platform.to_string(), digest.clone()))
        .collect();
    described.sort_by(|a, b| (&a.0, a.1.as_str()).cmp(&(&b.0, b.1.as_str())));
    described.dedup();
    described
}

#[cfg(test)]
mod tests;
