//! Removing images' names, and manifests.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::PathBuf;

use transload_reference::{Digest, RawManifest, Repository, Tag};

use super::KubeKey;
use super::folders::{self as places, LAYOUT};
use super::manifests::{named_by_digests, tag_files};
use super::tag_map::TagMap;
use crate::folders::{self, Kind, kind, read};
use crate::layout::{Manifests, Naming, Pruning};
use crate::prune::has_part;
use crate::{Error, Removed, StoredImage, durable};

impl Pruning for KubeKey {
    fn unreached(&self, repository: &Repository, reached: &HashSet<Digest>) -> Result<Vec<PathBuf>, Error> {
        let mut found = Vec::new();
        for folder in self.readable_folders(repository)? {
            for (digest, path) in named_by_digests(&folder)? {
                if !reached.contains(&digest) && matches!(kind(&path)?, Kind::File(_)) {
                    found.push(path);
                }
            }
        }
        Ok(found)
    }

    fn forget_images(&self, images: &[StoredImage]) -> Result<(), Error> {
        for images in images.chunk_by(|a, b| a.reference.repository() == b.reference.repository()) {
            self.directory.check_stop()?;
            let tags: Vec<&Tag> = images.iter().filter_map(|image| image.reference.tag()).collect();
            if let ([image, ..], false) = (images, tags.is_empty()) {
                self.remove_tags(image.reference.repository(), &tags)?;
            }
        }
        Ok(())
    }

    fn remove_manifests(&self, manifests: &[(Repository, PathBuf)]) -> Result<(), Error> {
        let mut changed = HashSet::new();
        for (repository, path) in manifests {
            self.directory.check_stop()?;
            folders::remove(path)?;
            changed.extend(path.parent());
            let digest: Option<Digest> = path.file_name().and_then(|name| name.to_str()?.parse().ok());
            if let Some(digest) = digest {
                folders::remove(&self.note(repository, &digest))?;
            }
        }
        changed.into_iter().try_for_each(durable::sync)
    }

    fn remove_manifest(&self, repository: &Repository, digest: &Digest) -> Result<Removed, Error> {
        // What the oldest generation has under its tag alone gets a file of its own first.
        let Some(manifest) = self.manifest(repository, digest)? else {
            return Ok(Removed::Missing);
        };
        let mut tags = Vec::new();
        for tag in self.tags(repository)? {
            if self.tagged(repository, &tag)?.as_ref() == Some(digest) {
                tags.push(tag);
            }
        }
        for folder in self.readable_folders(repository)? {
            for (name, path) in named_by_digests(&folder)? {
                let bytes = read(&path)?.unwrap_or_default();
                let index = RawManifest::parse(bytes, None);
                if index.is_ok_and(|index| has_part(&index, digest)) && name != *manifest.digest() {
                    return Ok(Removed::Needed);
                }
            }
        }
        self.remove_tags(repository, &tags.iter().collect::<Vec<_>>())?;
        let mut files = Vec::new();
        for folder in self.readable_folders(repository)? {
            files.push((repository.clone(), folder.join(digest.as_str())));
        }
        self.remove_manifests(&files)?;
        Ok(Removed::Done)
    }

    /// Folders of repositories that have nothing left go too; one that has something stays, whatever that is.
    fn tidy(&self, repositories: &BTreeSet<&Repository>) {
        for repository in repositories {
            self.remove_empty_notes(repository);
            let Ok(folders) = places::manifests(self.root(), repository) else {
                continue;
            };
            for folder in folders {
                if !folders::is_plain(self.root(), &folder).unwrap_or(false) {
                    continue;
                }
                let is_empty = TagMap::read(&folder).is_ok_and(|layout| layout.is_empty());
                if is_empty && fs::read_dir(&folder).is_ok_and(|entries| entries.count() == 1) {
                    let _ = fs::remove_file(folder.join(LAYOUT));
                }
                let above = folder.ancestors().take_while(|path| *path != self.root());
                // The first that isn't empty ends the climb.
                let _ = above.map(fs::remove_dir).find(Result::is_err);
            }
        }
    }
}

impl KubeKey {
    /// Removes tags of a repository from its tag maps, each written once, and their files. The files go first: a tag whose removal is cut
    /// short is still in the map, and not in its file alone, where other programs don't look for it.
    pub(super) fn remove_tags(&self, repository: &Repository, tags: &[&Tag]) -> Result<bool, Error> {
        let mut removed = false;
        for folder in self.readable_folders(repository)? {
            let files: HashSet<Tag> = tag_files(&folder)?.into_iter().collect();
            for tag in tags.iter().filter(|tag| files.contains(**tag)) {
                folders::remove(&folder.join(tag.as_str()))?;
                removed = true;
            }
            let mut layout = TagMap::read(&folder)?;
            let mut is_changed = false;
            for tag in tags {
                is_changed |= layout.remove(tag);
            }
            removed |= is_changed;
            if is_changed {
                self.write_layout(&folder, layout, repository)?;
            }
            durable::sync(&folder)?;
        }
        Ok(removed)
    }

    /// Removes the folders that held a repository's notes, where they hold nothing more.
    fn remove_empty_notes(&self, repository: &Repository) {
        let folder = self.notes(repository);
        let own = self.root().join(folders::OWN);
        let above = folder.ancestors().take_while(|path| *path != own);
        // The first that isn't empty, or isn't there, ends the climb.
        let _ = above.map(fs::remove_dir).find(Result::is_err);
    }
}
