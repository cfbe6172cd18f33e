//! Removing images, and what only they needed.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use transload_reference::{Digest, Reference, Repository};

use crate::folders::{self, LAYOUT};
use crate::layout::Layout;
use crate::lease::Exclusive;
use crate::manifest::tag_files;
use crate::{BlobFile, Error, Store, StoredImage, durable};

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

impl Exclusive<'_> {
    /// What would go if only the images stayed for which `keep` is true.
    ///
    /// # Errors
    /// Where a tag map, or a manifest of an image that stays, is missing or can't be read: what is needed isn't known then. Where the
    /// flag of the store's [`Opening`](crate::Opening) is set.
    pub fn garbage(&self, keep: impl Fn(&Reference) -> bool) -> Result<Garbage, Error> {
        let listing = self.store.listing()?.undamaged()?;
        if let Some(folder) = listing.nameless.first() {
            return Err(Error::damaged(
                folder,
                "no image's name leads there, so what it needs isn't known: move it away",
            ));
        }
        let (kept, images): (Vec<_>, Vec<_>) = listing
            .images
            .into_iter()
            .partition(|image| keep(&image.reference));
        let mut reached = Reached::default();
        for image in &kept {
            let repository = image.reference.repository();
            reached.walk(self.store, repository, &image.digest)?;
            if let Some(tag) = image.reference.tag() {
                // Docker Hub's two folders may differ in what a tag stands for.
                for digest in self.store.every_meaning(repository, tag)? {
                    reached.walk(self.store, repository, &digest)?;
                }
            }
        }
        let mut manifests = Vec::new();
        let repositories: HashSet<&Repository> = images
            .iter()
            .chain(&kept)
            .map(|image| image.reference.repository())
            .collect();
        for repository in repositories {
            for folder in folders::manifests(self.store.root(), repository)? {
                if folders::is_plain(self.store.root(), &folder)? {
                    unreached(&folder, repository, &reached, &mut manifests)?;
                }
            }
        }
        manifests.sort();
        let mut blobs = self.store.blob_files()?;
        blobs.retain(|blob| {
            blob.digest
                .as_ref()
                .is_some_and(|digest| !reached.blobs.contains(digest))
        });
        Ok(Garbage {
            images,
            manifests,
            blobs,
            partial: self.store.partial_files()?,
        })
    }

    /// Removes it: the images' names first, so that at no time a name stands for what isn't whole.
    ///
    /// # Errors
    /// Where the filesystem refuses, or the flag of the store's [`Opening`](crate::Opening) is set. What came before is gone, the
    /// rest is there, and is garbage the next time.
    pub fn remove(&self, garbage: &Garbage) -> Result<(), Error> {
        for image in &garbage.images {
            self.store.check_stop()?;
            self.remove_name(image)?;
        }
        let mut folders = HashSet::new();
        for (repository, path) in &garbage.manifests {
            self.store.check_stop()?;
            folders::remove(path)?;
            folders.extend(path.parent());
            let digest = path.file_name().and_then(|name| name.to_str()?.parse().ok());
            if let Some(digest) = digest {
                self.store.forget_left_out(repository, &digest)?;
            }
        }
        for folder in folders {
            durable::sync(folder)?;
        }
        for file in garbage.blobs.iter().chain(&garbage.partial) {
            self.store.check_stop()?;
            folders::remove(&file.path)?;
        }
        self.remove_empty_repositories(&garbage.images);
        self.store.made.forget();
        Ok(())
    }

    fn remove_name(&self, image: &StoredImage) -> Result<(), Error> {
        let Some(tag) = image.reference.tag() else {
            return Ok(());
        };
        for folder in folders::manifests(self.store.root(), image.reference.repository())? {
            if !folders::is_plain(self.store.root(), &folder)? {
                continue;
            }
            let mut layout = Layout::read(&folder)?;
            if layout.remove(tag) {
                self.store
                    .write_layout(&folder, &layout, image.reference.repository())?;
            }
            if tag.as_str() != LAYOUT && tag_files(&folder)?.contains(tag) {
                folders::remove(&folder.join(tag.as_str()))?;
            }
            durable::sync(&folder)?;
        }
        Ok(())
    }

    /// Folders of repositories that have nothing left go too; one that has something stays, whatever that is.
    fn remove_empty_repositories(&self, images: &[StoredImage]) {
        for image in images {
            self.store.remove_empty_notes(image.reference.repository());
            let Ok(folders) = folders::manifests(self.store.root(), image.reference.repository()) else {
                continue;
            };
            for folder in folders {
                if !folders::is_plain(self.store.root(), &folder).unwrap_or(false) {
                    continue;
                }
                let is_empty = Layout::read(&folder).is_ok_and(|layout| layout.is_empty());
                if is_empty && fs::read_dir(&folder).is_ok_and(|entries| entries.count() == 1) {
                    let _ = fs::remove_file(folder.join(LAYOUT));
                }
                let above = folder.ancestors().take_while(|path| *path != self.store.root());
                // The first that isn't empty ends the climb.
                let _ = above.map(fs::remove_dir).find(Result::is_err);
            }
        }
    }
}

/// Manifests and blobs that images which stay need.
#[derive(Default)]
struct Reached {
    manifests: HashSet<(Repository, Digest)>,
    blobs: HashSet<Digest>,
}

impl Reached {
    fn walk(&mut self, store: &Store, repository: &Repository, digest: &Digest) -> Result<(), Error> {
        store.check_stop()?;
        let mut waiting = vec![digest.clone()];
        while let Some(digest) = waiting.pop() {
            if !self.manifests.insert((repository.clone(), digest.clone())) {
                continue;
            }
            let Some(manifest) = store.manifest(repository, &digest)? else {
                let path = store.manifest_path(repository, &digest);
                let reason = "it is missing, so what its image needs isn't known";
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

/// Notes the files in a folder of manifests that are named by a digest which isn't reached.
fn unreached(
    folder: &Path,
    repository: &Repository,
    reached: &Reached,
    found: &mut Vec<(Repository, PathBuf)>,
) -> Result<(), Error> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry.map_err(Error::io("reading", folder))?;
        let digest: Option<Digest> = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if let Some(digest) = digest
            && is_file
            && !reached.manifests.contains(&(repository.clone(), digest))
        {
            found.push((repository.clone(), entry.path()));
        }
    }
    Ok(())
}
