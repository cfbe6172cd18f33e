//! Where names are in a store's folder.

use std::collections::HashSet;
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use transload_reference::{Digest, Registry, Repository, Tag};

use crate::{Error, Store, caution, durable};

pub(crate) const BLOBS: &str = "blobs";
pub(crate) const MANIFESTS: &str = "manifests";
pub(crate) const LAYOUT: &str = "layout";
/// What only this program uses: partial blobs, files on their way to their names, the lock.
pub(crate) const OWN: &str = ".transload";
/// What the names of files begin with that are on their way to another name, in the folder [`OWN`].
pub(crate) const TEMPORARY: &str = ".tmp";
pub(crate) const DOCKER_HUB: &str = "docker.io";
/// KubeKey's name for Docker Hub.
pub(crate) const DOCKER_HUB_API: &str = "registry-1.docker.io";

/// What is at a path, without following a symbolic link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Nothing,
    File(u64),
    Folder,
    Other,
}

pub(crate) fn kind(path: &Path) -> Result<Kind, Error> {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_file() => Ok(Kind::File(metadata.len())),
        Ok(metadata) if metadata.is_dir() => Ok(Kind::Folder),
        Ok(_) => Ok(Kind::Other),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(Kind::Nothing)
        }
        Err(error) => Err(Error::io("looking at", path)(error)),
    }
}

/// Whether two paths name one and the same file. A name that isn't there names none.
pub(crate) fn is_same_file(one: &Path, other: &Path) -> Result<bool, Error> {
    let identity = |path: &Path| match path.symlink_metadata() {
        Ok(metadata) => Ok(Some((metadata.dev(), metadata.ino()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("looking at", path)(error)),
    };
    let one = identity(one)?;
    Ok(one.is_some() && one == identity(other)?)
}

pub(crate) fn blob(root: &Path, digest: &Digest) -> PathBuf {
    root.join(BLOBS).join(digest.to_string())
}

/// The folder of partial blobs.
pub(crate) fn partials(root: &Path) -> PathBuf {
    root.join(OWN).join("partial")
}

/// The folder of damaged blobs whose places are being filled again.
pub(crate) fn set_aside(root: &Path) -> PathBuf {
    root.join(OWN).join("aside")
}

pub(crate) fn partial(root: &Path, digest: &Digest) -> PathBuf {
    partials(root).join(digest.to_string())
}

pub(crate) fn layout_lock(root: &Path) -> PathBuf {
    root.join(OWN).join("lock")
}

/// The folders that may hold a repository's manifests, the one that is written to first. Docker Hub has two names, and a repository of it that
/// KubeKey pulled by a short name (`kubesphere/app`) is in a folder without either.
pub(crate) fn manifests(root: &Path, repository: &Repository) -> Result<Vec<PathBuf>, Error> {
    let mut folders: Vec<PathBuf> = registry_folders(root, repository.registry())?
        .into_iter()
        .map(|registry| root.join(registry))
        .collect();
    let namespace = repository.path().split('/').next().unwrap_or_default();
    if repository.registry().is_docker_hub() && is_namespace_of_docker_hub(namespace) {
        folders.push(root.to_owned());
    }
    for folder in &mut folders {
        folder.extend(repository.path().split('/'));
        folder.push(MANIFESTS);
    }
    Ok(folders)
}

/// Whether a folder of a store is what KubeKey takes a short name's namespace for: a registry. Names that begin so are Docker Hub's.
pub(crate) fn is_namespace_of_docker_hub(name: &str) -> bool {
    let path = format!("{name}/x");
    name != BLOBS
        && path
            .parse::<Repository>()
            .is_ok_and(|repository| repository.registry().is_docker_hub() && repository.path() == path)
}

fn registry_folders<'a>(root: &Path, registry: &'a Registry) -> Result<Vec<&'a str>, Error> {
    if !registry.is_docker_hub() {
        let name = registry.as_str();
        let taken = root.join(name);
        return match name {
            BLOBS => Err(Error::Collision {
                name: format!("the registry {name}"),
                path: taken,
                taken_by: "where the format keeps all blobs",
            }),
            _ => Ok(vec![name]),
        };
    }
    let has_own = kind(&root.join(DOCKER_HUB))? == Kind::Folder;
    let has_kubekeys = kind(&root.join(DOCKER_HUB_API))? == Kind::Folder;
    Ok(match (has_own, has_kubekeys) {
        (true, true) => vec![DOCKER_HUB, DOCKER_HUB_API],
        (false, true) => vec![DOCKER_HUB_API],
        (_, false) => vec![DOCKER_HUB],
    })
}

