//! KubeKey's format: blobs together, and a folder of manifests and tags for each repository.

mod folders;
mod images;
mod manifests;
mod mend;
mod places;
mod prune;
pub(crate) mod tag_map;
mod tags;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use transload_reference::{Descriptor, Digest, RawManifest, Repository, Tag};

use crate::directory::Directory;
use crate::folders::{BLOBS, FileState};
use crate::layout::Layout;
use crate::repair::{OldTagFile, TagFlaw};
use crate::subjects::Subjects;
use crate::{Error, Format, Listing, Removed, StoredImage, sparse};
use tag_map::TagMaps;

pub(crate) use folders::{LAYOUT, MANIFESTS};

/// A directory of this format.
#[derive(Debug)]
pub(crate) struct KubeKey {
    directory: Arc<Directory>,
    /// The tag maps as they were when they were last read or written.
    tag_maps: TagMaps,
    /// The digests of tags' files as they were when they were last read.
    tag_digests: Mutex<HashMap<PathBuf, (FileState, Digest)>>,
    subjects: Subjects,
}

impl KubeKey {
    pub fn new(directory: Arc<Directory>) -> KubeKey {
        KubeKey {
            directory,
            tag_maps: TagMaps::default(),
            tag_digests: Mutex::default(),
            subjects: Subjects::default(),
        }
    }

    fn root(&self) -> &Path {
        self.directory.root()
    }

    /// Where it is noted what was left out of an index.
    fn note(&self, repository: &Repository, index: &Digest) -> PathBuf {
        self.notes(repository).join(index.as_str())
    }

    fn notes(&self, repository: &Repository) -> PathBuf {
        let mut path = sparse::folder(self.root());
        path.push(repository.registry().as_str());
        path.extend(repository.path().split('/'));
        path
    }
}

impl Layout for KubeKey {
    fn format(&self) -> Format {
        Format::KubeKey
    }

    fn make(&self) -> Result<(), Error> {
        let blobs = self.root().join(BLOBS);
        self.directory.make_folder(&blobs, &"the folder of blobs")
    }

    fn scope<'a>(&self, repository: &'a Repository) -> Option<&'a Repository> {
        Some(repository)
    }

    fn listing(&self) -> Result<Listing, Error> {
        images::listing(self.root())
    }

    fn places(&self) -> Result<BTreeSet<Repository>, Error> {
        places::all(self.root())
    }

    fn places_of(&self, path: &str) -> Result<BTreeSet<Repository>, Error> {
        self.places_of(path)
    }

    fn has_place(&self, repository: &Repository) -> Result<bool, Error> {
        Ok(!self.readable_folders(repository)?.is_empty())
    }

    fn tags(&self, repository: &Repository) -> Result<BTreeSet<Tag>, Error> {
        self.tags(repository)
    }

    fn tagged(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, Error> {
        self.newest_of(repository, tag)
    }

    fn manifest(&self, repository: &Repository, digest: &Digest) -> Result<Option<RawManifest>, Error> {
        self.manifest(repository, digest)
    }

    fn manifest_by_digest(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Option<RawManifest>, Error> {
        self.manifest_by_digest(repository, digest)
    }

    fn manifest_path(&self, repository: &Repository, digest: &Digest) -> PathBuf {
        self.manifest_path(repository, digest)
    }

    fn left_out(&self, repository: &Repository, index: &Digest) -> BTreeSet<Digest> {
        sparse::left_out(&self.note(repository, index))
    }

    fn check_place(&self, repository: &Repository, tag: Option<&Tag>) -> Result<(), Error> {
        self.check_place(repository, tag)
    }

    fn put_manifest(&self, repository: &Repository, manifest: &RawManifest) -> Result<(), Error> {
        self.put_manifest(repository, manifest)
    }

    fn keep(&self, repository: &Repository, digest: &Digest) -> Result<(), Error> {
        self.keep(repository, digest)
    }

    fn tag_all(&self, tags: &BTreeMap<Repository, Vec<(Tag, Digest)>>) -> Result<(), Error> {
        tags.iter()
            .try_for_each(|(repository, tags)| self.tag_repository(repository, tags))
    }

    fn untag(&self, repository: &Repository, tag: &Tag) -> Result<bool, Error> {
        self.untag(repository, tag)
    }

    fn mend_manifest(&self, repository: &Repository, manifest: &RawManifest) -> Result<(), Error> {
        self.mend_manifest(repository, manifest)
    }

    fn check_tags(&self, repository: &Repository) -> Result<Vec<TagFlaw>, Error> {
        self.check_tags(repository)
    }

    fn renew_tag_files(&self, repository: &Repository) -> Result<Vec<OldTagFile>, Error> {
        self.renew_tag_files(repository)
    }

    fn mend_tags(&self, repository: &Repository) -> Result<(), Error> {
        self.mend_tags(repository)
    }

    /// They are found by their subjects.
    fn add_referrers(
        &self,
        repository: &Repository,
        _: &Digest,
        referrers: &[Descriptor],
    ) -> Result<(), Error> {
        referrers
            .iter()
            .try_for_each(|referrer| self.keep(repository, &referrer.digest))
    }

    fn subjects(&self, repository: &Repository) -> Result<BTreeMap<Digest, Digest>, Error> {
        self.subjects(repository)
    }

    fn unreached(&self, repository: &Repository, reached: &HashSet<Digest>) -> Result<Vec<PathBuf>, Error> {
        self.unreached(repository, reached)
    }

    fn forget_images(&self, images: &[StoredImage]) -> Result<(), Error> {
        self.forget_images(images)
    }

    fn remove_manifests(&self, manifests: &[(Repository, PathBuf)]) -> Result<(), Error> {
        self.remove_manifests(manifests)
    }

    fn remove_manifest(&self, repository: &Repository, digest: &Digest) -> Result<Removed, Error> {
        self.remove_manifest(repository, digest)
    }

    fn tidy(&self, repositories: &BTreeSet<&Repository>) {
        self.remove_empty_repositories(repositories);
    }
}
