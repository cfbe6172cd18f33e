//! Differences: layers of a bundle that travel as what older layers of the other side lack.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use transload_archive::bundle::{Difference, Holdings};
use transload_archive::difference;
use transload_layout_store::StoredImage;
use transload_reference::{
    Descriptor, Digest, Manifest, MediaType, Platform, RawManifest, Repository, Verifier, VerifyingReader,
};

use super::BundleChoice;
use crate::event::{Event, Observer};
use crate::fault::Fault;
use crate::parallel_map::{MOST, parallel_map_within};
use crate::place::{
    FRESH_STARTS, PlannedImage, Source, is_damage, read_fault, temporary_fault, temporary_file,
};

/// The smallest layer that is compared, in bytes.
const LEAST: u64 = 4 << 10;
/// How many differences are made at once: each takes some two times its layer's tar in memory.
const MAKERS: usize = 2;
/// How often it is told how many layers were compared.
const TELL: Duration = Duration::from_secs(10);
/// How many manifests of an image of a base are read.
const MOST_MANIFESTS: usize = 4096;

/// A place that has layers of the other side, byte for byte.
pub(crate) struct Base {
    pub source: Arc<dyn Source>,
    pub images: Vec<StoredImage>,
}

/// The layers that travel as differences, with these.
#[derive(Default)]
pub(crate) struct Differences {
    by_layer: BTreeMap<Digest, Difference>,
    /// The differences' bytes, one behind the other, and where each begins.
    file: Option<Arc<File>>,
    starts: HashMap<Digest, u64>,
}

/// A layer of an image, and where in it it is.
struct Layer<'a> {
    source: &'a Arc<dyn Source>,
    /// Its repository there.
    repository: Repository,
    blob: Descriptor,
    position: usize,
    platform: Option<Platform>,
}

/// A layer to compare, and the one to compare it with.
struct Pair<'a> {
    new: Layer<'a>,
    old: &'a Layer<'a>,
}

impl Differences {
    /// Makes the differences of those layers of images that a bundle carries, as far as they pay.
    pub fn make(
        images: &[PlannedImage<'_>],
        choice: &BundleChoice,
        observer: &dyn Observer,
        is_stopped: &(dyn Fn() -> bool + Sync),
    ) -> Result<Differences, Fault> {
        if choice.bases.is_empty() {
            return Ok(Differences::default());
        }
        let mut old: HashMap<&str, Vec<Layer<'_>>> = HashMap::new();
        for image in images {
            let path = image.reference.repository().path();
            if !old.contains_key(path) {
                old.insert(path, layers_of(path, choice)?);
            }
        }
        let mut seen = HashSet::new();
        let mut pairs = Vec::new();
        for image in images {
            let manifests: Vec<&RawManifest> = image.children.iter().chain([image.root]).collect();
            let old = old.get(image.reference.repository().path());
            for new in layers(image.source, image.source_repository, manifests) {
                let is_carried = choice.wanted.takes_blob(&new.blob.digest);
                if let Some(old) = old.and_then(|old| nearest(&new, old))
                    && is_carried
                    && seen.insert(new.blob.digest.clone())
                {
                    pairs.push(Pair { new, old });
                }
            }
        }
        let file = temporary_file()?;
        let maker = Maker {
            held: &choice.wanted.base,
            file: &file,
            end: AtomicU64::new(0),
            progress: Progress::of(pairs.len(), observer),
            is_stopped,
        };
        maker.progress.tell();
        // A registry's layers come over several connections. They are kept, so that they come once.
        let remote: Vec<&Pair<'_>> = pairs.iter().filter(|pair| pair.new.is_remote()).collect();
        let fetched = parallel_map_within(MOST, &remote, |pair| Fault::isolate(|| maker.fetch(pair)));
        fetched.into_iter().collect::<Result<(), Fault>>()?;
        let made = parallel_map_within(MAKERS, &pairs, |pair| Fault::isolate(|| maker.make(pair)));
        let mut differences = Differences::default();
        for made in made {
            if let Some((layer, difference, start)) = made? {
                differences.starts.insert(difference.digest.clone(), start);
                differences.by_layer.insert(layer, difference);
            }
        }
        maker.progress.end(&differences);
        differences.file = Some(Arc::new(file));
        Ok(differences)
    }

    /// The layers with their differences.
    pub fn by_layer(&self) -> &BTreeMap<Digest, Difference> {
        &self.by_layer
    }

    /// The difference that a layer travels as.
    pub fn of(&self, layer: &Digest) -> Option<&Difference> {
        self.by_layer.get(layer)
    }

    /// The bytes of a difference from an offset on.
    pub fn open(&self, difference: &Difference, offset: u64) -> impl Read + use<> {
        let start = self.starts.get(&difference.digest);
        KeptDifference {
            file: self.file.clone(),
            position: start.unwrap_or(&0) + offset,
            left: difference.difference_size.saturating_sub(offset),
        }
    }
}

/// Makes differences.
struct Maker<'a> {
    held: &'a Holdings,
    file: &'a File,
    /// How many bytes the file has.
    end: AtomicU64,
    progress: Progress<'a>,
    is_stopped: &'a (dyn Fn() -> bool + Sync),
}

