//! Places as the server sees them: repositories, tags, manifests and blobs, whichever way they lie on the disk.

mod archive;
mod directory;
mod names;
mod turns;

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::sync::Arc;

use transload_archive::bundle::BundledBlob;
use transload_reference::{Descriptor, Digest, RawManifest, Repository, Tag};

pub use archive::ArchiveContent;
pub use directory::DirectoryContent;

/// A place whose images are served. Many threads ask it at once, and it may change at any time.
pub trait Content: Send + Sync + fmt::Debug {
    /// Its name for people, such as its path.
    fn label(&self) -> String;

    /// Returns the repositories, by a look at names alone. Some may have no image.
    ///
    /// # Errors
    /// Where they can't be told.
    fn repositories(&self) -> Result<BTreeSet<Repository>, ContentError>;

    /// Returns those of the repositories that have this path, in whichever registry.
    ///
    /// # Errors
    /// Where they can't be told.
    fn repositories_of(&self, path: &str) -> Result<BTreeSet<Repository>, ContentError>;

    /// Returns whether it has a repository.
    ///
    /// # Errors
    /// Where that can't be told.
    fn has(&self, repository: &Repository) -> Result<bool, ContentError>;

    /// Returns a repository's tags; none where it has no such repository.
    ///
    /// # Errors
    /// Where they can't be read.
    fn tags(&self, repository: &Repository) -> Result<BTreeSet<Tag>, ContentError>;

    /// Returns what a tag stands for; none if there is no such tag.
    ///
    /// # Errors
    /// Where that can't be read.
    fn resolve(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, ContentError>;

    /// Returns a manifest whose bytes were hashed just now; none if it isn't there.
    ///
    /// # Errors
    /// Where it can't be read, or its bytes aren't those of its digest.
    fn manifest(&self, repository: &Repository, digest: &Digest)
    -> Result<Option<RawManifest>, ContentError>;

    /// Returns a blob's size and where its bytes are; none if it isn't there. The bytes aren't hashed. They stay readable, even if the blob
    /// is removed.
    ///
    /// # Errors
    /// Where it can't be opened.
    fn blob(&self, digest: &Digest) -> Result<Option<Blob>, ContentError>;

    /// Returns descriptors of the manifests in a repository whose subject is this one.
    ///
    /// # Errors
    /// Where they can't be read.
    fn referrers(&self, repository: &Repository, subject: &Digest) -> Result<Vec<Descriptor>, ContentError>;
}

/// Where a blob's bytes are.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Blob {
    /// In a file.
    File {
        /// The file, which is read without moving its cursor.
        file: Arc<File>,
        /// Where the blob begins.
        offset: u64,
        /// Its size in bytes.
        size: u64,
    },
    /// In memory.
    Memory(Arc<[u8]>),
    /// In several volumes of a bundle.
    Parts(BundledBlob),
}

impl Blob {
    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Blob::File { size, .. } => *size,
            Blob::Memory(bytes) => bytes.len() as u64,
            Blob::Parts(blob) => blob.left(),
        }
    }
}

/// Why a place didn't answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// Images are removed from it just now. The same question has an answer a little later.
    #[error("images are being removed from {0}")]
    Busy(String),
    /// Other programs use it, so that nothing can be removed. They may be done a little later.
    #[error("other programs use {0}, so that nothing can be removed")]
    InUse(String),
    /// The directory can't be read or written.
    #[error(transparent)]
    Store(#[from] transload_layout_store::Error),
    /// The archive can't be read.
    #[error(transparent)]
    Archive(#[from] transload_archive::Error),
    /// The bundle can't be read, or can't be served.
    #[error(transparent)]
    Bundle(#[from] transload_archive::bundle::BundleError),
}
