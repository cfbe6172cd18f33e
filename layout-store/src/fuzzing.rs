//! The file `layout`, for the workspace's fuzz targets alone.

use std::path::Path;

use transload_reference::{Digest, Tag};

use crate::Error;
use crate::kubekey::tag_map;

/// What a file `layout` says.
#[derive(Debug)]
pub struct TagMap(tag_map::TagMap);

impl TagMap {
    /// Reads a file's bytes.
    ///
    /// # Errors
    /// Where they are no map of tags.
    pub fn read(bytes: &[u8]) -> Result<TagMap, Error> {
        tag_map::TagMap::parse(bytes, Path::new("layout")).map(TagMap)
    }

    /// The tags that names can have, and what they stand for, sorted.
    pub fn tags(&self) -> Vec<(Tag, Digest)> {
        let tags = self.0.iter();
        tags.map(|(tag, digest)| (tag.clone(), digest.clone())).collect()
    }

    /// Lets a tag stand for a manifest.
    pub fn set(&mut self, tag: &Tag, digest: &Digest) {
        self.0.set(tag, digest);
    }

    /// Lets a tag stand for nothing. Whether it stood for something.
    pub fn remove(&mut self, tag: &Tag) -> bool {
        self.0.remove(tag)
    }

    /// The file's new bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes(Path::new("layout")).unwrap_or_default()
    }
}
