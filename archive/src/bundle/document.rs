//! `BUNDLE.json`: what a bundle holds and where. It comes from strangers: what it says is checked before any of it is used.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use transload_reference::{Digest, Reference};

use super::{BundleError, BundledImage, Difference, Held};
use crate::difference::MOST_PLAIN;

/// What `format` says.
const FORMAT: &str = "transload-bundle";
/// The version of a list without differences. A field more is no new version.
const VERSION: u64 = 1;
/// The version of a list with some, which programs that know no differences refuse.
const VERSION_WITH_DIFFERENCES: u64 = 2;

/// The most bytes of a document that are read.
pub(crate) const MOST_BYTES: u64 = 128 << 20;
/// The most images, manifests, blobs and parts that are read, each.
const MOST_ENTRIES: usize = 500_000;
/// The largest file that there can be.
const LARGEST: u64 = i64::MAX as u64;
/// The most volumes.
pub(crate) const MOST_VOLUMES: usize = 9_999;

/// A bundle's contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Document {
    format: String,
    version: u64,
    pub volumes: Vec<VolumeRecord>,
    /// `index.json` of the OCI layout that comes out.
    pub index: Carried,
    pub images: Vec<ImageRecord>,
    pub manifests: Vec<Carried>,
    /// Blobs that are in the volumes.
    pub carried: Vec<Carried>,
    /// Blobs that the images need and the other side has.
    pub required: Vec<Required>,
    /// Layers that travel as differences, which are among the carried blobs.
    #[serde(default)]
    pub differences: Vec<DifferenceRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VolumeRecord {
    pub file: String,
    pub size: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageRecord {
    name: String,
    digest: Digest,
}

/// Something in the volumes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Carried {
    pub digest: Digest,
    pub size: u64,
    pub parts: Vec<Part>,
    /// A repository of an image that needs it, without its registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
}

/// Bytes in a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// The volume's number, from 1.
    pub volume: u32,
    /// Where in the volume's file they begin.
    pub offset: u64,
    pub size: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Required {
    pub digest: Digest,
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
}

/// A layer that isn't carried, and from what it is rebuilt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DifferenceRecord {
    pub digest: Digest,
    pub size: u64,
    /// The layer that the other side has.
    pub base: Digest,
    pub base_size: u64,
    /// A repository there that is said to have it, without its registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_repository: Option<String>,
    /// The carried blob that is the difference.
    pub difference: Digest,
    /// A repository of an image that needs the layer, without its registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
}

/// What of a document is read before its version is known.
#[derive(Deserialize)]
struct Version {
    format: String,
    version: u64,
}

/// The version of a list with these differences.
fn version_with(differences: &[DifferenceRecord]) -> u64 {
    match differences.is_empty() {
        true => VERSION,
        false => VERSION_WITH_DIFFERENCES,
    }
}

/// A volume's name.
pub(crate) fn volume_name(number: u32) -> String {
    format!("vol-{number:04}.tar")
}

impl Document {
    pub fn new(
        index: Carried,
        images: impl Iterator<Item = (Reference, Digest)>,
        manifests: Vec<Carried>,
        carried: Vec<Carried>,
        required: impl Iterator<Item = (Digest, Held)>,
        differences: impl Iterator<Item = (Digest, Difference, Option<String>)>,
    ) -> Document {
        let image = |(name, digest): (Reference, Digest)| ImageRecord {
            name: name.to_string(),
            digest,
        };
        let required = required.map(|(digest, held)| Required {
            digest,
            size: held.size,
            repository: held.repository,
        });
        let difference = |(digest, difference, repository): (_, Difference, _)| DifferenceRecord {
            digest,
            size: difference.size,
            base: difference.base,
            base_size: difference.base_size,
            base_repository: difference.base_repository,
            difference: difference.digest,
            repository,
        };
        let differences: Vec<DifferenceRecord> = differences.map(difference).collect();
        Document {
            format: FORMAT.to_owned(),
            version: version_with(&differences),
            volumes: Vec::new(),
            index,
            images: images.map(image).collect(),
            manifests,
            carried,
            required: required.collect(),
            differences,
        }
    }

