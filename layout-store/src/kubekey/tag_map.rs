//! The file `layout`: what a repository's tags stand for.
//!
//! Parsing one takes as long as it has tags, and each of its images asks for one: [`TagMaps`] keeps what was read.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use transload_reference::{Digest, MAX_MANIFEST_SIZE, ManifestError, Tag};

use super::folders::LAYOUT;
use crate::Error;
use crate::folders::{FileState, read, state_of};

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

/// A repository's tags, as its file `layout` has them: as text, so that a tag that we wouldn't accept is still there after writing.
#[derive(Debug, Clone, Default)]
pub(crate) struct TagMap {
    tags: BTreeMap<String, String>,
}

impl TagMap {
    /// Reads the file; without one, there are no tags. KubeKey rewrites it in place: one that makes no sense and was written just now is read
    /// again before that is believed.
    pub fn read(folder: &Path) -> Result<TagMap, Error> {
        let mut looks = 1;
        loop {
            match TagMap::read_once(folder) {
                Err(_) if looks < MOST_LOOKS && is_being_written(&folder.join(LAYOUT)) => {
                    looks += 1;
                    thread::sleep(BETWEEN_LOOKS);
                }
                result => return result,
            }
        }
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
    known: Mutex<HashMap<PathBuf, (FileState, Arc<TagMap>)>>,
    /// How many files were parsed.
    #[cfg(test)]
    parsed: std::sync::atomic::AtomicUsize,
}

impl TagMaps {
    /// The tag map of a folder, read where it isn't known or its file has changed. A large one is read by one thread alone, for all.
    pub fn read(&self, folder: &Path) -> Result<Arc<TagMap>, Error> {
        let path = folder.join(LAYOUT);
        if state_of(&path).is_none_or(|(_, size, _)| size < WORTH_KEEPING) {
            return self.parse(folder).map(Arc::new);
        }
        let mut known = self.lock();
        // Another thread may have read it meanwhile.
        let state = state_of(&path);
        if let (Some(state), Some((known, layout))) = (&state, known.get(&path))
            && known == state
        {
            return Ok(Arc::clone(layout));
        }
        let layout = Arc::new(self.parse(folder)?);
        // One that changes again at the same time, by the clock of the filesystem, can't be told from what was read.
        if let Some(state) = state.filter(is_settled) {
            known.insert(path, (state, Arc::clone(&layout)));
        }
        Ok(layout)
    }

    fn parse(&self, folder: &Path) -> Result<TagMap, Error> {
        #[cfg(test)]
        self.parsed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        TagMap::read(folder)
    }

    /// Remembers a tag map that was written to a folder under the lock of all tag maps. A program without locks that writes in place in the
    /// same tick of the clock loses what it wrote, or what was written here, in any case.
    pub fn wrote(&self, folder: &Path, layout: TagMap) {
        let path = folder.join(LAYOUT);
        if let Some(state) = state_of(&path).filter(|state| state.1 >= WORTH_KEEPING && has_fine_time(state))
        {
            self.lock().insert(path, (state, Arc::new(layout)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, (FileState, Arc<TagMap>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A tag map of fewer bytes is quickly parsed, and a store may have thousands of them.
const WORTH_KEEPING: u64 = 2048;

/// How long ago a file changed, at least, where its time is told to the nanosecond, and where it is told in seconds.
const TICK: Duration = Duration::from_millis(50);
const COARSE_TICK: Duration = Duration::from_secs(3);

fn has_fine_time((_, _, modified): &FileState) -> bool {
    let since = modified.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.is_some_and(|since| since.subsec_nanos() % 1_000_000 != 0)
}

fn is_settled(state: &FileState) -> bool {
    let tick = if has_fine_time(state) { TICK } else { COARSE_TICK };
    let age = state.2.and_then(|modified| modified.elapsed().ok());
    age.is_some_and(|age| age >= tick)
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
