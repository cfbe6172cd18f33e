//! A directory as a place, and the only one that is written to.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use transload_layout_store::{Exclusive, OpenOptions, Store};
use transload_reference::{Descriptor, Digest, RawManifest, Repository, Tag};

use super::turns::{Lease, Refused, Terms, Turn, Turns};
use super::{Blob, Content, ContentError};

/// How long passes between looks whether other programs let go of the directory.
const LOOK: Duration = Duration::from_millis(20);

/// The images in a directory, in KubeKey's format or an OCI image layout, as they are at each request.
///
/// A request holds the directory's lease for as long as it looks things up, so that `prune` removes nothing meanwhile; between requests
/// nobody holds it, and under load everybody else gets a turn every two seconds. While somebody removes images, requests wait, up to ten seconds.
/// Blobs that are open are sent to their end without a lease.
#[derive(Debug)]
pub struct DirectoryContent {
    store: Store,
    options: OpenOptions,
    turns: Turns,
}

impl DirectoryContent {
    /// Opens a directory that is there.
    ///
    /// # Errors
    /// Where it isn't there, can't be read or is something else.
    pub fn open(path: impl AsRef<Path>, options: OpenOptions) -> Result<DirectoryContent, ContentError> {
        let store = options.open(path)?;
        Ok(DirectoryContent::new(store, options, Terms::default()))
    }

    /// Opens a directory to be written to, making it if it isn't there.
    ///
    /// # Errors
    /// As [`DirectoryContent::open`], and where it can't be made.
    pub fn create(path: impl AsRef<Path>, options: OpenOptions) -> Result<DirectoryContent, ContentError> {
        let store = options.create(path)?;
        Ok(DirectoryContent::new(store, options, Terms::default()))
    }

    /// Opens a directory for which no request waits.
    #[cfg(test)]
    pub(crate) fn impatient(path: &Path, options: OpenOptions) -> DirectoryContent {
        let terms = Terms {
            patience: Duration::ZERO,
            ..Terms::default()
        };
        let store = options.open(path).unwrap_or_else(|error| panic!("{error}"));
        DirectoryContent::new(store, options, terms)
    }

    fn new(store: Store, options: OpenOptions, terms: Terms) -> DirectoryContent {
        store.release();
        DirectoryContent {
            store,
            options,
            turns: Turns::new(terms),
        }
    }

    /// Waits until nobody removes images, and keeps others from it for as long as `work` takes.
    pub(crate) fn with<T>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, transload_layout_store::Error>,
    ) -> Result<T, ContentError> {
        let _turn = self.enter()?;
        Ok(work(&self.store)?)
    }

    /// The same for what writes: others are kept from removing anything for a minute after it, too.
    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, transload_layout_store::Error>,
    ) -> Result<T, ContentError> {
        let _turn = self.enter()?;
        self.turns.note_write();
        Ok(work(&self.store)?)
    }

    /// Lets others remove images if nothing was written lately. Returns how long to wait before the next look, if there is to be one.
    pub(crate) fn tidy(&self) -> Option<Duration> {
        self.turns.tidy(self)
    }

    /// Removes something, while nobody else uses the directory: requests wait, and this waits for other programs.
    pub(crate) fn remove<T>(
        &self,
        work: impl FnOnce(&mut Exclusive) -> Result<T, transload_layout_store::Error>,
    ) -> Result<T, ContentError> {
        let in_use = || ContentError::InUse(self.label());
        let removed = self.turns.exclude(self, |deadline| {
            let mut exclusive = self.open_exclusively(deadline)?.ok_or_else(in_use)?;
            Ok(work(&mut exclusive)?)
        });
        removed.unwrap_or_else(|| Err(in_use()))
    }

    fn open_exclusively(&self, deadline: Instant) -> Result<Option<Exclusive>, ContentError> {
        loop {
            let exclusive = self.options.try_open_exclusively(self.store.root())?;
            if exclusive.is_some() || Instant::now() >= deadline {
                return Ok(exclusive);
            }
            thread::sleep(LOOK);
        }
    }

    fn enter(&self) -> Result<Turn<'_, DirectoryContent>, ContentError> {
        self.turns.enter(self).map_err(|refused| match refused {
            Refused::Busy => ContentError::Busy(self.label()),
            Refused::Failed(error) => error.into(),
        })
    }
}

impl Lease for DirectoryContent {
    type Error = transload_layout_store::Error;

    fn try_take(&self) -> Result<bool, Self::Error> {
        self.store.try_renew()
    }

    fn release(&self) {
        self.store.release();
    }
}

impl Content for DirectoryContent {
    fn label(&self) -> String {
        self.store.root().display().to_string()
    }

    fn repositories(&self) -> Result<BTreeSet<Repository>, ContentError> {
        self.with(Store::places)
    }

    fn repositories_of(&self, path: &str) -> Result<BTreeSet<Repository>, ContentError> {
        self.with(|store| store.places_of(path))
    }

    fn has(&self, repository: &Repository) -> Result<bool, ContentError> {
        self.with(|store| store.has_place(repository))
    }

    fn tags(&self, repository: &Repository) -> Result<BTreeSet<Tag>, ContentError> {
        self.with(|store| Ok(store.tags(repository)?.collect()))
    }

    fn resolve(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, ContentError> {
        self.with(|store| store.resolve(repository, &tag.clone().into()))
    }

    fn manifest(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Option<RawManifest>, ContentError> {
        self.with(|store| store.manifest(repository, digest))
    }

    fn blob(&self, digest: &Digest) -> Result<Option<Blob>, ContentError> {
        let Some(file) = self.with(|store| store.open_blob(digest))? else {
            return Ok(None);
        };
        let size = file
            .metadata()
            .map_err(|source| transload_layout_store::Error::Io {
                operation: "looking at",
                path: self.store.blob_path(digest),
                source,
            })?;
        Ok(Some(Blob::File {
            file: Arc::new(file),
            offset: 0,
            size: size.len(),
        }))
    }

    fn referrers(&self, repository: &Repository, subject: &Digest) -> Result<Vec<Descriptor>, ContentError> {
        self.with(|store| store.referrers(repository, subject))
    }
}
