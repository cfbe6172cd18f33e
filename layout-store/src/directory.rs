//! A directory on disk, of whatever format: its lease and locks, durable files and folders. It knows no image.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::blob_names::BlobNames;
use crate::caution::Cautions;
use crate::durable::Names;
use crate::folders::{self, Kind, Made, OWN, TEMPORARY, kind};
use crate::lease::{self, Share};
use crate::lock::lock;
use crate::{Error, durable};

/// A directory that this process has open.
#[derive(Debug)]
pub(crate) struct Directory {
    root: PathBuf,
    pub blob_names: BlobNames,
    /// Whether the names of its blobs are durable.
    pub names: Arc<Names>,
    /// What its filesystem was found to lack.
    pub cautions: Arc<Cautions>,
    /// Set by whoever wants waits for other processes to end.
    cancel: Arc<AtomicBool>,
    made: Made,
    /// Held by the thread that changes what tags stand for: threads queue here, and only processes at the lock on disk.
    tagging: Mutex<()>,
    /// Keeps others from removing anything while it is held.
    lease: Mutex<Option<File>>,
}

impl Directory {
    /// A directory that is held by this lease.
    pub fn new(
        root: &Path,
        blob_names: BlobNames,
        lease: File,
        cautions: Arc<Cautions>,
        cancel: Arc<AtomicBool>,
    ) -> Directory {
        Directory {
            root: root.to_owned(),
            blob_names,
            names: Arc::default(),
            cautions,
            cancel,
            made: Made::default(),
            tagging: Mutex::default(),
            lease: Mutex::new(Some(lease)),
        }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Ends work once the flag of the [`OpenOptions`](crate::OpenOptions) is set.
    pub fn check_stop(&self) -> Result<(), Error> {
        if self.cancel.load(Ordering::Relaxed) {
            Err(Error::Stopped {
                path: self.root.clone(),
            })
        } else {
            Ok(())
        }
    }

    /// See [`Store::release`](crate::Store::release).
    pub fn release(&self) {
        *lock(&self.lease) = None;
        // Who takes its place may remove folders.
        self.forget_made();
    }

    /// See [`Store::try_renew`](crate::Store::try_renew).
    pub fn try_renew(&self) -> Result<bool, Error> {
        let mut held = lock(&self.lease);
        if held.is_none() {
            *held = lease::try_take(&self.root, Share::Shared, &self.cautions)?;
        }
        Ok(held.is_some())
    }

    /// Takes a lock, waiting for it until the cancel flag is set.
    pub fn lock(&self, file: &File, path: &Path, share: Share, why: &str) -> Result<(), Error> {
        lease::lock(file, path, share, &self.cautions, &self.cancel, why)
    }

    /// Locks what tags stand for against other threads and processes, until the lock is dropped.
    pub fn lock_tags(&self) -> Result<TagLock<'_>, Error> {
        let thread = lock(&self.tagging);
        self.own_folder()?;
        let path = folders::tag_lock(self.root());
        let file = lease::open(&path)?;
        self.lock(&file, &path, Share::Alone, "another process tags an image")?;
        Ok(TagLock {
            _process: file,
            _thread: thread,
        })
    }

    /// Makes the names of all blobs durable that were noted so far.
    pub fn sync_blobs(&self) -> Result<(), Error> {
        let folders = self.blob_names.folders(&self.root);
        let there = folders.iter().map(|(folder, _)| folder.as_path());
        self.names.settle(there.filter(|folder| folder.is_dir()))
    }

    /// Makes a folder below the root, one component at a time: nothing that isn't a folder is stepped through, so that a symbolic
    /// link in a directory from elsewhere leads nowhere. The folders' names are durable then: what is written into one must not be
    /// lost with it.
    pub fn make_folder(&self, folder: &Path, name: &dyn Display) -> Result<(), Error> {
        let mut above = self.root();
        for path in folders::way(&self.root, folder) {
            if self.made.contains(path) {
                folders::check_folder(path, name)?;
            } else {
                match std::fs::create_dir(path) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        folders::check_folder(path, name)?;
                    }
                    Err(error) => return Err(Error::io("making", path)(error)),
                }
                // Whoever made it may not have come to this.
                durable::sync(above)?;
                self.made.insert(path.to_owned());
            }
            above = path;
        }
        Ok(())
    }

    /// Folders were removed: each is to be made again.
    pub fn forget_made(&self) {
        self.made.forget();
    }

    /// The folder of this program's own files.
    pub fn own_folder(&self) -> Result<PathBuf, Error> {
        let own = self.root.join(OWN);
        self.make_folder(&own, &"the folder of temporary files")?;
        Ok(own)
    }

    /// Writes a whole file, or leaves what was there. Its bytes are durable then; its name is once the folder is synced.
    pub fn replace(&self, path: &Path, bytes: &[u8], name: &dyn Display) -> Result<(), Error> {
        if kind(path)? == Kind::Folder {
            return Err(Error::Collision {
                name: name.to_string(),
                path: path.to_owned(),
                taken_by: "another repository's folder",
            });
        }
        let own = self.own_folder()?;
        let write = || {
            let mut file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(&own)?;
            file.write_all(bytes)?;
            folders::open_to_readers(file.as_file())?;
            durable::flush(file.as_file(), &self.cautions)?;
            file.persist(path).map_err(|error| error.error)
        };
        write().map(|_| ()).map_err(Error::io("writing", path))
    }
}

/// The right to change what tags stand for. The lock on disk is let go of first.
pub(crate) struct TagLock<'a> {
    _process: File,
    _thread: MutexGuard<'a, ()>,
}
