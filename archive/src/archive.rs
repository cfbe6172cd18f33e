//! Reading: what an archive holds, and its manifests and blobs.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::ops::{Bound, RangeBounds};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use transload_reference::{
    Descriptor, Digest, MAX_IMAGE_LIST_SIZE, MAX_MANIFEST_SIZE, ManifestError, RawManifest, Reference,
    ReferrerTag,
};

use crate::blob::Bytes;
use crate::entries::{Entries, Extent, Flaw, read};
use crate::input::{self, Input};
use crate::sieve::Taken;
use crate::{BlobReader, Error, TakeBlobs, docker, docker_v1, oci, unknown};

/// How an archive holds its images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Layout {
    /// An OCI image layout ([image specification, "Image Layout"]), of whatever program.
    ///
    /// [image specification, "Image Layout"]: https://github.com/opencontainers/image-spec/blob/main/image-layout.md
    Oci,
    /// Docker's own form: `manifest.json` with configs and layers, and no manifests.
    Docker,
}

/// How an archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// A plain tar.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// What form an archive has. It is shown as "an OCI archive" or "a Docker archive, compressed with gzip".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Form {
    /// How it holds its images.
    pub layout: Layout,
    /// How it is compressed.
    pub compression: Compression,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.layout {
            Layout::Oci => "an OCI archive",
            Layout::Docker => "a Docker archive",
        })?;
        f.write_str(match self.compression {
            Compression::None => "",
            Compression::Gzip => ", compressed with gzip",
            Compression::Zstd => ", compressed with zstd",
        })
    }
}

/// An image of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArchivedImage {
    /// Its full name; none where the archive names none, or a tag alone.
    pub reference: Option<Reference>,
    /// Its name as the archive has it, such as `3.19`.
    pub name: Option<String>,
    /// Its root: a manifest or an index.
    pub root: Descriptor,
    /// The digest of the config that its manifest was made from (Docker's image ID): the archive has no manifest, or one that contradicts
    /// the config, so that the root's digest is a new one. None where the root is the archive's own.
    pub made_from: Option<Digest>,
}

impl ArchivedImage {
    /// An image of this name, if it has one.
    pub(crate) fn named(name: Option<&str>, root: Descriptor, made_from: Option<Digest>) -> ArchivedImage {
        ArchivedImage {
            reference: name.and_then(oci::full_name),
            name: name.map(str::to_owned),
            root,
            made_from,
        }
    }
}

/// How an archive is opened.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    pub(crate) spool_folder: PathBuf,
    pub(crate) most_unpacked: u64,
    cancel: Arc<AtomicBool>,
}

impl Default for OpenOptions {
    /// Compressed archives are unpacked in the system's folder for temporary files, up to 1 TiB.
    fn default() -> OpenOptions {
        OpenOptions {
            spool_folder: std::env::temp_dir(),
            most_unpacked: 1 << 40,
            cancel: Arc::default(),
        }
    }
}

impl OpenOptions {
    /// Sets the folder in which compressed archives, and those from pipes, are unpacked into a file without a name.
    #[must_use]
    pub fn spool_folder(mut self, folder: impl Into<PathBuf>) -> OpenOptions {
        self.spool_folder = folder.into();
        self
    }

    /// Sets how many bytes an archive may unpack to.
    #[must_use]
    pub fn most_unpacked(mut self, bytes: u64) -> OpenOptions {
        self.most_unpacked = bytes;
        self
    }

    /// Sets the flag that ends the opening of an archive, which may unpack it or hash its layers.
    #[must_use]
    pub fn cancel_flag(mut self, cancel: Arc<AtomicBool>) -> OpenOptions {
        self.cancel = cancel;
        self
    }

