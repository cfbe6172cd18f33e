//! Planning an archive: what it holds and where each of its entries begins, from the manifests alone.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use transload_reference::{
    Descriptor, Digest, MAX_IMAGE_LIST_ENTRIES, MAX_IMAGE_LIST_SIZE, Manifest, RawManifest, Reference,
    ReferrerTag, Verifier,
};

use crate::entries::BLOCK;
use crate::listing::{docker_json, index_json};
use crate::{Error, Warning, docker, header, oci};

/// The mark that ends a tar: two blocks of zeros.
const END: u64 = 2 * BLOCK;
/// The largest file that there can be.
const LARGEST: u64 = i64::MAX as u64;
/// How many bytes are copied at a time.
const CHUNK: usize = 256 * 1024;

pub(crate) const LAYOUT_JSON: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// An image that goes into an archive.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PlannedImage {
    /// Its name. One without tag and digest gets the tag `latest`; of one with both, the archive has the tag.
    pub reference: Reference,
    /// Its root: a manifest or an index.
    pub root: RawManifest,
    /// The manifests below the root, in any order. Others, such as signatures, are listed in the archive without a name.
    pub manifests: Vec<RawManifest>,
}

impl PlannedImage {
    /// An image of its name, its root and the manifests that go with it.
    pub fn new(reference: Reference, root: RawManifest, manifests: Vec<RawManifest>) -> PlannedImage {
        PlannedImage {
            reference,
            root,
            manifests,
        }
    }

    /// Whether its tag is that of signatures and the like of another image, which no program runs.
    pub(crate) fn is_referrer(&self) -> bool {
        self.reference.tag().and_then(ReferrerTag::parse).is_some()
    }

    /// The name as the archive has it: with a tag or a digest.
    pub(crate) fn name(&self) -> Reference {
        let full = self.reference.clone().or_latest();
        let digest = full.digest().filter(|_| full.tag().is_none());
        Reference::new(full.repository().clone(), full.tag().cloned(), digest.cloned())
    }
}

/// What an archive will hold, byte by byte but for its blobs. The same images give the same archive, in whichever order they are named.
#[derive(Debug)]
pub struct Plan {
    entries: Vec<Entry>,
    by_digest: HashMap<Digest, usize>,
    size: u64,
    warnings: Vec<Warning>,
}

/// An entry of the archive.
#[derive(Debug)]
pub(crate) struct Entry {
    pub name: String,
    /// Where its header begins.
    pub offset: u64,
    pub content: Content,
}

/// What an entry holds.
#[derive(Debug)]
pub(crate) enum Content {
    /// Bytes that are known: documents and manifests.
    Known(Arc<[u8]>),
    /// A config or layer, which somebody brings.
    Blob(Arc<Descriptor>),
}

impl Entry {
    pub fn size(&self) -> u64 {
        match &self.content {
            Content::Known(bytes) => bytes.len() as u64,
            Content::Blob(blob) => blob.size,
        }
    }

    pub fn header(&self) -> Vec<u8> {
        header::of(&self.name, self.size())
    }

    /// Where its bytes begin.
    pub fn start(&self) -> u64 {
        self.offset + header::length(&self.name)
    }

    /// How many zeros follow its bytes.
    pub fn padding(&self) -> usize {
        let rest = self.size() % BLOCK;
        if rest == 0 { 0 } else { (BLOCK - rest) as usize }
    }
}

impl Plan {
    /// Plans an archive of these images.
    ///
    /// # Errors
    /// Where two images have one name, manifests disagree on a blob's size, or there are more images than an archive can list.
    pub fn new(images: Vec<PlannedImage>) -> Result<Plan, Error> {
        let (images, parts) = gather(images)?;
        let index = index_json(&images, &parts)?;
        let (docker, more) = docker_json(&images)?;
        let mut warnings = parts.warnings;
        warnings.extend(more);
        let mut plan = Plan {
            entries: Vec::new(),
            by_digest: HashMap::new(),
            size: 0,
            warnings,
        };
        plan.add(oci::LAYOUT, Content::Known(LAYOUT_JSON.into()))?;
        plan.add(oci::INDEX, Content::Known(readable(oci::INDEX, index)?))?;
        plan.add(
            docker::MANIFEST,
            Content::Known(readable(docker::MANIFEST, docker)?),
        )?;
        for (digest, content) in parts.contents {
            plan.by_digest.insert(digest.clone(), plan.entries.len());
            plan.add(&oci::blob_name(&digest), content)?;
        }
        plan.size = plan
            .size
            .checked_add(END)
            .filter(|size| *size <= LARGEST)
            .ok_or(VAST)?;
        Ok(plan)
    }

