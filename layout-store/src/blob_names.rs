//! How a directory's format names blobs: all that the core knows of it.

use std::path::{Path, PathBuf};

use transload_reference::{Algorithm, Digest};

use crate::folders::{BLOBS, OWN};

/// How blobs are named, and the files that are theirs on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlobNames {
    /// `blobs/sha256:<hex>`, which needs a filesystem that takes colons.
    Flat,
    /// `blobs/sha256/<hex>`. No name has a colon.
    Nested,
}

impl BlobNames {
    /// Where a blob is or would be.
    pub fn blob(self, root: &Path, digest: &Digest) -> PathBuf {
        match self {
            BlobNames::Flat => self.folder(root, digest.algorithm()).join(digest.as_str()),
            BlobNames::Nested => self.folder(root, digest.algorithm()).join(digest.hex()),
        }
    }

    /// The folder that holds the blobs whose digests are of this algorithm.
    pub fn folder(self, root: &Path, algorithm: Algorithm) -> PathBuf {
        match self {
            BlobNames::Flat => root.join(BLOBS),
            BlobNames::Nested => root.join(BLOBS).join(algorithm.as_str()),
        }
    }

    /// All folders that may hold blobs, each with what stands before a file's name in its digest.
    pub fn folders(self, root: &Path) -> Vec<(PathBuf, String)> {
        match self {
            BlobNames::Flat => vec![(root.join(BLOBS), String::new())],
            BlobNames::Nested => [Algorithm::Sha256, Algorithm::Sha512]
                .map(|algorithm| (self.folder(root, algorithm), format!("{}:", algorithm.as_str())))
                .into(),
        }
    }

    /// What a file of the blob's own in [`OWN`] is called.
    pub fn own(self, digest: &Digest) -> String {
        match self {
            BlobNames::Flat => digest.to_string(),
            BlobNames::Nested => format!("{}-{}", digest.algorithm().as_str(), digest.hex()),
        }
    }

    /// The digest of such a name.
    pub fn digest_of_own(self, name: &str) -> Option<Digest> {
        match self {
            BlobNames::Flat => name.parse().ok(),
            BlobNames::Nested => name.replacen('-', ":", 1).parse().ok(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_nested_name_has_a_colon_and_each_leads_back_to_its_digest() {
        let root = Path::new("/images");
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let digest = Digest::with(algorithm, b"blob");
            for names in [BlobNames::Flat, BlobNames::Nested] {
                assert_eq!(names.digest_of_own(&names.own(&digest)).as_ref(), Some(&digest));
                let path = names.blob(root, &digest);
                let (_, prefix) = names
                    .folders(root)
                    .into_iter()
                    .find(|(folder, _)| Some(folder.as_path()) == path.parent())
                    .unwrap();
                let name = path.file_name().unwrap().to_str().unwrap();
                assert_eq!(format!("{prefix}{name}").parse(), Ok(digest.clone()));
            }
            let nested = BlobNames::Nested;
            for path in [nested.blob(root, &digest), nested.partial(root, &digest)] {
                assert!(!path.to_str().unwrap().contains(':'), "{}", path.display());
            }
        }
    }
}
