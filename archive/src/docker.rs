//! Docker archives ([Docker image specification 1.2, "Combined Image JSON + Filesystem Changeset Format"]): `manifest.json` names a config and
//! layers for each image, and there are no manifests. One is made from the config and the layers as they are.
//!
//! [Docker image specification 1.2, "Combined Image JSON + Filesystem Changeset Format"]: https://github.com/moby/docker-image-spec/blob/main/v1.2.md

use std::collections::HashMap;
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde::{Deserialize, Deserializer, Serialize};
use transload_reference::{
    Algorithm, Descriptor, Digest, Hasher, ImageManifest, MAX_MANIFEST_ENTRIES, MediaType, RawManifest,
};

use crate::archive::{Contents, distinct};
use crate::entries::Extent;
use crate::{Archive, ArchivedImage, BlobReader, Error, OpenOptions, names, oci};

pub(crate) const MANIFEST: &str = "manifest.json";

/// The most bytes of all configs. One config may be listed many times, and is read each time.
const MOST_CONFIG_BYTES: u64 = 512 << 20;
/// How many bytes are hashed at a time.
const CHUNK: usize = 256 * 1024;
/// How many layers are hashed at once at most.
const MOST_THREADS: usize = 8;

/// An image as `manifest.json` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Listed {
    /// The config's entry.
    pub config: String,
    /// Its names, such as `alpine:3.19`.
    #[serde(default, deserialize_with = "or_none")]
    pub repo_tags: Vec<String>,
    /// The layers' entries, lowest first.
    #[serde(default, deserialize_with = "or_none")]
    pub layers: Vec<String>,
}

/// Docker writes `null` for an empty list.
fn or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a `manifest.json`.
pub(crate) fn parse(text: &[u8]) -> Result<Vec<Listed>, String> {
    let entries = text.iter().filter(|byte| **byte == b',').count();
    if entries > MAX_MANIFEST_ENTRIES {
        return Err(format!(
            "has about {entries} fields and list entries; at most {MAX_MANIFEST_ENTRIES} are read"
        ));
    }
    serde_json::from_slice(text).map_err(|error| format!("can't be read: {error}"))
}

/// Reads the archive's list; none where it has none.
pub(crate) fn listed(archive: &Archive) -> Result<Vec<Listed>, Error> {
    let text = archive.document(MANIFEST)?;
    let listed = text.map_or(Ok(Vec::new()), |text| parse(&text));
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
    /// Reads a config's entry; none if it isn't there.
    fn read(&mut self, archive: &Archive, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let text = archive.document(name)?;
        let size = text.as_ref().map_or(0, |text| text.len() as u64);
        self.0 = self.0.checked_sub(size).ok_or_else(|| {
            let reason =
                format!("is one of too many configs: at most {MOST_CONFIG_BYTES} bytes are read of all");
            Error::entry(&archive.path, name, reason)
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

/// A layer as it is in the archive.
#[derive(Debug, Clone)]
struct Layer {
    extent: Extent,
    descriptor: Descriptor,
}

/// An image that got a manifest.
#[derive(Debug, Clone)]
pub(crate) struct MadeImage {
    root: Descriptor,
    config: Digest,
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
    let layers = hash_all(archive, listed, options)?;
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
    layers: &HashMap<Extent, Layer>,
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
        let layer = &layers[&layer_extent(archive, entry)?];
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
fn make_manifest(config: &Descriptor, layers: &[&Descriptor]) -> Result<RawManifest, String> {
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

fn clean(archive: &Archive, entry: &str) -> Result<String, Error> {
    names::clean(entry)
        .map_err(|reason| Error::entry(&archive.path, entry, format!("{reason}; {MANIFEST} names it")))
}

fn missing(archive: &Archive, entry: &str) -> Error {
    Error::entry(
        &archive.path,
        entry,
        format!("isn't there, and {MANIFEST} names it"),
    )
}

fn layer_extent(archive: &Archive, entry: &str) -> Result<Extent, Error> {
    let name = clean(archive, entry)?;
    archive.find(&name)?.ok_or_else(|| missing(archive, entry))
}

/// Hashes each layer once, several at once.
fn hash_all(
    archive: &Archive,
    listed: &[&Listed],
    options: &OpenOptions,
) -> Result<HashMap<Extent, Layer>, Error> {
    let mut extents = Vec::new();
    for entry in listed.iter().flat_map(|image| &image.layers) {
        extents.push(layer_extent(archive, entry)?);
    }
    extents.sort_by_key(|extent| (extent.offset, extent.size));
    extents.dedup();
    let next = AtomicUsize::new(0);
    let hashed = Mutex::new(Vec::new());
    let work = || {
        while let Some(extent) = extents.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = hash(archive, *extent, options);
            let failed = result.is_err();
            hashed.lock().unwrap_or_else(PoisonError::into_inner).push(result);
            if failed {
                next.store(extents.len(), Ordering::Relaxed);
            }
        }
    };
    let threads = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MOST_THREADS);
    thread::scope(|scope| {
        for _ in 1..threads.min(extents.len()) {
            scope.spawn(work);
        }
        work();
    });
    let hashed = hashed.into_inner().unwrap_or_else(PoisonError::into_inner);
    hashed
        .into_iter()
        .map(|layer| layer.map(|layer| (layer.extent, layer)))
        .collect()
}

fn hash(archive: &Archive, extent: Extent, options: &OpenOptions) -> Result<Layer, Error> {
    let mut reader = BlobReader::new(Arc::clone(&archive.tar), extent);
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut media_type = MediaType::OCI_LAYER;
    let mut chunk = vec![0; CHUNK];
    let mut is_first = true;
    loop {
        options.check_stop(&archive.path)?;
        let count = reader
            .read(&mut chunk)
            .map_err(Error::io("reading", &archive.path))?;
        if count == 0 {
            break;
        }
        if std::mem::take(&mut is_first) {
            media_type = layer_type(&chunk[..count]);
        }
        hasher.update(&chunk[..count]);
    }
    Ok(Layer {
        extent,
        descriptor: Descriptor::new(media_type, hasher.finish(), extent.size),
    })
}

/// The media type of a layer that begins so.
fn layer_type(start: &[u8]) -> MediaType {
    if start.starts_with(b"\x1f\x8b") {
        MediaType::OCI_LAYER_GZIP
    } else if crate::zstd::begins(start) {
        MediaType::OCI_LAYER_ZSTD
    } else {
        MediaType::OCI_LAYER
    }
}
