//! The walk through an image's manifests, from its root down.

use std::collections::{BTreeSet, HashMap, HashSet};

use transload_policy::{
    Decision, Keep, Selection, Shortfall, config_platform, filter_index, judge_single, select_with,
};
use transload_reference::{Descriptor, Digest, Index, Manifest, Platform, RawManifest, printable};

use crate::fault::{Fault, Side};
use crate::job::{IndexMode, Job};
use crate::parallel_map::{MOST, parallel_map};
use crate::place::{Sink, Source, config_of};
use crate::prepare::Mapping;

/// How deep indexes may be nested. Real ones nest once.
pub(super) const MAX_DEPTH: usize = 8;

/// How many manifests an image may have. Real ones have tens.
pub(super) const MAX_MANIFESTS: usize = 4096;

/// How many bytes an image's manifests may have together: they stay in memory until the image is there. Real ones have some hundred
/// kilobytes.
const MAX_MANIFEST_BYTES: u64 = 16 << 20;

/// How many blobs an image may have. Real ones have tens, artifacts some thousands.
const MAX_BLOBS: usize = 20_000;

/// A config of at most this many bytes is kept for the executor, as long as all of them have no more than the other figure; a larger
/// one is fetched again.
const MAX_KEPT_CONFIG: usize = 64 << 10;
const MAX_KEPT_CONFIGS: usize = 4 << 20;

/// How many foreign layers are told of one by one.
const MOST_TOLD: usize = 10;

/// How much of a foreign layer's addresses is shown, in characters.
const LONGEST_ADDRESSES: usize = 300;

/// A walk through an image's manifests.
pub(super) struct Walk<'a> {
    pub job: &'a Job,
    pub source: &'a dyn Source,
    destination: &'a dyn Sink,
    pub mapping: &'a Mapping,
    pub gathered: Gathered,
}

/// What it found.
#[derive(Default)]
pub(super) struct Gathered {
    /// The manifests that move, each after those that it names.
    pub manifests: Vec<RawManifest>,
    pub seen: HashSet<Digest>,
    /// The blobs that move.
    pub blobs: Vec<Descriptor>,
    seen_blobs: HashSet<Digest>,
    pub platforms: Vec<(Platform, Digest)>,
    pub warnings: Vec<String>,
    /// Images that were looked into before it was clear whether they move.
    looked_into: HashMap<Digest, LookedInto>,
    /// The parts that were asked for.
    known: HashMap<Digest, RawManifest>,
    /// How often one was asked for.
    asked: usize,
    /// How many bytes those have.
    manifest_bytes: u64,
    /// How many bytes the configs have that are kept.
    config_bytes: usize,
    foreign_layers: usize,
}

/// An image that was looked into for its platform.
struct LookedInto {
    /// The config with its bytes: the executor writes these instead of fetching them again.
    config: Option<Descriptor>,
    platform: Option<Platform>,
}

impl<'a> Walk<'a> {
    pub fn new(
        job: &'a Job,
        source: &'a dyn Source,
        destination: &'a dyn Sink,
        mapping: &'a Mapping,
    ) -> Walk<'a> {
        Walk {
            job,
            source,
            destination,
            mapping,
            gathered: Gathered::default(),
        }
    }
}

