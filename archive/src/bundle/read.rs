//! Reading a bundle where its volumes are: nothing is unpacked.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use transload_reference::{Descriptor, Digest, MAX_MANIFEST_SIZE, RawManifest, Reference};

use super::document::{self, Carried, DifferenceRecord, Document};
use super::sign::{SumsCheck, trusted_sums};
use super::volume::{self, Entry, marker};
use super::{BundleError, DOCUMENT, Difference, Held, Holdings};
use crate::archive::referrers_by_subject;
use crate::blob::Bytes;
use crate::entries::Extent;
use crate::{BlobReader, Error};

/// An image of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BundledImage {
    /// Its name.
    pub reference: Reference,
    /// Its manifest's or index's digest.
    pub digest: Digest,
}

/// Where a blob or manifest of a bundle is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// In volumes that are there.
    Here {
        /// Its size in bytes.
        size: u64,
    },
    /// In volumes of which some aren't there.
    Lost {
        /// Its size in bytes.
        size: u64,
        /// What is said of each volume that can't be read, such as `vol-0002.tar isn't there`.
        volumes: Vec<String>,
    },
    /// Not in the bundle: the other side is said to have it.
    Required {
        /// Its size in bytes.
        size: u64,
        /// A repository there that is said to have it.
        repository: Option<String>,
    },
    /// In volumes that are there, as a difference to a layer that the other side is said to have.
    Difference(Difference),
}

/// A folder with a bundle's list, and the volumes that are there.
#[derive(Debug)]
pub struct Bundle {
    pub(super) folder: PathBuf,
    pub(super) id: Digest,
    pub(super) document: Document,
    /// The sums of its files, where their signature was checked.
    pub(super) signed: Option<BTreeMap<String, Digest>>,
    /// The entries of each volume.
    pub(super) entries: Vec<Vec<Entry>>,
    pub(super) volumes: Vec<Volume>,
    images: Vec<BundledImage>,
    by_digest: HashMap<Digest, Thing>,
    /// The referrers by their subject, once they are asked for.
    referrers: OnceLock<HashMap<Digest, Vec<Descriptor>>>,
    /// Other bundles whose folders were given, which have what this one's lost volumes had.
    others: Vec<Bundle>,
}

/// A volume that was looked for.
#[derive(Debug)]
pub(super) struct Volume {
    pub path: PathBuf,
    /// The file, or why it can't be read.
    pub file: Result<Arc<File>, String>,
}

#[derive(Debug, Clone, Copy)]
enum Thing {
    Manifest(usize),
    Carried(usize),
    Required(usize),
    Difference(usize),
}

impl Bundle {
    /// Opens the bundle of a folder. Volumes are looked for there and in the other folders. Where one of these has a bundle of its own, that
    /// is asked for what this one lacks.
    ///
    /// # Errors
    /// Where there is no bundle, or its list is damaged, of another version, or contradicts itself. A volume that isn't there is no error.
    pub fn open(folder: impl AsRef<Path>, volumes: &[PathBuf]) -> Result<Bundle, BundleError> {
        Bundle::open_with(folder.as_ref(), volumes, None)
    }

    /// Opens the bundle of a folder whose signature counts, as `check` says. Before that, nothing is read but `SHA256SUMS` and its
    /// signature. Bundles in the other folders have to be signed, too.
    ///
    /// # Errors
    /// As [`Bundle::open`]; where it isn't signed, the signature doesn't count, or the list isn't the one that was signed.
    pub fn open_signed(
        folder: impl AsRef<Path>,
        volumes: &[PathBuf],
        check: SumsCheck<'_>,
    ) -> Result<Bundle, BundleError> {
        Bundle::open_with(folder.as_ref(), volumes, Some(check))
    }

    fn open_with(
        folder: &Path,
        volumes: &[PathBuf],
        check: Option<SumsCheck<'_>>,
    ) -> Result<Bundle, BundleError> {
        let mut bundle = Bundle::open_checked(folder, volumes, check)?;
        for other in volumes {
            if other != folder && other.join(DOCUMENT).is_file() {
                let other = Bundle::open_checked(other, volumes, check)?;
                if other.id != bundle.id {
                    bundle.others.push(other);
                }
            }
        }
        Ok(bundle)
    }

    /// Reads what a `BUNDLE.json` says that the other side has once the bundle is imported. The volumes needn't be there.
    ///
    /// # Errors
    /// As [`Bundle::open`].
    pub fn holdings_in(document: impl AsRef<Path>) -> Result<Holdings, BundleError> {
        let path = document.as_ref();
        let folder = path.parent().unwrap_or(Path::new(""));
        let text = read_bounded(path, document::MOST_BYTES)?;
        Ok(Bundle::of_text(&text, path, folder, &[])?.holdings())
    }

