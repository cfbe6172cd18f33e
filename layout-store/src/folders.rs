//! Files and folders: what is at a path, reading it, making and removing it.

use std::collections::HashSet;
use std::fs::{File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

use transload_reference::{Digest, MAX_MANIFEST_SIZE, ManifestError, RawManifest};

use crate::lock::lock;
use crate::{Error, caution, durable};

pub(crate) const BLOBS: &str = "blobs";
/// What only this program uses: partial blobs, files on their way to their names, the lock.
pub(crate) const OWN: &str = ".transload";
/// What the names of files begin with that are on their way to another name, in the folder [`OWN`].
pub(crate) const TEMPORARY: &str = ".tmp";

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

/// The folder of damaged blobs whose places are being filled again.
pub(crate) fn set_aside(root: &Path) -> PathBuf {
    root.join(OWN).join("aside")
}

/// The file that is locked while what tags stand for changes.
pub(crate) fn tag_lock(root: &Path) -> PathBuf {
    root.join(OWN).join("lock")
}

/// Folders whose names this handle knows to be durable.
#[derive(Debug, Default)]
pub(crate) struct Made(Mutex<HashSet<PathBuf>>);

impl Made {
    pub fn contains(&self, folder: &Path) -> bool {
        lock(&self.0).contains(folder)
    }

    pub fn insert(&self, folder: PathBuf) {
        lock(&self.0).insert(folder);
    }

    /// Folders were removed: each is to be made again.
    pub fn forget(&self) {
        lock(&self.0).clear();
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
        Err(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Err(Error::io("removing", path)(error))
        }
        _ => Ok(()),
    }
}

/// That a folder is one, not a link or something else that takes its place. One that is gone meanwhile takes no place and isn't
/// made again: what was written into it is gone too, and that must be said.
pub(crate) fn check_folder(path: &Path, name: &dyn std::fmt::Display) -> Result<(), Error> {
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

/// The way down from a root to a folder below it: a path for each component, so that none is reached through a symbolic link.
pub(crate) fn way<'a>(root: &Path, folder: &'a Path) -> impl Iterator<Item = &'a Path> {
    let below: Vec<&Path> = folder.ancestors().take_while(|path| *path != root).collect();
    below.into_iter().rev()
}

/// Whether every component below the root is a folder of its own.
pub(crate) fn is_plain(root: &Path, folder: &Path) -> Result<bool, Error> {
    for path in way(root, folder) {
        if kind(path)? != Kind::Folder {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Refuses a folder that is, or is below, a symbolic link, a file or a device: what that leads to isn't the store's.
pub(crate) fn check_plain(root: &Path, folder: &Path) -> Result<(), Error> {
    for path in way(root, folder) {
        if !matches!(kind(path)?, Kind::Nothing | Kind::Folder) {
            return Err(Error::damaged(path, "it isn't a folder of this store"));
        }
    }
    Ok(())
}

/// A small file's bytes; none if there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    read_up_to(path, MAX_MANIFEST_SIZE)
}

/// The bytes of a file that may have so many; none if there is none.
pub(crate) fn read_up_to(path: &Path, most: u64) -> Result<Option<Vec<u8>>, Error> {
    match kind(path)? {
        Kind::Nothing | Kind::Folder => Ok(None),
        Kind::Other => Err(Error::damaged(path, "it isn't a regular file")),
        Kind::File(size) if size > most => Err(Error::Manifest {
            path: path.to_owned(),
            source: ManifestError::TooLarge { size },
        }),
        Kind::File(size) => {
            let file = File::open(path).map_err(Error::io("opening", path))?;
            let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
            file.take(most)
                .read_to_end(&mut bytes)
                .map_err(Error::io("reading", path))?;
            Ok(Some(bytes))
        }
    }
}

/// The manifest in a file, verified; none if there is none.
pub(crate) fn manifest_at(path: &Path, digest: &Digest) -> Result<Option<RawManifest>, Error> {
    let verified = read(path)?.map(|bytes| RawManifest::verified(bytes, None, digest));
    verified.transpose().map_err(|source| Error::Manifest {
        path: path.to_owned(),
        source,
    })
}

/// What tells that a file has changed: its inode, size and time of change.
pub(crate) type FileState = (u64, u64, Option<SystemTime>);

/// A file's state now; none where there is no such file.
pub(crate) fn state_of(path: &Path) -> Option<FileState> {
    let metadata = path.symlink_metadata().ok()?;
    Some((metadata.ino(), metadata.len(), metadata.modified().ok()))
}
