//! Which layers of images are compared, and with which of a base's.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use transload_archive::bundle::Wanted;
use transload_archive::difference;
use transload_layout_store::StoredImage;
use transload_reference::{Descriptor, Digest, Manifest, MediaType, Platform, RawManifest, Repository};

use super::BundleChoice;
use crate::fault::Fault;
use crate::parallel_map::try_parallel_map;
use crate::place::{PlannedImage, Source};

/// The smallest layer that is compared, in bytes.
const LEAST: u64 = 4 << 10;
/// How many manifests of an image of a base are read.
const MOST_MANIFESTS: usize = 4096;

/// A layer of an image, and where in it it is.
pub struct Layer<'a> {
    pub source: &'a Arc<dyn Source>,
    /// Its repository there.
    pub repository: Repository,
    pub blob: Descriptor,
    position: usize,
    platform: Option<Platform>,
}

/// A layer to compare, and the one to compare it with.
pub struct Pair<'a> {
    pub new: Layer<'a>,
    pub old: &'a Layer<'a>,
}

impl Layer<'_> {
    pub fn is_remote(&self) -> bool {
        self.source.offers().is_remote
    }
}

/// The layers that bases have in the repositories of images, whatever registries these are in. By the repositories' paths.
pub fn old_layers<'a>(
    images: &[PlannedImage<'_>],
    choice: &'a BundleChoice,
    is_stopped: &(dyn Fn() -> bool + Sync),
) -> Result<HashMap<String, Vec<Layer<'a>>>, Fault> {
    let paths = images.iter().map(|image| image.reference.repository().path());
    let paths: BTreeSet<&str> = paths.collect();
    let mut wanted = Vec::new();
    for path in paths {
        let is_of = |image: &&StoredImage| {
            let own = image.reference.repository().path();
            own == path || own.strip_suffix(path).is_some_and(|above| above.ends_with('/'))
        };
        for base in &choice.bases {
            wanted.extend(base.images.iter().filter(is_of).map(|image| (path, base, image)));
        }
    }
    let found = try_parallel_map(&wanted, |(_, base, image)| {
        if is_stopped() {
            return Err(Fault::interrupted());
        }
        let repository = image.reference.repository();
        let manifests = manifests(base.source.as_ref(), repository, &image.digest)?;
        Ok(layers(&base.source, repository, manifests.iter().collect()))
    })?;
    let mut by_path: HashMap<String, Vec<Layer<'a>>> = HashMap::new();
    let mut seen = HashSet::new();
    for ((path, base, _), layers) in wanted.iter().zip(found) {
        let is_there = |layer: &Layer<'_>| {
            choice.wanted.base.blobs.contains_key(&layer.blob.digest)
                && base.source.absent(&layer.blob).is_none()
        };
        // Most tags of a repository share most of their layers.
        let mut is_new = |layer: &Layer<'_>| {
            let place = (layer.position, layer.platform.clone());
            seen.insert((*path, layer.blob.digest.clone(), place))
        };
        let layers = layers
            .into_iter()
            .filter(|layer| is_there(layer) && is_new(layer));
        by_path.entry((*path).to_owned()).or_default().extend(layers);
    }
    Ok(by_path)
}

/// The layers of images that a bundle carries, each with the old one that it is compared with.
pub fn pairs<'a>(
    images: &[PlannedImage<'a>],
    old: &'a HashMap<String, Vec<Layer<'a>>>,
    wanted: &Wanted,
) -> Vec<Pair<'a>> {
    let mut seen = HashSet::new();
    let mut pairs = Vec::new();
    for image in images {
        let manifests: Vec<&RawManifest> = image.children.iter().chain([image.root]).collect();
        let Some(old) = old.get(image.reference.repository().path()) else {
            continue;
        };
        for new in layers(image.source, image.source_repository, manifests) {
            if wanted.takes_blob(&new.blob.digest)
                && !seen.contains(&new.blob.digest)
                && let Some(old) = nearest(&new, old)
            {
                seen.insert(new.blob.digest.clone());
                pairs.push(Pair { new, old });
            }
        }
    }
    pairs
}

