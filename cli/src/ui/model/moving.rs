//! Images on their way: their blobs summed, and the platforms that are moving.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use transload_reference::{Digest, Platform};
use transload_transfer::ImagePart;

use super::Active;

/// The images of a task that blobs were begun for.
#[derive(Debug, Default)]
pub(super) struct Moving {
    images: HashMap<String, Image>,
}

#[derive(Debug, Default)]
struct Image {
    /// Bytes of the blobs that it brings.
    size: u64,
    /// Bytes of those that are there.
    settled: u64,
    /// Its manifests with their blobs.
    parts: Arc<[ImagePart]>,
    /// When its first blob was begun, and its number among all that were.
    begun: Option<(Instant, usize)>,
}

impl Image {
    /// The platform that a blob is of, where the image has several. One of several platforms moves for the first.
    fn platform(&self, blob: &Digest) -> Option<&Platform> {
        let parts = self.parts.iter();
        let mut told = parts.filter_map(|part| Some((part, part.platform.as_ref()?)));
        let (_, first) = told.clone().next()?;
        if told.clone().all(|(_, platform)| platform == first) {
            return None;
        }
        let has = |part: &ImagePart| part.blobs.iter().any(|known| known.digest == *blob);
        told.find(|(part, _)| has(part)).map(|(_, platform)| platform)
    }
}

/// An image on its way.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::ui) struct MovingImage<'m> {
    pub image: &'m str,
    /// The platforms whose blobs are moving, where the image has several.
    pub platforms: BTreeSet<String>,
    pub position: u64,
    pub size: u64,
}

impl Moving {
    pub fn planned(&mut self, image: &str, new_bytes: u64, parts: &Arc<[ImagePart]>) {
        let image = self.images.entry(image.to_owned()).or_default();
        image.size = image.settled.saturating_add(new_bytes);
        image.parts = Arc::clone(parts);
    }

    pub fn begun(&mut self, image: &str, number: usize, now: Instant) {
        let image = self.images.entry(image.to_owned()).or_default();
        image.begun.get_or_insert((now, number));
    }

    pub fn settled(&mut self, image: &str, bytes: u64) {
        if let Some(image) = self.images.get_mut(image) {
            image.settled = image.settled.saturating_add(bytes);
        }
    }

    pub fn ended(&mut self, image: &str) {
        self.images.remove(image);
    }

    /// Returns the images that these blobs are of, the one first that will take the longest as it goes.
    pub fn images<'m>(
        &'m self,
        active: impl Iterator<Item = &'m Active>,
        now: Instant,
    ) -> Vec<MovingImage<'m>> {
        let mut moving: HashMap<&str, MovingImage<'m>> = HashMap::new();
        for blob in active {
            let known = self.images.get(&blob.image);
            let image = moving.entry(&blob.image).or_insert_with(|| MovingImage {
                image: &blob.image,
                platforms: BTreeSet::new(),
                position: known.map_or(0, |image| image.settled),
                size: known.map_or(0, |image| image.size),
            });
            image.position = image.position.saturating_add(blob.position);
            // One that another image failed to bring is beyond the plan.
            image.size = image
                .size
                .max(image.position.saturating_sub(blob.position) + blob.size);
            let platform = known.and_then(|image| image.platform(&blob.digest));
            image.platforms.extend(platform.map(Platform::to_string));
        }
        let mut moving: Vec<MovingImage<'_>> = moving.into_values().collect();
        moving.sort_by_cached_key(|image| {
            let begun = self.images.get(image.image).and_then(|image| image.begun);
            let (since, number) = begun.unwrap_or((now, usize::MAX));
            let passed = now.saturating_duration_since(since).as_millis();
            let left = u128::from(image.size.saturating_sub(image.position));
            (
                std::cmp::Reverse(left * passed / u128::from(image.position.max(1))),
                number,
            )
        });
        moving
    }
}
