//! Which blobs a bundle carries.

use std::collections::BTreeMap;

use transload_reference::{Descriptor, Digest, MediaType};

use super::{Held, Holdings};
use crate::PlannedImage;

/// What a bundle carries: what its base lacks, and of that only what is asked for.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Wanted {
    /// What the other side has.
    pub base: Holdings,
    /// What the other side asked for; everything where there is none. Where it names images, only these are taken.
    pub only: Option<Holdings>,
    /// Layers of these that travel as differences.
    pub differences: BTreeMap<Digest, Difference>,
}

/// How a layer travels as a difference to one that the other side has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The layer's size in bytes.
    pub size: u64,
    /// The layer that the other side has.
    pub base: Digest,
    /// Its size in bytes.
    pub base_size: u64,
    /// A repository there that has it, without its registry.
    pub base_repository: Option<String>,
    /// The difference, which is carried as a blob.
    pub digest: Digest,
    /// The difference's size in bytes.
    pub difference_size: u64,
}

impl Difference {
    /// The difference as a blob.
    pub fn blob(&self) -> Descriptor {
        let media_type = MediaType::new("application/octet-stream");
        Descriptor::new(media_type, self.digest.clone(), self.difference_size)
    }

    /// The layer that the other side has, as a blob.
    pub fn base_blob(&self) -> Descriptor {
        Descriptor::new(MediaType::OCI_LAYER_GZIP, self.base.clone(), self.base_size)
    }
}

impl Wanted {
    /// What a base lacks.
    pub fn beyond(base: Holdings) -> Wanted {
        Wanted {
            base,
            ..Wanted::default()
        }
    }

    /// Of that only what is asked for.
    #[must_use]
    pub fn only(self, only: Option<Holdings>) -> Wanted {
        Wanted { only, ..self }
    }

    /// The same, with layers that travel as differences.
    #[must_use]
    pub fn with_differences(self, differences: BTreeMap<Digest, Difference>) -> Wanted {
        Wanted { differences, ..self }
    }

    /// Whether a blob is carried, or the difference that it travels as.
    pub fn takes_blob(&self, digest: &Digest) -> bool {
        let is_asked_for = |only: &Holdings| only.blobs.contains_key(digest);
        !self.base.blobs.contains_key(digest) && self.only.as_ref().is_none_or(is_asked_for)
    }

    pub(super) fn takes_image(&self, image: &PlannedImage) -> bool {
        let is_named =
            |only: &Holdings| only.images.is_empty() || only.images.contains_key(&image.name().to_string());
        image.is_referrer() || self.only.as_ref().is_none_or(is_named)
    }

    /// What is said of a blob that isn't carried.
    pub(super) fn required(&self, blob: &Descriptor) -> Held {
        let known = self.base.blobs.get(&blob.digest);
        Held::new(blob.size, known.and_then(|held| held.repository.clone()))
    }
}
