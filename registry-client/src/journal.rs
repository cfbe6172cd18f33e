//! Where upload sessions outlive the process that began them.

use transload_reference::{Digest, Repository};

/// Keeps the addresses of upload sessions from one process to the next, so that an upload goes on where the registry has it.
///
/// An address may hold a signature that allows to write: what keeps it has to keep it secret.
pub trait UploadJournal: Send + Sync {
    /// The entry for a blob on its way to a repository. Nobody else has it until it is dropped: two who append to one session would
    /// spoil it. `None`: somebody else has it, or it can't be kept.
    fn claim(&self, repository: &Repository, digest: &Digest) -> Option<Box<dyn UploadEntry>>;
}

/// The entry of one blob in an [`UploadJournal`].
pub trait UploadEntry: Send {
    /// The session's address, where an earlier process left one.
    fn location(&self) -> Option<String>;

    /// Keeps an address in place of the one before. Where that fails, nothing is kept: an upload doesn't depend on it.
    fn save(&mut self, location: &str);

    /// The session is over.
    fn forget(&mut self);
}

/// Keeps nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NoJournal;

impl UploadJournal for NoJournal {
    fn claim(&self, _: &Repository, _: &Digest) -> Option<Box<dyn UploadEntry>> {
        None
    }
}
