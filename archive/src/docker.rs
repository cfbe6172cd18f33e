//! Docker archives ([Docker image specification 1.2, "Combined Image JSON + Filesystem Changeset Format"]): `manifest.json` names a config and
//! layers for each image, and there are no manifests. One is made from the config and the layers as they are.
//!
//! [Docker image specification 1.2, "Combined Image JSON + Filesystem Changeset Format"]: https://github.com/moby/docker-image-spec/blob/main/v1.2.md

use serde::{Deserialize, Deserializer, Serialize};
use transload_reference::{
    Algorithm, Descriptor, Digest, ImageManifest, MAX_IMAGE_LIST_ENTRIES, MediaType, RawManifest,
};

use crate::archive::{Contents, distinct};
use crate::layers::{Layers, clean, missing};
use crate::{Archive, ArchivedImage, Error, OpenOptions, oci};

pub(crate) const MANIFEST: &str = "manifest.json";

/// The most bytes of all configs. One config may be listed many times, and is read each time.
const MOST_CONFIG_BYTES: u64 = 512 << 20;

/// An image as `manifest.json` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Listed {
    /// The config's entry.
    pub config: String,
    /// Its names, such as `alpine:3.19`.
    #[serde(default, deserialize_with = "or_default")]
    pub repo_tags: Vec<String>,
    /// The layers' entries, lowest first.
    #[serde(default, deserialize_with = "or_default")]
    pub layers: Vec<String>,
}

/// Go programs write `null` for an empty list.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a document, if it has no more entries than a list of images may have.
pub(crate) fn from_json<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, String> {
    let entries = text.iter().filter(|byte| **byte == b',').count();
    if entries > MAX_IMAGE_LIST_ENTRIES {
        return Err(format!(
            "has about {entries} fields and list entries; at most {MAX_IMAGE_LIST_ENTRIES} are read"
        ));
    }
    serde_json::from_slice(text).map_err(|error| format!("can't be read: {error}"))
}

/// Reads the archive's list; none where it has none.
pub(crate) fn listed(archive: &Archive) -> Result<Vec<Listed>, Error> {
    let text = archive.document(MANIFEST)?;
    let listed = text.map_or(Ok(Vec::new()), |text| from_json(&text));
    listed.map_err(|reason| Error::entry(&archive.path, MANIFEST, reason))
}

/// The part of a config that tells its layers.
#[derive(Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Option<Vec<Digest>>,
}

/// How many bytes of configs may still be read.
#[derive(Debug)]
pub(crate) struct ConfigBudget(u64);

impl Default for ConfigBudget {
    fn default() -> Self {
        ConfigBudget(MOST_CONFIG_BYTES)
    }
}

impl ConfigBudget {
    /// A budget of this many bytes.
    pub fn of(bytes: u64) -> ConfigBudget {
        ConfigBudget(bytes)
    }

    /// Reads a config's entry; none if it isn't there.
    pub fn read(&mut self, archive: &Archive, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let text = archive.document(name)?;
        let size = text.as_ref().map_or(0, |text| text.len() as u64);
        self.0 = self.0.checked_sub(size).ok_or_else(|| {
            Error::entry(
                &archive.path,
                name,
                "is one of too many configs: together they are too large",
            )
        })?;
        Ok(text)
    }
}

/// Whether a manifest has the layers that its config names, as far as that can be told without unpacking them.
pub(crate) fn fits_its_config(
    archive: &Archive,
    image: &ImageManifest,
    budget: &mut ConfigBudget,
) -> Result<bool, Error> {
    if !image.config.media_type.is_image_config() {
        return Ok(true);
    }
    let text = budget.read(archive, &oci::blob_name(&image.config.digest))?;
    let config: Option<Config> = text.and_then(|text| serde_json::from_slice(&text).ok());
    let Some(diff_ids) = config.and_then(|config| config.rootfs.diff_ids) else {
        return Ok(true);
    };
    let mut pairs = image.layers.iter().zip(&diff_ids);
    Ok(image.layers.len() == diff_ids.len()
        && pairs.all(|(layer, diff_id)| layer.media_type != MediaType::OCI_LAYER || layer.digest == *diff_id))
}

/// An image that got a manifest.
#[derive(Debug, Clone)]
pub(crate) struct MadeImage {
    pub root: Descriptor,
    /// The config's digest.
    pub config: Digest,
}

impl MadeImage {
    /// The image with one of its names, if it has any.
    pub fn named(&self, name: Option<&str>) -> ArchivedImage {
        ArchivedImage::named(name, self.root.clone(), Some(self.config.clone()))
    }

    /// The image with each of its names.
    pub fn with_names(&self, names: &[String]) -> Vec<ArchivedImage> {
        if names.is_empty() {
            return vec![self.named(None)];
        }
        names.iter().map(|name| self.named(Some(name))).collect()
    }
}

