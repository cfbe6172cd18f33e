//! The documents that list an archive's images: one for containerd, podman and everyone who reads OCI layouts, one for Docker.

use std::collections::HashMap;

use serde::{Serialize, Serializer};
use transload_reference::{Descriptor, Digest, MediaType, Platform, RawManifest};

use crate::docker::Listed;
use crate::plan::{Parts, PlannedImage, is_runnable};
use crate::warning::LONGEST_LIST;
use crate::{Error, Warning, oci};

/// Makes the `index.json`: an entry for each name, and one for each manifest that has none.
pub(crate) fn index_json(images: &[PlannedImage], parts: &Parts) -> Result<Vec<u8>, Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct IndexJson<E: Serialize> {
        schema_version: u8,
        media_type: MediaType,
        manifests: E,
    }
    let named = images.iter().map(|image| {
        let mut entry = image.root.descriptor();
        let name = image.name();
        entry
            .annotations
            .insert(oci::FULL_NAME.to_owned(), name.to_string());
        if let Some(tag) = name.tag() {
            entry
                .annotations
                .insert(oci::REF_NAME.to_owned(), tag.to_string());
        }
        entry
    });
    let unnamed = parts.unnamed.values().map(|manifest| {
        let mut entry = manifest.referrer().unwrap_or_else(|| manifest.descriptor());
        // Its own annotations may be those of another image's name.
        entry.annotations.clear();
        entry
    });
    to_json(
        oci::INDEX,
        &IndexJson {
            schema_version: 2,
            media_type: MediaType::OCI_INDEX,
            manifests: Each(named.chain(unnamed)),
        },
    )
}

/// Makes Docker's `manifest.json`: an entry for each image that Docker can run, with its names.
///
/// An entry is of one platform. Docker 20.10 loads several entries of one name all, and gives the name to the last; skopeo takes the
/// first. So there is one: linux/amd64 if the image has it, else the first for Linux. The host's platform is no reason, as the same images
/// give the same archive everywhere.
pub(crate) fn docker_json(images: &[PlannedImage]) -> Result<(Vec<u8>, Vec<Warning>), Error> {
    let mut warnings = Vec::new();
    let mut listed: Vec<(&RawManifest, Vec<String>)> = Vec::new();
    let mut places: HashMap<&Digest, usize> = HashMap::new();
    for image in images.iter().filter(|image| !image.is_referrer()) {
        let Some(manifest) = for_docker(image, &mut warnings) else {
            continue;
        };
        let place = *places.entry(manifest.digest()).or_insert_with(|| {
            listed.push((manifest, Vec::new()));
            listed.len() - 1
        });
        let name = image.name();
        match name.tag() {
            Some(_) => listed[place].1.push(name.to_string()),
            // Docker refuses a list with such a name.
            None => warnings.push(Warning::NamelessInDocker { image: name }),
        }
    }
    let listed = listed.iter().map(|(manifest, names)| list(manifest, names));
    let json = to_json(crate::docker::MANIFEST, &Each(listed))?;
    let size = json.len() as u64;
    if size > LONGEST_LIST {
        warnings.push(Warning::LongList { size });
    }
    Ok((json, warnings))
}

fn list(manifest: &RawManifest, names: &[String]) -> Listed {
    let mut blobs = manifest.view().blobs().map(|blob| oci::blob_name(&blob.digest));
    Listed {
        config: blobs.next().unwrap_or_default(),
        repo_tags: names.to_vec(),
        layers: blobs.collect(),
    }
}

/// The manifest of an image that Docker is to load.
fn for_docker<'a>(image: &'a PlannedImage, warnings: &mut Vec<Warning>) -> Option<&'a RawManifest> {
    let candidates = candidates(image);
    let chosen = candidates
        .iter()
        .position(|(platform, _)| is_amd64(platform.as_ref()))
        .unwrap_or(0);
    let Some((platform, manifest)) = candidates.get(chosen).cloned() else {
        warnings.push(Warning::NotForDocker { image: image.name() });
        return None;
    };
    if let (Some(platform), true) = (platform, candidates.len() > 1) {
        let others = candidates.iter().enumerate().filter(|(at, _)| *at != chosen);
        let left_out = others.filter_map(|(_, (platform, _))| platform.clone()).collect();
        warnings.push(Warning::DockerTakesOne {
            image: image.name(),
            platform,
            left_out,
        });
    }
    let mut layers = manifest.view().blobs().skip(1);
    if layers.any(|layer| layer.media_type.as_str().ends_with("+zstd")) {
        warnings.push(Warning::ZstdLayers { image: image.name() });
    }
    Some(manifest)
}

/// The runnable manifests of an image whose layers are all in the archive.
fn candidates(image: &PlannedImage) -> Vec<(Option<Platform>, &RawManifest)> {
    let is_whole = |manifest: &RawManifest| !manifest.view().blobs().any(Descriptor::is_foreign);
    if is_runnable(&image.root) {
        return if is_whole(&image.root) {
            vec![(None, &image.root)]
        } else {
            Vec::new()
        };
    }
    let children = image.root.view().children().iter().filter_map(|child| {
        let manifest = image
            .manifests
            .iter()
            .find(|manifest| *manifest.digest() == child.digest)?;
        let is_linux = child
            .platform
            .as_ref()
            .is_none_or(|platform| platform.normalised().os == "linux");
        (is_linux && is_runnable(manifest) && is_whole(manifest))
            .then(|| (child.platform.as_deref().cloned(), manifest))
    });
    children.collect()
}

fn is_amd64(platform: Option<&Platform>) -> bool {
    platform.is_some_and(|platform| platform.normalised().architecture == "amd64")
}

/// A list whose entries are made one by one, as there may be thousands.
struct Each<I>(I);

impl<I: Iterator<Item: Serialize> + Clone> Serialize for Each<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.clone())
    }
}

fn to_json(entry: &'static str, document: &impl Serialize) -> Result<Vec<u8>, Error> {
    // Only a writer that fails or a map without text keys could be refused.
    serde_json::to_vec(document).map_err(|_| Error::PlanTooLarge {
        entry,
        size: u64::MAX,
    })
}
