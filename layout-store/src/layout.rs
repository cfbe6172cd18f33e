//! The file `layout`: what a repository's tags stand for.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::Duration;

use transload_reference::{Digest, MAX_MANIFEST_SIZE, ManifestError, Tag};

use crate::Error;
use crate::folders::LAYOUT;
use crate::manifest::read;

/// How often a file is read that may be being written, and how long is waited in between.
const MOST_LOOKS: u32 = 40;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// So long after its last change, a file isn't being written any more.
const SETTLED: Duration = Duration::from_secs(1);

/// Whether a file changed within the last moment. A clock that runs ahead, as on a network filesystem, says so for a while, too.
fn is_being_written(path: &Path) -> bool {
    let modified = path.symlink_metadata().and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| modified.elapsed().unwrap_or_default() < SETTLED)
}

/// A repository's tags, as its file `layout` has them.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    /// By text, so that a tag that we wouldn't accept is still there after writing.
    tags: BTreeMap<String, String>,
    parsed: BTreeMap<Tag, Digest>,
}

impl Layout {
    /// Reads the file; without one, there are no tags. KubeKey rewrites it in place: one that makes no sense and was written just now is read
    /// again before that is believed.
    pub fn read(folder: &Path) -> Result<Layout, Error> {
        let mut looks = 1;
        loop {
            match Layout::read_once(folder) {
                Err(_) if looks < MOST_LOOKS && is_being_written(&folder.join(LAYOUT)) => {
                    looks += 1;
                    thread::sleep(BETWEEN_LOOKS);
                }
                result => return result,
            }
        }
    }

    fn read_once(folder: &Path) -> Result<Layout, Error> {
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_tag_map_that_is_being_rewritten_in_place_is_read_once_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LAYOUT);
        let digest = Digest::of(b"manifest");
        for half in ["", r#"{"v1": "sha2"#] {
            fs::write(&path, half).unwrap();
            let found = thread::scope(|scope| {
                let reader = scope.spawn(|| Layout::read(folder.path()));
                // A reader that begins later than this finds a whole file at once.
                thread::sleep(Duration::from_millis(100));
                fs::write(&path, format!(r#"{{"v1": "{digest}"}}"#)).unwrap();
                reader.join().unwrap().unwrap()
            });
            assert_eq!(found.get(&"v1".parse().unwrap()), Some(&digest), "{half:?}");
        }
    }

    #[test]
    fn a_tag_map_that_makes_no_sense_and_is_not_being_written_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LAYOUT);
        fs::write(&path, "").unwrap();
        let long_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
        fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
        assert!(!is_being_written(&path));
        assert!(matches!(Layout::read(folder.path()), Err(Error::Damaged { .. })));
    }
}
