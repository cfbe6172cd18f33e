//! Which images a store holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use transload_reference::{Digest, RawManifest, Reference, Registry, Repository};

use crate::folders::{BLOBS, DOCKER_HUB_API, MANIFESTS, OWN};
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
        let mut images = BTreeMap::new();
        for (name, path) in subfolders(self.root())? {
            if name == BLOBS || name == OWN {
                continue;
            }
            match name.parse::<Registry>() {
                Ok(registry) => walk(
                    &registry,
                    &mut Vec::new(),
                    &path,
                    name == DOCKER_HUB_API,
                    &mut images,
                )?,
                Err(_) => log::debug!("{} is no registry's folder", path.display()),
            }
        }
        Ok(images
            .into_iter()
            .map(|(reference, (_, digest))| StoredImage { reference, digest })
            .collect())
    }
}

/// Images by name, each with whether it was found under Docker Hub's other name, which counts less.
type Found = BTreeMap<Reference, (bool, Digest)>;

/// The folders in a folder; symbolic links aren't followed.
fn subfolders(path: &Path) -> Result<Vec<(String, std::path::PathBuf)>, Error> {
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

fn walk(
    registry: &Registry,
    components: &mut Vec<String>,
    path: &Path,
    is_second: bool,
    images: &mut Found,
) -> Result<(), Error> {
    if components.len() > DEPTH {
        return Ok(());
    }
    for (name, folder) in subfolders(path)? {
        if name == MANIFESTS
            && let Ok(repository) = Repository::new(registry.clone(), &components.join("/"))
            // Docker Hub's `library/` isn't added here: the folder's own name counts.
            && repository.path() == components.join("/")
        {
            for (reference, digest) in images_in(&repository, &folder)? {
                let better = images
                    .get(&reference)
                    .is_none_or(|(other_is_second, _)| *other_is_second && !is_second);
                if better {
                    images.insert(reference, (is_second, digest));
                }
            }
        }
        components.push(name);
        walk(registry, components, &folder, is_second, images)?;
        components.pop();
    }
    Ok(())
}

fn images_in(repository: &Repository, folder: &Path) -> Result<Vec<(Reference, Digest)>, Error> {
    let layout = Layout::read(folder)?;
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
        let Some(bytes) = read(&folder.join(tag.as_str()))? else {
            continue;
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
        if let Some(digest) = digest
            // A manifest that can't be read is complained about once it is asked for.
            && let Ok(Some(bytes)) = read(&entry.path())
        {
            reach_children(bytes, &mut reached);
            manifests.push(digest);
        }
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
