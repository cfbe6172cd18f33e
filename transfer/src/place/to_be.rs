//! Sinks that a dry run looks at and that aren't there yet.

use std::path::PathBuf;
use std::sync::Arc;

use transload_layout_store::disk::free_space;
use transload_reference::{Descriptor, Digest, RawManifest, Reference, Repository};

use super::directory::takes_no_room;
use super::{Bring, Published, Sink, Source};
use crate::blobs::Scope;
use crate::bundle::BundleChoice;
use crate::event::How;
use crate::fault::{Fault, Side};

/// A folder or a project that a run would make: nothing is in it, and nothing is written to it.
pub struct ToBe {
    /// The folder, and whether blobs would be linked into it where they can be.
    folder: Option<(PathBuf, bool)>,
    /// Whether blobs are looked for in one repository alone.
    is_project: bool,
    /// What is brought; everything where there is none.
    choice: Option<Arc<BundleChoice>>,
}

impl ToBe {
    /// The folder, and whether blobs would be linked into it where they can be.
    pub fn folder(path: PathBuf, link: bool) -> Self {
        ToBe {
            folder: Some((path, link)),
            is_project: false,
            choice: None,
        }
    }

    /// A project of a registry.
    pub fn project() -> Self {
        ToBe {
            folder: None,
            is_project: true,
            choice: None,
        }
    }

    /// Standard output.
    pub fn stream() -> Self {
        ToBe {
            folder: None,
            is_project: false,
            choice: None,
        }
    }

    /// The same, where only some blobs are brought.
    pub fn beyond(self, choice: Arc<BundleChoice>) -> Self {
        ToBe {
            choice: Some(choice),
            ..self
        }
    }

    fn refuse<T>(&self) -> Result<T, Fault> {
        let message = format!(
            "{} doesn't exist, and a preview doesn't create it",
            self.describe()
        );
        Err(Fault::refused(Some(Side::Destination), message))
    }
}

impl Sink for ToBe {
    fn describe(&self) -> String {
        match &self.folder {
            Some((path, _)) => path.display().to_string(),
            None if self.is_project => "the project".to_owned(),
            None => "standard output".to_owned(),
        }
    }

    fn scope(&self, repository: &Repository) -> Scope {
        self.is_project.then(|| repository.clone())
    }

    fn published(&self, _: &Reference) -> Result<Option<Digest>, Fault> {
        Ok(None)
    }

    fn has_blob(&self, _: &Repository, blob: &Descriptor) -> Result<bool, Fault> {
        Ok(self
            .choice
            .as_ref()
            .is_some_and(|choice| !choice.wanted.takes_blob(&blob.digest)))
    }

    fn free_space(&self) -> Option<u64> {
        let (path, _) = self.folder.as_ref()?;
        free_space(path).ok().flatten()
    }

    fn bytes_to_write(&self, source: &dyn Source, blob: &Descriptor) -> u64 {
        let is_brought = self
            .choice
            .as_ref()
            .is_none_or(|choice| choice.wanted.takes_blob(&blob.digest));
        match &self.folder {
            Some((path, link)) if is_brought && !takes_no_room(source, path, blob, *link) => blob.size,
            _ => 0,
        }
    }

    fn bring_blob(&self, _: &Bring<'_>) -> Result<How, Fault> {
        self.refuse()
    }

    fn sync_blobs(&self) -> Result<(), Fault> {
        self.refuse()
    }

    fn put_manifest(&self, _: &Repository, _: &RawManifest) -> Result<(), Fault> {
        self.refuse()
    }

    fn publish(&self, _: &Reference, _: &RawManifest) -> Result<Published, Fault> {
        self.refuse()
    }
}