impl Maker<'_> {
    /// Reads a layer, so that its source keeps it. One that is damaged each time is left to whoever brings it.
    fn fetch(&self, pair: &Pair<'_>) -> Result<(), Fault> {
        for _ in 0..=FRESH_STARTS {
            match io::copy(&mut self.open(&pair.new)?, &mut io::sink()) {
                Ok(_) => return Ok(()),
                Err(error) if is_damage(&error) => {}
                Err(error) => return Err(read_fault(error)),
            }
        }
        Ok(())
    }

    /// Makes a difference. Returns it with its layer, and where in the file it begins; none where the layer travels whole.
    fn make(&self, pair: &Pair<'_>) -> Result<Option<(Digest, Difference, u64)>, Fault> {
        let Pair { new, old } = pair;
        let made = difference::make(&mut self.open(old)?, &mut self.open(new)?, &new.blob);
        self.progress.count();
        let made = match made {
            Ok(Some(made)) => made,
            Ok(None) => return Ok(None),
            Err(error) if is_damage(&error) => {
                let (new, old) = (&new.blob.digest, &old.blob.digest);
                log::warn!("{new} travels whole, since it or the base's {old} is damaged: {error}");
                return Ok(None);
            }
            Err(error) => return Err(read_fault(error)),
        };
        let start = self.end.fetch_add(made.len() as u64, Ordering::Relaxed);
        let written = self.file.write_all_at(&made, start);
        written.map_err(|error| temporary_fault(&error))?;
        let held = self.held.blobs.get(&old.blob.digest);
        let difference = Difference {
            size: new.blob.size,
            base: old.blob.digest.clone(),
            base_size: old.blob.size,
            repository: held.and_then(|held| held.repository.clone()),
            digest: Digest::of(&made),
            difference_size: made.len() as u64,
        };
        Ok(Some((new.blob.digest.clone(), difference, start)))
    }

    /// Opens a layer, which is verified while it is read.
    fn open(&self, layer: &Layer<'_>) -> Result<impl Read, Fault> {
        let bytes = layer.source.open_blob(&layer.repository, &layer.blob, 0)?;
        let bytes = Stoppable {
            bytes,
            is_stopped: self.is_stopped,
        };
        Ok(VerifyingReader::new(bytes, Verifier::of(&layer.blob)))
    }
}

/// Bytes that end once the work is to end.
struct Stoppable<'a> {
    bytes: Box<dyn Read + Send>,
    is_stopped: &'a (dyn Fn() -> bool + Sync),
}

impl Read for Stoppable<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match (self.is_stopped)() {
            true => Err(io::Error::other(Fault::interrupted())),
            false => self.bytes.read(buffer),
        }
    }
}

impl Layer<'_> {
    fn is_remote(&self) -> bool {
        self.source.offers().is_remote
    }
}

/// The layers that bases have in a repository, whatever registry it is in.
fn layers_of<'a>(path: &str, choice: &'a BundleChoice) -> Result<Vec<Layer<'a>>, Fault> {
    let mut found = Vec::new();
    for base in &choice.bases {
        let is_of = |image: &&StoredImage| {
            let own = image.reference.repository().path();
            own == path || own.strip_suffix(path).is_some_and(|above| above.ends_with('/'))
        };
        for image in base.images.iter().filter(is_of) {
            let repository = image.reference.repository();
            let manifests = manifests(base.source.as_ref(), repository, &image.digest)?;
            let layers = layers(&base.source, repository, manifests.iter().collect());
            let is_there = |layer: &Layer<'_>| {
                choice.wanted.base.blobs.contains_key(&layer.blob.digest)
                    && base.source.absent(&layer.blob).is_none()
            };
            found.extend(layers.into_iter().filter(is_there));
        }
    }
    Ok(found)
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

/// Tells how many layers were compared.
struct Progress<'a> {
    layers: usize,
    compared: AtomicUsize,
    told: Mutex<Instant>,
    observer: &'a dyn Observer,
}

impl<'a> Progress<'a> {
    fn of(layers: usize, observer: &'a dyn Observer) -> Progress<'a> {
        Progress {
            layers,
            compared: AtomicUsize::new(0),
            told: Mutex::new(Instant::now()),
            observer,
        }
    }

    fn count(&self) {
        self.compared.fetch_add(1, Ordering::Relaxed);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() > TELL {
            *told = Instant::now();
            self.tell();
        }
    }

    fn tell(&self) {
        if self.layers > 0 {
            self.observer.event(&Event::LayersCompared {
                compared: self.compared.load(Ordering::Relaxed),
                layers: self.layers,
            });
        }
    }

    fn end(&self, made: &Differences) {
        let made = made.by_layer.values();
        self.observer.event(&Event::DifferencesMade {
            layers: made.len(),
            bytes: made.clone().map(|made| made.difference_size).sum(),
            whole_bytes: made.map(|made| made.size).sum(),
        });
    }
}

/// A difference in the file of them.
struct KeptDifference {
    file: Option<Arc<File>>,
    position: u64,
    left: u64,
}

impl Read for KeptDifference {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let Some(file) = self.file.as_ref().filter(|_| most > 0) else {
            return Ok(0);
        };
        let count = file.read_at(&mut buffer[..most], self.position)?;
        self.position += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
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

    #[test]
    fn differences_are_read_back_from_where_they_begin() {
        let file = temporary_file().unwrap();
        file.write_all_at(b"onetwo", 0).unwrap();
        let difference = |bytes: &[u8]| Difference {
            size: 9,
            base: Digest::of(b"old"),
            base_size: 9,
            repository: None,
            digest: Digest::of(bytes),
            difference_size: bytes.len() as u64,
        };
        let made = Differences {
            file: Some(Arc::new(file)),
            starts: HashMap::from([(Digest::of(b"one"), 0), (Digest::of(b"two"), 3)]),
            ..Differences::default()
        };
        for (bytes, offset, expected) in [
            ("one", 0, "one"),
            ("two", 0, "two"),
            ("one", 2, "e"),
            ("two", 3, ""),
        ] {
            let mut read = String::new();
            let mut reader = made.open(&difference(bytes.as_bytes()), offset);
            reader.read_to_string(&mut read).unwrap();
            assert_eq!(read, expected);
        }
    }
}
