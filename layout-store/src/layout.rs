//! The file `layout`: what a repository's tags stand for.

use std::collections::BTreeMap;
use std::path::Path;

use transload_reference::{Digest, MAX_MANIFEST_SIZE, ManifestError, Tag};

use crate::Error;
use crate::folders::LAYOUT;
use crate::manifest::read;

/// A repository's tags, as its file `layout` has them.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    /// By text, so that a tag that we wouldn't accept is still there after writing.
    tags: BTreeMap<String, String>,
    parsed: BTreeMap<Tag, Digest>,
}

impl Layout {
    /// Reads the file; without one, there are no tags.
    pub fn read(folder: &Path) -> Result<Layout, Error> {
        let path = folder.join(LAYOUT);
        match read(&path) {
            Ok(Some(bytes)) => Layout::parse(&bytes, &path),
            Ok(None) => Ok(Layout::default()),
            Err(Error::Manifest {
                source: ManifestError::TooLarge { size },
                ..
            }) => {
                let reason =
                    format!("it has {size} bytes; of a map of tags, at most {MAX_MANIFEST_SIZE} are read");
                Err(Error::damaged(&path, reason))
            }
            Err(error) => Err(error),
        }
    }

    /// Reads the file's bytes; `path` is for the error.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Layout, Error> {
        let tags: BTreeMap<String, String> = serde_json::from_slice(bytes)
            .map_err(|error| Error::damaged(path, format!("it should map tags to digests: {error}")))?;
        let mut parsed = BTreeMap::new();
        for (tag, digest) in &tags {
            if let (Ok(tag), Ok(digest)) = (tag.parse(), digest.parse()) {
                parsed.insert(tag, digest);
            }
        }
        Ok(Layout { tags, parsed })
    }

    /// What a tag stands for.
    pub fn get(&self, tag: &Tag) -> Option<&Digest> {
        self.parsed.get(tag)
    }

    /// All tags and what they stand for, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&Tag, &Digest)> {
        self.parsed.iter()
    }

    /// Entries that are no tag and digest, as text, and so stand for no image.
    pub fn strange(&self) -> impl Iterator<Item = (&str, &str)> {
        let is_parsed = |tag: &str| tag.parse().is_ok_and(|tag: Tag| self.parsed.contains_key(&tag));
        self.tags
            .iter()
            .filter(move |(tag, _)| !is_parsed(tag))
            .map(|(tag, digest)| (tag.as_str(), digest.as_str()))
    }

    /// Lets a tag stand for a manifest.
    pub fn set(&mut self, tag: &Tag, digest: &Digest) {
        self.tags.insert(tag.to_string(), digest.to_string());
        self.parsed.insert(tag.clone(), digest.clone());
    }

    /// Lets a tag stand for nothing. Whether it stood for something.
    pub fn remove(&mut self, tag: &Tag) -> bool {
        self.parsed.remove(tag);
        self.tags.remove(tag.as_str()).is_some()
    }

    /// Whether no tag stands for anything.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    /// The file's bytes: sorted keys and an indent of two spaces, as Go's encoder writes them.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(&self.tags).unwrap_or_default()
    }
}
