//! Which images a directory of KubeKey's format holds.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use transload_reference::{Digest, RawManifest, Reference, Registry, Repository, Tag};

use super::folders::{DOCKER_HUB, DOCKER_HUB_API, LAYOUT, MANIFESTS, is_namespace_of_docker_hub};
use super::manifests::{named_by_digests, tag_files};
use super::places::registry_of;
use super::tag_map::TagMap;
use crate::Error;
use crate::error::shown;
use crate::folders::{BLOBS, OWN, read};
use crate::images::{Damage, Disputed, Listing, StoredImage};

/// How many components a repository's folder may have. Registries allow 255 characters.
pub(super) const DEPTH: usize = 128;

/// Returns all images that can be told, and what keeps others from being told.
pub(super) fn listing(root: &Path) -> Result<Listing, Error> {
    let mut walk = Walk::default();
    let mut folders = subfolders(root)?;
    // Of two that say something else at the same time, Docker Hub's own name counts.
    folders.sort_by_key(|(name, _)| (name != DOCKER_HUB, name != DOCKER_HUB_API));
    for (name, path) in folders {
        if name == BLOBS || name == OWN {
            continue;
        }
        if is_namespace_of_docker_hub(&name) {
            walk.folder(Some(&Registry::docker_hub()), &mut vec![name], &path);
            continue;
        }
        walk.folder(registry_of(&name).as_ref(), &mut Vec::new(), &path);
    }
    Ok(walk.into_listing())
}

#[derive(Default)]
struct Walk {
    /// Images by name, each with its folder's place in `folders`.
    images: BTreeMap<Reference, (usize, Digest)>,
    folders: Vec<PathBuf>,
    nameless: Vec<PathBuf>,
    disputed: Vec<Disputed>,
    damage: Vec<Damage>,
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
                        Ok(images) => self.add(&folder, images),
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

    fn add(&mut self, folder: &Path, images: Vec<(Reference, Digest)>) {
        let place = self.folders.len();
        self.folders.push(folder.to_owned());
        for (reference, digest) in images {
            let Some((other_place, other)) = self.images.get(&reference) else {
                self.images.insert(reference, (place, digest));
                continue;
            };
            let Some(tag) = reference.tag().filter(|_| *other != digest) else {
                continue;
            };
            let other_folder = &self.folders[*other_place];
            let is_newer = age(folder, tag, &digest) > age(other_folder, tag, other);
            let (newer, older, loser) = match is_newer {
                true => (digest, other.clone(), other_folder.clone()),
                false => (other.clone(), digest, folder.to_owned()),
            };
            self.disputed.push(Disputed {
                reference: reference.clone(),
                newer: newer.clone(),
                older,
                folder: loser,
            });
            if is_newer {
                self.images.insert(reference, (place, newer));
            }
        }
    }

    fn into_listing(self) -> Listing {
        let named = self.images.into_iter();
        let mut images: Vec<StoredImage> = named
            .map(|(reference, (_, digest))| StoredImage { reference, digest })
            .collect();
        if !self.disputed.is_empty() {
            let named: HashSet<_> = images
                .iter()
                .map(|image| (image.reference.repository(), &image.digest))
                .collect();
            let older = self
                .disputed
                .iter()
                .map(|disputed| (disputed.reference.repository(), &disputed.older));
            let nameless: BTreeSet<_> = older.filter(|older| !named.contains(older)).collect();
            let nameless: Vec<_> = nameless
                .into_iter()
                .map(|(repository, digest)| StoredImage {
                    reference: Reference::new(repository.clone(), None, Some(digest.clone())),
                    digest: digest.clone(),
                })
                .collect();
            images.extend(nameless);
        }
        images.sort();
        Listing {
            images,
            nameless: self.nameless,
            disputed: self.disputed,
            damage: self.damage,
        }
    }
}

/// When a folder came to say what a tag stands for: when the manifest came, and when the tag map was written. Anybody can set a file's times: they
/// only choose between two images that are both there.
pub(super) fn age(folder: &Path, tag: &Tag, digest: &Digest) -> (Option<SystemTime>, Option<SystemTime>) {
    let time = |name: &str| {
        let metadata = folder.join(name).symlink_metadata();
        metadata.and_then(|metadata| metadata.modified()).ok()
    };
    let manifest = time(&digest.to_string()).or_else(|| time(tag.as_str()));
    (manifest, time(LAYOUT))
}

fn holds_a_manifest(folder: &Path) -> bool {
    let has_layout = || folder.join(LAYOUT).symlink_metadata().is_ok();
    named_by_digests(folder).is_ok_and(|named| !named.is_empty() || has_layout())
}

/// The folders in a folder; symbolic links aren't followed.
pub(super) fn subfolders(path: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
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
    let layout = TagMap::read(folder).unwrap_or_else(|error| {
        damage.push(Damage::new(&folder.join(LAYOUT), Some(repository.clone()), error));
        TagMap::default()
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
                log::warn!("{} is skipped: it isn't a manifest", shown(&path));
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
    for (digest, path) in named_by_digests(folder)? {
        match read(&path) {
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
pub(super) fn may_be_a_manifest(bytes: &[u8]) -> bool {
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