    /// Names the volumes by their sizes.
    pub fn set_volumes(&mut self, sizes: impl Iterator<Item = u64>) {
        let volume = |(number, size)| VolumeRecord {
            file: volume_name(number),
            size,
        };
        self.volumes = (1..).zip(sizes).map(volume).collect();
    }

    /// Returns the text: a line for each thing, so that a shell finds them.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        fn list<T: Serialize>(name: &str, entries: &[T], text: &mut String) -> Result<(), serde_json::Error> {
            // Nothing refuses bytes for a string.
            let _ = writeln!(text, "\"{name}\":[");
            for (at, entry) in entries.iter().enumerate() {
                if at > 0 {
                    text.push_str(",\n");
                }
                text.push_str(&serde_json::to_string(entry)?);
            }
            text.push_str("\n]");
            Ok(())
        }
        let mut text = format!(
            "{{\n\"format\":\"{FORMAT}\",\n\"version\":{},\n\"index\":",
            self.version
        );
        text.push_str(&serde_json::to_string(&self.index)?);
        text.push_str(",\n");
        list("volumes", &self.volumes, &mut text)?;
        text.push_str(",\n");
        list("images", &self.images, &mut text)?;
        text.push_str(",\n");
        list("manifests", &self.manifests, &mut text)?;
        text.push_str(",\n");
        list("carried", &self.carried, &mut text)?;
        text.push_str(",\n");
        list("required", &self.required, &mut text)?;
        if !self.differences.is_empty() {
            text.push_str(",\n");
            list("differences", &self.differences, &mut text)?;
        }
        text.push_str("\n}\n");
        text.shrink_to_fit();
        Ok(text)
    }

    /// Reads a text. `path` is what errors name.
    pub fn parse(text: &[u8], path: &Path) -> Result<Document, BundleError> {
        let damaged = |reason: String| BundleError::damaged(path, reason);
        let unread = |error: serde_json::Error| damaged(format!("it isn't a bundle's list: {error}"));
        let version: Version = serde_json::from_slice(text).map_err(unread)?;
        if version.format != FORMAT {
            return Err(damaged("it isn't a bundle's list".to_owned()));
        }
        if ![VERSION, VERSION_WITH_DIFFERENCES].contains(&version.version) {
            return Err(BundleError::Version {
                path: path.to_owned(),
                version: version.version,
            });
        }
        let document: Document = serde_json::from_slice(text).map_err(unread)?;
        document.check().map_err(damaged)?;
        Ok(document)
    }

    /// Checks everything but where the parts are.
    fn check(&self) -> Result<(), String> {
        if self.volumes.is_empty() || self.volumes.len() > MOST_VOLUMES {
            return Err(format!(
                "it has {} volumes; 1 to {MOST_VOLUMES} are read",
                self.volumes.len()
            ));
        }
        for (number, volume) in (1..).zip(&self.volumes) {
            if volume.file != volume_name(number) {
                return Err(format!("volume {number} is called {:?}", volume.file));
            }
            if volume.size > LARGEST {
                return Err(format!(
                    "{} has {} bytes, which no file has",
                    volume.file, volume.size
                ));
            }
        }
        let entries = [
            self.images.len(),
            self.manifests.len(),
            self.carried.len(),
            self.required.len(),
            self.differences.len(),
        ];
        if entries.into_iter().any(|count| count > MOST_ENTRIES) {
            return Err(format!("it lists more than {MOST_ENTRIES} things of a kind"));
        }
        let mut seen = HashSet::new();
        let digests = self.carried_things().map(|thing| &thing.digest);
        for digest in digests.chain(self.required.iter().map(|blob| &blob.digest)) {
            if !seen.insert(digest) {
                return Err(format!("it lists {digest} twice"));
            }
        }
        for thing in self.carried_things().chain([&self.index]) {
            let sum = thing
                .parts
                .iter()
                .try_fold(0_u64, |sum, part| sum.checked_add(part.size));
            if sum != Some(thing.size) || thing.parts.is_empty() {
                return Err(format!(
                    "the parts of {} aren't its {} bytes",
                    thing.digest, thing.size
                ));
            }
            let is_cut_well = thing.parts.windows(2).all(|pair| pair[0].volume < pair[1].volume);
            if !is_cut_well {
                return Err(format!("the parts of {} are in no order", thing.digest));
            }
        }
        let manifests: HashSet<&Digest> = self.manifests.iter().map(|manifest| &manifest.digest).collect();
        for image in &self.images {
            if !manifests.contains(&image.digest) {
                return Err(format!("the manifest {} of an image isn't listed", image.digest));
            }
        }
        let names: HashSet<&str> = self.images.iter().map(|image| image.name.as_str()).collect();
        if names.len() < self.images.len() {
            return Err("it lists an image twice".to_owned());
        }
        self.check_differences(&seen)?;
        let required = self.required.iter().map(|blob| &blob.repository);
        let repositories = required
            .chain(self.carried.iter().map(|blob| &blob.repository))
            .chain(self.differences.iter().map(|layer| &layer.repository))
            .chain(self.differences.iter().map(|layer| &layer.base_repository));
        for repository in repositories.flatten() {
            let name = format!("localhost/{repository}");
            if name.parse::<transload_reference::Repository>().is_err() {
                return Err(format!("{repository:?} isn't a repository"));
            }
        }
        self.images().map(|_| ())
    }

    /// Checks that each difference is carried and leads from a layer of the other side to one that is nowhere else. `listed` are the
    /// manifests and blobs that are carried or required.
    fn check_differences(&self, listed: &HashSet<&Digest>) -> Result<(), String> {
        if self.version != version_with(&self.differences) {
            return Err(format!(
                "a list of version {} has {} differences",
                self.version,
                self.differences.len()
            ));
        }
        let carried = self.carried.iter().map(|blob| (&blob.digest, blob.size));
        let carried: HashMap<&Digest, u64> = carried.collect();
        let manifests = self.manifests.iter().map(|manifest| &manifest.digest);
        let manifests: HashSet<&Digest> = manifests.collect();
        let mut layers = HashSet::new();
        for DifferenceRecord { digest, .. } in &self.differences {
            if listed.contains(digest) || !layers.insert(digest) {
                return Err(format!("it lists {digest} twice"));
            }
        }
        for layer in &self.differences {
            let DifferenceRecord { digest, base, .. } = layer;
            if [base, digest].contains(&&layer.difference) || layers.contains(base) {
                return Err(format!("{digest} would be rebuilt from what has to be rebuilt"));
            }
            if carried.contains_key(base) || manifests.contains(base) {
                return Err(format!("{base}, which {digest} is rebuilt from, is carried"));
            }
            let size = carried.get(&layer.difference);
            let size = size.ok_or_else(|| format!("the difference {} isn't carried", layer.difference))?;
            if *size >= layer.size || layer.size.max(layer.base_size) > MOST_PLAIN {
                return Err(format!(
                    "{digest} can't have {} bytes by a difference of {size} to {} bytes",
                    layer.size, layer.base_size
                ));
            }
        }
        Ok(())
    }

    /// The manifests and blobs in the volumes.
    pub fn carried_things(&self) -> impl Iterator<Item = &Carried> {
        self.manifests.iter().chain(&self.carried)
    }

    /// The images.
    pub fn images(&self) -> Result<Vec<BundledImage>, String> {
        let image = |record: &ImageRecord| {
            let reference: Reference = record
                .name
                .parse()
                .map_err(|error| format!("{:?} isn't an image's name: {error}", record.name))?;
            Ok(BundledImage {
                reference,
                digest: record.digest.clone(),
            })
        };
        self.images.iter().map(image).collect()
    }
}
