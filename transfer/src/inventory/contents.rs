//! The images of a place, with their platforms and sizes.

use std::collections::HashMap;

use rayon::prelude::*;
use transload_layout_store::{Damage, StoredImage};
use transload_policy::{ImagePattern, PlatformPattern, config_platform};
use transload_reference::{Digest, Platform, Reference, Repository};

use super::parts::Parts;
use crate::Fault;
use crate::outcome::Referrer;
use crate::place::{Source, config_of};
use crate::plan::{belongs, find_all};

/// What a place holds.
#[derive(Debug)]
pub struct Inventory {
    /// The images that were asked for, sorted by name.
    pub entries: Vec<Entry>,
    /// How many images there are in all.
    pub all: usize,
    /// How many blobs the images have that were asked for, and how many bytes: each once.
    pub blobs: usize,
    /// See `blobs`.
    pub bytes: u64,
    /// What can't be read, so that images may be missing here.
    pub damage: Vec<Damage>,
}

/// An image of a place.
#[derive(Debug)]
pub struct Entry {
    /// Its name.
    pub reference: Reference,
    /// Its manifest's or index's digest.
    pub digest: Digest,
    /// The platforms that are there.
    pub platforms: Vec<Platform>,
    /// How many blobs it has.
    pub blobs: usize,
    /// The sum of its blobs, in bytes, each once.
    pub size: u64,
    /// How much of it other images of the place need too, in bytes.
    pub shared: u64,
    /// Its referrers that are there: signatures, SBOMs and the like. Their blobs aren't among the image's.
    pub referrers: Vec<Referrer>,
    /// What keeps all this from being known.
    pub flaw: Option<String>,
}

/// What was read of an image.
struct Looked {
    image: StoredImage,
    parts: Parts,
    platforms: Vec<Platform>,
    referrers: Vec<Referrer>,
    /// Whether it belongs to another image.
    belongs: bool,
    flaw: Option<String>,
}

/// Looks through a place: at the images that match, where there is a pattern, and that have one of the platforms, where some are given. All
/// images are read, since any may share with any. No blob is read but the config of an image whose index doesn't tell its platform.
///
/// # Errors
/// Where the place's images can't be listed.
pub fn list(
    source: &dyn Source,
    pattern: Option<&ImagePattern>,
    platforms: &[PlatformPattern],
    pool: &rayon::ThreadPool,
) -> Result<Inventory, Fault> {
    let listing = source.listing()?;
    let looked: Vec<Looked> = pool.install(|| {
        let images = listing.images.into_par_iter();
        images.map(|image| look(source, image)).collect()
    });
    let mut users: HashMap<&Digest, usize> = HashMap::new();
    for digest in looked.iter().flat_map(|looked| looked.parts.blobs.keys()) {
        *users.entry(digest).or_default() += 1;
    }
    let is_wanted = |looked: &&Looked| {
        let has = |pattern: &PlatformPattern| looked.platforms.iter().any(|had| pattern.matches(had));
        ImagePattern::takes(pattern, &looked.image.reference)
            && (platforms.is_empty() || platforms.iter().any(has))
    };
    let mut distinct: HashMap<&Digest, u64> = HashMap::new();
    let mut entries = Vec::new();
    for wanted in looked.iter().filter(is_wanted) {
        let blobs = wanted.parts.blobs.iter();
        distinct.extend(blobs.clone().map(|(digest, blob)| (digest, blob.size)));
        if wanted.belongs {
            continue;
        }
        let shared = blobs.filter(|(digest, _)| users.get(digest).is_some_and(|users| *users > 1));
        entries.push(Entry {
            reference: wanted.image.reference.clone(),
            digest: wanted.image.digest.clone(),
            platforms: wanted.platforms.clone(),
            blobs: wanted.parts.blobs.len(),
            size: wanted.parts.bytes(),
            shared: shared.map(|(_, blob)| blob.size).sum(),
            referrers: wanted.referrers.clone(),
            flaw: wanted.flaw.clone(),
        });
    }
    Ok(Inventory {
        entries,
        all: looked.iter().filter(|looked| !looked.belongs).count(),
        blobs: distinct.len(),
        bytes: distinct.values().sum(),
        damage: listing.damage,
    })
}

/// The names of a place's images and what they stand for, at a fraction of the price: sizes and platforms aren't looked at.
///
/// # Errors
/// Where the place's images can't be listed.
pub fn names(source: &dyn Source, pattern: Option<&ImagePattern>) -> Result<Inventory, Fault> {
    let listing = source.listing()?;
    let mut images = listing.images;
    images.retain(|image| !belongs(source, image, |_| false));
    let all = images.len();
    let wanted = images
        .into_iter()
        .filter(|image| ImagePattern::takes(pattern, &image.reference));
    let entries = wanted.map(|image| Entry {
        reference: image.reference,
        digest: image.digest,
        platforms: Vec::new(),
        blobs: 0,
        size: 0,
        shared: 0,
        referrers: Vec::new(),
        flaw: None,
    });
    Ok(Inventory {
        entries: entries.collect(),
        all,
        blobs: 0,
        bytes: 0,
        damage: listing.damage,
    })
}

fn look(source: &dyn Source, image: StoredImage) -> Looked {
    let repository = image.reference.repository().clone();
    let (parts, mut flaw) = match Parts::of(source, &repository, &image.digest) {
        Ok(parts) => (parts, None),
        Err(fault) => (Parts::default(), Some(fault.text())),
    };
    match parts.missing.as_slice() {
        [] => {}
        [digest] => flaw = Some(format!("the manifest {digest} is missing")),
        missing => flaw = Some(format!("{} of its manifests are missing", missing.len())),
    }
    let belongs = belongs(source, &image, |_| false);
    let referrers = match belongs {
        true => Vec::new(),
        // What can't be read is told of the image that it is.
        false => find_all(source, &repository, parts.digests()).unwrap_or_default(),
    };
    Looked {
        platforms: platforms(source, &repository, &parts),
        referrers,
        belongs,
        image,
        parts,
        flaw,
    }
}

/// The platforms that are there, in the index's order, each once.
fn platforms(source: &dyn Source, repository: &Repository, parts: &Parts) -> Vec<Platform> {
    let of_config = |manifest: &transload_reference::RawManifest| {
        let bytes = source.read_blob(repository, config_of(manifest)?).ok()?;
        config_platform(&bytes)
    };
    let mut platforms: Vec<Platform> = Vec::new();
    let root = parts.root.iter();
    platforms.extend(root.filter_map(of_config));
    for child in &parts.children {
        let told = child.platform.as_deref().cloned();
        let platform = match told {
            Some(platform) => (!platform.is_unknown()).then(|| platform.normalised()),
            None => {
                let manifest = source.manifest(repository, child).ok();
                manifest.as_ref().and_then(of_config)
            }
        };
        platforms.extend(platform);
    }
    let mut seen = std::collections::HashSet::new();
    platforms.retain(|platform| seen.insert(platform.clone()));
    platforms
}