    /// See [`Archive::open`].
    ///
    /// # Errors
    /// Where the file can't be read, or isn't an archive of images.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Archive, Error> {
        let path = path.as_ref();
        Archive::read(path, input::open(path, self)?, self)
    }

    /// Opens the archive that a pipe gives, by way of a temporary file.
    ///
    /// # Errors
    /// As [`OpenOptions::open`]. The archive is called `-` then.
    pub fn from_reader(&self, reader: impl Read) -> Result<Archive, Error> {
        let path = Path::new("-");
        Archive::read(path, input::from_reader(reader, path, self, None)?, self)
    }

    /// Opens the archive that a pipe gives, whose blobs above 8 MiB are offered to a taker as they pass. Those that it takes are known to
    /// [`Archive::blob_size`] and can't be opened. They may be none of the archive's images'.
    ///
    /// # Errors
    /// As [`OpenOptions::from_reader`], and where a blob can't be taken.
    pub fn from_reader_with<'a>(
        &'a self,
        reader: impl Read,
        taker: &'a mut dyn TakeBlobs,
    ) -> Result<Archive, Error> {
        let path = Path::new("-");
        Archive::read(path, input::from_reader(reader, path, self, Some(taker))?, self)
    }

    pub(crate) fn check_stop(&self, path: &Path) -> Result<(), Error> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(Error::Stopped {
                path: path.to_owned(),
            });
        }
        Ok(())
    }
}

/// Where a blob's bytes are.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum BlobPlace {
    /// In a plain tar: the archive itself, or the temporary file that it was unpacked into.
    File {
        /// The file.
        file: Arc<File>,
        /// Where in the file the blob begins.
        offset: u64,
        /// The blob's size in bytes.
        size: u64,
    },
    /// In memory: a config that was made for an image that has none.
    Memory(Arc<[u8]>),
}

/// A file that holds images. Many threads may read it at once.
#[derive(Debug)]
pub struct Archive {
    pub(crate) path: PathBuf,
    pub(crate) tar: Arc<File>,
    pub(crate) entries: Entries,
    form: Form,
    images: Vec<ArchivedImage>,
    /// Manifests that were made for images that have none.
    made: HashMap<Digest, RawManifest>,
    /// Blobs that aren't at the place of their digest.
    blobs: HashMap<Digest, Extent>,
    /// Configs that were made for images that have none.
    configs: HashMap<Digest, Arc<[u8]>>,
    /// The blobs that a taker wrote elsewhere while the pipe was read.
    pub(crate) taken: HashMap<Extent, Taken>,
    /// The referrers by their subject, once they are asked for.
    referrers: OnceLock<HashMap<Digest, Vec<Descriptor>>>,
}

/// What a form of archive holds.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub images: Vec<ArchivedImage>,
    pub made: HashMap<Digest, RawManifest>,
    pub blobs: HashMap<Digest, Extent>,
    pub configs: HashMap<Digest, Arc<[u8]>>,
}

impl Archive {
    /// Opens an archive written by any program. One pass over its headers finds the blobs. A compressed archive is unpacked into a temporary
    /// file first, and the layers of a Docker archive are hashed. [`OpenOptions`] sets the folder of that file, and a flag that stops the work.
    ///
    /// # Errors
    /// Where the file can't be read, isn't an archive of images, or holds what no such archive has.
    pub fn open(path: impl AsRef<Path>) -> Result<Archive, Error> {
        OpenOptions::default().open(path)
    }

    fn read(path: &Path, input: Input, options: &OpenOptions) -> Result<Archive, Error> {
        let Input {
            tar,
            length,
            compression,
            taken,
        } = input;
        let mut entries = Entries::default();
        if let Err(flaw) = entries.scan(&tar, length) {
            return Err(match unknown::is_file_system(&entries) {
                true => unknown::error(path, &entries, compression),
                false => flaw.at(path),
            });
        }
        let mut archive = Archive {
            path: path.to_owned(),
            tar: Arc::new(tar),
            entries,
            form: Form {
                layout: Layout::Oci,
                compression,
            },
            images: Vec::new(),
            made: HashMap::new(),
            blobs: HashMap::new(),
            configs: HashMap::new(),
            taken,
            referrers: OnceLock::new(),
        };
        let has = |name| archive.find(name).map(|found| found.is_some());
        let (has_layout, has_index, has_manifest) =
            (has(oci::LAYOUT)?, has(oci::INDEX)?, has(docker::MANIFEST)?);
        let contents = if has_index && (has_layout || !has_manifest) {
            oci::read(&archive, options)?
        } else if has_manifest {
            archive.form.layout = Layout::Docker;
            docker::read(&archive, options)?
        } else if docker_v1::is_there(&archive.entries) {
            archive.form.layout = Layout::Docker;
            docker_v1::read(&archive, options)?
        } else {
            return Err(unknown::error(path, &archive.entries, compression));
        };
        archive.images = contents.images;
        archive.made = contents.made;
        archive.blobs = contents.blobs;
        archive.configs = contents.configs;
        Ok(archive)
    }

