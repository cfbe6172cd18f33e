//! Tags that are written many at a time: a directory has all tags of a repository in one file, an OCI layout all tags there are.
//!
//! A worker that has written an image's manifests leaves its tag here. The first to do so writes all that are there, again and again until
//! there are none; the others go on with other images meanwhile. So a tag that comes alone is written at once, and the more come at a time, the
//! more are written at once.

use std::collections::BTreeMap;
use std::sync::Mutex;

use transload_reference::{Digest, Repository, Tag};

use super::blobs::ImageId;
use crate::lock::lock;

/// The tags of one destination whose manifests are written, and that wait to be written themselves.
#[derive(Debug, Default)]
pub struct Tagging {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: BTreeMap<Repository, Vec<Waiting>>,
    is_being_written: bool,
}

/// An image whose tags wait: its own, and those of its signatures and the like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub image: ImageId,
    pub tags: Vec<(Tag, Digest)>,
}

impl Tagging {
    /// Adds a tag. Returns whether the caller has to write what waits: it asks for the [`next`](Self::next) until there is none.
    #[must_use]
    pub fn add(&self, repository: &Repository, tag: Waiting) -> bool {
        let mut inner = lock(&self.inner);
        inner.waiting.entry(repository.clone()).or_default().push(tag);
        !std::mem::replace(&mut inner.is_being_written, true)
    }

    /// All waiting tags, to be written together. After none, the next that is added is somebody else's to write.
    pub fn next(&self) -> Option<BTreeMap<Repository, Vec<Waiting>>> {
        let mut inner = lock(&self.inner);
        let next = std::mem::take(&mut inner.waiting);
        inner.is_being_written = !next.is_empty();
        inner.is_being_written.then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(image: ImageId) -> Waiting {
        Waiting {
            image,
            tags: vec![(format!("v{image}").parse().unwrap(), Digest::of(b"image"))],
        }
    }

    #[test]
    fn who_comes_first_writes_what_comes_meanwhile_all_at_once() {
        let tagging = Tagging::default();
        let [a, b]: [Repository; 2] = ["hub.local/a", "hub.local/b"].map(|name| name.parse().unwrap());
        assert!(tagging.add(&a, waiting(0)));
        let all =
            |of_a: &[ImageId]| BTreeMap::from([(a.clone(), of_a.iter().copied().map(waiting).collect())]);
        assert_eq!(tagging.next(), Some(all(&[0])));
        assert!(!tagging.add(&b, waiting(1)));
        assert!(!tagging.add(&a, waiting(2)));
        assert!(!tagging.add(&a, waiting(3)));
        let mut both = all(&[2, 3]);
        both.insert(b, vec![waiting(1)]);
        assert_eq!(tagging.next(), Some(both));
        assert!(!tagging.add(&a, waiting(4)), "the last are still being written");
        assert_eq!(tagging.next(), Some(all(&[4])));
        assert_eq!(tagging.next(), None);
        assert!(tagging.add(&a, waiting(5)));
    }
}