    fn add(&mut self, name: &str, content: Content) -> Result<(), Error> {
        let entry = Entry {
            name: name.to_owned(),
            offset: self.size,
            content,
        };
        let end = entry.start().checked_add(entry.size());
        let end = end.and_then(|end| end.checked_next_multiple_of(BLOCK));
        self.size = end.filter(|end| *end <= LARGEST).ok_or(VAST)?;
        self.entries.push(entry);
        Ok(())
    }

    /// The archive's size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The configs and layers that have to be brought, each once, in the archive's order.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        self.entries.iter().filter_map(|entry| match &entry.content {
            Content::Blob(blob) => Some(&**blob),
            Content::Known(_) => None,
        })
    }

    /// What some programs can't do with the archive.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The place of a blob or manifest in [`Plan::entries`].
    pub(crate) fn find(&self, blob: &Descriptor) -> Result<usize, Error> {
        let found = self.by_digest.get(&blob.digest).copied();
        found
            .filter(|at| self.entries[*at].size() == blob.size)
            .ok_or_else(|| Error::NotPlanned {
                digest: blob.digest.clone(),
                size: blob.size,
            })
    }

    /// The bytes that the archive begins with, which tell its images: the entries before the blobs.
    pub(crate) fn beginning(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let documents = self
            .entries
            .iter()
            .filter(|entry| !entry.name.starts_with("blobs/"));
        for entry in documents {
            if let Content::Known(known) = &entry.content {
                bytes.extend(framed(entry, known));
            }
        }
        bytes
    }

    /// Whether the file at a path is this archive, as far as its size and the bytes that tell its images say; none where no file is there.
    /// Its blobs aren't read.
    ///
    /// # Errors
    /// Where it can't be read.
    pub fn is_at(&self, path: impl AsRef<Path>) -> Result<Option<bool>, Error> {
        let path = path.as_ref();
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("opening", path)(error)),
        };
        let length = file.metadata().map_err(Error::io("reading", path))?.len();
        if length != self.size {
            return Ok(Some(false));
        }
        let beginning = self.beginning();
        let mut found = vec![0; beginning.len()];
        let read = file.read_exact(&mut found);
        read.map_err(Error::io("reading", path))?;
        Ok(Some(found == beginning))
    }

    /// Writes the archive as a stream, in constant memory. `open` opens each blob as its turn comes; what it gives is hashed.
    ///
    /// # Errors
    /// Where the stream can't be written, or a blob can't be read or isn't what it should be: the stream ends within it then.
    pub fn write_to(
        &self,
        mut out: impl Write,
        mut open: impl FnMut(&Descriptor) -> io::Result<Box<dyn Read>>,
    ) -> Result<(), Error> {
        let path = Path::new("-");
        for entry in &self.entries {
            match &entry.content {
                Content::Known(known) => out
                    .write_all(&framed(entry, known))
                    .map_err(Error::io("writing", path))?,
                Content::Blob(blob) => {
                    out.write_all(&entry.header())
                        .map_err(Error::io("writing", path))?;
                    let failed = |source| Error::Source {
                        digest: blob.digest.clone(),
                        source,
                    };
                    let mut bytes = open(blob).map_err(failed)?;
                    copy(blob, &mut *bytes, &mut out)?;
                    out.write_all(&vec![0; entry.padding()])
                        .map_err(Error::io("writing", path))?;
                }
            }
        }
        out.write_all(&[0; END as usize])
            .map_err(Error::io("writing", path))?;
        out.flush().map_err(Error::io("writing", path))
    }
}

const VAST: Error = Error::PlanTooLarge {
    entry: "contents",
    size: u64::MAX,
};

/// An entry's header, its bytes and what fills its last block.
pub(crate) fn framed(entry: &Entry, known: &[u8]) -> Vec<u8> {
    let mut bytes = entry.header();
    bytes.extend(known);
    bytes.resize(bytes.len() + entry.padding(), 0);
    bytes
}

/// A document, if it is one that is read back.
pub(crate) fn readable(entry: &'static str, bytes: Vec<u8>) -> Result<Arc<[u8]>, Error> {
    let size = bytes.len() as u64;
    let entries = bytes.iter().filter(|byte| **byte == b',').count();
    if size > MAX_IMAGE_LIST_SIZE || entries > MAX_IMAGE_LIST_ENTRIES {
        return Err(Error::PlanTooLarge { entry, size });
    }
    Ok(bytes.into())
}