    fn open_checked(
        folder: &Path,
        more: &[PathBuf],
        check: Option<SumsCheck<'_>>,
    ) -> Result<Bundle, BundleError> {
        let path = folder.join(DOCUMENT);
        let signed = check.map(|check| trusted_sums(folder, check)).transpose()?;
        let text = read_bounded(&path, document::MOST_BYTES)?;
        let is_changed = |sums: &BTreeMap<String, Digest>| sums.get(DOCUMENT) != Some(&Digest::of(&text));
        if signed.as_ref().is_some_and(is_changed) {
            return Err(BundleError::Changed { path });
        }
        let bundle = Bundle::of_text(&text, &path, folder, more)?;
        Ok(Bundle { signed, ..bundle })
    }

    fn of_text(text: &[u8], path: &Path, folder: &Path, more: &[PathBuf]) -> Result<Bundle, BundleError> {
        let document = Document::parse(text, path)?;
        let id = Digest::of(text);
        let damaged = |reason: String| BundleError::damaged(path, reason);
        let entries = volume::lay_out(&document, &id).map_err(damaged)?;
        let images = document.images().map_err(damaged)?;
        let folders: Vec<&Path> = [folder]
            .into_iter()
            .chain(more.iter().map(PathBuf::as_path))
            .collect();
        let count = document.volumes.len();
        let find = |(number, record): (u32, &document::VolumeRecord)| {
            let beginning = beginning(&id, number, count);
            find_volume(&folders, &record.file, record.size, &beginning)
        };
        let volumes = (1..).zip(&document.volumes).map(find).collect();
        let manifests = document.manifests.iter().enumerate();
        let things = manifests.map(|(at, thing)| (thing.digest.clone(), Thing::Manifest(at)));
        let carried = document.carried.iter().enumerate();
        let things = things.chain(carried.map(|(at, thing)| (thing.digest.clone(), Thing::Carried(at))));
        let required = document.required.iter().enumerate();
        let things = things.chain(required.map(|(at, blob)| (blob.digest.clone(), Thing::Required(at))));
        let differences = document.differences.iter().enumerate();
        let things =
            things.chain(differences.map(|(at, layer)| (layer.digest.clone(), Thing::Difference(at))));
        Ok(Bundle {
            folder: folder.to_owned(),
            by_digest: things.collect(),
            id,
            entries,
            volumes,
            images,
            document,
            signed: None,
            referrers: OnceLock::new(),
            others: Vec::new(),
        })
    }

    /// The digest of its list, which stands for the whole bundle.
    pub fn id(&self) -> &Digest {
        &self.id
    }

    /// Its images, sorted by name.
    pub fn images(&self) -> &[BundledImage] {
        &self.images
    }

    /// What is said of each volume that can't be read.
    pub fn lost_volumes(&self) -> impl Iterator<Item = &str> {
        self.volumes
            .iter()
            .filter_map(|volume| volume.file.as_ref().err().map(String::as_str))
    }

    /// How many volumes it has, whether they are there or not.
    pub fn volumes(&self) -> usize {
        self.volumes.len()
    }

    /// Whether a blob or manifest is in volumes that are there.
    pub fn is_here(&self, digest: &Digest) -> bool {
        matches!(self.find(digest), Some(Place::Here { .. }))
    }

    /// Whether the other side is said to have a blob.
    pub fn is_required(&self, digest: &Digest) -> bool {
        matches!(self.find_own(digest), Some(Place::Required { .. }))
    }

    /// Whether it has all that its images need.
    pub fn is_complete(&self) -> bool {
        self.by_digest.keys().all(|digest| self.is_here(digest))
    }

    /// Where a blob or manifest is; none where the bundle doesn't know it.
    pub fn find(&self, digest: &Digest) -> Option<Place> {
        let own = self.find_own(digest);
        if matches!(own, Some(Place::Here { .. })) {
            return own;
        }
        let mut others = self.others.iter().filter_map(|other| other.find_own(digest));
        let elsewhere = others.find(|place| matches!(place, Place::Here { .. }));
        // A digest that the bundle doesn't know isn't its own.
        own.map(|own| elsewhere.unwrap_or(own))
    }

