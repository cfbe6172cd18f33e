//! Which images an OCI layout holds, and their names.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use transload_reference::{Digest, MediaKind, MediaType, Repository, Tag};

use super::contents::Contents;
use super::index::Entry;
use super::names::Said;
use super::{Oci, by_digest, json, named};
use crate::folders::{self, BLOBS, Kind, kind};
use crate::layout::Naming;
use crate::{Damage, Error, Listing, StoredImage};

impl Naming for Oci {
    fn listing(&self) -> Result<Listing, Error> {
        let path = self.path();
        let mut listing = Listing::default();
        let contents = match self.contents() {
            Ok(contents) => contents,
            Err(error) => {
                listing.damage.push(Damage::new(&path, None, error));
                return Ok(listing);
            }
        };
        let flaws = contents.flaws(&self.names).into_iter();
        listing.damage.extend(flaws.map(|(repository, reason)| {
            let error = Error::damaged(&path, reason);
            Damage::new(&path, repository, error)
        }));
        let (mut tagged, mut untagged) = (HashSet::new(), Vec::new());
        let mut images = BTreeSet::new();
        for (name, image) in contents.images() {
            let place = (name.repository(), &image.digest);
            match contents.image(name, &path) {
                Ok(_) if name.tag().is_some() => {
                    tagged.insert(place);
                    images.insert(StoredImage::new(name.clone(), image.digest.clone()));
                }
                _ => untagged.push(place),
            }
        }
        if !untagged.is_empty() {
            let parts = self.parts(&contents);
            for (repository, digest) in untagged {
                if !tagged.contains(&(repository, digest)) && !parts.contains(&(repository, digest.clone())) {
                    images.insert(StoredImage::new(by_digest(repository, digest), digest.clone()));
                }
            }
        }
        listing.images = images.into_iter().collect();
        Ok(listing)
    }

    fn places(&self) -> Result<BTreeSet<Repository>, Error> {
        Ok(self.contents()?.repositories())
    }

    fn places_of(&self, path: &str) -> Result<BTreeSet<Repository>, Error> {
        Ok(self.contents()?.repositories_of(path))
    }

    fn has_place(&self, repository: &Repository) -> Result<bool, Error> {
        Ok(self.contents()?.has_repository(repository))
    }

    fn tags(&self, repository: &Repository) -> Result<BTreeSet<Tag>, Error> {
        Ok(self.contents()?.tags(repository))
    }

    fn tagged(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, Error> {
        let contents = self.contents()?;
        let image = contents.image(&named(repository, tag), &self.path())?;
        Ok(image.map(|image| image.digest.clone()))
    }

    fn check_place(&self, repository: &Repository, _: Option<&Tag>) -> Result<(), Error> {
        let blobs = self.directory.root().join(BLOBS);
        if kind(&blobs)? != Kind::Nothing {
            folders::check_folder(&blobs, repository)?;
        }
        match kind(&self.path())? {
            Kind::Nothing | Kind::File(_) => Ok(()),
            Kind::Folder | Kind::Other => Err(Error::damaged(&self.path(), "it isn't a regular file")),
        }
    }

    fn tag_all(&self, tags: &BTreeMap<Repository, Vec<(Tag, Digest)>>) -> Result<(), Error> {
        let tags = || {
            let all = tags.iter();
            all.flat_map(|(repository, tags)| std::iter::repeat(repository).zip(tags))
        };
        let mut manifests = HashMap::new();
        for (_, (_, digest)) in tags() {
            if !manifests.contains_key(digest) {
                manifests.insert(digest, self.descriptor(digest)?);
            }
        }
        // What a tag stands for must last longer than the tag.
        self.directory.sync_blobs()?;
        self.change(|contents| {
            let mut is_changed = false;
            for (repository, (tag, digest)) in tags() {
                let (name, said) = (named(repository, tag), Said::that(repository, Some(tag)));
                let set = contents.set(&name, &manifests[digest], &said);
                is_changed |= set.map_err(|error| json(&self.path(), error))?;
            }
            Ok(is_changed)
        })
    }

    fn keep(&self, repository: &Repository, digest: &Digest) -> Result<(), Error> {
        let manifest = self.descriptor(digest)?;
        self.directory.sync_blobs()?;
        let said = Said::that(repository, None);
        self.change(|contents| {
            if contents.lists(repository, digest) {
                return Ok(false);
            }
            let entry = Entry::new(manifest.clone(), &said).map_err(|error| json(&self.path(), error))?;
            contents.add(by_digest(repository, digest), entry);
            Ok(true)
        })
    }

    fn untag(&self, repository: &Repository, tag: &Tag) -> Result<bool, Error> {
        let name = named(repository, tag);
        let said = Said::that(repository, None);
        if self
            .contents()?
            .image(&name, &self.path())
            .is_ok_and(|image| image.is_none())
        {
            return Ok(false);
        }
        self.change(|contents| {
            for (_, entry) in contents.take(&name) {
                let Ok(image) = &entry.image else { continue };
                if !contents.lists(repository, &image.digest) {
                    let by_digest = by_digest(repository, &image.digest);
                    let entry = entry.renamed(&said, &image.digest);
                    contents.add(by_digest, entry.map_err(|error| json(&self.path(), error))?);
                }
            }
            Ok(true)
        })?;
        Ok(true)
    }
}

impl Oci {
    /// The manifests that a repository's listed indexes name, on every level: those are no images by themselves.
    fn parts<'a>(&self, contents: &'a Contents) -> HashSet<(&'a Repository, Digest)> {
        let is_index = |media_type: &MediaType| media_type.kind() == MediaKind::Index;
        let roots = contents.images();
        let mut waiting: Vec<(&Repository, Digest)> = roots
            .filter(|(_, image)| is_index(&image.media_type))
            .map(|(name, image)| (name.repository(), image.digest.clone()))
            .collect();
        let mut parts = HashSet::new();
        let mut read = HashSet::new();
        while let Some((repository, digest)) = waiting.pop() {
            if !read.insert((repository, digest.clone())) {
                continue;
            }
            // One that can't be read is complained about once it is asked for.
            let Ok(Some(manifest)) = self.found(&digest) else {
                continue;
            };
            for child in manifest.view().children() {
                if is_index(&child.media_type) {
                    waiting.push((repository, child.digest.clone()));
                }
                parts.insert((repository, child.digest.clone()));
            }
        }
        parts
    }
}