    /// The form.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Whether it can be read in this way: many archives have both lists of images, in which case [`Archive::form`] is OCI's.
    pub fn fits(&self, layout: Layout) -> bool {
        self.form.layout == layout
            || layout == Layout::Docker && matches!(self.find(docker::MANIFEST), Ok(Some(_)))
    }

    /// The images, in the archive's order. An image of several names is listed with each.
    pub fn images(&self) -> &[ArchivedImage] {
        &self.images
    }

    /// Reads a manifest; none if it isn't there.
    ///
    /// # Errors
    /// Where it can't be read, has another digest or is no manifest.
    pub fn manifest(&self, digest: &Digest) -> Result<Option<RawManifest>, Error> {
        if let Some(made) = self.made.get(digest) {
            return Ok(Some(made.clone()));
        }
        let Some(extent) = self.extent(digest)? else {
            return Ok(None);
        };
        let refused = |source| Error::Manifest {
            path: self.path.clone(),
            entry: oci::blob_name(digest),
            source,
        };
        if extent.size > MAX_MANIFEST_SIZE {
            return Err(refused(ManifestError::TooLarge { size: extent.size }));
        }
        let bytes = self.bytes(extent)?;
        RawManifest::verified(bytes, None, digest)
            .map(Some)
            .map_err(refused)
    }

    /// Returns what refers to a manifest, sorted by digest: an entry of the list of its referrers each. The archive lists them as images without
    /// a name, or in an index under the referrers tag. Of what can't be read, nothing is believed.
    pub fn referrers(&self, subject: &Digest) -> Vec<Descriptor> {
        let by_subject = self.referrers.get_or_init(|| self.all_referrers());
        by_subject.get(subject).cloned().unwrap_or_default()
    }

    fn all_referrers(&self) -> HashMap<Digest, Vec<Descriptor>> {
        let mut digests = BTreeSet::new();
        for image in &self.images {
            digests.insert(image.root.digest.clone());
            let reference = image.reference.as_ref();
            let tag = match (reference, &image.name) {
                (Some(reference), _) => reference.tag().cloned(),
                (None, name) => name.as_ref().and_then(|name| name.parse().ok()),
            };
            let kind = tag.as_ref().and_then(ReferrerTag::parse);
            if matches!(kind, Some((ReferrerTag::Index, _)))
                && let Ok(Some(list)) = self.manifest(&image.root.digest)
            {
                let children = list.view().children().iter();
                digests.extend(children.map(|child| child.digest.clone()));
            }
        }
        referrers_by_subject(digests.iter().filter_map(|digest| self.manifest(digest).ok()?))
    }

    /// Returns a blob's size in bytes; none if it isn't there.
    ///
    /// # Errors
    /// Where its entry is a link that leads nowhere.
    pub fn blob_size(&self, digest: &Digest) -> Result<Option<u64>, Error> {
        Ok(self.locate(digest)?.map(|(_, extent)| extent.size))
    }

    /// Whether a blob was taken as it passed through a pipe, and was new where it was taken to.
    pub fn is_taken(&self, digest: &Digest) -> bool {
        let extent = self.extent(digest).ok().flatten();
        extent.is_some_and(|extent| self.taken.get(&extent).is_some_and(|taken| taken.is_new))
    }

