//! A directory of images, whatever its format.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use transload_reference::{Descriptor, Digest, Identifier, RawManifest, Repository, Tag};

use crate::directory::Directory;
use crate::error::shown;
use crate::layout::Layout;
use crate::repair::Repair;
use crate::subjects::readable;
use crate::{Caution, Error, Exclusive, Format, Listing, OpenOptions, StoredImage};

/// A directory of images. Many threads may use it at once, and so may other processes.
#[derive(Debug)]
pub struct Store {
    pub(crate) directory: Arc<Directory>,
    pub(crate) layout: Box<dyn Layout>,
}

/// Opening.
impl Store {
    /// Opens a store that is there, for reading or writing. An empty folder is a store without images. While somebody removes
    /// images from it, this waits.
    ///
    /// # Errors
    /// Where the folder isn't there, can't be read or is something else.
    pub fn open(path: impl AsRef<Path>) -> Result<Store, Error> {
        OpenOptions::default().open(path)
    }

    /// Opens a store that nobody else has open, another [`Store`] of the same folder in this process included, and keeps everybody else
    /// out until the result is dropped. While somebody uses it, this waits.
    ///
    /// # Errors
    /// As [`Store::open`], and where the folder can't be locked.
    pub fn open_exclusively(path: impl AsRef<Path>) -> Result<Exclusive, Error> {
        OpenOptions::default().open_exclusively(path)
    }

    /// Opens a store, making it if it isn't there.
    ///
    /// # Errors
    /// As [`Store::open`], and where it can't be made.
    pub fn create(path: impl AsRef<Path>) -> Result<Store, Error> {
        OpenOptions::default().create(path)
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        self.directory.root()
    }

    /// How it keeps images.
    pub fn format(&self) -> Format {
        self.layout.format()
    }

    /// What its filesystem was found to lack so far: a store works without it, less safely, and whoever uses it should know.
    pub fn cautions(&self) -> Vec<Caution> {
        self.directory.cautions.all()
    }
}

/// Images and their names.
impl Store {
    /// All images, sorted by name: each tag, and each manifest that neither a tag nor another manifest stands for.
    ///
    /// # Errors
    /// Where what images there are can't be read. Files and folders that aren't of the format are passed over.
    pub fn images(&self) -> Result<impl ExactSizeIterator<Item = StoredImage> + Debug + use<>, Error> {
        let listing = self.listing()?.undamaged()?;
        for folder in &listing.nameless {
            log::warn!("{} is skipped: no image's name leads there", shown(folder));
        }
        Ok(listing.images.into_iter())
    }

    /// All images that can be told, and what keeps others from being told.
    ///
    /// # Errors
    /// Where the store's own folder can't be read.
    pub fn listing(&self) -> Result<Listing, Error> {
        self.layout.listing()
    }

    /// The repositories that have an image, sorted.
    ///
    /// # Errors
    /// As [`Store::images`].
    pub fn repositories(&self) -> Result<impl ExactSizeIterator<Item = Repository> + Debug + use<>, Error> {
        let mut repositories: Vec<Repository> = self
            .images()?
            .map(|image| image.reference.repository().clone())
            .collect();
        repositories.dedup();
        Ok(repositories.into_iter())
    }

    /// The repositories that have a place here, sorted, by a look at names alone: quick where [`Store::repositories`] reads every manifest.
    /// What is left of a repository without images may be among them.
    ///
    /// # Errors
    /// Where the store's own folder, or what lists its images, can't be read.
    pub fn places(&self) -> Result<BTreeSet<Repository>, Error> {
        self.layout.places()
    }

    /// The [`Store::places`] that have this path, in whichever registry, such as `library/alpine`.
    ///
    /// # Errors
    /// As [`Store::places`].
    pub fn places_of(&self, path: &str) -> Result<BTreeSet<Repository>, Error> {
        self.layout.places_of(path)
    }

