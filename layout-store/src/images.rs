//! Which images a store holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use transload_reference::{Digest, RawManifest, Reference, Registry, Repository};

use crate::error::shown;
use crate::folders::{BLOBS, DOCKER_HUB_API, LAYOUT, MANIFESTS, OWN};
use crate::layout::Layout;
use crate::manifest::{read, tag_files};
use crate::{Error, Store};

/// How many components a repository's folder may have. Registries allow 255 characters.
const DEPTH: usize = 128;

/// An image of a store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredImage {
    /// Its name: with its tag, or with its digest where it has none.
    pub reference: Reference,
    /// Its manifest's digest.
    pub digest: Digest,
}

impl Store {
    /// All images, sorted by name: each tag, and each manifest that neither a tag nor another manifest stands for.
    ///
    /// # Errors
    /// Where a folder or a `layout` can't be read. Files and folders that aren't of the format are passed over.
    pub fn images(&self) -> Result<Vec<StoredImage>, Error> {
        let listing = self.listing()?.undamaged()?;
        for folder in &listing.nameless {
            log::warn!("{} is passed over: no image's name leads there", shown(folder));
        }
        Ok(listing.images)
    }

    /// All images that can be told, and what keeps others from being told.
    ///
    /// # Errors
    /// Where the store's own folder can't be read.
    pub fn listing(&self) -> Result<Listing, Error> {
        let mut walk = Walk::default();
        for (name, path) in subfolders(self.root())? {
            if name == BLOBS || name == OWN {
                continue;
            }
            // A folder that is written in another way than its registry is out of reach by name.
            let registry = name.parse::<Registry>().ok().filter(|registry| {
                registry.as_str() == name || (registry.is_docker_hub() && name == DOCKER_HUB_API)
            });
            walk.is_second = name == DOCKER_HUB_API;
            walk.folder(registry.as_ref(), &mut Vec::new(), &path);
        }
        let images = walk
            .images
            .into_iter()
            .map(|(reference, (_, digest))| StoredImage { reference, digest });
        Ok(Listing {
            images: images.collect(),
            nameless: walk.nameless,
            damage: walk.damage,
        })
    }
}

/// What is in a store.
#[derive(Debug, Default)]
pub struct Listing {
    /// The images, sorted by name. Where a tag map is damaged, these are the repository's tags that files tell of, and its other
    /// manifests by their digests.
    pub images: Vec<StoredImage>,
    /// Folders of manifests that no image's name leads to.
    pub nameless: Vec<PathBuf>,
    /// Tag maps and folders that can't be read: what images they tell of isn't known.
    pub damage: Vec<Damage>,
}

impl Listing {
    /// The same, for whom all images must be known.
    pub(crate) fn undamaged(mut self) -> Result<Listing, Error> {
        if self.damage.is_empty() {
            return Ok(self);
        }
        Err(self.damage.swap_remove(0).error)
    }
}

/// A tag map or a folder that can't be read.
#[derive(Debug)]
pub struct Damage {
    /// Where it is.
    pub path: PathBuf,
    /// The repository, where it is the tag map of one, or the folder that has it.
    pub repository: Option<Repository>,
    /// What is wrong.
    pub error: Error,
}

#[derive(Default)]
struct Walk {
    /// Images by name, each with whether it was found under Docker Hub's other name, which counts less.
    images: BTreeMap<Reference, (bool, Digest)>,
    nameless: Vec<PathBuf>,
    damage: Vec<Damage>,
    is_second: bool,
}

impl Walk {
    fn folder(&mut self, registry: Option<&Registry>, components: &mut Vec<String>, path: &Path) {
        if components.len() > DEPTH {
            self.nameless.push(path.to_owned());
            return;
        }
        let folders = match subfolders(path) {
            Ok(folders) => folders,
            Err(error) => return self.damage.push(Damage::new(path, None, error)),
        };
        for (name, folder) in folders {
            if name == MANIFESTS {
                let path = components.join("/");
                let repository = registry.and_then(|registry| Repository::new(registry.clone(), &path).ok());
                // Docker Hub's `library/` isn't added here: the folder's own name counts.
                match repository.filter(|repository| repository.path() == path) {
                    Some(repository) => match images_in(&repository, &folder, &mut self.damage) {
                        Ok(images) => self.add(images),
                        Err(error) => self.damage.push(Damage::new(&folder, Some(repository), error)),
                    },
                    // One that can't be read is told of below.
                    None if holds_a_manifest(&folder) => self.nameless.push(folder.clone()),
                    None => {}
                }
            }
            components.push(name);
            self.folder(registry, components, &folder);
            components.pop();
        }
    }

