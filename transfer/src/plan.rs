//! What an image consists of, and which of it moves.
//!
//! Planning reads manifests, and the config of a single image whose platform is asked for. It moves no blob.

mod referrers;
mod walk;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use transload_policy::{Decision, judge};
use transload_reference::{Descriptor, Digest, Manifest, Platform, RawManifest};

use super::contents::{self, ImagePart};
use super::fault::Fault;
use super::outcome::LeftReferrers;
use super::place::{Presence, Sink, Source};
use super::prepare::Mapping;
use crate::job::{IndexMode, Job};
use crate::trust;

pub(crate) use referrers::{Attached, belongs, find_all};
use walk::Walk;

/// An image's parts that move.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The image's digest at the source.
    pub source_digest: Digest,
    /// The digest of what its name will stand for.
    pub digest: Digest,
    /// The manifests, each after those that it names, so that the root is the last.
    pub manifests: Vec<RawManifest>,
    /// The blobs, each digest once.
    pub blobs: Vec<Descriptor>,
    /// The platforms that move, with the digests of their manifests.
    pub parts: Vec<(Platform, Digest)>,
    /// What it consists of.
    pub contents: Arc<[ImagePart]>,
    /// Things to look at.
    pub warnings: Vec<String>,
    /// What vouches for it at the source.
    pub verified_by: Vec<String>,
    /// Whether the destination's name stands for the root already.
    pub was_published: bool,
    /// What the destination has of it.
    pub presence: Presence,
    /// Its referrers that come along, each after its subject.
    pub referrers: Vec<Attached>,
    /// Its referrers that don't, as far as they are known.
    pub left: LeftReferrers,
}

impl Plan {
    /// The manifests below the root.
    fn children(&self) -> &[RawManifest] {
        self.manifests.split_last().map_or(&[], |(_, children)| children)
    }
}

/// What is to be done about an image.
#[derive(Debug)]
pub(crate) enum Planned {
    /// Move what isn't there.
    Move(Plan),
    /// Nothing: the destination has it, as far as it was looked up.
    AlreadyThere(Plan),
    /// Nothing, by rule, and why.
    Skip(String),
}

/// Plans one image.
pub(crate) fn plan(
    job: &Job,
    source: &dyn Source,
    destination: &dyn Sink,
    mapping: &Mapping,
    cancel: &AtomicBool,
) -> Result<Planned, Fault> {
    let published = destination.published(mapping.to.reference())?;
    let original = root(source, destination, mapping, published.is_some())?;
    if let Some(pins) = &job.pins {
        pins.check_source(&mapping.name, original.digest())?;
    }
    let verified_by = trust::check_all(
        &job.trust,
        &mapping.name,
        source,
        &mapping.from,
        &original,
        cancel,
    )?;
    let mut walk = Walk::new(job, source, destination, mapping);
    walk.weigh(&original)?;
    if let Some(config) = source.made_from(original.digest()) {
        walk.gathered.warnings.push(format!(
            "its manifest was made here, since the archive has none, so its digest is new: {} (image ID {config})",
            original.digest()
        ));
    }
    let (root, decision) = match original.view() {
        Manifest::Index(index) => {
            let (cut, selection) = walk.index(&original, index, 0)?;
            (
                cut.unwrap_or_else(|| original.clone()),
                judge(&selection, &job.platforms, job.mode),
            )
        }
        _ => (original.clone(), walk.single(&original)?),
    };
    match decision {
        Decision::Take => {}
        Decision::Warn(shortfall) => walk.gathered.warnings.push(walk.lacks(&shortfall)),
        Decision::Skip(shortfall) => {
            let reason = format!("{} [{}]", walk.lacks(&shortfall), original.digest());
            if let Some(pins) = &job.pins {
                pins.check_skipped(&mapping.name, &reason)?;
            }
            return Ok(Planned::Skip(reason));
        }
        Decision::Refuse(shortfall) => return Err(walk.refusal(&shortfall)),
    }
    walk.check_pin(&original, &root)?;
    walk.sum_up_foreign_layers();
    let root = if job.index == IndexMode::Original {
        original.clone()
    } else {
        root
    };
    if let Some(pins) = &job.pins {
        pins.check_result(&mapping.name, original.digest(), &root, &walk.gathered.platforms)?;
    }
    let (referrers, left) = walk.referrers_of(&original, &root)?;
    if let Some(pins) = &job.pins {
        let told = referrers.iter().filter_map(Attached::told);
        let told = told.map(|referrer| referrer.digest).collect();
        pins.check_referrers(&mapping.name, original.digest(), &told)?;
    }
    let digest = root.digest().clone();
    let was_published = published.as_ref() == Some(&digest);
    let mut gathered = walk.gathered;
    // A file's plans are all kept until it is laid out.
    gathered.platforms.shrink_to_fit();
    gathered.blobs.shrink_to_fit();
    let contents = contents::parts(&root, &gathered.manifests, &gathered.platforms);
    let mut manifests = gathered.manifests;
    manifests.push(root);
    let mut plan = Plan {
        source_digest: original.digest().clone(),
        digest,
        manifests,
        blobs: gathered.blobs,
        parts: gathered.platforms,
        contents,
        warnings: gathered.warnings,
        verified_by,
        was_published,
        presence: Presence::Incomplete,
        referrers,
        left,
    };
    if !was_published {
        return Ok(Planned::Move(plan));
    }
    let repository = mapping.to.reference().repository();
    // A new signature's blobs aren't there, and nothing was lost.
    if plan.referrers.is_empty() || destination.has_referrers(repository, &plan.referrers)? {
        plan.presence = destination.presence(repository, plan.children(), &plan.blobs)?;
    }
    Ok(match plan.presence {
        Presence::Whole => Planned::AlreadyThere(plan),
        _ => Planned::Move(plan),
    })
}

/// The image's manifest: from the destination where it has it, which costs a registry less than fetching it.
fn root(
    source: &dyn Source,
    destination: &dyn Sink,
    mapping: &Mapping,
    is_published: bool,
) -> Result<RawManifest, Fault> {
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
