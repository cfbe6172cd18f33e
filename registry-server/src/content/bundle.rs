//! A bundle as a place.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use transload_archive::bundle::{Bundle, BundleError};
use transload_reference::{Descriptor, Digest, RawManifest, Repository, Tag};

use super::{Blob, Content, ContentError};

/// The images of a bundle that has all that they need, read where its volumes are.
#[derive(Debug)]
pub struct BundleContent {
    path: PathBuf,
    bundle: Bundle,
    repositories: BTreeMap<Repository, BTreeMap<Tag, Digest>>,
}

impl BundleContent {
    /// Opens a bundle, whose volumes may be in further folders.
    ///
    /// # Errors
    /// Where it can't be read, lacks something, or has a blob that is cut into parts.
    pub fn open(path: impl Into<PathBuf>, volumes: &[PathBuf]) -> Result<BundleContent, ContentError> {
        let path = path.into();
        let bundle = Bundle::open(&path, volumes)?;
        if !bundle.is_complete() || bundle.has_cut_blobs() {
            let reason = match bundle.is_complete() {
                true => "has a blob that is larger than a volume, and can't be served",
                false => "lacks something that its images need, and can't be served",
            };
            return Err(BundleError::Unserved { path, reason }.into());
        }
        let mut repositories: BTreeMap<Repository, BTreeMap<Tag, Digest>> = BTreeMap::new();
        for image in bundle.images() {
            let tags = repositories
                .entry(image.reference.repository().clone())
                .or_default();
            tags.extend(
                image
                    .reference
                    .tag()
                    .map(|tag| (tag.clone(), image.digest.clone())),
            );
        }
        Ok(BundleContent {
            path,
            bundle,
            repositories,
        })
    }
}

impl Content for BundleContent {
    fn label(&self) -> String {
        self.path.display().to_string()
    }

    fn repositories(&self) -> Result<BTreeSet<Repository>, ContentError> {
        Ok(self.repositories.keys().cloned().collect())
    }

    fn repositories_of(&self, path: &str) -> Result<BTreeSet<Repository>, ContentError> {
        let own = self.repositories.keys();
        Ok(own
            .filter(|repository| repository.path() == path)
            .cloned()
            .collect())
    }

    fn has(&self, repository: &Repository) -> Result<bool, ContentError> {
        Ok(self.repositories.contains_key(repository))
    }

    fn tags(&self, repository: &Repository) -> Result<BTreeSet<Tag>, ContentError> {
        let tags = self.repositories.get(repository).into_iter();
        Ok(tags.flat_map(BTreeMap::keys).cloned().collect())
    }

    fn resolve(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, ContentError> {
        let tags = self.repositories.get(repository);
        Ok(tags.and_then(|tags| tags.get(tag)).cloned())
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
