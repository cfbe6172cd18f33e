//! Images' names: repositories and tags.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use transload_reference::{Digest, Registry, Repository, Tag};

use super::folders::{self, LAYOUT};
use super::images::{self, age, may_be_a_manifest, subfolders};
use super::manifests::tag_files;
use super::mend::manifest_of;
use super::places::registry_of;
use super::tag_map::TagMap;
use super::{KubeKey, places};
use crate::folders::{Kind, check_folder, kind, manifest_at, read, way};
use crate::layout::{Manifests, Naming};
use crate::{Error, Listing, durable};

impl Naming for KubeKey {
    fn listing(&self) -> Result<Listing, Error> {
        images::listing(self.root())
    }

    fn places(&self) -> Result<BTreeSet<Repository>, Error> {
        places::all(self.root())
    }

    fn places_of(&self, path: &str) -> Result<BTreeSet<Repository>, Error> {
        let names = subfolders(self.root())?.into_iter().map(|(name, _)| name);
        let mut registries: BTreeSet<Registry> = names.filter_map(|name| registry_of(&name)).collect();
        registries.insert(Registry::docker_hub());
        let mut found = BTreeSet::new();
        for registry in registries {
            if let Ok(repository) = Repository::new(registry, path)
                && repository.path() == path
                && !self.readable_folders(&repository)?.is_empty()
            {
                found.insert(repository);
            }
        }
        Ok(found)
    }

    fn has_place(&self, repository: &Repository) -> Result<bool, Error> {
        Ok(!self.readable_folders(repository)?.is_empty())
    }

    fn tags(&self, repository: &Repository) -> Result<BTreeSet<Tag>, Error> {
        let mut tags = BTreeSet::new();
        for folder in self.readable_folders(repository)? {
            tags.extend(self.tag_maps.read(&folder)?.iter().map(|(tag, _)| tag));
            for tag in tag_files(&folder)? {
                // What is no manifest is somebody's notes, as it is for a listing.
                if !tags.contains(&tag)
                    && let Ok(Some(bytes)) = read(&folder.join(tag.as_str()))
                    && may_be_a_manifest(&bytes)
                {
                    tags.insert(tag);
                }
            }
        }
        Ok(tags)
    }

    /// What a tag stands for in that of the repository's folders which came to say so last. A folder that can't be read spoils nothing that
    /// another has.
    fn tagged(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, Error> {
        let (mut newest, mut failure) = (None::<(PathBuf, Digest)>, None);
        for folder in self.readable_folders(repository)? {
            let digest = match self.tagged_in(&folder, tag) {
                Ok(Some(digest)) => digest,
                Ok(None) => continue,
                Err(error) => {
                    failure = failure.or(Some(error));
                    continue;
                }
            };
            let Some((other_folder, other)) = &newest else {
                newest = Some((folder, digest));
                continue;
            };
            if digest != *other {
                let is_newer = age(&folder, tag, &digest) > age(other_folder, tag, other);
                let (last, older) = if is_newer {
                    (&digest, other)
                } else {
                    (other, &digest)
                };
                log::warn!(
                    "{repository}:{tag} is {last}, which came last; another folder of the directory says {older}"
                );
                if is_newer {
                    newest = Some((folder, digest));
                }
            }
        }
        match newest {
            Some((_, digest)) => Ok(Some(digest)),
            None => failure.map_or(Ok(None), Err),
        }
    }

    fn check_place(&self, repository: &Repository, tag: Option<&Tag>) -> Result<(), Error> {
        let folder = folders::manifests(self.root(), repository)?.swap_remove(0);
        for path in way(self.root(), &folder) {
            if kind(path)? == Kind::Nothing {
                return Ok(());
            }
            check_folder(path, repository)?;
        }
        let path = folder.join(LAYOUT);
        if tag.is_some() && kind(&path)? == Kind::Folder {
            return Err(Error::Collision {
                name: repository.to_string(),
                path,
                taken_by: "another repository's folder",
            });
        }
        Ok(())
    }

    fn tag_all(&self, tags: &BTreeMap<Repository, Vec<(Tag, Digest)>>) -> Result<(), Error> {
        tags.iter()
            .try_for_each(|(repository, tags)| self.tag_repository(repository, tags))
    }

    fn keep(&self, repository: &Repository, digest: &Digest) -> Result<(), Error> {
        let folder = self.writable_folder(repository)?;
        check_is_there(&folder, digest)?;
        durable::sync(&folder)
    }

    fn untag(&self, repository: &Repository, tag: &Tag) -> Result<bool, Error> {
        let _lock = self.directory.lock_tags()?;
        for folder in self.readable_folders(repository)? {
            // The oldest generation has a tagged manifest under its tag alone.
            if let Some(manifest) = manifest_of(&folder.join(tag.as_str())) {
                self.mend_manifest(repository, &manifest)?;
            }
        }
        self.remove_tags(repository, &[tag])
    }
}

impl KubeKey {
    /// What a tag stands for in a folder of manifests.
    fn tagged_in(&self, folder: &Path, tag: &Tag) -> Result<Option<Digest>, Error> {
        if let Some(digest) = self.tag_maps.read(folder)?.get(tag) {
            return Ok(Some(digest));
        }
        if tag.as_str() == LAYOUT {
            return Ok(None);
        }
        Ok(read(&folder.join(tag.as_str()))?.map(|bytes| Digest::of(&bytes)))
    }