impl Store {
    /// Whether an image of this name can be written: to be asked before its blobs are brought for nothing.
    ///
    /// # Errors
    /// Where a part of the name's place is taken by something else, or that can't be told.
    pub fn check_place(&self, repository: &Repository, tag: Option<&Tag>) -> Result<(), Error> {
        let folder = manifests(self.root(), repository)?.swap_remove(0);
        let mut path = self.root().to_owned();
        for component in folder.strip_prefix(self.root()).unwrap_or(&folder) {
            path.push(component);
            if kind(&path)? == Kind::Nothing {
                return Ok(());
            }
            check_folder(&path, repository)?;
        }
        path.push(LAYOUT);
        if tag.is_some() && kind(&path)? == Kind::Folder {
            return Err(Error::Collision {
                name: repository.to_string(),
                path,
                taken_by: "another repository's folder",
            });
        }
        Ok(())
    }
}

impl Store {
    /// Makes a folder below the root, one component at a time: nothing that isn't a folder is stepped through, so that a symbolic
    /// link in a directory from elsewhere leads nowhere. The folders' names are durable then: what is written into one must not be
    /// lost with it.
    pub(crate) fn make_folder(&self, folder: &Path, name: &dyn std::fmt::Display) -> Result<(), Error> {
        let mut path = self.root().to_owned();
        for component in folder.strip_prefix(self.root()).unwrap_or(folder) {
            let above = path.clone();
            path.push(component);
            if self.made.contains(&path) {
                check_folder(&path, name)?;
                continue;
            }
            match std::fs::create_dir(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => check_folder(&path, name)?,
                Err(error) => return Err(Error::io("making", &path)(error)),
            }
            // Whoever made it may not have come to this.
            durable::sync(&above)?;
            self.made.insert(path.clone());
        }
        Ok(())
    }
}

/// Folders whose names this handle knows to be durable.
#[derive(Debug, Default)]
pub(crate) struct Made(Mutex<HashSet<PathBuf>>);

impl Made {
    fn contains(&self, folder: &Path) -> bool {
        self.lock().contains(folder)
    }

    fn insert(&self, folder: PathBuf) {
        self.lock().insert(folder);
    }

    /// Folders were removed: each is to be made again.
    pub fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a folder and those above it that aren't there. Their names are durable then.
pub(crate) fn make_all(folder: &Path) -> Result<(), Error> {
    let whole = std::path::absolute(folder).map_err(Error::io("making", folder))?;
    let missing: Vec<&Path> = whole.ancestors().take_while(|path| !path.exists()).collect();
    std::fs::create_dir_all(&whole).map_err(Error::io("making", folder))?;
    missing
        .into_iter()
        .filter_map(Path::parent)
        .try_for_each(durable::sync)
}

/// Lets everybody read a file of ours. A filesystem without modes has its own rule for that.
pub(crate) fn open_to_readers(file: &File) -> io::Result<()> {
    match file.set_permissions(Permissions::from_mode(0o644)) {
        Err(error) if caution::has_no_modes(&error) => Ok(()),
        result => result,
    }
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("removing", path)(error)),
        _ => Ok(()),
    }
}

/// That a folder is one, not a link or something else that takes its place. One that is gone meanwhile takes no place and isn't
/// made again: what was written into it is gone too, and that must be said.
fn check_folder(path: &Path, name: &dyn std::fmt::Display) -> Result<(), Error> {
    let metadata = path.symlink_metadata().map_err(Error::io("looking at", path))?;
    if metadata.is_dir() {
        return Ok(());
    }
    let taken_by = match metadata.is_file() {
        true => "a file that the format needs there",
        false => "neither a folder nor a file",
    };
    Err(Error::Collision {
        name: name.to_string(),
        path: path.to_owned(),
        taken_by,
    })
}

/// Whether every component below the root is a folder of its own.
pub(crate) fn is_plain(root: &Path, folder: &Path) -> Result<bool, Error> {
    let mut path = root.to_owned();
    for component in folder.strip_prefix(root).unwrap_or(folder) {
        path.push(component);
        if kind(&path)? != Kind::Folder {
            return Ok(false);
        }
    }
    Ok(true)
}
