//! Whose turn it is to write manifests: images of one repository that have some in common write them one after another, and
//! what one of them has written isn't written again below another.
//!
//! The distribution registry writes the link of a manifest in place, even where it is there. An index that names the manifest
//! is refused if it comes in that moment.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use transload_reference::{Digest, Repository};

use super::blobs::ImageId;

/// The manifests of one destination that are being written or were, and who waits.
#[derive(Debug, Default)]
pub struct Turns {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    taken: HashMap<(Repository, Digest), ImageId>,
    written: HashSet<(Repository, Digest)>,
    waiting: Vec<ImageId>,
}

impl Turns {
    /// Takes these manifests of a repository, all or none. None if another image has one of them: this one is named by
    /// [`Turns::end`] once it may try again.
    pub fn take(&self, image: ImageId, repository: &Repository, manifests: &[&Digest]) -> bool {
        let mut inner = self.lock();
        let key = |digest: &&Digest| (repository.clone(), (*digest).clone());
        let is_free = !manifests
            .iter()
            .any(|digest| inner.taken.contains_key(&key(digest)));
        if is_free {
            inner
                .taken
                .extend(manifests.iter().map(|digest| (key(digest), image)));
        } else {
            inner.waiting.push(image);
        }
        is_free
    }

    /// Whether an image of this run has written a manifest.
    pub fn is_written(&self, repository: &Repository, manifest: &Digest) -> bool {
        self.lock()
            .written
            .contains(&(repository.clone(), manifest.clone()))
    }

    /// Takes note of a manifest that was written.
    pub fn wrote(&self, repository: &Repository, manifest: &Digest) {
        self.lock().written.insert((repository.clone(), manifest.clone()));
    }

    /// Gives an image's manifests back, and tells who waits for any.
    pub fn end(&self, image: ImageId) -> Vec<ImageId> {
        let mut inner = self.lock();
        inner.taken.retain(|_, holder| *holder != image);
        std::mem::take(&mut inner.waiting)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_with_a_manifest_in_common_take_turns() {
        let turns = Turns::default();
        let [a, b]: [Repository; 2] = ["hub.local/a", "hub.local/b"].map(|name| name.parse().unwrap());
        let [shared, one, two] = [b"shared" as &[u8], b"one", b"two"].map(Digest::of);
        assert!(turns.take(1, &a, &[&shared, &one]));
        assert!(!turns.take(2, &a, &[&shared, &two]));
        assert!(
            turns.take(3, &b, &[&shared, &two]),
            "another repository's is another"
        );
        assert!(turns.take(4, &a, &[&two]), "who waits holds nothing");
        turns.wrote(&a, &shared);
        assert_eq!(turns.end(4), [2]);
        assert!(!turns.take(2, &a, &[&shared, &two]));
        assert_eq!(turns.end(1), [2]);
        assert!(turns.take(2, &a, &[&shared, &two]));
        assert!(turns.is_written(&a, &shared) && !turns.is_written(&b, &shared));
        assert!(!turns.is_written(&a, &one));
    }
}