impl Walk<'_> {
    /// Goes through an index: the children that are chosen are gathered, and what remains of the index is returned; nothing,
    /// if no child was chosen.
    pub fn index(
        &mut self,
        raw: &RawManifest,
        index: &Index,
        depth: usize,
    ) -> Result<(Option<RawManifest>, Selection), Fault> {
        check_shape(raw, depth)?;
        let repository = self.mapping.from.reference().repository();
        let left_out = self.source.left_out(repository, raw.digest());
        let (keep, selection) = if left_out.is_empty() {
            self.choose(index, depth)?
        } else {
            self.choose_of_sparse(index, &left_out, depth)?
        };
        if !keep.is_empty() && keep.iter().all(|keep| *keep == Keep::No) {
            return Ok((None, selection));
        }
        let cut = filter_index(raw, |at| keep[at].clone()).map_err(|error| {
            let hint = error.hint();
            Fault::caused(Side::Source, error, false).maybe_hint(hint)
        })?;
        Ok((Some(cut), selection))
    }

    /// Chooses among the children that a sparse index has at the source.
    fn choose_of_sparse(
        &mut self,
        index: &Index,
        left_out: &BTreeSet<Digest>,
        depth: usize,
    ) -> Result<(Vec<Keep>, Selection), Fault> {
        let is_there = |child: &Descriptor| !left_out.contains(&child.digest);
        let mut there = index.clone();
        there.manifests.retain(is_there);
        if self.job.index != IndexMode::Original {
            self.gathered.warnings.push(format!(
                "{} has {} of the {} manifests that its index names: the index is cut to these (`--index original` keeps it)",
                self.source.describe(),
                there.manifests.len(),
                index.manifests.len()
            ));
        }
        let (keep, selection) = self.choose(&there, depth)?;
        let mut keep = keep.into_iter();
        let of_child = |child| {
            if is_there(child) {
                keep.next().unwrap_or(Keep::No)
            } else {
                Keep::No
            }
        };
        Ok((index.manifests.iter().map(of_child).collect(), selection))
    }

    fn choose(&mut self, index: &Index, depth: usize) -> Result<(Vec<Keep>, Selection), Fault> {
        let platforms = &self.job.platforms;
        let is_told = |child: &&Descriptor| {
            child
                .platform
                .as_deref()
                .is_some_and(|platform| !platform.is_unknown())
        };
        if platforms.patterns().is_some() {
            self.fetch_ahead(index.manifests.iter().filter(|child| !is_told(child)))?;
        }
        let mut selection = select_with(index, platforms, |child| self.look_into(child))?;
        let mut keep = vec![Keep::No; index.manifests.len()];
        let chosen = selection.keep.iter().chain(&selection.nested);
        self.fetch_ahead(chosen.map(|&at| &index.manifests[at]))?;
        for &at in &selection.keep {
            let child = &index.manifests[at];
            let told = child
                .platform
                .as_deref()
                .filter(|platform| !platform.is_unknown())
                .map(Platform::normalised);
            let found = self
                .gathered
                .looked_into
                .get(&child.digest)
                .and_then(|looked| looked.platform.clone());
            self.note(told.or(found), child.digest.clone());
            let raw = self.child(child)?;
            // An index that says its platform is taken whole.
            self.whole(raw, depth + 1)?;
            keep[at] = Keep::Yes;
        }
        for at in selection.nested.clone() {
            let raw = self.child(&index.manifests[at])?;
            let Manifest::Index(nested) = raw.view() else {
                self.whole(raw, depth + 1)?;
                keep[at] = Keep::Yes;
                continue;
            };
            let (cut, found) = self.index(&raw, nested, depth + 1)?;
            selection.absorb(found);
            keep[at] = match cut {
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
        Ok((keep, selection))
    }

    /// The platform that an image's own config tells.
    fn look_into(&mut self, child: &Descriptor) -> Result<Option<Platform>, Fault> {
        if let Some(looked) = self.gathered.looked_into.get(&child.digest) {
            return Ok(looked.platform.clone());
        }
        let manifest = self.child(child)?;
        self.look_into_manifest(manifest)
    }

    fn look_into_manifest(&mut self, manifest: RawManifest) -> Result<Option<Platform>, Fault> {
        let (config, platform) = match config_of(&manifest) {
            None => (None, None),
            Some(config) => {
                let bytes = self
                    .source
                    .read_blob(self.mapping.from.reference().repository(), config)?;
                let total = self.gathered.config_bytes + bytes.len();
                let is_kept = bytes.len() <= MAX_KEPT_CONFIG && total <= MAX_KEPT_CONFIGS;
                let kept = is_kept.then(|| config.clone().with_data(&bytes));
                self.gathered.config_bytes += kept.as_ref().map_or(0, |_| bytes.len());
                (kept, config_platform(&bytes))
            }
        };
        let digest = manifest.digest().clone();
        let looked = LookedInto {
            config,
            platform: platform.clone(),
        };
        self.gathered.looked_into.insert(digest, looked);
        Ok(platform)
    }

    /// Gathers an image, or an index with everything below it.
    pub fn whole(&mut self, raw: RawManifest, depth: usize) -> Result<(), Fault> {
        // Indexes that name the same parts again and again would be walked for ever.
        if self.gathered.seen.contains(raw.digest()) {
            return Ok(());
        }
        match raw.view() {
            Manifest::Index(index) => {
                check_shape(&raw, depth)?;
                self.fetch_ahead(index.manifests.iter())?;
                for child in &index.manifests {
                    let told = child
                        .platform
                        .as_deref()
                        .filter(|platform| !platform.is_unknown());
                    self.note(told.map(Platform::normalised), child.digest.clone());
                    let child = self.child(child)?;
                    self.whole(child, depth + 1)?;
                }
            }
            _ => self.leaf(&raw)?,
        }
        self.gather(raw);
        Ok(())
    }

    pub fn child(&mut self, part: &Descriptor) -> Result<RawManifest, Fault> {
        self.gathered.asked += 1;
        if self.gathered.asked > MAX_MANIFESTS {
            return Err(too_many("manifests", MAX_MANIFESTS));
        }
        if let Some(known) = self.gathered.known.get(&part.digest) {
            return Ok(known.clone());
        }
        let manifest = self.fetch(part)?;
        self.weigh(&manifest)?;
        self.gathered.known.insert(part.digest.clone(), manifest.clone());
        Ok(manifest)
    }

    fn fetch(&self, part: &Descriptor) -> Result<RawManifest, Fault> {
        let known = self
            .destination
            .manifest(self.mapping.to.reference().repository(), &part.digest)?;
        match known {
            Some(known) => Ok(known),
            None => self
                .source
                .manifest(self.mapping.from.reference().repository(), part),
        }
    }

    /// Fetches several parts at once that will be asked for one by one: round trips are what a small manifest costs.
    pub fn fetch_ahead<'p>(&mut self, parts: impl Iterator<Item = &'p Descriptor>) -> Result<(), Fault> {
        let mut wanted: Vec<&Descriptor> = Vec::new();
        let mut named = HashSet::new();
        let space = MAX_MANIFESTS.saturating_sub(self.gathered.asked);
        wanted.extend(
            parts
                .filter(|part| !self.gathered.known.contains_key(&part.digest) && named.insert(&part.digest))
                .take(space),
        );
        if wanted.len() < 2 {
            return Ok(());
        }
        for batch in wanted.chunks(MOST) {
            for (part, fetched) in batch.iter().zip(parallel_map(batch, |part| self.fetch(part))) {
                let manifest = fetched?;
                self.weigh(&manifest)?;
                self.gathered.known.insert(part.digest.clone(), manifest);
            }
        }
        Ok(())
    }

    /// Counts a manifest's bytes.
    pub fn weigh(&mut self, manifest: &RawManifest) -> Result<(), Fault> {
        self.gathered.manifest_bytes += manifest.size();
        if self.gathered.manifest_bytes > MAX_MANIFEST_BYTES {
            let message = format!("the image's manifests have more than {MAX_MANIFEST_BYTES} bytes together");
            return Err(Fault::refused(Some(Side::Source), message));
        }
        Ok(())
    }

    /// Takes note of a platform that moves, if it is one.
    fn note(&mut self, platform: Option<Platform>, manifest: Digest) {
        self.gathered
            .platforms
            .extend(platform.map(|platform| (platform, manifest)));
    }

    pub fn gather(&mut self, raw: RawManifest) {
        if self.gathered.seen.insert(raw.digest().clone()) {
            self.gathered.manifests.push(raw);
        }
    }

    /// Gathers the blobs of one image or artifact.
    pub fn leaf(&mut self, raw: &RawManifest) -> Result<(), Fault> {
        let looked = self.gathered.looked_into.get(raw.digest());
        let config = looked.and_then(|looked| looked.config.clone());
        for blob in raw.view().blobs() {
            // One without addresses is nowhere but where the image is.
            if blob.is_foreign() {
                self.gathered.foreign_layers += 1;
                if self.gathered.foreign_layers <= MOST_TOLD {
                    let addresses = blob.urls.join(", ");
                    self.gathered.warnings.push(format!(
                        "the foreign layer {} ({} bytes) isn't copied: its publisher distributes it only at {}",
                        blob.digest,
                        blob.size,
                        printable(&addresses, LONGEST_ADDRESSES),
                    ));
                }
            } else if self.gathered.seen_blobs.insert(blob.digest.clone()) {
                let known = config.as_ref().filter(|config| config.digest == blob.digest);
                self.gathered.blobs.push(known.unwrap_or(blob).clone());
                if self.gathered.blobs.len() > MAX_BLOBS {
                    return Err(too_many("blobs", MAX_BLOBS));
                }
            }
        }
        Ok(())
    }

    pub fn sum_up_foreign_layers(&mut self) {
        let more = self.gathered.foreign_layers.saturating_sub(MOST_TOLD);
        if more > 0 {
            let text = format!("{more} more foreign layers aren't copied");
            self.gathered.warnings.push(text);
        }
    }

    /// Gathers a root that is no index. Where platforms are asked for, its own is in its config.
    pub fn single(&mut self, raw: &RawManifest) -> Result<Decision, Fault> {
        let mut platform = None;
        if self.job.platforms.patterns().is_some() && config_of(raw).is_some() {
            platform = self.look_into_manifest(raw.clone())?;
        }
        self.note(platform.clone(), raw.digest().clone());
        self.leaf(raw)?;
        Ok(judge_single(
            platform.as_ref(),
            &self.job.platforms,
            self.job.mode,
            self.job.single,
        ))
    }

    /// What the image lacks, after its name.
    pub fn lacks(&self, shortfall: &Shortfall) -> String {
        format!("{} {shortfall}", self.mapping.from)
    }

    pub fn refusal(&self, shortfall: &Shortfall) -> Fault {
        let fault = Fault::refused(Some(Side::Source), self.lacks(shortfall)).lacking(shortfall.missing());
        fault.maybe_hint(shortfall.hint())
    }

    /// An image that was asked for by digest can't be another one at the destination.
    pub fn check_pin(&self, original: &RawManifest, root: &RawManifest) -> Result<(), Fault> {
        let pinned = self
            .mapping
            .from
            .reference()
            .digest()
            .or(self.mapping.to.reference().digest());
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

/// Refuses an index too deep within others, or with too many children, before any of them is asked for.
fn check_shape(raw: &RawManifest, depth: usize) -> Result<(), Fault> {
    if depth >= MAX_DEPTH {
        let message = format!("{} is nested more than {MAX_DEPTH} indexes deep", raw.digest());
        return Err(Fault::refused(Some(Side::Source), message));
    }
    if raw.view().children().len() > MAX_MANIFESTS {
        return Err(too_many("manifests", MAX_MANIFESTS));
    }
    Ok(())
}

pub(super) fn too_many(parts: &str, most: usize) -> Fault {
    Fault::refused(
        Some(Side::Source),
        format!("the image has more than {most} {parts}"),
    )
}
