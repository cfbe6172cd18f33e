//! One image, down to its layers.

use std::collections::{BTreeMap, HashSet};

use rayon::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use transload_policy::{PlatformPattern, config_platform};
use transload_reference::{Descriptor, Digest, Manifest, Platform, RawManifest, Reference, Repository};

use crate::outcome::Referrer;
use crate::place::{Source, config_of};
use crate::plan::find_all;
use crate::{Fault, Side};

/// How deep indexes may be nested. Real ones nest once.
const MAX_DEPTH: usize = 8;

/// An image.
#[derive(Debug)]
pub struct ImageTree {
    /// Its name, as it was asked for.
    pub reference: Reference,
    /// Where it is: a registry or a folder.
    pub place: String,
    /// What its name stands for.
    pub root: Node,
    /// Its referrers: signatures, SBOMs and the like, of the manifests that were asked for.
    pub referrers: Vec<Referrer>,
}

/// A manifest or index of an image.
#[derive(Debug)]
pub struct Node {
    /// Its digest and size, and what its parent says of it.
    pub descriptor: Descriptor,
    /// Its platform, where it has one.
    pub platform: Option<Platform>,
    /// Its own annotations.
    pub annotations: BTreeMap<String, String>,
    /// What it has in it.
    pub content: Content,
}

/// What a manifest has in it.
#[derive(Debug)]
pub enum Content {
    /// Manifests; and how many that were not asked for.
    Index(Vec<Node>, usize),
    /// A config and layers.
    Image {
        /// The manifest.
        manifest: RawManifest,
        /// The config's content, where it is an image's.
        config: Option<Value>,
        /// The blobs that the directory lacks.
        missing: HashSet<Digest>,
    },
    /// It isn't there: on purpose, or why not.
    Absent(Option<String>),
}

impl ImageTree {
    /// Every blob of it once, foreign layers included.
    pub fn blobs(&self) -> BTreeMap<&Digest, &Descriptor> {
        let mut blobs = BTreeMap::new();
        self.root.gather(&mut blobs);
        blobs
    }

    /// Whether something of it is missing that should be there.
    pub fn is_flawed(&self) -> bool {
        self.root.is_flawed()
    }
}

impl Node {
    /// Adds the digests of its manifests that are there.
    fn digests(&self, digests: &mut Vec<Digest>) {
        match &self.content {
            Content::Absent(_) => return,
            Content::Index(children, _) => children.iter().for_each(|child| child.digests(digests)),
            Content::Image { .. } => {}
        }
        digests.push(self.descriptor.digest.clone());
    }

    fn gather<'a>(&'a self, blobs: &mut BTreeMap<&'a Digest, &'a Descriptor>) {
        match &self.content {
            Content::Index(children, _) => children.iter().for_each(|child| child.gather(blobs)),
            Content::Image { manifest, .. } => {
                blobs.extend(manifest.view().blobs().map(|blob| (&blob.digest, blob)));
            }
            Content::Absent(_) => {}
        }
    }

    fn is_flawed(&self) -> bool {
        match &self.content {
            Content::Index(children, _) => children.iter().any(Node::is_flawed),
            Content::Image { missing, .. } => !missing.is_empty(),
            Content::Absent(why) => why.is_some(),
        }
    }
}

/// Looks at what an image's root leads to: at these platforms, where some are given. Of a place on a disk, it is told what isn't there.
///
/// # Errors
/// Where a manifest or a config of a registry can't be had.
pub fn image_tree(
    reference: &Reference,
    root: &RawManifest,
    source: &dyn Source,
    platforms: &[PlatformPattern],
    pool: &rayon::ThreadPool,
) -> Result<ImageTree, Fault> {
    let looker = Looker {
        source,
        repository: reference.repository(),
        platforms,
    };
    let root = pool.install(|| looker.node(root, root.descriptor(), 0))?;
    let mut digests = Vec::new();
    root.digests(&mut digests);
    let referrers = find_all(source, reference.repository(), digests).unwrap_or_else(|fault| {
        log::warn!("the referrers of {reference} aren't known: {fault}");
        Vec::new()
    });
    Ok(ImageTree {
        reference: reference.clone(),
        place: source.describe(),
        root,
        referrers,
    })
}