    /// Opens a blob, or a range of its bytes, for reading; none if it isn't there. What of the range is beyond the blob's end is
    /// left out. The bytes aren't verified: a [`VerifyingReader`](transload_reference::VerifyingReader) does that while they are read.
    ///
    /// # Errors
    /// As [`Archive::blob_size`], and where the blob was taken as it passed through a pipe.
    pub fn open_blob(
        &self,
        digest: &Digest,
        range: impl RangeBounds<u64>,
    ) -> Result<Option<BlobReader>, Error> {
        let Some((bytes, extent)) = self.locate(digest)? else {
            return Ok(None);
        };
        if self.taken.contains_key(&extent) {
            let reason = "has passed, and a pipe can't be read twice";
            return Err(Error::entry(&self.path, &oci::blob_name(digest), reason));
        }
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => extent.size,
        };
        let end = end.min(extent.size);
        let start = start.min(end);
        let part = Extent {
            offset: extent.offset + start,
            size: end - start,
        };
        Ok(Some(BlobReader::new(bytes, part)))
    }

    /// Returns where a blob's bytes are, for what sends them without reading them; none if it isn't there.
    ///
    /// # Errors
    /// As [`Archive::blob_size`].
    pub fn blob_place(&self, digest: &Digest) -> Result<Option<BlobPlace>, Error> {
        Ok(self.locate(digest)?.map(|(bytes, extent)| match bytes {
            Bytes::Tar(file) => BlobPlace::File {
                file,
                offset: extent.offset,
                size: extent.size,
            },
            Bytes::Made(bytes) => BlobPlace::Memory(bytes),
        }))
    }

    fn locate(&self, digest: &Digest) -> Result<Option<(Bytes, Extent)>, Error> {
        if let Some(made) = self.configs.get(digest) {
            let size = made.len() as u64;
            return Ok(Some((Bytes::Made(Arc::clone(made)), Extent { offset: 0, size })));
        }
        let extent = self.extent(digest)?;
        Ok(extent.map(|extent| (Bytes::Tar(Arc::clone(&self.tar)), extent)))
    }

    fn extent(&self, digest: &Digest) -> Result<Option<Extent>, Error> {
        match self.blobs.get(digest) {
            Some(extent) => Ok(Some(*extent)),
            None => self.find(&oci::blob_name(digest)),
        }
    }

    /// Finds an entry.
    pub(crate) fn find(&self, name: &str) -> Result<Option<Extent>, Error> {
        self.entries.find(name).map_err(|flaw| flaw.at(&self.path))
    }

    /// Reads a document that archives have at this name; none if it isn't there.
    pub(crate) fn document(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let Some(extent) = self.find(name)? else {
            return Ok(None);
        };
        if extent.size > MAX_IMAGE_LIST_SIZE {
            let reason = format!(
                "has {} bytes; at most {MAX_IMAGE_LIST_SIZE} are read",
                extent.size
            );
            return Err(Error::entry(&self.path, name, reason));
        }
        self.bytes(extent).map(Some)
    }

    fn bytes(&self, extent: Extent) -> Result<Vec<u8>, Error> {
        read(&*self.tar, extent).map_err(|error| Flaw::Io(error).at(&self.path))
    }
}

/// The images without those that say the same.
pub(crate) fn distinct(images: Vec<ArchivedImage>) -> Vec<ArchivedImage> {
    let mut seen = HashSet::new();
    let is_new = |image: &ArchivedImage| seen.insert((image.name.clone(), image.root.digest.clone()));
    images.into_iter().filter(is_new).collect()
}

/// What refers to a manifest among these, by its subject.
pub(crate) fn referrers_by_subject(
    manifests: impl Iterator<Item = RawManifest>,
) -> HashMap<Digest, Vec<Descriptor>> {
    let mut by_subject: HashMap<Digest, Vec<Descriptor>> = HashMap::new();
    for manifest in manifests {
        if let (Some(subject), Some(referrer)) = (manifest.view().subject(), manifest.referrer()) {
            let known = by_subject.entry(subject.digest.clone()).or_default();
            known.push(referrer);
        }
    }
    by_subject
}
