//! Planning a bundle: which blobs are carried, and where each entry of each volume begins, from the manifests alone.

use std::collections::HashMap;

use transload_reference::{Descriptor, Digest};

use super::document::{Carried, Document, MOST_VOLUMES, Part};
use super::volume::{self, END, Entry, MARKER_SIZE, part_name};
use super::{BundleError, Difference, Held, VolumeSize, Wanted};
use crate::entries::BLOCK;
use crate::listing::index_json;
use crate::plan::{Content, LAYOUT_JSON, PlannedImage, gather, readable};
use crate::{Warning, header, oci};

/// How much of a volume must be free for a part of a blob that is larger than a volume.
const LEAST_PART: u64 = 16;

/// What a bundle will hold, byte by byte but for its blobs. The same images, base and limit give the same bundle.
#[derive(Debug, Clone)]
pub struct BundlePlan {
    pub(super) document: Document,
    pub(super) text: String,
    pub(super) volumes: Vec<Vec<Entry>>,
    /// The manifests, and `index.json`.
    known: HashMap<Digest, Vec<u8>>,
    blobs: HashMap<Digest, Descriptor>,
    warnings: Vec<Warning>,
}

impl BundlePlan {
    /// Plans a bundle of these images: of their blobs those that are wanted, in volumes of at most this size, or in one.
    ///
    /// # Errors
    /// Where two images have one name, manifests disagree on a blob's size, there are more images than a layout can list, or volumes are too
    /// small.
    pub fn new(
        images: Vec<PlannedImage>,
        wanted: &Wanted,
        limit: Option<VolumeSize>,
    ) -> Result<BundlePlan, BundleError> {
        let images = images.into_iter().filter(|image| wanted.takes_image(image));
        let (images, parts) = gather(images.collect())?;
        let index = readable(oci::INDEX, index_json(&images, &parts)?)?.to_vec();
        let homes = homes(&images);
        let mut known = HashMap::new();
        let mut manifests = Vec::new();
        let mut blobs: Vec<Descriptor> = Vec::new();
        let mut required: Vec<(Digest, Held)> = Vec::new();
        let mut differences: Vec<(Digest, Difference, Option<String>)> = Vec::new();
        for (digest, content) in parts.contents {
            match content {
                Content::Known(bytes) => {
                    manifests.push((digest.clone(), bytes.len() as u64));
                    known.insert(digest, bytes.to_vec());
                }
                Content::Blob(blob) if wanted.takes_blob(&digest) => match wanted.differences.get(&digest) {
                    Some(difference) => {
                        blobs.push(difference.blob());
                        let home = homes.get(&digest).cloned();
                        differences.push((digest, difference.clone(), home));
                    }
                    None => blobs.push(blob.as_ref().clone()),
                },
                Content::Blob(blob) => required.push((digest, wanted.required(&blob))),
            }
        }
        // The small ones come first, so that the first volume has them.
        blobs.sort_by(|a, b| (a.size, &a.digest).cmp(&(b.size, &b.digest)));
        blobs.dedup_by(|a, b| a.digest == b.digest);
        let mut volumes = Volumes::new(limit);
        let index_thing = volumes.place(Digest::of(&index), index.len() as u64, Some(oci::INDEX))?;
        let manifests: Result<Vec<Carried>, BundleError> = manifests
            .into_iter()
            .map(|(digest, size)| volumes.place(digest, size, None))
            .collect();
        let carried: Result<Vec<Carried>, BundleError> = blobs
            .iter()
            .map(|blob| {
                let placed = volumes.place(blob.digest.clone(), blob.size, None)?;
                let repository = homes.get(&blob.digest).cloned();
                Ok(Carried { repository, ..placed })
            })
            .collect();
        known.insert(index_thing.digest.clone(), index);
        let named = images
            .iter()
            .map(|image| (image.name(), image.root.digest().clone()));
        let mut document = Document::new(
            index_thing,
            named,
            manifests?,
            carried?,
            required.into_iter(),
            differences.into_iter(),
        );
        document.set_volumes(volumes.sizes.iter().map(|size| size + END));
        let unlikely = |reason: String| BundleError::damaged(super::DOCUMENT.as_ref(), reason);
        let text = document.to_text().map_err(|error| unlikely(error.to_string()))?;
        let volumes = volume::lay_out(&document, &Digest::of(text.as_bytes())).map_err(unlikely)?;
        Ok(BundlePlan {
            document,
            text,
            volumes,
            known,
            blobs: blobs
                .into_iter()
                .map(|blob| (blob.digest.clone(), blob))
                .collect(),
            warnings: parts.warnings,
        })
    }

    /// Whether a blob is carried.
    pub fn carries(&self, digest: &Digest) -> bool {
        self.blobs.contains_key(digest)
    }

    /// Whether some of its layers travel as differences.
    pub(super) fn has_differences(&self) -> bool {
        !self.document.differences.is_empty()
    }

    /// How many images it has.
    pub fn images(&self) -> usize {
        self.document.images.len()
    }