    fn tag_repository(&self, repository: &Repository, tags: &[(Tag, Digest)]) -> Result<(), Error> {
        let folder = self.writable_folder(repository)?;
        for (_, digest) in tags {
            check_is_there(&folder, digest)?;
        }
        // What a tag stands for must last longer than the tag.
        durable::sync(&folder)?;
        let _lock = self.directory.lock_tags()?;
        let mut layout = TagMap::clone(&*self.tag_maps.read(&folder)?);
        let mut is_changed = false;
        for (tag, digest) in tags {
            is_changed |= layout.set(tag, digest);
        }
        if is_changed {
            self.write_layout(&folder, layout, repository)?;
        }
        for (tag, digest) in tags {
            self.name_by_tag(&folder, tag, digest)?;
        }
        durable::sync(&folder)
    }

    pub(super) fn write_layout(
        &self,
        folder: &Path,
        layout: TagMap,
        repository: &Repository,
    ) -> Result<(), Error> {
        let path = folder.join(LAYOUT);
        self.directory
            .replace(&path, &layout.to_bytes(&path)?, repository)?;
        self.tag_maps.wrote(folder, layout);
        Ok(())
    }

    /// Writes the manifest under its tag, too, for the generation that reads those: into a file of its own, since KubeKey 4.0.3
    /// writes in place. Where the name is taken by a folder, or is the format's own, only `layout` has the tag: what reads the
    /// oldest generation alone can't have it.
    pub(super) fn name_by_tag(&self, folder: &Path, tag: &Tag, digest: &Digest) -> Result<(), Error> {
        let path = folder.join(tag.as_str());
        if tag.as_str() == LAYOUT || kind(&path)? == Kind::Folder {
            return Ok(());
        }
        let manifest_path = folder.join(digest.as_str());
        let manifest = manifest_at(&manifest_path, digest)?.ok_or_else(|| not_there(&manifest_path))?;
        let is_own = path.symlink_metadata().is_ok_and(|file| file.nlink() == 1);
        if is_own && read(&path)?.is_some_and(|bytes| bytes == manifest.bytes()) {
            return Ok(());
        }
        self.directory.replace(&path, manifest.bytes(), &tag)
    }
}

/// Refuses to name a manifest that has no file.
fn check_is_there(folder: &Path, digest: &Digest) -> Result<(), Error> {
    let path = folder.join(digest.as_str());
    match kind(&path)? {
        Kind::File(_) => Ok(()),
        _ => Err(not_there(&path)),
    }
}

fn not_there(path: &Path) -> Error {
    Error::io("tagging", path)(io::ErrorKind::NotFound.into())
}
