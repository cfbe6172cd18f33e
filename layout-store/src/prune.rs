//! Removing images, and what only they needed.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use transload_reference::{Digest, Identifier, RawManifest, Reference, ReferrerTag, Repository, Tag};

use crate::folders;
use crate::{BlobFile, Error, Store, StoredImage};

/// What would go from a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Garbage {
    /// The images.
    pub images: Vec<StoredImage>,
    /// Manifests that no image which stays reaches, each with its repository.
    pub manifests: Vec<(Repository, PathBuf)>,
    /// Blobs that no image which stays reaches.
    pub blobs: Vec<BlobFile>,
    /// What interrupted transfers left.
    pub partial: Vec<BlobFile>,
}

impl Garbage {
    /// The bytes of blobs and of what interrupted transfers left.
    pub fn bytes(&self) -> u64 {
        self.blobs.iter().chain(&self.partial).map(|file| file.size).sum()
    }
}

/// What came of a wish to remove one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Removed {
    /// It is gone.
    Done,
    /// It wasn't there.
    Missing,
    /// It stays: it is a part of an image that stays.
    Needed,
}

/// Whether an index names a manifest as its part.
pub(crate) fn has_part(index: &RawManifest, digest: &Digest) -> bool {
    let mut children = index.view().children().iter();
    children.any(|child| child.digest == *digest)
}

/// A store that nobody else has open, until this is dropped ([`Store::open_exclusively`]).
#[derive(Debug)]
pub struct Exclusive {
    store: Store,
}

