//! Opening and making a store.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use transload_reference::Reference;

use crate::blob_names::BlobNames;
use crate::caution::Cautions;
use crate::directory::Directory;
use crate::folders::{self, Kind, kind};
use crate::kubekey::KubeKey;
use crate::layout::Layout;
use crate::lease::Share;
use crate::oci::Oci;
use crate::recognise::{Found, has_sign, recognise};
use crate::{Error, Exclusive, Format, Store, colons, lease};

/// How a store is opened.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    cancel: Arc<AtomicBool>,
    format: Option<Format>,
    name: Option<Reference>,
}

impl OpenOptions {
    /// Sets the flag that ends waits for other processes and removals: while the store is opened, and as long as it is open.
    #[must_use]
    pub fn cancel_flag(mut self, cancel: Arc<AtomicBool>) -> OpenOptions {
        self.cancel = cancel;
        self
    }

    /// Sets the format that a store must have, and that a new one gets. Without it, what is there is recognised, and a new store is in
    /// KubeKey's format.
    #[must_use]
    pub fn format(mut self, format: Format) -> OpenOptions {
        self.format = Some(format);
        self
    }

    /// Sets the name of images in an OCI layout that have less than a full name: its repository is that of all images without one, and its
    /// tag that of the only image of which nothing is said. Without it, their repository is `localhost/<name of the directory>`.
    #[must_use]
    pub fn name(mut self, name: Reference) -> OpenOptions {
        self.name = Some(name);
        self
    }

    /// See [`Store::open`].
    ///
    /// # Errors
    /// Where the folder isn't there, can't be read or is something else.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Store, Error> {
        self.open_with(path.as_ref(), Share::Shared)
    }

    /// See [`Store::open_exclusively`].
    ///
    /// # Errors
    /// As [`OpenOptions::open`], and where the folder can't be locked.
    pub fn open_exclusively(&self, path: impl AsRef<Path>) -> Result<Exclusive, Error> {
        self.open_with(path.as_ref(), Share::Alone).map(Exclusive::new)
    }

    /// Opens a store as [`OpenOptions::open_exclusively`] does, without waiting; none while somebody else has it open.
    ///
    /// # Errors
    /// As [`OpenOptions::open_exclusively`].
    pub fn try_open_exclusively(&self, path: impl AsRef<Path>) -> Result<Option<Exclusive>, Error> {
        let path = path.as_ref();
        let format = self.format_of(path)?;
        let cautions = Arc::default();
        let Some(lease) = lease::try_take(path, Share::Alone, &cautions)? else {
            return Ok(None);
        };
        self.with_lease(path, format, lease, cautions)
            .map(|store| Some(Exclusive::new(store)))
    }

    fn open_with(&self, path: &Path, share: Share) -> Result<Store, Error> {
        let format = self.format_of(path)?;
        let cautions = Arc::default();
        let lease = lease::take(path, share, &cautions, &self.cancel)?;
        self.with_lease(path, format, lease, cautions)
    }

    fn with_lease(
        &self,
        path: &Path,
        format: Format,
        lease: File,
        cautions: Arc<Cautions>,
    ) -> Result<Store, Error> {
        let names = match format {
            Format::KubeKey => BlobNames::Flat,
            Format::Oci => BlobNames::Nested,
        };
        let cancel = Arc::clone(&self.cancel);
        let directory = Arc::new(Directory::new(path, names, lease, cautions, cancel));
        let layout: Box<dyn Layout> = match format {
            Format::KubeKey => Box::new(KubeKey::new(Arc::clone(&directory))),
            Format::Oci => Box::new(Oci::new(Arc::clone(&directory), self.name.clone())?),
        };
        Ok(Store { directory, layout })
    }

    /// The format of the store at a path, or that it would get.
    fn format_of(&self, path: &Path) -> Result<Format, Error> {
        let not_a_store = |looks_like| Error::NotAStore {
            path: path.to_owned(),
            looks_like,
        };
        match (recognise(path)?, self.format) {
            (Found::Empty, wanted) => Ok(wanted.unwrap_or_default()),
            (Found::Store(found), wanted) if wanted.is_none_or(|wanted| wanted == found) => Ok(found),
            (Found::Store(Format::KubeKey), _) => {
                Err(not_a_store("it is an image directory in KubeKey's format"))
            }
            (Found::Store(Format::Oci), _) => Err(not_a_store("it is an OCI image layout")),
            (Found::Other(looks_like), _) => Err(not_a_store(looks_like)),
        }
    }

    /// See [`Store::create`].
    ///
    /// # Errors
    /// As [`OpenOptions::open`], where it can't be made, and [`Error::NoColons`].
    pub fn create(&self, path: impl AsRef<Path>) -> Result<Store, Error> {
        let path = path.as_ref();
        self.check_names(path)?;
        folders::make_all(path)?;
        lease::remove_leftovers(path);
        let store = self.open(path)?;
        let directory = &store.directory;
        store.layout.make()?;
        // They are needed once all of an image is there: bad ones have to be told before.
        directory.own_folder()?;
        lease::try_locks_of_files(path, &directory.cautions);
        let lock = folders::tag_lock(path);
        if kind(&lock)? != Kind::Nothing {
            lease::open(&lock)?;
        }
        Ok(store)
    }

    /// Checks that a directory's filesystem takes the names of its format, before anything is written there. Where the directory isn't
    /// there yet, that of the nearest one above it is asked. Of a filesystem that isn't known to take them, nothing else tells it than a
    /// file that is made there and removed at once.
    ///
    /// # Errors
    /// [`Error::NoColons`] where it doesn't. Where no file can be made, this tells nothing.
    pub fn check_names(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let format = match path.is_dir() {
            true => self.format_of(path).ok(),
            false => self.format,
        };
        match format.unwrap_or_default() {
            Format::KubeKey => colons::check_names(path),
            Format::Oci => Ok(()),
        }
    }
}

impl Store {
    /// Lets others remove images, until [`Store::try_renew`]. To be called by what has a store open for days and uses it now and then;
    /// nothing may be read or written meanwhile. Files that are open stay readable.
    pub fn release(&self) {
        self.directory.release();
    }

    /// Keeps others from removing images again, after [`Store::release`]. Returns false while somebody removes some.
    ///
    /// # Errors
    /// Where the folder is gone or can't be locked.
    pub fn try_renew(&self) -> Result<bool, Error> {
        self.directory.try_renew()
    }

    /// Returns whether a folder looks like a store: it has a folder of blobs, or was written to by this crate.
    pub fn looks_like_one(path: impl AsRef<Path>) -> bool {
        has_sign(path.as_ref()).unwrap_or(false)
    }
}
