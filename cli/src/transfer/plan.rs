//! What an image consists of, and which of it moves.
//!
//! Planning reads manifests, and the config of a single image whose platform is asked for. It moves no blob.

use std::collections::HashSet;

use transload_policy::{Keep, Mode, PlatformPattern, config_platform, filter_index, select};
use transload_reference::{Descriptor, Digest, Index, Manifest, Platform, RawManifest, Repository};

use super::destination::Destination;
use super::fault::{Fault, Side};
use super::prepare::Mapping;
use super::source::{Source, config_of};
use crate::job::{IndexMode, Job};

/// How deep indexes may be nested. Real ones nest once.
const MAX_DEPTH: usize = 8;

/// How many manifests an image may have. Real ones have tens.
const MAX_MANIFESTS: usize = 4096;

/// An image's parts that move.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The image's digest at the source.
    pub source_digest: Digest,
    /// What its name will stand for.
    pub root: RawManifest,
    /// The manifests below the root, each after those that it names.
    pub children: Vec<RawManifest>,
    /// The blobs, each digest once.
    pub blobs: Vec<Descriptor>,
    /// The platforms that move.
    pub platforms: Vec<Platform>,
    /// Things to look at.
    pub warnings: Vec<String>,
    /// Whether the destination's name stands for the root already.
    pub was_published: bool,
}

/// What is to be done about an image.
#[derive(Debug)]
pub(crate) enum Planned {
    /// Move what isn't there.
    Move(Plan),
    /// Nothing: the destination vouches for all of it.
    AlreadyThere(Plan),
    /// Nothing, by rule, and why.
    Skip(String),
}

/// Plans one image.
pub(crate) fn plan(
    job: &Job,
    source: &dyn Source,
    destination: &dyn Destination,
    mapping: &Mapping,
) -> Result<Planned, Fault> {
    let published = destination.published(mapping.to.reference())?;
    let original = root(source, destination, mapping, published.is_some())?;
    let mut walk = Walk {
        job,
        source,
        destination,
        mapping,
        manifests: Vec::new(),
        seen: HashSet::new(),
        blobs: Vec::new(),
        seen_blobs: HashSet::new(),
        platforms: Vec::new(),
        warnings: Vec::new(),
        existing: Vec::new(),
        satisfied: HashSet::new(),
    };
    let root = match original.view() {
        Manifest::Index(_) => match walk.index(&original, 0)? {
            Some(root) => root,
            None => return walk.nothing_chosen(&original),
        },
        _ => {
            walk.single(&original)?;
            walk.leaf(&original)?;
            original.clone()
        }
    };
    walk.judge(&original)?;
    walk.check_pin(&original, &root)?;
    let root = if job.index == IndexMode::Original { original.clone() } else { root };
    let was_published = published.as_ref() == Some(root.digest());
    let plan = Plan {
        source_digest: original.digest().clone(),
        root,
        children: walk.manifests,
        blobs: walk.blobs,
        platforms: walk.platforms,
        warnings: walk.warnings,
        was_published,
    };
    let is_there = was_published && destination.vouches_for_parts();
    Ok(if is_there { Planned::AlreadyThere(plan) } else { Planned::Move(plan) })
}

/// The image's manifest: from the destination where it has it, which costs a registry less than fetching it.
fn root(source: &dyn Source, destination: &dyn Destination, mapping: &Mapping, is_published: bool) -> Result<RawManifest, Fault> {
    let image = mapping.from.reference();
    if is_published || image.digest().is_some() {
        let digest = match image.digest() {
            Some(digest) => digest.clone(),
            None => source.resolve(image)?,
        };
        if let Some(known) = destination.manifest(mapping.to.reference().repository(), &digest)? {
            return Ok(known);
        }
    }
    source.root(image)
}

struct Walk<'a> {
    job: &'a Job,
    source: &'a dyn Source,
    destination: &'a dyn Destination,
    mapping: &'a Mapping,
    manifests: Vec<RawManifest>,
    seen: HashSet<Digest>,
    blobs: Vec<Descriptor>,
    seen_blobs: HashSet<Digest>,
    platforms: Vec<Platform>,
    warnings: Vec<String>,
    /// The platforms that the image has.
    existing: Vec<Platform>,
    satisfied: HashSet<PlatformPattern>,
}