/// Reads what `manifest.json` names, and hashes it.
pub(crate) fn read(archive: &Archive, options: &OpenOptions) -> Result<Contents, Error> {
    let listed = listed(archive)?;
    let mut contents = Contents::default();
    let all: Vec<&Listed> = listed.iter().collect();
    let made = make_all(archive, &all, options, &mut contents)?;
    let images = made.iter().zip(&listed);
    contents.images = distinct(
        images
            .flat_map(|(made, image)| made.with_names(&image.repo_tags))
            .collect(),
    );
    Ok(contents)
}

/// Makes a manifest for each of these images, whose layers it hashes.
pub(crate) fn make_all(
    archive: &Archive,
    listed: &[&Listed],
    options: &OpenOptions,
    contents: &mut Contents,
) -> Result<Vec<MadeImage>, Error> {
    let names = listed.iter().flat_map(|image| &image.layers);
    let layers = Layers::hash(archive, names, options)?;
    let mut budget = ConfigBudget::default();
    let made = listed.iter().map(|image| {
        options.check_stop(&archive.path)?;
        make(archive, image, &layers, &mut budget, contents)
    });
    made.collect()
}

fn make(
    archive: &Archive,
    image: &Listed,
    layers: &Layers,
    budget: &mut ConfigBudget,
    contents: &mut Contents,
) -> Result<MadeImage, Error> {
    let name = clean(archive, &image.config)?;
    let text = budget
        .read(archive, &name)?
        .ok_or_else(|| missing(archive, &name))?;
    let refused = |reason: String| Error::entry(&archive.path, &name, reason);
    let digest = Digest::of(&text);
    if let Some(told) = told_digest(&name)
        && told != digest.hex()
    {
        return Err(refused(format!(
            "isn't the config that it is named after: its digest is {digest}"
        )));
    }
    let config: Config = serde_json::from_slice(&text)
        .map_err(|error| refused(format!("is no config of an image: {error}")))?;
    let diff_ids = config.rootfs.diff_ids.unwrap_or_default();
    if diff_ids.len() != image.layers.len() {
        let (told, listed) = (diff_ids.len(), image.layers.len());
        return Err(refused(format!(
            "is a config of {told} layers, and {MANIFEST} lists {listed}"
        )));
    }
    let mut descriptors = Vec::new();
    for (entry, diff_id) in image.layers.iter().zip(&diff_ids) {
        let layer = layers.of(archive, entry)?;
        let descriptor = &layer.descriptor;
        let is_plain = descriptor.media_type == MediaType::OCI_LAYER;
        if is_plain && diff_id.algorithm() == Algorithm::Sha256 && *diff_id != descriptor.digest {
            let reason = format!(
                "isn't the layer that config {} names: it has {}, not {diff_id}",
                digest.short(),
                descriptor.digest
            );
            return Err(Error::entry(&archive.path, entry, reason));
        }
        contents.blobs.insert(descriptor.digest.clone(), layer.extent);
        descriptors.push(descriptor);
    }
    if let Some(extent) = archive.find(&name)? {
        contents.blobs.insert(digest.clone(), extent);
    }
    let config = Descriptor::new(MediaType::OCI_CONFIG, digest.clone(), text.len() as u64);
    let manifest = make_manifest(&config, &descriptors).map_err(refused)?;
    let root = manifest.descriptor();
    contents.made.insert(root.digest.clone(), manifest);
    Ok(MadeImage { root, config: digest })
}

/// Makes an OCI manifest: Docker's media types have no plain tar and no zstd.
pub(crate) fn make_manifest(config: &Descriptor, layers: &[&Descriptor]) -> Result<RawManifest, String> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Made<'a> {
        schema_version: u8,
        media_type: MediaType,
        config: &'a Descriptor,
        layers: &'a [&'a Descriptor],
    }
    let made = Made {
        schema_version: 2,
        media_type: MediaType::OCI_MANIFEST,
        config,
        layers,
    };
    let bytes = serde_json::to_vec(&made).map_err(|error| error.to_string())?;
    RawManifest::parse(bytes, None).map_err(|error| format!("has too many layers: {error}"))
}

/// The digest that a config's entry is named after: `<hex>.json`, `sha256:<hex>` or `blobs/sha256/<hex>`.
fn told_digest(name: &str) -> Option<&str> {
    let last = name.rsplit('/').next()?;
    let hex = last.strip_suffix(".json").unwrap_or(last);
    let hex = hex.strip_prefix("sha256:").unwrap_or(hex);
    let is_hex = hex.len() == Algorithm::Sha256.hex_len()
        && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    is_hex.then_some(hex)
}
