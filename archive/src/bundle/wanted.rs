//! Which blobs a bundle carries.

use transload_reference::{Descriptor, Digest};

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
}

impl Wanted {
    /// What a base lacks.
    pub fn beyond(base: Holdings) -> Wanted {
        Wanted { base, only: None }
    }

    /// Of that only what is asked for.
    #[must_use]
    pub fn only(self, only: Option<Holdings>) -> Wanted {
        Wanted { only, ..self }
    }

    /// Whether a blob is carried.
    pub fn takes_blob(&self, digest: &Digest) -> bool {
        let is_asked_for = |only: &Holdings| only.blobs.contains_key(digest);
        !self.base.blobs.contains_key(digest) && self.only.as_ref().is_none_or(is_asked_for)
    }

    pub(super) fn takes_image(&self, image: &PlannedImage) -> bool {
        let is_named = |only: &Holdings| only.images.is_empty() || only.images.contains_key(&image.name().to_string());
        image.is_referrer() || self.only.as_ref().is_none_or(is_named)
    }

    /// What is said of a blob that isn't carried.
    pub(super) fn required(&self, blob: &Descriptor) -> Held {
        let known = self.base.blobs.get(&blob.digest);
        Held::new(blob.size, known.and_then(|held| held.repository.clone()))
    }
}
