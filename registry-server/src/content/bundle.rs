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
    /// Takes a bundle that is open. Messages name it by its path.
    ///
    /// # Errors
    /// Where it lacks something.
    pub fn new(path: impl Into<PathBuf>, bundle: Bundle) -> Result<BundleContent, ContentError> {
        let path = path.into();
        if !bundle.is_complete() {
            return Err(BundleError::Unserved { path }.into());
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
        let blob = self.bundle.open_blob(digest, 0);
        Ok(blob.map(|blob| match blob.as_extent() {
            Some((file, offset, size)) => Blob::File { file, offset, size },
            None => Blob::Parts(blob),
        }))
    }

    fn referrers(&self, _: &Repository, subject: &Digest) -> Result<Vec<Descriptor>, ContentError> {
        Ok(self.bundle.referrers(subject))
    }
}
