//! An image's contents by platform, with their sizes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use transload_reference::{Digest, Manifest, Platform, RawManifest};

/// A manifest of an image that names blobs: what one platform consists of, or an artifact in the image's index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagePart {
    /// Its platform, if its index tells one, or its config was read.
    pub platform: Option<Platform>,
    /// The manifest's digest.
    pub digest: Digest,
    /// The manifest's size, in bytes.
    pub size: u64,
    /// The blobs that it names, the config first, without those that its publisher alone gives out.
    pub blobs: Vec<PartBlob>,
}

/// A blob of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartBlob {
    /// Its digest.
    pub digest: Digest,
    /// Its size, in bytes.
    pub size: u64,
}

/// Returns the parts below a root, in the order of its indexes; each once. `platforms` are those of manifests and indexes that are known.
pub(crate) fn parts(
    root: &RawManifest,
    children: &[RawManifest],
    platforms: &[(Platform, Digest)],
) -> Arc<[ImagePart]> {
    let mut walk = Walk {
        children: children.iter().map(|child| (child.digest(), child)).collect(),
        platforms: platforms
            .iter()
            .map(|(platform, digest)| (digest, platform))
            .collect(),
        seen: HashSet::new(),
        parts: Vec::new(),
    };
    walk.go(root, None);
    walk.parts.into()
}

struct Walk<'a> {
    children: HashMap<&'a Digest, &'a RawManifest>,
    platforms: HashMap<&'a Digest, &'a Platform>,
    seen: HashSet<&'a Digest>,
    parts: Vec<ImagePart>,
}

impl<'a> Walk<'a> {
    fn go(&mut self, raw: &'a RawManifest, platform: Option<&'a Platform>) {
        if !self.seen.insert(raw.digest()) {
            return;
        }
        let platform = self.platforms.get(raw.digest()).copied().or(platform);
        let Manifest::Index(index) = raw.view() else {
            let moved = raw.view().blobs().filter(|blob| !blob.is_foreign());
            self.parts.push(ImagePart {
                platform: platform.cloned(),
                digest: raw.digest().clone(),
                size: raw.size(),
                blobs: moved
                    .map(|blob| PartBlob {
                        digest: blob.digest.clone(),
                        size: blob.size,
                    })
                    .collect(),
            });
            return;
        };
        for child in &index.manifests {
            if let Some(child) = self.children.get(&child.digest).copied() {
                self.go(child, platform);
            }
        }
    }
}
