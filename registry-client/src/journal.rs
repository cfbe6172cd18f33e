//! A journal of upload sessions, which outlives the process.

use transload_reference::{Digest, Repository};

/// Keeps the URLs of upload sessions for the next process, which resumes the uploads.
///
/// A URL may be signed, and allow anybody to write: keep it secret.
pub trait UploadJournal: Send + Sync {
    /// Returns the entry of a blob's upload to a repository, locked until it is dropped: two writers would spoil the session. `None` if another
    /// process holds it, or it can't be kept.
    fn claim(&self, repository: &Repository, digest: &Digest) -> Option<Box<dyn UploadEntry>>;
}

/// The entry of one blob in an [`UploadJournal`].
pub trait UploadEntry: Send {
    /// Returns the session's URL, if an earlier process left one.
    fn location(&self) -> Option<String>;

    /// Replaces the URL. Failures are ignored: an upload doesn't depend on it.
    fn save(&mut self, location: &str);

    /// Removes the URL: the session is over.
    fn forget(&mut self);
}

/// A journal that keeps nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NoJournal;

impl UploadJournal for NoJournal {
    fn claim(&self, _: &Repository, _: &Digest) -> Option<Box<dyn UploadEntry>> {
        None
    }
}
