//! Archives and bundles as places.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use transload_archive::bundle::{Bundle, BundleError};
use transload_archive::{Archive, ArchivedImage, BlobPlace, OpenOptions};
use transload_layout_store::local_repository;
use transload_reference::{Descriptor, Digest, RawManifest, Reference, Repository, Tag};

use super::names::Names;
use super::{Blob, Content, ContentError};

/// The images of an archive or a bundle, as they were when it was opened, read where they are. An image without a full name is in the
/// repository `localhost/<name of the file>`.
#[derive(Debug)]
pub struct ArchiveContent {
    path: PathBuf,
    names: Names,
    reader: Reader,
}

/// What reads manifests and blobs.
#[derive(Debug)]
enum Reader {
    Archive(Archive),
    Bundle(Bundle),
}

impl ArchiveContent {
    /// Opens an archive. A plain one is served from where it is; one that is compressed is unpacked into a temporary file first.
    ///
    /// # Errors
    /// Where it can't be read or is no archive of images.
    pub fn open(path: impl AsRef<Path>, options: &OpenOptions) -> Result<ArchiveContent, ContentError> {
        let path = path.as_ref();
        let archive = options.open(path)?;
        let local = local_repository(path)?;
        let mut names = Names::default();
        for image in archive.images() {
            names.insert(&named(image, &local), &image.root.digest);
        }
        Ok(ArchiveContent {
            path: path.to_owned(),
            names,
            reader: Reader::Archive(archive),
        })
    }

    /// Takes a bundle that is open. Messages name it by its path.
    ///
    /// # Errors
    /// Where it lacks something that its images need.
    pub fn bundle(path: impl Into<PathBuf>, bundle: Bundle) -> Result<ArchiveContent, ContentError> {
        let path = path.into();
        if !bundle.is_complete() {
            return Err(BundleError::Unserved { path }.into());
        }
        let mut names = Names::default();
        for image in bundle.images() {
            names.insert(&image.reference, &image.digest);
        }
        Ok(ArchiveContent {
            path,
            names,
            reader: Reader::Bundle(bundle),
        })
    }
}

fn named(image: &ArchivedImage, local: &Repository) -> Reference {
    image.reference.clone().unwrap_or_else(|| {
        let tag = image.name.as_deref().and_then(|name| name.parse().ok());
        Reference::new(local.clone(), tag, Some(image.root.digest.clone()))
    })
}

impl Content for ArchiveContent {
    fn label(&self) -> String {
        self.path.display().to_string()
    }

    fn repositories(&self) -> Result<BTreeSet<Repository>, ContentError> {
        Ok(self.names.repositories())
    }

    fn repositories_of(&self, path: &str) -> Result<BTreeSet<Repository>, ContentError> {
        Ok(self.names.repositories_of(path))
    }

    fn has(&self, repository: &Repository) -> Result<bool, ContentError> {
        Ok(self.names.has(repository))
    }

    fn tags(&self, repository: &Repository) -> Result<BTreeSet<Tag>, ContentError> {
        Ok(self.names.tags(repository))
    }

    fn resolve(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, ContentError> {
        Ok(self.names.resolve(repository, tag))
    }

    fn manifest(&self, _: &Repository, digest: &Digest) -> Result<Option<RawManifest>, ContentError> {
        Ok(match &self.reader {
            Reader::Archive(archive) => archive.manifest(digest)?,
            Reader::Bundle(bundle) => bundle.manifest(digest)?,
        })
    }

    fn blob(&self, digest: &Digest) -> Result<Option<Blob>, ContentError> {
        Ok(match &self.reader {
            Reader::Archive(archive) => archive.blob_place(digest)?.and_then(|place| match place {
                BlobPlace::File { file, offset, size } => Some(Blob::File { file, offset, size }),
                BlobPlace::Memory(bytes) => Some(Blob::Memory(bytes)),
                _ => None,
            }),
            Reader::Bundle(bundle) => bundle.open_blob(digest, 0).map(|blob| match blob.as_extent() {
                Some((file, offset, size)) => Blob::File { file, offset, size },
                None => Blob::Parts(blob),
            }),
        })
    }

    fn referrers(&self, _: &Repository, subject: &Digest) -> Result<Vec<Descriptor>, ContentError> {
        Ok(match &self.reader {
            Reader::Archive(archive) => archive.referrers(subject),
            Reader::Bundle(bundle) => bundle.referrers(subject),
        })
    }
}