    /// Returns whether a repository is among the [`Store::places`].
    ///
    /// # Errors
    /// As [`Store::places`].
    pub fn has_place(&self, repository: &Repository) -> Result<bool, Error> {
        self.layout.has_place(repository)
    }

    /// The tags of a repository, sorted; none where the store has no such repository. [`Store::resolve`] tells what each stands for.
    ///
    /// ```
    /// # use transload_layout_store::Store;
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::create(folder.path())?;
    /// let mut tags = store.tags(&"docker.io/library/alpine".parse()?)?;
    /// assert_eq!(tags.next(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Where what the repository's tags stand for can't be read.
    pub fn tags(
        &self,
        repository: &Repository,
    ) -> Result<impl ExactSizeIterator<Item = Tag> + Debug + use<>, Error> {
        Ok(self.layout.tags(repository)?.into_iter())
    }

    /// What a tag or a digest of a repository stands for; none if there is no such thing.
    ///
    /// # Errors
    /// Where a file can't be read.
    pub fn resolve(&self, repository: &Repository, identifier: &Identifier) -> Result<Option<Digest>, Error> {
        match identifier {
            Identifier::Digest(digest) => Ok(self
                .manifest(repository, digest)?
                .map(|manifest| manifest.digest().clone())),
            Identifier::Tag(tag) => self.layout.tagged(repository, tag),
        }
    }

    /// Returns `Ok` where an image of this name can be written: to be asked before its blobs are brought for nothing.
    ///
    /// # Errors
    /// Where a part of the name's place is taken by something else, or that can't be told.
    pub fn check_place(&self, repository: &Repository, tag: Option<&Tag>) -> Result<(), Error> {
        self.layout.check_place(repository, tag)
    }

    /// Lets a tag stand for a manifest that is there. Where many tags are written, [`Store::tag_all`] does it in few changes.
    ///
    /// # Errors
    /// As [`Store::tag_all`].
    pub fn tag(&self, repository: &Repository, tag: &Tag, digest: &Digest) -> Result<(), Error> {
        let tags = vec![(tag.clone(), digest.clone())];
        self.tag_all(&BTreeMap::from([(repository.clone(), tags)]))
    }

    /// Lets tags stand for manifests that are there, with one durable change for each file that has some: a repository's, or that of a whole
    /// OCI layout.
    ///
    /// # Errors
    /// Where a manifest isn't there, the folder can't be written, or what tags stand for can't be read or would grow too large: no tag of that
    /// file and of later ones is changed then.
    pub fn tag_all(&self, tags: &BTreeMap<Repository, Vec<(Tag, Digest)>>) -> Result<(), Error> {
        self.layout.tag_all(tags)
    }

    /// Lists an image that has no tag by its digest, durably. Its manifest must be there.
    ///
    /// # Errors
    /// Where it isn't, or the filesystem refuses.
    pub fn keep(&self, repository: &Repository, digest: &Digest) -> Result<(), Error> {
        self.layout.keep(repository, digest)
    }

    /// Lets a tag stand for nothing. Its image stays, listed by its digest if no other name is left; [`Exclusive::delete`] removes the
    /// image. Returns whether there was such a tag.
    ///
    /// # Errors
    /// Where what tags stand for can't be read or written.
    pub fn untag(&self, repository: &Repository, tag: &Tag) -> Result<bool, Error> {
        self.layout.untag(repository, tag)
    }
}

/// Manifests.
impl Store {
    /// A manifest of a repository, verified; none if there is no such thing.
    ///
    /// # Errors
    /// Where the file can't be read or holds something else.
    pub fn manifest(&self, repository: &Repository, digest: &Digest) -> Result<Option<RawManifest>, Error> {
        self.layout.manifest(repository, digest)
    }