    fn find_own(&self, digest: &Digest) -> Option<Place> {
        let thing = match *self.by_digest.get(digest)? {
            Thing::Required(at) => {
                let blob = self.document.required.get(at)?;
                return Some(Place::Required {
                    size: blob.size,
                    repository: blob.repository.clone(),
                });
            }
            Thing::Difference(at) => return self.find_difference(self.document.differences.get(at)?),
            _ => self.carried(digest)?,
        };
        let volumes = thing
            .parts
            .iter()
            .filter_map(|part| self.volumes.get(part.volume as usize - 1));
        let lost: Vec<String> = volumes
            .filter_map(|volume| volume.file.as_ref().err().cloned())
            .collect();
        let size = thing.size;
        Some(match lost.is_empty() {
            true => Place::Here { size },
            false => Place::Lost { size, volumes: lost },
        })
    }

    /// Where a layer's difference is.
    fn find_difference(&self, layer: &DifferenceRecord) -> Option<Place> {
        let size = layer.size;
        Some(match self.find_own(&layer.difference)? {
            Place::Here {
                size: difference_size,
            } => Place::Difference(Difference {
                size,
                base: layer.base.clone(),
                base_size: layer.base_size,
                base_repository: layer.base_repository.clone(),
                digest: layer.difference.clone(),
                difference_size,
            }),
            Place::Lost { volumes, .. } => Place::Lost { size, volumes },
            _ => return None,
        })
    }

    fn carried(&self, digest: &Digest) -> Option<&Carried> {
        match *self.by_digest.get(digest)? {
            Thing::Manifest(at) => self.document.manifests.get(at),
            Thing::Carried(at) => self.document.carried.get(at),
            Thing::Required(_) | Thing::Difference(_) => None,
        }
    }

    /// Reads a manifest; none where its volume isn't there, or the bundle doesn't have it.
    ///
    /// # Errors
    /// Where it can't be read, has another digest or is no manifest.
    pub fn manifest(&self, digest: &Digest) -> Result<Option<RawManifest>, BundleError> {
        let Some(mut bytes) = self.open_blob(digest, 0) else {
            return Ok(None);
        };
        let refused = |source| {
            BundleError::from(Error::Manifest {
                path: self.folder.clone(),
                entry: crate::oci::blob_name(digest),
                source,
            })
        };
        let mut text = Vec::new();
        let read = Read::by_ref(&mut bytes)
            .take(MAX_MANIFEST_SIZE + 1)
            .read_to_end(&mut text);
        read.map_err(BundleError::io("reading", &self.folder))?;
        RawManifest::verified(text, None, digest)
            .map(Some)
            .map_err(refused)
    }

    /// Returns what refers to a manifest, sorted by digest: an entry of the list of its referrers each. Of manifests that can't be read,
    /// nothing is known.
    pub fn referrers(&self, subject: &Digest) -> Vec<Descriptor> {
        let by_subject = self.referrers.get_or_init(|| {
            let all = self.document.manifests.iter();
            referrers_by_subject(all.filter_map(|thing| self.manifest(&thing.digest).ok()?))
        });
        by_subject.get(subject).cloned().unwrap_or_default()
    }

    /// Opens a blob or manifest from an offset on; none where it isn't in volumes that are there. Its bytes aren't verified.
    pub fn open_blob(&self, digest: &Digest, offset: u64) -> Option<BundledBlob> {
        let own = self.open_own(digest, offset);
        own.or_else(|| {
            self.others
                .iter()
                .find_map(|other| other.open_own(digest, offset))
        })
    }

    fn open_own(&self, digest: &Digest, offset: u64) -> Option<BundledBlob> {
        let mut parts = Vec::new();
        for part in &self.carried(digest)?.parts {
            let volume = self.volumes.get(part.volume as usize - 1)?;
            let file = Arc::clone(volume.file.as_ref().ok()?);
            let extent = Extent {
                offset: part.offset,
                size: part.size,
            };
            parts.push(BlobReader::new(Bytes::Tar(file), extent));
        }
        parts.reverse();
        let mut blob = BundledBlob { parts };
        blob.skip(offset);
        Some(blob)
    }

    /// The layers that travel as differences, each with its difference.
    pub(super) fn differences(&self) -> impl Iterator<Item = (&Digest, &Digest)> {
        let layers = self.document.differences.iter();
        layers.map(|layer| (&layer.digest, &layer.difference))
    }