/// The manifests of an image that are there.
fn manifests(source: &dyn Source, repository: &Repository, root: &Digest) -> Result<Vec<RawManifest>, Fault> {
    let mut seen = HashSet::from([root.clone()]);
    let mut waiting = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(digest) = waiting.pop() {
        let Some(manifest) = source.find_manifest(repository, &digest)? else {
            continue;
        };
        let children = manifest
            .view()
            .children()
            .iter()
            .map(|child| child.digest.clone());
        waiting.extend(children.filter(|child| seen.len() < MOST_MANIFESTS && seen.insert(child.clone())));
        found.push(manifest);
    }
    Ok(found)
}

/// The layers of an image that can be compared.
fn layers<'a>(
    source: &'a Arc<dyn Source>,
    repository: &Repository,
    manifests: Vec<&RawManifest>,
) -> Vec<Layer<'a>> {
    let children = manifests.iter().flat_map(|manifest| manifest.view().children());
    let platforms: HashMap<&Digest, &Platform> = children
        .filter_map(|child| Some((&child.digest, child.platform.as_deref()?)))
        .collect();
    let mut layers = Vec::new();
    for manifest in &manifests {
        let Manifest::Image(image) = manifest.view() else {
            continue;
        };
        for (position, blob) in image.layers.iter().enumerate() {
            let is_gzip = [MediaType::OCI_LAYER_GZIP, MediaType::DOCKER_LAYER].contains(&blob.media_type);
            if is_gzip && (LEAST..=difference::MOST_PLAIN).contains(&blob.size) {
                layers.push(Layer {
                    source,
                    repository: repository.clone(),
                    blob: blob.clone(),
                    position,
                    platform: platforms.get(manifest.digest()).copied().cloned(),
                });
            }
        }
    }
    layers
}

/// The layer that is most likely alike: of the same platform, at the same place in its image, and of nearly the same size.
fn nearest<'a>(new: &Layer<'_>, old: &'a [Layer<'a>]) -> Option<&'a Layer<'a>> {
    old.iter().min_by_key(|old| {
        (
            old.platform != new.platform,
            old.position != new.position,
            old.blob.size.abs_diff(new.blob.size),
            &old.blob.digest,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Kind, Memory};

    fn layer<'a>(
        source: &'a Arc<dyn Source>,
        platform: Option<&str>,
        position: usize,
        size: u64,
    ) -> Layer<'a> {
        let digest = Digest::of(format!("{platform:?} {position} {size}").as_bytes());
        Layer {
            source,
            repository: "hub.local/team/app".parse().unwrap(),
            blob: Descriptor::new(MediaType::OCI_LAYER_GZIP, digest, size),
            position,
            platform: platform.map(|platform| platform.parse().unwrap()),
        }
    }

    #[test]
    fn a_layer_is_compared_with_that_of_its_platform_place_and_size_in_this_order() {
        let source: Arc<dyn Source> = Arc::new(Memory::new(Kind::Store, "hub.local", &Arc::default()));
        let (amd, arm) = (Some("linux/amd64"), Some("linux/arm64"));
        let old = [
            layer(&source, amd, 0, 100),
            layer(&source, amd, 1, 900),
            layer(&source, amd, 1, 400),
            layer(&source, arm, 1, 500),
            layer(&source, arm, 3, 77),
        ];
        for (platform, position, size, expected) in [
            (amd, 1, 500, 2),
            (amd, 1, 700, 1),
            (amd, 0, 500, 0),
            // No image has so many layers.
            (amd, 7, 101, 0),
            (arm, 1, 400, 3),
            (arm, 3, 400, 4),
            (Some("linux/s390x"), 3, 400, 4),
        ] {
            let new = layer(&source, platform, position, size);
            let found = nearest(&new, &old).unwrap();
            assert_eq!(found.blob, old[expected].blob, "{platform:?} {position} {size}");
        }
        assert!(nearest(&old[0], &[]).is_none());
    }
}
