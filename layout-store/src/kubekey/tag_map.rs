//! The file `layout`: what a repository's tags stand for.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use transload_reference::{Digest, MAX_MANIFEST_SIZE, ManifestError, Tag};

use super::folders::LAYOUT;
use crate::Error;
use crate::file_cache::{FileCache, read_once_whole};
use crate::folders::read;

/// A repository's tags, as its file `layout` has them: as text, so that a tag that we wouldn't accept is still there after writing.
#[derive(Debug, Clone, Default)]
pub(crate) struct TagMap {
    tags: BTreeMap<String, String>,
}

impl TagMap {
    /// Reads the file; without one, there are no tags. KubeKey rewrites it in place.
    pub fn read(folder: &Path) -> Result<TagMap, Error> {
        read_once_whole(&folder.join(LAYOUT), || TagMap::read_once(folder))
    }

    fn read_once(folder: &Path) -> Result<TagMap, Error> {
        let path = folder.join(LAYOUT);
        match read(&path) {
            Ok(Some(bytes)) => TagMap::parse(&bytes, &path),
            Ok(None) => Ok(TagMap::default()),
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
    pub fn parse(bytes: &[u8], path: &Path) -> Result<TagMap, Error> {
        let tags: BTreeMap<String, String> = serde_json::from_slice(bytes)
            .map_err(|error| Error::damaged(path, format!("it should map tags to digests: {error}")))?;
        Ok(TagMap { tags })
    }

    /// What a tag stands for.
    pub fn get(&self, tag: &Tag) -> Option<Digest> {
        self.tags.get(tag.as_str())?.parse().ok()
    }

    /// All tags and what they stand for, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (Tag, Digest)> {
        self.tags
            .iter()
            .filter_map(|(tag, digest)| Some((tag.parse().ok()?, digest.parse().ok()?)))
    }

    /// Entries that are no tag and digest, as text, and so stand for no image.
    pub fn strange(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags
            .iter()
            .filter(|(tag, digest)| tag.parse::<Tag>().is_err() || digest.parse::<Digest>().is_err())
            .map(|(tag, digest)| (tag.as_str(), digest.as_str()))
    }

    /// Lets a tag stand for a manifest. Returns whether it stood for something else.
    pub fn set(&mut self, tag: &Tag, digest: &Digest) -> bool {
        let earlier = self.tags.insert(tag.to_string(), digest.to_string());
        earlier.is_none_or(|earlier| earlier != digest.to_string())
    }

    /// Lets a tag stand for nothing. Whether it stood for something.
    pub fn remove(&mut self, tag: &Tag) -> bool {
        self.tags.remove(tag.as_str()).is_some()
    }

    /// Whether no tag stands for anything.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    /// The bytes of the file at `path`: sorted keys and an indent of two spaces, as Go's encoder writes them.
    ///
    /// # Errors
    /// Where there are more than [`TagMap::read`] reads back.
    pub fn to_bytes(&self, path: &Path) -> Result<Vec<u8>, Error> {
        let bytes = serde_json::to_vec_pretty(&self.tags).unwrap_or_default();
        if bytes.len() as u64 > MAX_MANIFEST_SIZE {
            return Err(Error::TooManyTags {
                path: path.to_owned(),
                tags: self.tags.len(),
                size: bytes.len() as u64,
            });
        }
        Ok(bytes)
    }
}

/// The tag maps that a store has read or written, for as long as their files stay the same.
#[derive(Debug, Default)]
pub(crate) struct TagMaps {
    files: FileCache<TagMap>,
    /// How many files were parsed.
    #[cfg(test)]
    parsed: std::sync::atomic::AtomicUsize,
}

impl TagMaps {
    /// The tag map of a folder, read where it isn't known or its file has changed.
    pub fn read(&self, folder: &Path) -> Result<Arc<TagMap>, Error> {
        self.files.read(&folder.join(LAYOUT), || {
            #[cfg(test)]
            self.parsed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            TagMap::read(folder)
        })
    }

