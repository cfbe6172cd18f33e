//! What differs between the formats of directories: where manifests and tags are, and which images there are.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::path::PathBuf;

use transload_reference::{Descriptor, Digest, RawManifest, Repository, Tag};

use crate::repair::{OldTagFile, TagFlaw};
use crate::{Error, Format, Listing, Removed, StoredImage};

/// A format's way to keep manifests and tags. [`Store`](crate::Store) tells what each method promises its callers.
pub(crate) trait Layout: Naming + Manifests + Mending + Pruning + fmt::Debug + Send + Sync {
    fn format(&self) -> Format;

    /// Makes the folders and files that each directory of the format has, if they aren't there.
    fn make(&self) -> Result<(), Error>;

    /// Where a manifest of this repository may be: in the repository alone, or, with none, wherever any manifest is.
    fn scope<'a>(&self, repository: &'a Repository) -> Option<&'a Repository>;
}

/// Repositories, tags, and which images there are.
pub(crate) trait Naming {
    fn listing(&self) -> Result<Listing, Error>;

    /// The repositories that have a place, by names alone.
    fn places(&self) -> Result<BTreeSet<Repository>, Error>;

    /// Those of them that have this path, in whichever registry.
    fn places_of(&self, path: &str) -> Result<BTreeSet<Repository>, Error>;

    fn has_place(&self, repository: &Repository) -> Result<bool, Error>;

    fn tags(&self, repository: &Repository) -> Result<BTreeSet<Tag>, Error>;

    fn tagged(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, Error>;

    fn check_place(&self, repository: &Repository, tag: Option<&Tag>) -> Result<(), Error>;

    fn tag_all(&self, tags: &BTreeMap<Repository, Vec<(Tag, Digest)>>) -> Result<(), Error>;

    fn keep(&self, repository: &Repository, digest: &Digest) -> Result<(), Error>;

    fn untag(&self, repository: &Repository, tag: &Tag) -> Result<bool, Error>;
}

/// Manifests: reading and writing.
pub(crate) trait Manifests {
    fn manifest(&self, repository: &Repository, digest: &Digest) -> Result<Option<RawManifest>, Error>;

    fn manifest_by_digest(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Option<RawManifest>, Error>;

    fn manifest_path(&self, repository: &Repository, digest: &Digest) -> PathBuf;

    fn left_out(&self, repository: &Repository, index: &Digest) -> BTreeSet<Digest>;

    fn put_manifest(&self, repository: &Repository, manifest: &RawManifest) -> Result<(), Error>;

    fn mend_manifest(&self, repository: &Repository, manifest: &RawManifest) -> Result<(), Error>;

    /// The manifests in a repository's scope that refer to another one, with that one. Of a file that isn't what its name says, nothing
    /// is believed; one that can't be read ends the search.
    fn subjects(&self, repository: &Repository) -> Result<BTreeMap<Digest, Digest>, Error>;

    fn add_referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
        referrers: &[Descriptor],
    ) -> Result<(), Error>;
}

/// Mending what tags stand for.
pub(crate) trait Mending {
    fn check_tags(&self, repository: &Repository) -> Result<Vec<TagFlaw>, Error>;

    fn renew_tag_files(&self, repository: &Repository) -> Result<Vec<OldTagFile>, Error>;

    fn mend_tags(&self, repository: &Repository) -> Result<(), Error>;
}

/// Removing images' names, and manifests.
pub(crate) trait Pruning {
    /// The files of a repository's manifests that aren't among those reached; none where manifests are blobs.
    fn unreached(&self, repository: &Repository, reached: &HashSet<Digest>) -> Result<Vec<PathBuf>, Error>;

    /// Removes images' names, those by digest too, so that none is listed any more. Nobody else uses the directory meanwhile.
    fn forget_images(&self, images: &[StoredImage]) -> Result<(), Error>;

    /// Removes manifests' files that [`Pruning::unreached`] told, and what was noted of them.
    fn remove_manifests(&self, manifests: &[(Repository, PathBuf)]) -> Result<(), Error>;

    /// Removes one manifest with its names in a repository. Nobody else uses the directory meanwhile.
    fn remove_manifest(&self, repository: &Repository, digest: &Digest) -> Result<Removed, Error>;

    /// Removes what repositories leave that have nothing left.
    fn tidy(&self, repositories: &BTreeSet<&Repository>);
}