    fn add(&mut self, images: Vec<(Reference, Digest)>) {
        for (reference, digest) in images {
            let known = self.images.get(&reference);
            if known.is_none_or(|(other_is_second, _)| *other_is_second && !self.is_second) {
                self.images.insert(reference, (self.is_second, digest));
            }
        }
    }
}

impl Damage {
    fn new(path: &Path, repository: Option<Repository>, error: Error) -> Damage {
        Damage {
            path: path.to_owned(),
            repository,
            error,
        }
    }
}

fn holds_a_manifest(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let is_digest = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.parse::<Digest>().is_ok());
        is_digest || entry.file_name() == LAYOUT
    })
}

/// The folders in a folder; symbolic links aren't followed.
fn subfolders(path: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(path).map_err(Error::io("reading", path))? {
        let entry = entry.map_err(Error::io("reading", path))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir())
            && let Ok(name) = entry.file_name().into_string()
        {
            folders.push((name, entry.path()));
        }
    }
    folders.sort();
    Ok(folders)
}

fn images_in(
    repository: &Repository,
    folder: &Path,
    damage: &mut Vec<Damage>,
) -> Result<Vec<(Reference, Digest)>, Error> {
    let layout = Layout::read(folder).unwrap_or_else(|error| {
        damage.push(Damage::new(&folder.join(LAYOUT), Some(repository.clone()), error));
        Layout::default()
    });
    let mut images = Vec::new();
    let mut reached = BTreeSet::new();
    for (tag, digest) in layout.iter() {
        reached.insert(digest.clone());
        images.push((
            Reference::new(repository.clone(), Some(tag.clone()), None),
            digest.clone(),
        ));
    }
    for tag in tag_files(folder)? {
        let path = folder.join(tag.as_str());
        let bytes = match read(&path) {
            Ok(Some(bytes)) if may_be_a_manifest(&bytes) => bytes,
            Ok(None) => continue,
            _ if layout.get(&tag).is_some() => continue,
            _ => {
                log::warn!("{} is passed over: it is no manifest", shown(&path));
                continue;
            }
        };
        let digest = Digest::of(&bytes);
        reach_children(bytes, &mut reached);
        if layout.get(&tag).is_none() {
            reached.insert(digest.clone());
            images.push((Reference::new(repository.clone(), Some(tag), None), digest));
        }
    }
    let mut manifests = Vec::new();
    for entry in fs::read_dir(folder)
        .map_err(Error::io("reading", folder))?
        .flatten()
    {
        let digest = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<Digest>().ok());
        let Some(digest) = digest else { continue };
        match read(&entry.path()) {
            Ok(Some(bytes)) => reach_children(bytes, &mut reached),
            Ok(None) => continue,
            // It is complained about once it is asked for.
            Err(_) => {}
        }
        manifests.push(digest);
    }
    let untagged = manifests.into_iter().filter(|digest| !reached.contains(digest));
    images.extend(untagged.map(|digest| {
        (
            Reference::new(repository.clone(), None, Some(digest.clone())),
            digest,
        )
    }));
    Ok(images)
}

/// Whether it is a manifest, whole or damaged, and not somebody's notes.
pub(crate) fn may_be_a_manifest(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    text.is_empty() || text.starts_with(b"{")
}

fn reach_children(bytes: Vec<u8>, reached: &mut BTreeSet<Digest>) {
    if let Ok(manifest) = RawManifest::parse(bytes, None) {
        reached.extend(
            manifest
                .view()
                .children()
                .iter()
                .map(|child| child.digest.clone()),
        );
    }
}