    /// Remembers a tag map that was written to a folder under the lock of all tag maps.
    pub fn wrote(&self, folder: &Path, map: TagMap) {
        self.files.wrote(&folder.join(LAYOUT), map);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::thread;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::file_cache::is_being_written;

    #[test]
    fn a_tag_map_that_is_being_rewritten_in_place_is_read_once_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LAYOUT);
        let digest = Digest::of(b"manifest");
        for half in ["", r#"{"v1": "sha2"#] {
            fs::write(&path, half).unwrap();
            let found = thread::scope(|scope| {
                let reader = scope.spawn(|| TagMap::read(folder.path()));
                // A reader that begins later than this finds a whole file at once.
                thread::sleep(Duration::from_millis(100));
                fs::write(&path, format!(r#"{{"v1": "{digest}"}}"#)).unwrap();
                reader.join().unwrap().unwrap()
            });
            assert_eq!(
                found.get(&"v1".parse().unwrap()).as_ref(),
                Some(&digest),
                "{half:?}"
            );
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
        assert!(matches!(TagMap::read(folder.path()), Err(Error::Damaged { .. })));
    }

    /// A layout of so many tags, written a while ago.
    fn written(folder: &Path, tags: usize, digest: &Digest) {
        let mut layout = TagMap::default();
        for number in 0..tags {
            layout.set(&format!("v{number}").parse().unwrap(), digest);
        }
        let path = folder.join(LAYOUT);
        fs::write(&path, layout.to_bytes(&path).unwrap()).unwrap();
        let ago = SystemTime::now() - Duration::from_secs(60);
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(ago).unwrap();
    }

    fn parsed(layouts: &TagMaps) -> usize {
        layouts.parsed.load(std::sync::atomic::Ordering::Relaxed)
    }

    #[test]
    fn a_tag_map_is_parsed_once_and_again_after_somebody_changed_it() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = [b"one", b"two"].map(|bytes| Digest::of(bytes));
        let tag = "v7".parse().unwrap();
        let layouts = TagMaps::default();
        written(folder.path(), 40, &one);
        for _ in 0..1000 {
            assert_eq!(
                layouts.read(folder.path()).unwrap().get(&tag).as_ref(),
                Some(&one)
            );
        }
        assert_eq!(parsed(&layouts), 1);
        // In place, with the same size.
        written(folder.path(), 40, &two);
        assert_eq!(
            layouts.read(folder.path()).unwrap().get(&tag).as_ref(),
            Some(&two)
        );
        assert_eq!(parsed(&layouts), 2);
        fs::remove_file(folder.path().join(LAYOUT)).unwrap();
        assert!(layouts.read(folder.path()).unwrap().is_empty());
    }

    #[test]
    fn a_tag_map_that_changed_just_now_may_change_again_in_the_same_tick_and_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let layouts = TagMaps::default();
        written(folder.path(), 40, &Digest::of(b"one"));
        let file = fs::File::options()
            .write(true)
            .open(folder.path().join(LAYOUT))
            .unwrap();
        // By a clock that runs ahead, so that the test has time.
        file.set_modified(SystemTime::now() + Duration::from_secs(3600))
            .unwrap();
        for reads in 1..4 {
            layouts.read(folder.path()).unwrap();
            assert_eq!(parsed(&layouts), reads);
        }
    }

    #[test]
    fn what_was_written_is_known_and_small_tag_maps_are_parsed_again() {
        let folder = tempfile::tempdir().unwrap();
        let layouts = TagMaps::default();
        for (tags, expected) in [(40, 0), (4, 1)] {
            written(folder.path(), tags, &Digest::of(b"one"));
            let now = SystemTime::UNIX_EPOCH + Duration::new(1_000_000, 123_456_789);
            let file = fs::File::options()
                .write(true)
                .open(folder.path().join(LAYOUT))
                .unwrap();
            file.set_modified(now).unwrap();
            layouts.wrote(folder.path(), TagMap::read(folder.path()).unwrap());
            assert!(!layouts.read(folder.path()).unwrap().is_empty());
            assert_eq!(parsed(&layouts), expected, "{tags} tags");
        }
    }

    #[test]
    fn a_tag_map_that_would_not_be_read_back_is_refused() {
        let mut layout = TagMap::default();
        let digest = Digest::of(b"one");
        for number in 0..120_000 {
            layout.set(&format!("v{number}").parse().unwrap(), &digest);
        }
        let written = layout.to_bytes(Path::new("hub.local/app/manifests/layout"));
        let error = written.err().unwrap();
        let text = error.to_string();
        assert!(
            text.starts_with("hub.local/app/manifests/layout would have ")
                && text.contains("for 120000 tags"),
            "{text}"
        );
        assert!(error.hint().unwrap().contains("another directory"));
    }
}
