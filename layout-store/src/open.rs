//! Opening and making a store, and telling what a folder is.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::blob_names::BlobNames;
use crate::caution::Cautions;
use crate::directory::Directory;
use crate::folders::{self, BLOBS, Kind, OWN, kind};
use crate::kubekey::{KubeKey, MANIFESTS};
use crate::{Error, Exclusive, Store, archive, disk, lease};

/// How deep a folder that may be a store is looked through for one of manifests.
const DEPTH: usize = 8;
/// How many folders are looked at.
const FOLDERS: usize = 10_000;

/// How a store is opened.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    cancel: Arc<AtomicBool>,
}

impl OpenOptions {
    /// Sets the flag that ends waits for other processes and removals: while the store is opened, and as long as it is open.
    #[must_use]
    pub fn cancel_flag(mut self, cancel: Arc<AtomicBool>) -> OpenOptions {
        self.cancel = cancel;
        self
    }

    /// See [`Store::open`].
    ///
    /// # Errors
    /// Where the folder isn't there, can't be read or is something else.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Store, Error> {
        self.open_with(path.as_ref(), lease::take)
    }

    /// See [`Store::open_exclusively`].
    ///
    /// # Errors
    /// As [`OpenOptions::open`], and where the folder can't be locked.
    pub fn open_exclusively(&self, path: impl AsRef<Path>) -> Result<Exclusive, Error> {
        self.open_with(path.as_ref(), lease::take_alone)
            .map(Exclusive::new)
    }

    fn open_with(
        &self,
        path: &Path,
        take: fn(&Path, &AtomicBool, &Cautions) -> Result<Option<File>, Error>,
    ) -> Result<Store, Error> {
        let metadata = fs::metadata(path).map_err(Error::io("opening", path))?;
        let not_a_store = |looks_like| Error::NotAStore {
            path: path.to_owned(),
            looks_like,
        };
        if !metadata.is_dir() {
            return Err(not_a_store(archive::described(path)));
        }
        if let Some(looks_like) = other_kind(path)? {
            return Err(not_a_store(looks_like));
        }
        let cautions = Arc::default();
        let lease = take(path, &self.cancel, &cautions)?;
        let cancel = Arc::clone(&self.cancel);
        let directory = Arc::new(Directory::new(path, BlobNames::Flat, lease, cautions, cancel));
        Ok(Store {
            layout: Box::new(KubeKey::new(Arc::clone(&directory))),
            directory,
        })
    }

    /// See [`Store::create`].
    ///
    /// # Errors
    /// As [`OpenOptions::open`], where it can't be made, and [`Error::NoColons`].
    pub fn create(&self, path: impl AsRef<Path>) -> Result<Store, Error> {
        let path = path.as_ref();
        disk::check_names(path)?;
        folders::make_all(path)?;
        lease::remove_leftovers(path);
        let store = self.open(path)?;
        let directory = &store.directory;
        directory.make_folder(&path.join(BLOBS), &"the folder of blobs")?;
        // They are needed once all of an image is there: bad ones have to be told before.
        directory.own_folder()?;
        lease::try_locks_of_files(path, &directory.cautions);
        let lock = folders::tag_lock(path);
        if kind(&lock)? != Kind::Nothing {
            lease::open(&lock)?;
        }
        Ok(store)
    }
}

impl Store {
    /// Returns whether a folder looks like a store: it has a folder of blobs, or was written to by this crate.
    pub fn looks_like_one(path: impl AsRef<Path>) -> bool {
        has_sign(path.as_ref()).unwrap_or(false)
    }
}

/// What a folder is that isn't a store.
fn other_kind(path: &Path) -> Result<Option<&'static str>, Error> {
    let is_oci_layout = matches!(kind(&path.join("oci-layout"))?, Kind::File(_));
    let is_registry = kind(&path.join("docker/registry/v2"))? == Kind::Folder;
    let is_dir_image = matches!(kind(&path.join("version"))?, Kind::File(_))
        && matches!(kind(&path.join("manifest.json"))?, Kind::File(_));
    if is_oci_layout {
        return Ok(Some("it is an OCI image layout of another tool"));
    }
    if is_registry {
        return Ok(Some(
            "it is a registry's own storage; start the registry on it and pull from that",
        ));
    }
    if is_dir_image {
        return Ok(Some("it is one image in skopeo's dir: format"));
    }
    if has_sign(path)? {
        return Ok(None);
    }
    let mut budget = FOLDERS;
    let mut is_empty = true;
    for entry in fs::read_dir(path).map_err(Error::io("reading", path))? {
        let entry = entry.map_err(Error::io("reading", path))?;
        // Another process's look at the filesystem, which is over in a moment.
        if entry.file_name().as_encoded_bytes().starts_with(OWN.as_bytes()) {
            continue;
        }
        is_empty = false;
        if has_manifests(&entry.path(), DEPTH, &mut budget)? {
            return Ok(None);
        }
    }
    // What was found may be what another process began to make of an empty folder in the meantime.
    if is_empty || has_sign(path)? {
        return Ok(None);
    }
    Ok(Some(
        "it has neither a folder of blobs nor one of manifests, and isn't empty",
    ))
}

fn has_sign(path: &Path) -> Result<bool, Error> {
    Ok(kind(&path.join(BLOBS))? == Kind::Folder || kind(&path.join(OWN))? == Kind::Folder)
}

fn has_manifests(path: &Path, depth: usize, budget: &mut usize) -> Result<bool, Error> {
    if depth == 0 || *budget == 0 || kind(path)? != Kind::Folder {
        return Ok(false);
    }
    *budget -= 1;
    if kind(&path.join(MANIFESTS))? == Kind::Folder {
        return Ok(true);
    }
    // A folder that can't be read has nothing to say.
    let Ok(entries) = fs::read_dir(path) else {
        return Ok(false);
    };
    for entry in entries.flatten() {
        if has_manifests(&entry.path(), depth - 1, budget)? {
            return Ok(true);
        }
    }
    Ok(false)
}
