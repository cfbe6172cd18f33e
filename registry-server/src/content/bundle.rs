//! A bundle as a place.

use std::collections::BTreeSet;
use std::path::PathBuf;

use transload_archive::bundle::{Bundle, BundleError};
use transload_reference::{Descriptor, Digest, RawManifest, Repository, Tag};

use super::names::Names;
use super::{Blob, Content, ContentError};

/// The images of a bundle that has all that they need, read where its volumes are.
#[derive(Debug)]
pub struct BundleContent {
    path: PathBuf,
    bundle: Bundle,
    names: Names,
}

impl BundleContent {
    /// Opens a bundle, whose volumes may be in further folders.
    ///
    /// # Errors
    /// Where it can't be read, lacks something, or has a blob that is cut into parts.
    pub fn open(path: impl Into<PathBuf>, volumes: &[PathBuf]) -> Result<BundleContent, ContentError> {
        let path = path.into();
        let bundle = Bundle::open(&path, volumes)?;
        BundleContent::new(path, bundle)
    }

    /// Takes a bundle that is open. Messages name it by its path.
    ///
    /// # Errors
    /// Where it lacks something, or has a blob that is cut into parts.
    pub fn new(path: impl Into<PathBuf>, bundle: Bundle) -> Result<BundleContent, ContentError> {
        let path = path.into();
        if !bundle.is_complete() || bundle.has_cut_blobs() {
            let reason = match bundle.is_complete() {
                true => "has a blob that is larger than a volume, and can't be served",
                false => "lacks something that its images need, and can't be served",
            };
            return Err(BundleError::Unserved { path, reason }.into());
        }
        let mut names = Names::default();
        for image in bundle.images() {
            names.insert(&image.reference, &image.digest);
        }
        Ok(BundleContent { path, bundle, names })
    }
}

impl Content for BundleContent {
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
        Ok(self.bundle.manifest(digest)?)
    }

    fn blob(&self, digest: &Digest) -> Result<Option<Blob>, ContentError> {
        let place = self.bundle.open_blob(digest, 0).and_then(|blob| blob.as_extent());
        Ok(place.map(|(file, offset, size)| Blob::File { file, offset, size }))
    }

    fn referrers(&self, _: &Repository, subject: &Digest) -> Result<Vec<Descriptor>, ContentError> {
        Ok(self.bundle.referrers(subject))
    }
}
