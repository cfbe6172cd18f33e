//! Locks on manifests: images of one repository that share a manifest write theirs one after another, and a manifest that one of
//! them has written isn't written again.
//!
//! The distribution registry writes the link of a manifest in place, even where it is there. An index that names the manifest
//! is refused if it comes in that moment.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Mutex;

use transload_reference::{Digest, Repository};

use super::blobs::ImageId;
use crate::lock::lock;

/// The manifests of one destination that are being written or were, and the images that wait for one.
#[derive(Debug, Default)]
pub struct ManifestLocks {
    inner: Mutex<Inner>,
}

type Key = (Repository, Digest);

#[derive(Debug, Default)]
struct Inner {
    /// The manifests that an image has locked, each with the images that wait for it, in their order.
    locked: HashMap<Key, VecDeque<Waiting>>,
    /// The manifests that each image has locked.
    held: HashMap<ImageId, Vec<Key>>,
    written: HashSet<Key>,
    /// The images that got their locks from another one's unlocking, and haven't begun.
    granted: HashSet<ImageId>,
}

/// An image that waits, and all manifests that it needs.
#[derive(Debug)]
struct Waiting {
    image: ImageId,
    needs: Vec<Key>,
}

impl ManifestLocks {
    /// Locks these manifests of a repository, all or none. Returns whether the image has its locks. If another image has one of them,
    /// this one waits: [`ManifestLocks::unlock`] returns it once it has its locks, and asking again says so.
    pub fn lock(&self, image: ImageId, repository: &Repository, manifests: &[&Digest]) -> bool {
        let mut inner = lock(&self.inner);
        if inner.granted.remove(&image) {
            return true;
        }
        let needs = keys(repository, manifests);
        inner.lock(Waiting { image, needs })
    }

    /// Whether an image of this run has written a manifest.
    pub fn is_written(&self, repository: &Repository, manifest: &Digest) -> bool {
        let key = (repository.clone(), manifest.clone());
        lock(&self.inner).written.contains(&key)
    }

    /// Records a manifest that was written.
    pub fn wrote(&self, repository: &Repository, manifest: &Digest) {
        lock(&self.inner)
            .written
            .insert((repository.clone(), manifest.clone()));
    }

    /// Unlocks an image's manifests. Returns the images that have their locks now.
    pub fn unlock(&self, image: ImageId) -> Vec<ImageId> {
        let mut inner = lock(&self.inner);
        let mut freed = Vec::new();
        inner.granted.remove(&image);
        for key in inner.held.remove(&image).unwrap_or_default() {
            if let Some(waiting) = inner.locked.remove(&key).filter(|waiting| !waiting.is_empty()) {
                freed.push((key, waiting));
            }
        }
        let mut next = Vec::new();
        for (key, mut waiting) in freed {
            // One that gets its locks holds this one again, and the others wait on.
            while let Some(first) = waiting.pop_front() {
                let image = first.image;
                if inner.lock(first) {
                    inner.granted.insert(image);
                    next.push(image);
                }
                if let Some(others) = inner.locked.get_mut(&key) {
                    others.append(&mut waiting);
                }
            }
        }
        next
    }
}

impl Inner {
    fn lock(&mut self, wants: Waiting) -> bool {
        let taken = wants.needs.iter().find(|key| self.locked.contains_key(*key));
        if let Some(key) = taken.cloned()
            && let Some(waiting) = self.locked.get_mut(&key)
        {
            waiting.push_back(wants);
            return false;
        }
        for key in &wants.needs {
            self.locked.insert(key.clone(), VecDeque::new());
        }
        self.held.insert(wants.image, wants.needs);
        true
    }
}

fn keys(repository: &Repository, manifests: &[&Digest]) -> Vec<Key> {
    let key = |digest: &&Digest| (repository.clone(), (*digest).clone());
    manifests.iter().map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repositories() -> [Repository; 2] {
        ["hub.local/a", "hub.local/b"].map(|name| name.parse().unwrap())
    }

    #[test]
    fn images_that_share_a_manifest_lock_it_one_after_another() {
        let locks = ManifestLocks::default();
        let [a, b] = repositories();
        let [shared, one, two] = [b"shared" as &[u8], b"one", b"two"].map(Digest::of);
        assert!(locks.lock(1, &a, &[&shared, &one]));
        assert!(!locks.lock(2, &a, &[&shared, &two]));
        assert!(
            locks.lock(3, &b, &[&shared, &two]),
            "another repository's is another"
        );
        assert!(locks.lock(4, &a, &[&two]), "an image that waits holds nothing");
        locks.wrote(&a, &shared);
        assert_eq!(locks.unlock(4), [0; 0], "2 waits for the shared one");
        assert!(locks.lock(5, &a, &[&two]));
        assert_eq!(locks.unlock(1), [0; 0], "2 waits for 5 now");
        assert_eq!(locks.unlock(5), [2], "and has both");
        assert!(locks.lock(2, &a, &[&shared, &two]), "it has them");
        assert!(!locks.lock(6, &a, &[&shared]));
        assert_eq!(locks.unlock(2), [6]);
        assert!(locks.is_written(&a, &shared) && !locks.is_written(&b, &shared));
        assert!(!locks.is_written(&a, &one));
    }

    #[test]
    fn each_unlock_returns_one_of_thousands_that_wait_for_one_manifest() {
        let locks = ManifestLocks::default();
        let [a, _] = repositories();
        let shared = Digest::of(b"shared");
        assert!(locks.lock(0, &a, &[&shared]));
        assert!((1..4000).all(|image| !locks.lock(image, &a, &[&shared])));
        for image in 1..4000 {
            assert_eq!(locks.unlock(image - 1), [image]);
        }
        assert_eq!(locks.unlock(3999), [0; 0]);
        assert!(lock(&locks.inner).locked.is_empty() && lock(&locks.inner).held.is_empty());
    }

    #[test]
    fn nobody_waits_for_a_manifest_that_nobody_has() {
        let locks = ManifestLocks::default();
        let [a, _] = repositories();
        let [x, y] = [b"x" as &[u8], b"y"].map(Digest::of);
        assert!(locks.lock(0, &a, &[&x, &y]));
        assert!(!locks.lock(1, &a, &[&x, &y]));
        assert!(!locks.lock(2, &a, &[&x]));
        assert!(!locks.lock(3, &a, &[&y]));
        let mut running = locks.unlock(0);
        let mut done = Vec::new();
        while let Some(image) = running.pop() {
            done.push(image);
            running.extend(locks.unlock(image));
        }
        done.sort_unstable();
        assert_eq!(done, [1, 2, 3]);
    }
}
