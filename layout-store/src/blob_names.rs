//! How a directory's format names blobs: all that the core knows of it.

use std::path::{Path, PathBuf};

use transload_reference::{Algorithm, Digest};

use crate::folders::{BLOBS, OWN};

/// How blobs are named, and the files that are theirs on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlobNames {
    /// `blobs/sha256:<hex>`, which needs a filesystem that takes colons.
    Flat,
}

impl BlobNames {
    /// Where a blob is or would be.
    pub fn blob(self, root: &Path, digest: &Digest) -> PathBuf {
        match self {
            BlobNames::Flat => self.folder(root, digest.algorithm()).join(digest.as_str()),
        }
    }

    /// The folder that holds the blobs whose digests are of this algorithm.
    pub fn folder(self, root: &Path, _: Algorithm) -> PathBuf {
        match self {
            BlobNames::Flat => root.join(BLOBS),
        }
    }

    /// All folders that may hold blobs, each with what stands before a file's name in its digest.
    pub fn folders(self, root: &Path) -> Vec<(PathBuf, String)> {
        match self {
            BlobNames::Flat => vec![(root.join(BLOBS), String::new())],
        }
    }

    /// What a file of the blob's own in [`OWN`] is called.
    pub fn own(self, digest: &Digest) -> String {
        match self {
            BlobNames::Flat => digest.to_string(),
        }
    }

    /// The digest of such a name.
    pub fn digest_of_own(self, name: &str) -> Option<Digest> {
        match self {
            BlobNames::Flat => name.parse().ok(),
        }
    }

    /// Where a blob's bytes wait for the rest of them.
    pub fn partial(self, root: &Path, digest: &Digest) -> PathBuf {
        self.partials(root).join(self.own(digest))
    }

    /// The folder of partial blobs.
    pub fn partials(self, root: &Path) -> PathBuf {
        root.join(OWN).join("partial")
    }
}
