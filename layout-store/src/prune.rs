//! Removing images, and what only they needed.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use transload_reference::{Digest, RawManifest, Reference, Repository, Tag};

use crate::folders::{self, LAYOUT};
use crate::layout::Layout;
use crate::manifest::{read, tag_files};
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

/// How long the digest in a tag of the referrers' tag schema may be (distribution specification, "Referrers Tag Schema").
const LONGEST_IN_TAG: usize = 64;

/// The endings of the tags under which cosign keeps what belongs to a manifest.
const COSIGN_ENDINGS: [&str; 3] = [".sig", ".att", ".sbom"];

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
                "no image's name leads there, so what it needs isn't known: move it away",
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
        let mut by_repository: BTreeMap<Repository, Vec<StoredImage>> = BTreeMap::new();
        for image in listing.images {
            let repository = image.reference.repository().clone();
            by_repository.entry(repository).or_default().push(image);
        }
        let (mut images, mut manifests) = (Vec::new(), Vec::new());
        let mut reached = Reached::default();
        for (repository, all) in by_repository {
            reached.manifests.clear();
            let (kept, mut others): (Vec<_>, Vec<_>) = all.into_iter().partition(&stays);
            for image in &kept {
                reached.walk(&self.store, &repository, &image.digest)?;
            }
            reached.referrers(&self.store, &repository, &mut others)?;
            for folder in self.store.readable_folders(&repository)? {
                unreached(&folder, &repository, &reached, &mut manifests)?;
            }
            images.append(&mut others);
        }
        images.sort();
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
    /// Where the filesystem refuses, or the flag of the store's [`OpenOptions`](crate::OpenOptions) is set. What came before is gone, the
    /// rest is there, and is garbage the next time.
    pub fn remove(&mut self, garbage: &Garbage) -> Result<(), Error> {
        for images in garbage
            .images
            .chunk_by(|a, b| a.reference.repository() == b.reference.repository())
        {
            self.store.check_stop()?;
            let tags: Vec<&Tag> = images.iter().filter_map(|image| image.reference.tag()).collect();
            if let ([image, ..], false) = (images, tags.is_empty()) {
                self.remove_tags(image.reference.repository(), &tags)?;
            }
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
        let repositories: BTreeSet<&Repository> = garbage
            .images
            .iter()
            .map(|image| image.reference.repository())
            .collect();
        self.remove_empty_repositories(&repositories);
        self.store.made.forget();
        Ok(())
    }

    /// Removes tags of a repository from its tag maps, each written once, and their files.
    fn remove_tags(&self, repository: &Repository, tags: &[&Tag]) -> Result<(), Error> {
        for folder in self.store.readable_folders(repository)? {
            let mut layout = Layout::read(&folder)?;
            let mut is_changed = false;
            for tag in tags {
                is_changed |= layout.remove(tag);
            }
            if is_changed {
                self.store.write_layout(&folder, layout, repository)?;
            }
            let files: HashSet<Tag> = tag_files(&folder)?.into_iter().collect();
            for tag in tags.iter().filter(|tag| files.contains(**tag)) {
                folders::remove(&folder.join(tag.as_str()))?;
            }
            durable::sync(&folder)?;
        }
        Ok(())
    }

    /// Folders of repositories that have nothing left go too; one that has something stays, whatever that is.
    fn remove_empty_repositories(&self, repositories: &BTreeSet<&Repository>) {
        for repository in repositories {
            self.store.remove_empty_notes(repository);
            let Ok(folders) = folders::manifests(self.store.root(), repository) else {
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
        let subjects = subjects(store, repository)?;
        loop {
            let tags: BTreeSet<String> = self.manifests.iter().map(in_tag).collect();
            let refers = |image: &mut StoredImage| {
                let subject = subjects.get(&image.digest);
                subject.is_some_and(|subject| self.manifests.contains(subject))
                    || image
                        .reference
                        .tag()
                        .is_some_and(|tag| tags.contains(without_ending(tag)))
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
        store.check_stop()?;
        let mut waiting = vec![digest.clone()];
        while let Some(digest) = waiting.pop() {
            if !self.manifests.insert(digest.clone()) {
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

/// The manifests of a repository that refer to another one, with that one. Of a file that isn't what its name says, nothing is
/// believed; one that can't be read ends the search.
fn subjects(store: &Store, repository: &Repository) -> Result<BTreeMap<Digest, Digest>, Error> {
    let mut subjects = BTreeMap::new();
    for folder in store.readable_folders(repository)? {
        for entry in fs::read_dir(&folder).map_err(Error::io("reading", &folder))? {
            store.check_stop()?;
            let entry = entry.map_err(Error::io("reading", &folder))?;
            let name = entry.file_name().into_string().unwrap_or_default();
            let named: Option<Digest> = name.parse().ok();
            // The oldest generations have a manifest only under its tag.
            if named.is_none() && (name == LAYOUT || name.parse::<Tag>().is_err()) {
                continue;
            }
            let bytes = match read(&entry.path()) {
                Ok(Some(bytes)) => bytes,
                Err(error @ Error::Io { .. }) => return Err(error),
                _ => continue,
            };
            let digest = named.unwrap_or_else(|| Digest::of(&bytes));
            if let Ok(manifest) = RawManifest::verified(bytes, None, &digest)
                && let Some(subject) = manifest.view().subject()
            {
                subjects.insert(digest, subject.digest.clone());
            }
        }
    }
    Ok(subjects)
}

/// A digest as it stands in the tags of what refers to it: `sha256-<hex>`.
fn in_tag(digest: &Digest) -> String {
    let hex = digest.hex();
    let hex = hex.get(..LONGEST_IN_TAG).unwrap_or(hex);
    format!("{}-{hex}", digest.algorithm().as_str())
}

fn without_ending(tag: &Tag) -> &str {
    let endings = COSIGN_ENDINGS.iter();
    let mut bare = endings.filter_map(|ending| tag.as_str().strip_suffix(ending));
    bare.next().unwrap_or(tag.as_str())
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
            && !reached.manifests.contains(&digest)
        {
            found.push((repository.clone(), entry.path()));
        }
    }
    Ok(())
}