struct Looker<'a> {
    source: &'a dyn Source,
    repository: &'a Repository,
    platforms: &'a [PlatformPattern],
}

impl Looker<'_> {
    fn node(&self, manifest: &RawManifest, descriptor: Descriptor, depth: usize) -> Result<Node, Fault> {
        let told = descriptor.platform.as_deref().cloned();
        let (content, found) = match manifest.view() {
            Manifest::Index(index) => (self.index(manifest, &index.manifests, depth)?, None),
            _ => self.image(manifest)?,
        };
        Ok(Node {
            descriptor,
            platform: told.or(found),
            annotations: annotations(manifest),
            content,
        })
    }

    fn index(&self, index: &RawManifest, parts: &[Descriptor], depth: usize) -> Result<Content, Fault> {
        if depth >= MAX_DEPTH {
            let message = format!("indexes are nested more than {MAX_DEPTH} deep");
            return Err(Fault::refused(Some(Side::Source), message));
        }
        let is_wanted = |part: &&Descriptor| {
            let has = |platform: &Platform| self.platforms.iter().any(|wanted| wanted.matches(platform));
            // What tells no platform may be an index that has it.
            self.platforms.is_empty() || part.platform.as_deref().is_none_or(has)
        };
        let wanted: Vec<&Descriptor> = parts.iter().filter(is_wanted).collect();
        let others = parts.len() - wanted.len();
        let children: Result<Vec<Node>, Fault> = wanted
            .into_par_iter()
            .map(|part| self.child(index, part, depth))
            .collect();
        Ok(Content::Index(children?, others))
    }

    fn child(&self, index: &RawManifest, part: &Descriptor, depth: usize) -> Result<Node, Fault> {
        let absent = |why| Node {
            descriptor: part.clone(),
            platform: part.platform.as_deref().cloned(),
            annotations: BTreeMap::new(),
            content: Content::Absent(why),
        };
        match self.source.manifest(self.repository, part) {
            Ok(manifest) => self.node(&manifest, part.clone(), depth + 1),
            Err(fault) if self.source.offers().is_remote => Err(fault),
            Err(fault) => {
                let left_out = self.source.left_out(self.repository, index.digest());
                let why = (!left_out.contains(&part.digest)).then(|| fault.text());
                Ok(absent(why))
            }
        }
    }

    fn image(&self, manifest: &RawManifest) -> Result<(Content, Option<Platform>), Fault> {
        let is_remote = self.source.offers().is_remote;
        let blobs = manifest.view().blobs().filter(|_| !is_remote);
        let lacks = |blob: &&Descriptor| !matches!(self.source.has_blob(self.repository, blob), Ok(true));
        let missing = blobs.filter(|blob| !super::parts::is_foreign(blob)).filter(lacks);
        let missing = missing.map(|blob| blob.digest.clone()).collect();
        let (config, platform) = match config_of(manifest) {
            None => (None, None),
            Some(config) => match self.source.read_blob(self.repository, config) {
                Ok(bytes) => (serde_json::from_slice(&bytes).ok(), config_platform(&bytes)),
                // What a directory lacks is told among its blobs.
                Err(_) if !is_remote => (None, None),
                Err(fault) => return Err(fault),
            },
        };
        let content = Content::Image {
            manifest: manifest.clone(),
            config,
            missing,
        };
        Ok((content, platform))
    }
}

fn annotations(manifest: &RawManifest) -> BTreeMap<String, String> {
    #[derive(Deserialize)]
    struct Annotated {
        #[serde(default)]
        annotations: Option<BTreeMap<String, String>>,
    }
    // Annotations of another shape are none that can be told.
    let read: Option<Annotated> = serde_json::from_slice(manifest.bytes()).ok();
    read.and_then(|read| read.annotations).unwrap_or_default()
}