impl Exclusive {
    pub(crate) fn new(store: Store) -> Exclusive {
        Exclusive { store }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns what would go if only the images stayed for which `keep` is true, and what refers to them: signatures, attestations and
    /// other artifacts, by their `subject` or by a tag that has a digest (`sha256-<hex>`, also with `.sig`, `.att` or `.sbom`).
    ///
    /// # Errors
    /// Where a tag map, or a manifest of an image that stays, is missing or can't be read: what is needed isn't known then. Where the
    /// flag of the store's [`OpenOptions`](crate::OpenOptions) is set.
    pub fn garbage(&self, keep: impl Fn(&Reference) -> bool) -> Result<Garbage, Error> {
        let listing = self.store.listing()?.undamaged()?;
        if let Some(folder) = listing.nameless.first() {
            return Err(Error::damaged(
                folder,
                "no image's name leads there, so its blobs aren't known: move it away",
            ));
        }
        // What the other of two folders lets a tag stand for goes and stays with the tag.
        let disputed: HashSet<(&Repository, &Digest)> = listing
            .disputed
            .iter()
            .filter(|disputed| keep(&disputed.reference))
            .map(|disputed| (disputed.reference.repository(), &disputed.older))
            .collect();
        let stays = |image: &StoredImage| {
            keep(&image.reference) || disputed.contains(&(image.reference.repository(), &image.digest))
        };
        let layout = &self.store.layout;
        let mut by_scope: BTreeMap<Option<Repository>, Vec<StoredImage>> = BTreeMap::new();
        for image in listing.images {
            let scope = layout.scope(image.reference.repository()).cloned();
            by_scope.entry(scope).or_default().push(image);
        }
        let (mut images, mut manifests) = (Vec::new(), Vec::new());
        let mut reached = Reached::default();
        for all in by_scope.into_values() {
            reached.manifests.clear();
            let repository = all[0].reference.repository().clone();
            let (kept, mut others): (Vec<_>, Vec<_>) = all.into_iter().partition(&stays);
            for image in &kept {
                reached.walk(&self.store, image.reference.repository(), &image.digest)?;
            }
            reached.referrers(&self.store, &repository, &mut others)?;
            let unreached = layout.unreached(&repository, &reached.manifests)?;
            manifests.extend(unreached.into_iter().map(|path| (repository.clone(), path)));
            images.append(&mut others);
            if layout.scope(&repository).is_none() {
                // Manifests are blobs there.
                reached.blobs.extend(reached.manifests.drain());
            }
        }
        images.sort();
        manifests.sort();
        let told: HashSet<&Path> = manifests.iter().map(|(_, path)| path.as_path()).collect();
        let is_garbage = |blob: &BlobFile| {
            let digest = blob.digest.as_ref();
            digest.is_some_and(|digest| !reached.blobs.contains(digest))
                && !told.contains(blob.path.as_path())
        };
        let blobs = self.store.blob_files()?.filter(is_garbage).collect();
        Ok(Garbage {
            images,
            manifests,
            blobs,
            partial: self.store.partial_files()?.collect(),
        })
    }

    /// Removes an image, by its tag or by its digest with all its tags: its name, and the manifests that no other image needs. Its blobs
    /// stay, for [`Exclusive::garbage`] to find. Returns whether there was such an image.
    ///
    /// # Errors
    /// As [`Exclusive::garbage`] and [`Exclusive::remove`].
    pub fn delete(&mut self, repository: &Repository, identifier: &Identifier) -> Result<bool, Error> {
        let listing = self.store.listing()?.undamaged()?;
        let goes = |image: &&StoredImage| {
            image.reference.repository() == repository
                && match identifier {
                    Identifier::Tag(tag) => image.reference.tag() == Some(tag),
                    Identifier::Digest(digest) => image.digest == *digest,
                }
        };
        let gone: BTreeSet<&Reference> = listing
            .images
            .iter()
            .filter(goes)
            .map(|image| &image.reference)
            .collect();
        if gone.is_empty() {
            return Ok(false);
        }
        let mut garbage = self.garbage(|reference| !gone.contains(reference))?;
        garbage.blobs.clear();
        garbage.partial.clear();
        self.remove(&garbage)?;
        Ok(true)
    }

    /// Removes one manifest of a repository at once, with all its names there. Its blobs stay, for [`Exclusive::garbage`] to find; so does
    /// what refers to it.
    ///
    /// # Errors
    /// Where what needs it can't be read, or the filesystem refuses.
    pub fn remove_manifest(&mut self, repository: &Repository, digest: &Digest) -> Result<Removed, Error> {
        let removed = self.store.layout.remove_manifest(repository, digest)?;
        self.store.layout.tidy(&BTreeSet::from([repository]));
        self.store.directory.forget_made();
        Ok(removed)
    }

    /// Removes one blob at once. Looks through all images for one that needs it.
    ///
    /// # Errors
    /// As [`Exclusive::garbage`], and where the filesystem refuses.
    pub fn remove_blob(&mut self, digest: &Digest) -> Result<Removed, Error> {
        if self.store.open_blob(digest)?.is_none() {
            return Ok(Removed::Missing);
        }
        let garbage = self.garbage(|_| true)?;
        let Some(file) = garbage
            .blobs
            .iter()
            .find(|file| file.digest.as_ref() == Some(digest))
        else {
            return Ok(Removed::Needed);
        };
        folders::remove(&file.path)?;
        Ok(Removed::Done)
    }

    /// Removes it: the images' names first, so that at no time a name stands for what isn't whole.
    ///
    /// # Errors
    /// Where the filesystem refuses, or the flag of the store's [`OpenOptions`](crate::OpenOptions) is set. What came before is gone, the
    /// rest is there, and is garbage the next time.
    pub fn remove(&mut self, garbage: &Garbage) -> Result<(), Error> {
        let layout = &self.store.layout;
        layout.forget_images(&garbage.images)?;
        layout.remove_manifests(&garbage.manifests)?;
        for file in garbage.blobs.iter().chain(&garbage.partial) {
            self.store.directory.check_stop()?;
            folders::remove(&file.path)?;
        }
        let repositories: BTreeSet<&Repository> = garbage
            .images
            .iter()
            .map(|image| image.reference.repository())
            .collect();
        layout.tidy(&repositories);
        self.store.directory.forget_made();
        Ok(())
    }
}

/// What the images that stay need.
#[derive(Default)]
struct Reached {
    /// Manifests of the repository that is looked at.
    manifests: HashSet<Digest>,
    /// Blobs of all repositories.
    blobs: HashSet<Digest>,
}

impl Reached {
    /// Adds what refers to a manifest that stays, and what refers to that. Images among it are taken out of `others`.
    fn referrers(
        &mut self,
        store: &Store,
        repository: &Repository,
        others: &mut Vec<StoredImage>,
    ) -> Result<(), Error> {
        if self.manifests.is_empty() {
            return Ok(());
        }
        let subjects = store.layout.subjects(repository)?;
        loop {
            let tags: BTreeSet<Tag> = self
                .manifests
                .iter()
                .map(|digest| ReferrerTag::Index.of(digest))
                .collect();
            let refers = |image: &mut StoredImage| {
                let subject = subjects.get(&image.digest);
                subject.is_some_and(|subject| self.manifests.contains(subject))
                    || image
                        .reference
                        .tag()
                        .and_then(ReferrerTag::parse)
                        .is_some_and(|(_, of)| tags.contains(&of))
            };
            let found: Vec<StoredImage> = others.extract_if(.., refers).collect();
            // Some are no images by themselves, but parts of one.
            let parts: Vec<&Digest> = subjects
                .iter()
                .filter(|(digest, subject)| {
                    self.manifests.contains(*subject) && !self.manifests.contains(*digest)
                })
                .map(|(digest, _)| digest)
                .collect();
            if found.is_empty() && parts.is_empty() {
                return Ok(());
            }
            for image in &found {
                self.walk(store, repository, &image.digest)?;
            }
            for digest in parts {
                self.walk(store, repository, digest)?;
            }
        }
    }

    fn walk(&mut self, store: &Store, repository: &Repository, digest: &Digest) -> Result<(), Error> {
        store.directory.check_stop()?;
        let mut waiting = vec![digest.clone()];
        while let Some(digest) = waiting.pop() {
            if !self.manifests.insert(digest.clone()) {
                continue;
            }
            let Some(manifest) = store.manifest(repository, &digest)? else {
                let path = store.manifest_path(repository, &digest);
                let reason = "it is missing, so its image's blobs aren't known";
                return Err(Error::damaged(&path, reason));
            };
            let view = manifest.view();
            self.blobs.extend(view.blobs().map(|blob| blob.digest.clone()));
            if view.children().is_empty() {
                continue;
            }
            let left_out = store.left_out(repository, &digest);
            let children = view.children().iter().map(|child| &child.digest);
            for child in children {
                // What was brought in spite of it is needed.
                if !left_out.contains(child) || store.manifest(repository, child)?.is_some() {
                    waiting.push(child.clone());
                }
            }
        }
        Ok(())
    }
}