    /// What the destination has after the import: the carried, rebuilt and required content.
    pub fn holdings(&self) -> Holdings {
        let mut holdings = Holdings::default();
        for blob in &self.document.required {
            holdings.add_blob(&blob.digest, Held::new(blob.size, blob.repository.clone()));
        }
        for layer in &self.document.differences {
            holdings.add_blob(&layer.digest, Held::new(layer.size, layer.repository.clone()));
        }
        let differences: HashSet<&Digest> = self.differences().map(|(_, difference)| difference).collect();
        let carried = self.document.carried.iter();
        for blob in carried.filter(|blob| !differences.contains(&blob.digest)) {
            holdings.add_blob(&blob.digest, Held::new(blob.size, blob.repository.clone()));
        }
        let manifests = self.document.manifests.iter();
        holdings.manifests = manifests
            .map(|manifest| (manifest.digest.clone(), manifest.size))
            .collect();
        let images = self.images.iter();
        holdings.images = images
            .map(|image| (image.reference.to_string(), image.digest.clone()))
            .collect();
        holdings
    }
}

/// Reads a list whose volumes are nowhere.
#[cfg(feature = "fuzzing")]
pub(crate) fn list_in(text: &[u8], path: &Path) -> Result<crate::fuzzing::Listed, BundleError> {
    let bundle = Bundle::of_text(text, path, Path::new("/dev/null"), &[])?;
    let rebuilt = bundle.document.differences.iter();
    let rebuilt = rebuilt.map(|layer| (layer.digest.clone(), layer.base.clone()));
    Ok((bundle.holdings(), rebuilt.collect()))
}

/// Reads a file that has at most so many bytes.
pub(super) fn read_bounded(path: &Path, most: u64) -> Result<Vec<u8>, BundleError> {
    let file = File::open(path).map_err(BundleError::io("opening", path))?;
    let mut text = Vec::new();
    let read = file.take(most + 1).read_to_end(&mut text);
    read.map_err(BundleError::io("reading", path))?;
    match text.len() as u64 > most {
        true => Err(BundleError::damaged(
            path,
            format!("it has more than {most} bytes"),
        )),
        false => Ok(text),
    }
}

/// The bytes that a volume begins with.
pub(super) fn beginning(id: &Digest, number: u32, count: usize) -> Vec<u8> {
    let entry = marker(id, number, count);
    let mut bytes = entry.header();
    if let volume::Content::Known(text) = &entry.content {
        bytes.extend_from_slice(text);
    }
    bytes
}

/// Finds a volume in the first folder that has it as it should be.
fn find_volume(folders: &[&Path], name: &str, size: u64, beginning: &[u8]) -> Volume {
    let mut found = Volume {
        path: PathBuf::from(name),
        file: Err(format!("{name} isn't there")),
    };
    for folder in folders {
        let path = folder.join(name);
        match open_volume(&path, size, beginning) {
            Ok(Some(file)) => {
                let file = Ok(Arc::new(file));
                return Volume { path, file };
            }
            Ok(None) => {}
            Err(reason) => {
                found.file = Err(format!("{} {reason}", path.display()));
                found.path = path;
            }
        }
    }
    found
}

/// Opens a volume; none where it isn't there, and an error where it isn't this one.
fn open_volume(path: &Path, size: u64, beginning: &[u8]) -> Result<Option<File>, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("can't be opened: {error}")),
    };
    let length = file
        .metadata()
        .map_err(|error| format!("can't be read: {error}"))?
        .len();
    let mut found = vec![0; beginning.len()];
    let read = file.read_exact_at(&mut found, 0);
    match read {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(format!("can't be read: {error}")),
        Ok(()) if found != beginning => Err("is a volume of another bundle, or damaged".to_owned()),
        _ if length != size => Err(format!("has {length} bytes instead of {size}: it was cut off")),
        _ => Ok(Some(file)),
    }
}

/// A blob's bytes, straight from the volumes.
#[derive(Debug, Clone)]
pub struct BundledBlob {
    /// What is still to be read, the last part first.
    parts: Vec<BlobReader>,
}

impl BundledBlob {
    /// Where its bytes are, if they are in one volume: the file, the offset in it, and how many they are.
    pub fn as_extent(&self) -> Option<(Arc<File>, u64, u64)> {
        match self.parts.as_slice() {
            [part] => part.rest(),
            _ => None,
        }
    }

    /// How many bytes are still to be read.
    pub fn left(&self) -> u64 {
        self.parts.iter().map(BlobReader::left).sum()
    }

    /// Leaves out the next bytes, or all that are left if they are fewer.
    pub fn skip(&mut self, mut bytes: u64) {
        for part in self.parts.iter_mut().rev() {
            bytes -= part.skip(bytes);
        }
    }
}

impl Read for BundledBlob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(part) = self.parts.last_mut() {
            match part.read(buffer)? {
                0 if !buffer.is_empty() => self.parts.pop(),
                count => return Ok(count),
            };
        }
        Ok(0)
    }
}