impl Walk<'_> {
    /// Goes through an index: the children that are chosen are gathered, and what remains of the index is returned; nothing,
    /// if no child was chosen.
    fn index(&mut self, raw: &RawManifest, depth: usize) -> Result<Option<RawManifest>, Fault> {
        let Manifest::Index(index) = raw.view() else { return Ok(None) };
        if depth == MAX_DEPTH {
            let message = format!("{} is nested more than {MAX_DEPTH} indexes deep", raw.digest());
            return Err(Fault::refused(Some(Side::Source), message));
        }
        let keep = self.choose(index, depth)?;
        let chosen_none = keep.iter().all(|keep| matches!(keep, Keep::No));
        if chosen_none && !keep.is_empty() {
            return Ok(None);
        }
        let filtered = filter_index(raw, |at| keep[at].clone())
            .map_err(|error| Fault::caused(Side::Source, error, false))?;
        Ok(Some(filtered))
    }

    fn choose(&mut self, index: &Index, depth: usize) -> Result<Vec<Keep>, Fault> {
        let selection = select(index, &self.job.platforms);
        self.existing.extend(selection.existing.iter().cloned());
        self.satisfied.extend(selection.satisfied.iter().cloned());
        let mut keep = vec![Keep::No; index.manifests.len()];
        for at in selection.keep {
            let child = &index.manifests[at];
            let platform = child.platform.as_ref().filter(|platform| !platform.is_unknown());
            self.platforms.extend(platform.map(Platform::normalised));
            let raw = self.child(child)?;
            match raw.view() {
                // An index that says its platform is taken whole.
                Manifest::Index(_) => self.whole(&raw, depth + 1)?,
                _ => self.leaf(&raw)?,
            }
            self.gather(raw);
            keep[at] = Keep::Yes;
        }
        for at in selection.nested {
            let raw = self.child(&index.manifests[at])?;
            keep[at] = match self.index(&raw, depth + 1)? {
                None => Keep::No,
                Some(same) if same.digest() == raw.digest() || self.job.index == IndexMode::Original => {
                    self.gather(raw);
                    Keep::Yes
                }
                Some(other) => {
                    let descriptor = other.descriptor();
                    self.gather(other);
                    Keep::Replaced(descriptor)
                }
            };
        }
        Ok(keep)
    }

    /// Gathers everything below an index.
    fn whole(&mut self, raw: &RawManifest, depth: usize) -> Result<(), Fault> {
        if depth >= MAX_DEPTH {
            let message = format!("{} is nested more than {MAX_DEPTH} indexes deep", raw.digest());
            return Err(Fault::refused(Some(Side::Source), message));
        }
        for child in raw.view().children() {
            let child = self.child(child)?;
            match child.view() {
                Manifest::Index(_) => self.whole(&child, depth + 1)?,
                _ => self.leaf(&child)?,
            }
            self.gather(child);
        }
        Ok(())
    }

    fn child(&mut self, part: &Descriptor) -> Result<RawManifest, Fault> {
        if self.manifests.len() >= MAX_MANIFESTS {
            let message = format!("the image has more than {MAX_MANIFESTS} manifests");
            return Err(Fault::refused(Some(Side::Source), message));
        }
        let there = self.destination_repository();
        let known = self.destination.manifest(there, &part.digest)?;
        match known {
            Some(known) => Ok(known),
            None => self.source.manifest(self.mapping.from.reference().repository(), part),
        }
    }

    fn destination_repository(&self) -> &Repository {
        self.mapping.to.reference().repository()
    }

    fn gather(&mut self, raw: RawManifest) {
        if self.seen.insert(raw.digest().clone()) {
            self.manifests.push(raw);
        }
    }

    /// Gathers the blobs of one image or artifact.
    fn leaf(&mut self, raw: &RawManifest) -> Result<(), Fault> {
        for blob in raw.view().blobs() {
            if blob.media_type.is_foreign_layer() {
                self.warnings.push(format!(
                    "the foreign layer {} ({} bytes) isn't moved: its publisher gives it out only at {}",
                    blob.digest,
                    blob.size,
                    if blob.urls.is_empty() { "addresses that it doesn't tell".to_owned() } else { blob.urls.join(", ") },
                ));
            } else if self.seen_blobs.insert(blob.digest.clone()) {
                self.blobs.push(blob.clone());
            }
        }
        Ok(())
    }

    /// Looks at a root that is no index: its platform is in its config.
    fn single(&mut self, raw: &RawManifest) -> Result<(), Fault> {
        let Some(wanted) = self.job.platforms.patterns() else { return Ok(()) };
        let Some(config) = config_of(raw) else {
            // What has no platform is never left out.
            self.satisfied.extend(wanted.iter().cloned());
            return Ok(());
        };
        let bytes = self.source.read_blob(self.mapping.from.reference().repository(), config)?;
        // It was fetched: the executor writes these bytes instead of fetching them again.
        self.seen_blobs.insert(config.digest.clone());
        self.blobs.push(config.clone().with_data(&bytes));
        let Some(platform) = config_platform(&bytes) else {
            self.satisfied.extend(wanted.iter().cloned());
            return Ok(());
        };
        self.satisfied.extend(wanted.iter().filter(|pattern| pattern.matches(&platform)).cloned());
        self.existing.push(platform.clone());
        self.platforms.push(platform);
        Ok(())
    }

    /// What the policy says of platforms that were asked for and aren't there.
    fn judge(&mut self, original: &RawManifest) -> Result<(), Fault> {
        let missing = self.missing();
        if missing.is_empty() {
            return Ok(());
        }
        let message = self.missing_message(&missing);
        let is_index = matches!(original.view(), Manifest::Index(_));
        match self.job.mode {
            Mode::Strict => Err(Fault::refused(Some(Side::Source), message)
                .with_hint("ask for platforms that it has, or set policy: warn to take what there is")),
            Mode::Warn => {
                let moved = if is_index { "the others are moved" } else { "it is moved as it is" };
                self.warnings.push(format!("{message}; {moved}"));
                Ok(())
            }
        }
    }

    fn missing(&self) -> Vec<&PlatformPattern> {
        let wanted = self.job.platforms.patterns().unwrap_or_default();
        wanted.iter().filter(|pattern| !self.satisfied.contains(pattern)).collect()
    }

    fn missing_message(&self, missing: &[&PlatformPattern]) -> String {
        let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
        let mut existing: Vec<String> = self.existing.iter().map(|platform| platform.normalised().to_string()).collect();
        existing.sort();
        existing.dedup();
        let existing = if existing.is_empty() { "none that it names".to_owned() } else { existing.join(", ") };
        format!("{} has no {} (it has {existing})", self.mapping.from, missing.join(", "))
    }

    fn nothing_chosen(&self, original: &RawManifest) -> Result<Planned, Fault> {
        let missing = self.missing();
        let message = self.missing_message(&missing);
        match self.job.mode {
            Mode::Strict => Err(Fault::refused(Some(Side::Source), message)
                .with_hint("ask for platforms that it has, or set policy: warn to leave such images out")),
            Mode::Warn => Ok(Planned::Skip(format!("{message} [{}]", original.digest()))),
        }
    }

    /// An image that was asked for by digest can't be another one at the destination.
    fn check_pin(&self, original: &RawManifest, root: &RawManifest) -> Result<(), Fault> {
        let pinned = self.mapping.from.reference().digest().or(self.mapping.to.reference().digest());
        let Some(pinned) = pinned else { return Ok(()) };
        if self.job.index == IndexMode::Original || root.digest() == original.digest() {
            return Ok(());
        }
        let message = format!(
            "{} is pinned to {pinned}, and leaving platforms out of its index would give it the digest {}",
            self.mapping.name,
            root.digest()
        );
        Err(Fault::refused(None, message)
            .with_hint("take all platforms, name the image by tag, or set index: original to keep the index and move only some of its parts"))
    }
}
