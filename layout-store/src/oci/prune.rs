//! Removing images' names, and manifests.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use transload_reference::{Digest, Reference, ReferrersIndex, Repository};

use super::contents::Contents;
use super::{Oci, is_list};
use crate::folders::{self, Kind, kind};
use crate::layout::Pruning;
use crate::prune::has_part;
use crate::subjects::readable;
use crate::{Error, Removed, StoredImage, sparse};

impl Pruning for Oci {
    /// Manifests are blobs, and those that aren't listed are told as such.
    fn unreached(&self, _: &Repository, reached: &HashSet<Digest>) -> Result<Vec<PathBuf>, Error> {
        let contents = self.contents()?;
        let listed: BTreeSet<&Digest> = contents.images().map(|(_, image)| &image.digest).collect();
        let unreached = listed.into_iter().filter(|digest| !reached.contains(digest));
        Ok(unreached.map(|digest| self.blob(digest)).collect())
    }

    fn forget_images(&self, images: &[StoredImage]) -> Result<(), Error> {
        if images.is_empty() {
            return Ok(());
        }
        self.change(|contents| {
            for image in images {
                contents.take(&image.reference);
                // It would come to light as an image by itself.
                contents.take(&image.reference.by_digest(&image.digest));
            }
            Ok(true)
        })
    }

    /// Removes their entries first: some are no images, but parts of one.
    fn remove_manifests(&self, manifests: &[(Repository, PathBuf)]) -> Result<(), Error> {
        if manifests.is_empty() {
            return Ok(());
        }
        let paths: HashSet<&Path> = manifests.iter().map(|(_, path)| path.as_path()).collect();
        self.change(
            |contents| Ok(contents.drop_those(|digest| paths.contains(self.blob(digest).as_path()))),
        )?;
        for path in paths {
            self.directory.check_stop()?;
            folders::remove(path)?;
        }
        Ok(())
    }

    /// A manifest is a blob of the whole layout: its file goes with the last name that needs it. A list of referrers needs none of them.
    fn remove_manifest(&self, repository: &Repository, digest: &Digest) -> Result<Removed, Error> {
        if self.found(digest)?.is_none() {
            return Ok(Removed::Missing);
        }
        let mut is_needed_elsewhere = false;
        for (name, image) in self.contents()?.images() {
            if image.digest == *digest {
                is_needed_elsewhere |= name.repository() != repository;
            } else if self.reaches(&image.digest, digest)? {
                if name.repository() == repository && is_list(name) {
                    continue;
                }
                if name.repository() == repository {
                    return Ok(Removed::Needed);
                }
                is_needed_elsewhere = true;
            }
        }
        self.change(|contents| {
            let names: Vec<_> = contents
                .images()
                .filter(|(name, image)| name.repository() == repository && image.digest == *digest)
                .map(|(name, _)| name.clone())
                .collect();
            for name in &names {
                contents.take(name);
            }
            Ok(self.unlist(contents, repository, digest)? || !names.is_empty())
        })?;
        if !is_needed_elsewhere {
            folders::remove(&self.blob(digest))?;
            folders::remove(&self.note(digest))?;
        }
        Ok(Removed::Done)
    }

    /// Removes the notes of indexes that are gone.
    fn tidy(&self, _: &BTreeSet<&Repository>) {
        let notes = sparse::folder(self.directory.root());
        for note in notes.read_dir().into_iter().flatten().flatten() {
            let name = note.file_name();
            let index = name
                .to_str()
                .and_then(|name| self.directory.blob_names.digest_of_own(name));
            if index.is_some_and(|index| matches!(kind(&self.blob(&index)), Ok(Kind::Nothing)))
                && let Err(error) = folders::remove(&note.path())
            {
                log::debug!("{error}");
            }
        }
    }
}

impl Oci {
    /// Takes a manifest out of a repository's lists of referrers. Returns whether one had it.
    fn unlist(
        &self,
        contents: &mut Contents,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<bool, Error> {
        let lists = contents.images();
        let lists = lists.filter(|(name, _)| name.repository() == repository && is_list(name));
        let lists: Vec<(Reference, Digest)> = lists
            .map(|(name, list)| (name.clone(), list.digest.clone()))
            .collect();
        let mut is_changed = false;
        for (name, list) in lists {
            let list = readable(self.found(&list))?;
            let Some(list) = list
                .as_ref()
                .and_then(ReferrersIndex::of)
                .filter(|list| list.has(digest))
            else {
                continue;
            };
            let others = list.referrers().iter().filter(|other| other.digest != *digest);
            let others: ReferrersIndex = others.cloned().collect();
            if others.referrers().is_empty() {
                contents.take(&name);
                is_changed = true;
            } else {
                is_changed |= self.set_list(contents, &name, &others)?;
            }
        }
        Ok(is_changed)
    }

    /// Whether an index has a manifest among its parts, on whichever level.
    fn reaches(&self, index: &Digest, digest: &Digest) -> Result<bool, Error> {
        let mut waiting = vec![index.clone()];
        let mut seen = HashSet::new();
        while let Some(next) = waiting.pop() {
            if !seen.insert(next.clone()) {
                continue;
            }
            if let Some(manifest) = self.found(&next)? {
                if has_part(&manifest, digest) {
                    return Ok(true);
                }
                let children = manifest.view().children().iter();
                waiting.extend(children.map(|child| child.digest.clone()));
            }
        }
        Ok(false)
    }
}