    /// The bytes of each volume.
    pub fn volumes(&self) -> impl Iterator<Item = u64> {
        self.document.volumes.iter().map(|volume| volume.size)
    }

    /// What some programs can't do with the layout that comes out.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The blobs that are carried, in the bundle's order.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        self.located().map(|(blob, _)| blob)
    }

    /// The blobs with their places.
    pub(super) fn located(&self) -> impl Iterator<Item = (&Descriptor, &Carried)> {
        let things = self.document.carried.iter();
        things.filter_map(|thing| Some((self.blobs.get(&thing.digest)?, thing)))
    }

    /// The bytes of an entry that is no blob.
    pub(super) fn known<'a>(&'a self, entry: &'a Entry) -> Option<&'a [u8]> {
        match &entry.content {
            volume::Content::Known(bytes) => Some(bytes),
            volume::Content::Part { digest, from, .. } => {
                let bytes = self.known.get(digest)?;
                let begin = usize::try_from(*from).ok()?;
                bytes.get(begin..begin.checked_add(usize::try_from(entry.size).ok()?)?)
            }
        }
    }

    /// The size of a volume.
    pub(super) fn size_of(&self, volume: &str) -> Option<u64> {
        let mut volumes = self.document.volumes.iter();
        volumes
            .find(|record| record.file == volume)
            .map(|record| record.size)
    }

    pub(super) fn id(&self) -> Digest {
        Digest::of(self.text.as_bytes())
    }
}

/// A repository of each blob: that of the first image by name that needs it, without its registry.
fn homes(images: &[PlannedImage]) -> HashMap<Digest, String> {
    let mut homes = HashMap::new();
    for image in images {
        let repository = image.name().repository().path().to_owned();
        for manifest in image.manifests.iter().chain([&image.root]) {
            for blob in manifest.view().blobs() {
                homes
                    .entry(blob.digest.clone())
                    .or_insert_with(|| repository.clone());
            }
        }
    }
    homes
}

/// The volumes while they are filled.
struct Volumes {
    /// The bytes of each so far, without the mark that ends it.
    sizes: Vec<u64>,
    limit: u64,
}

impl Volumes {
    fn new(limit: Option<VolumeSize>) -> Volumes {
        let documents = MARKER_SIZE + BLOCK + (LAYOUT_JSON.len() as u64).next_multiple_of(BLOCK);
        Volumes {
            sizes: vec![documents],
            limit: limit.map_or(i64::MAX as u64, VolumeSize::bytes),
        }
    }

    /// Sets room aside for a thing: in this volume, in the next, or in parts. A document isn't cut, and is in the first volume.
    fn place(&mut self, digest: Digest, size: u64, document: Option<&str>) -> Result<Carried, BundleError> {
        let name = document.map_or_else(|| oci::blob_name(&digest), str::to_owned);
        let header_length = header::length(&name);
        let fits = |used: u64, limit: u64| {
            let end = size
                .checked_next_multiple_of(BLOCK)
                .and_then(|padded| padded.checked_add(used + header_length + END));
            end.is_some_and(|end| end <= limit)
        };
        let mut thing = Carried {
            digest,
            size,
            parts: Vec::new(),
            repository: None,
        };
        if !fits(self.used(), self.limit) && document.is_none() && fits(MARKER_SIZE, self.limit) {
            self.begin()?;
        }
        if fits(self.used(), self.limit) {
            thing.parts.push(self.take(header_length, size));
            return Ok(thing);
        }
        if document.is_some() {
            return Err(self.too_small(&name));
        }
        let mut left = size;
        let header_length = header::length(&part_name(&name, 0));
        while left > 0 {
            let taken = self.used() + header_length + END;
            let free = self.limit.saturating_sub(taken) / BLOCK * BLOCK;
            if free < (self.limit / LEAST_PART).max(BLOCK) && self.used() > MARKER_SIZE {
                self.begin()?;
                continue;
            }
            if free == 0 {
                return Err(self.too_small(&name));
            }
            let part = left.min(free);
            let placed = self.take(header_length, part);
            thing.parts.push(placed);
            left -= part;
            if left > 0 {
                self.begin()?;
            }
        }
        Ok(thing)
    }

    fn take(&mut self, header_length: u64, size: u64) -> Part {
        let volume = self.sizes.len() as u32;
        let offset = self.used() + header_length;
        if let Some(used) = self.sizes.last_mut() {
            *used = offset + size.next_multiple_of(BLOCK);
        }
        Part { volume, offset, size }
    }

    fn used(&self) -> u64 {
        self.sizes.last().copied().unwrap_or_default()
    }

    fn begin(&mut self) -> Result<(), BundleError> {
        if self.sizes.len() == MOST_VOLUMES {
            return Err(self.too_small(&format!("all blobs in {MOST_VOLUMES} volumes")));
        }
        self.sizes.push(MARKER_SIZE);
        Ok(())
    }

    fn too_small(&self, what: &str) -> BundleError {
        BundleError::VolumeTooSmall {
            what: what.to_owned(),
            limit: self.limit,
        }
    }
}