    /// A manifest that has a file of its own, verified. In the oldest generation of KubeKey's directories, a tagged manifest has none:
    /// [`Store::manifest`] looks through all tags for those.
    ///
    /// # Errors
    /// Where the file can't be read or holds something else.
    pub fn manifest_by_digest(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Option<RawManifest>, Error> {
        self.layout.manifest_by_digest(repository, digest)
    }

    /// Where a manifest is or would be.
    pub fn manifest_path(&self, repository: &Repository, digest: &Digest) -> PathBuf {
        self.layout.manifest_path(repository, digest)
    }

    /// Returns what refers to a manifest of a repository, sorted by digest: an entry of the list of its referrers each. Reads all manifests
    /// of the repository; where several are asked for, [`Store::all_referrers`] reads them once.
    ///
    /// ```
    /// # use transload_layout_store::{Store, reference::Digest};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::create(folder.path())?;
    /// let referrers = store.referrers(&"docker.io/library/alpine".parse()?, &Digest::of(b"a manifest"))?;
    /// assert!(referrers.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Where the repository's manifests can't be read. What isn't what its name says is passed over.
    pub fn referrers(&self, repository: &Repository, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
        let mut referrers = Vec::new();
        for (digest, of) in self.layout.subjects(repository)? {
            if of == *subject {
                referrers.extend(self.referrer(repository, &digest)?);
            }
        }
        Ok(referrers)
    }

    /// Returns the entry of a manifest in the list of its subject's referrers.
    fn referrer(&self, repository: &Repository, digest: &Digest) -> Result<Option<Descriptor>, Error> {
        let manifest = readable(self.layout.manifest(repository, digest))?;
        Ok(manifest.and_then(|manifest| manifest.referrer()))
    }

    /// Whether [`Store::all_referrers`] gives the same for each repository: the manifests of an OCI layout belong to none.
    pub fn shares_manifests(&self, repository: &Repository) -> bool {
        self.layout.scope(repository).is_none()
    }

    /// Returns what refers to each manifest of a repository, by the manifest's digest, whether or not that manifest is there.
    ///
    /// # Errors
    /// As [`Store::referrers`].
    pub fn all_referrers(&self, repository: &Repository) -> Result<BTreeMap<Digest, Vec<Descriptor>>, Error> {
        let mut by_subject: BTreeMap<Digest, Vec<Descriptor>> = BTreeMap::new();
        for (digest, subject) in self.layout.subjects(repository)? {
            if let Some(referrer) = self.referrer(repository, &digest)? {
                by_subject.entry(subject).or_default().push(referrer);
            }
        }
        Ok(by_subject)
    }

    /// Lets referrers, whose manifests are there, be found with the manifest that they refer to, durably. A directory of KubeKey's format finds
    /// them by their `subject` alone. An OCI layout lists them in `index.json` without a name, which oras reads, and in an index under the
    /// referrers tag (`sha256-<hex>`), which regctl reads.
    ///
    /// # Errors
    /// Where a manifest isn't there, or the folder can't be written.
    pub fn add_referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
        referrers: &[Descriptor],
    ) -> Result<(), Error> {
        self.layout.add_referrers(repository, subject, referrers)
    }

    /// The manifests that an index names and that were left out when it was written: it is sparse by request. What of them was
    /// brought since is in it no more.
    pub fn left_out(&self, repository: &Repository, index: &Digest) -> BTreeSet<Digest> {
        self.layout.left_out(repository, index)
    }

    /// Writes a manifest, byte for byte, under its digest. Its blobs and its own manifests should be there before: those of an index
    /// that aren't are taken for left out. An index is written after its manifests' names are durable. [`Store::tag_all`] or
    /// [`Store::keep`] gives an image its name.
    ///
    /// # Errors
    /// Where the folder can't be written, or the name's place is taken.
    pub fn put_manifest(&self, repository: &Repository, manifest: &RawManifest) -> Result<(), Error> {
        self.layout.put_manifest(repository, manifest)
    }

    /// What puts something whole in the place of what is missing or damaged.
    pub fn repair(&self) -> Repair<'_> {
        Repair::new(self)
    }
}