fn copy(blob: &Descriptor, bytes: &mut dyn Read, out: &mut impl Write) -> Result<(), Error> {
    let wrong = |source| Error::WrongContent { source };
    let mut verifier = Verifier::of(blob);
    let mut chunk = vec![0; CHUNK];
    loop {
        match bytes.read(&mut chunk) {
            Ok(0) => return verifier.finish().map_err(wrong),
            Ok(count) => {
                verifier.update(&chunk[..count]).map_err(wrong)?;
                out.write_all(&chunk[..count])
                    .map_err(Error::io("writing", Path::new("-")))?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => {
                return Err(Error::Source {
                    digest: blob.digest.clone(),
                    source,
                });
            }
        }
    }
}

/// Sorts images by name, and gathers their manifests and blobs.
pub(crate) fn gather(images: Vec<PlannedImage>) -> Result<(Vec<PlannedImage>, Parts), Error> {
    let mut named: BTreeMap<String, PlannedImage> = BTreeMap::new();
    for image in images {
        let name = image.name();
        if named.insert(name.to_string(), image).is_some() {
            return Err(Error::Twice {
                reference: Box::new(name),
            });
        }
    }
    let images: Vec<PlannedImage> = named.into_values().collect();
    let mut parts = Parts::default();
    for image in &images {
        parts.take(image)?;
    }
    Ok((images, parts))
}

/// The manifests and blobs of all images.
#[derive(Default)]
pub(crate) struct Parts {
    pub contents: BTreeMap<Digest, Content>,
    /// Manifests that are below no root, such as signatures.
    pub unnamed: BTreeMap<Digest, RawManifest>,
    pub warnings: Vec<Warning>,
}

impl Parts {
    fn take(&mut self, image: &PlannedImage) -> Result<(), Error> {
        let given: HashMap<&Digest, &RawManifest> = image
            .manifests
            .iter()
            .map(|manifest| (manifest.digest(), manifest))
            .collect();
        let mut missing = Vec::new();
        let mut reached = HashSet::from([image.root.digest()]);
        let mut queue = vec![&image.root];
        while let Some(manifest) = queue.pop() {
            self.add_manifest(manifest)?;
            for child in manifest.view().children() {
                match given.get(&child.digest) {
                    Some(found) if found.size() != child.size => {
                        return Err(sizes_differ(&child.digest, found.size(), child.size));
                    }
                    Some(found) if reached.insert(found.digest()) => queue.push(found),
                    Some(_) => {}
                    None if child.digest == *image.root.digest() => {}
                    None => missing.push(child.digest.clone()),
                }
            }
        }
        if !missing.is_empty() {
            self.warnings.push(Warning::Sparse {
                image: image.name(),
                missing,
            });
        }
        for manifest in &image.manifests {
            if !reached.contains(manifest.digest()) {
                self.unnamed.insert(manifest.digest().clone(), manifest.clone());
                self.add_manifest(manifest)?;
            }
        }
        Ok(())
    }

    /// Adds a manifest and its blobs, but for those that its publisher lets nobody hand on.
    fn add_manifest(&mut self, manifest: &RawManifest) -> Result<(), Error> {
        let known = Content::Known(manifest.shared_bytes());
        match self.contents.insert(manifest.digest().clone(), known) {
            Some(Content::Blob(blob)) if blob.size != manifest.size() => {
                return Err(sizes_differ(&blob.digest, blob.size, manifest.size()));
            }
            _ => {}
        }
        for blob in manifest.view().blobs().filter(|blob| !blob.is_foreign()) {
            let plain = Descriptor::new(blob.media_type.clone(), blob.digest.clone(), blob.size);
            let content = self
                .contents
                .entry(blob.digest.clone())
                .or_insert(Content::Blob(Arc::new(plain)));
            let size = match content {
                Content::Known(bytes) => bytes.len() as u64,
                Content::Blob(blob) => blob.size,
            };
            if size != blob.size {
                return Err(sizes_differ(&blob.digest, size, blob.size));
            }
        }
        Ok(())
    }
}

fn sizes_differ(digest: &Digest, first: u64, second: u64) -> Error {
    Error::SizesDiffer {
        digest: digest.clone(),
        first,
        second,
    }
}

/// Whether a manifest is an image's, with a config that names a platform.
pub(crate) fn is_runnable(manifest: &RawManifest) -> bool {
    matches!(manifest.view(), Manifest::Image(image) if image.config.media_type.is_image_config())
}
