//! Who brings which blob: every digest moves once, however many images need it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;

use transload_reference::{Digest, Repository};

use super::event::How;
use crate::lock::lock;

/// Where at a destination a blob is needed: in the whole of it (a store), or in one repository (a registry).
pub type Scope = Option<Repository>;

/// An image's number within its run.
pub type ImageId = usize;

/// The blobs of one destination: which are there, which are on their way, who waits for them.
#[derive(Debug, Default)]
pub struct BlobMap {
    entries: Mutex<HashMap<Digest, Entry>>,
}

/// One blob. Thousands of repositories may share it: each step costs no more for that. Most are in one place alone, and a run may have a
/// hundred thousand of them: those take little memory.
#[derive(Debug, Default)]
struct Entry {
    /// The first scope that had it, which lends it to the others, and how it got there.
    first: Option<(Scope, How)>,
    /// Its size, in bytes, once it is there.
    size: u64,
    /// Where else it is, and how it got there.
    others: BTreeMap<Scope, How>,
    /// What isn't done yet; none where nothing moves and nobody waits.
    open: Option<Box<Open>>,
}

/// A blob's moves and the images that wait for them.
#[derive(Debug, Default)]
struct Open {
    /// Where it is on its way to, and the image that brings it.
    moving: HashMap<Scope, ImageId>,
    /// The images that wait, by the scope that they need the blob in.
    waiting: HashMap<Scope, BTreeSet<ImageId>>,
    /// The scope that each of them waits for.
    waits_for: BTreeMap<ImageId, Scope>,
}

/// What an image has to do about a blob that it needs.
#[derive(Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nothing: another image of the run found it there, or brought it.
    There {
        /// Its size. A manifest that gives it another one is wrong.
        size: u64,
        /// How it got there.
        how: How,
    },
    /// Wait: it is told when the blob is there.
    Wait,
    /// Bring it. `from` has it already and can lend it.
    Bring {
        /// Another scope of the destination that has the blob.
        from: Option<Repository>,
    },
}

/// Who goes on after a blob arrived or failed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Next {
    /// Images whose wait is over.
    pub there: Vec<ImageId>,
    /// Images that must bring the blob themselves now, with the scope that can lend it.
    pub bring: Vec<(ImageId, Option<Repository>)>,
}

impl BlobMap {
    /// Says that an image needs a blob in a scope.
    pub fn claim(&self, digest: &Digest, scope: &Scope, image: ImageId) -> Claim {
        let mut entries = lock(&self.entries);
        let entry = entries.entry(digest.clone()).or_default();
        if let Some(how) = entry.how(scope) {
            let size = entry.size;
            return Claim::There { size, how };
        }
        let open = entry.open.get_or_insert_default();
        // While the first copy is on its way, the others wait to mount it rather than fetch it again.
        let first_is_coming = entry.first.is_none() && !open.moving.is_empty();
        if first_is_coming || open.moving.contains_key(scope) {
            open.wait(image, scope.clone());
            return Claim::Wait;
        }
        open.moving.insert(scope.clone(), image);
        Claim::Bring {
            from: entry.mount_from(scope),
        }
    }

    /// Says that the blob is in this scope now, with so many bytes.
    pub fn arrived(&self, digest: &Digest, scope: &Scope, size: u64, how: How) -> Next {
        let mut entries = lock(&self.entries);
        let entry = entries.entry(digest.clone()).or_default();
        entry.size = size;
        let is_first = entry.first.is_none();
        entry.arrived(scope, how);
        let Some(open) = &mut entry.open else {
            return Next::default();
        };
        open.moving.remove(scope);
        let mut next = Next {
            there: open.all_waiting_for(scope),
            bring: Vec::new(),
        };
        if is_first {
            // One image of each other scope can mount it now.
            let idle = open
                .waiting
                .iter()
                .filter(|(wanted, _)| !open.moving.contains_key(*wanted));
            let mut firsts: Vec<ImageId> = idle.filter_map(|(_, images)| images.first().copied()).collect();
            firsts.sort_unstable();
            next.bring = firsts
                .into_iter()
                .filter_map(|image| entry.set_out(image))
                .collect();
        }
        entry.close();
        next
    }

    /// Says that the image doesn't bring the blob into this scope. The first who waits tries in its turn, from its own source.
    pub fn failed(&self, digest: &Digest, scope: &Scope, image: ImageId) -> Next {
        let mut entries = lock(&self.entries);
        entries.entry(digest.clone()).or_default().failed(scope, image)
    }

    /// Forgets that blobs are in a scope: the next image that needs one looks it up, and brings it where it is missing.
    pub fn forget(&self, digests: &[&Digest], scope: &Scope) {
        let mut entries = lock(&self.entries);
        for digest in digests {
            if let Some(entry) = entries.get_mut(*digest) {
                entry.first.take_if(|(first, _)| first == scope);
                entry.others.remove(scope);
            }
        }
    }

    /// Says that the image brings nothing any more, and returns who goes on with each of its blobs.
    pub fn abandon(&self, image: ImageId) -> Vec<(Digest, Next)> {
        let mut next = Vec::new();
        for (digest, entry) in lock(&self.entries).iter_mut() {
            let moving = entry.open.iter().flat_map(|open| &open.moving);
            let own = moving.filter(|(_, by)| **by == image);
            let scopes: Vec<Scope> = own.map(|(scope, _)| scope.clone()).collect();
            for scope in &scopes {
                next.push((digest.clone(), entry.failed(scope, image)));
            }
        }
        next
    }
}

impl Entry {
    /// How it got into a scope; none where it isn't there.
    fn how(&self, scope: &Scope) -> Option<How> {
        match &self.first {
            Some((first, how)) if first == scope => Some(*how),
            _ => self.others.get(scope).copied(),
        }
    }

    fn arrived(&mut self, scope: &Scope, how: How) {
        if self.first.as_ref().is_none_or(|(first, _)| first == scope) {
            self.first = Some((scope.clone(), how));
        } else {
            self.others.insert(scope.clone(), how);
        }
    }

    /// Ends with what is done.
    fn close(&mut self) {
        self.open
            .take_if(|open| open.moving.is_empty() && open.waits_for.is_empty());
    }

    fn failed(&mut self, scope: &Scope, image: ImageId) -> Next {
        let Some(open) = self
            .open
            .as_mut()
            .filter(|open| open.moving.get(scope) == Some(&image))
        else {
            // Another image has taken it over.
            return Next::default();
        };
        open.moving.remove(scope);
        let same_scope = open.waiting.get(scope).and_then(|images| images.first().copied());
        // Images of other scopes wait only for a copy that is on its way.
        let anyone = || {
            let first = open.waits_for.first_key_value();
            first.filter(|_| open.moving.is_empty()).map(|(image, _)| *image)
        };
        let next = same_scope.or_else(anyone);
        let next = Next {
            there: Vec::new(),
            bring: next.and_then(|image| self.set_out(image)).into_iter().collect(),
        };
        self.close();
        next
    }

    /// Another scope that has the blob.
    fn mount_from(&self, scope: &Scope) -> Option<Repository> {
        let (first, _) = self.first.as_ref().filter(|(first, _)| first != scope)?;
        first.clone()
    }

    /// Ends the wait of one image, which brings the blob itself.
    fn set_out(&mut self, image: ImageId) -> Option<(ImageId, Option<Repository>)> {
        let scope = self.open.as_mut()?.set_out(image)?;
        Some((image, self.mount_from(&scope)))
    }
}

impl Open {
    fn wait(&mut self, image: ImageId, scope: Scope) {
        self.waiting.entry(scope.clone()).or_default().insert(image);
        self.waits_for.insert(image, scope);
    }

    /// Ends the wait of all images that need the blob in this scope.
    fn all_waiting_for(&mut self, scope: &Scope) -> Vec<ImageId> {
        let images = self.waiting.remove(scope).unwrap_or_default();
        for image in &images {
            self.waits_for.remove(image);
        }
        images.into_iter().collect()
    }

    /// Ends the wait of one image, which brings the blob itself into the scope that it waits for.
    fn set_out(&mut self, image: ImageId) -> Option<Scope> {
        let scope = self.waits_for.remove(&image)?;
        if let Some(images) = self.waiting.get_mut(&scope) {
            images.remove(&image);
            if images.is_empty() {
                self.waiting.remove(&scope);
            }
        }
        self.moving.insert(scope.clone(), image);
        Some(scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(path: &str) -> Scope {
        Some(format!("hub.local/{path}").parse().unwrap())
    }

    fn digest() -> Digest {
        Digest::of(b"blob")
    }

    #[test]
    fn a_store_is_brought_each_blob_once() {
        let map = BlobMap::default();
        assert_eq!(map.claim(&digest(), &None, 0), Claim::Bring { from: None });
        assert_eq!(map.claim(&digest(), &None, 1), Claim::Wait);
        assert_eq!(map.claim(&digest(), &None, 2), Claim::Wait);
        assert_eq!(
            map.arrived(&digest(), &None, 9, How::Moved),
            Next {
                there: vec![1, 2],
                bring: vec![]
            }
        );
        assert_eq!(
            map.claim(&digest(), &None, 3),
            Claim::There {
                size: 9,
                how: How::Moved
            }
        );
    }

    #[test]
    fn other_repositories_wait_for_the_first_and_then_borrow_at_once() {
        let map = BlobMap::default();
        assert_eq!(map.claim(&digest(), &scope("a"), 0), Claim::Bring { from: None });
        assert_eq!(map.claim(&digest(), &scope("b"), 1), Claim::Wait);
        assert_eq!(map.claim(&digest(), &scope("b"), 2), Claim::Wait);
        assert_eq!(map.claim(&digest(), &scope("c"), 3), Claim::Wait);
        let next = map.arrived(&digest(), &scope("a"), 9, How::Moved);
        assert_eq!(
            next,
            Next {
                there: vec![],
                bring: vec![(1, scope("a")), (3, scope("a"))]
            }
        );
        assert_eq!(
            map.arrived(&digest(), &scope("b"), 9, How::Moved),
            Next {
                there: vec![2],
                bring: vec![]
            }
        );
        assert_eq!(
            map.claim(&digest(), &scope("d"), 4),
            Claim::Bring { from: scope("a") }
        );
    }

    #[test]
    fn thousands_of_repositories_wait_for_one_blob_and_mount_it() {
        let map = BlobMap::default();
        let scopes: Vec<Scope> = (0..5000).map(|n| scope(&format!("r{n}"))).collect();
        assert_eq!(map.claim(&digest(), &scopes[0], 0), Claim::Bring { from: None });
        assert!((1..5000).all(|n| map.claim(&digest(), &scopes[n], n) == Claim::Wait));
        let next = map.arrived(&digest(), &scopes[0], 9, How::Moved);
        let all: Vec<_> = (1..5000).map(|n| (n, scopes[0].clone())).collect();
        assert_eq!((next.there, next.bring), (vec![], all));
        assert!((1..5000).all(|n| map.arrived(&digest(), &scopes[n], 9, How::Moved) == Next::default()));
        assert_eq!(
            map.claim(&digest(), &scopes[4999], 5000),
            Claim::There {
                size: 9,
                how: How::Moved
            }
        );
    }

    #[test]
    fn after_a_failure_the_next_image_tries_itself_and_the_others_wait_on() {
        let map = BlobMap::default();
        map.claim(&digest(), &None, 0);
        map.claim(&digest(), &None, 1);
        map.claim(&digest(), &None, 2);
        assert_eq!(
            map.failed(&digest(), &None, 0),
            Next {
                there: vec![],
                bring: vec![(1, None)]
            }
        );
        assert_eq!(
            map.arrived(&digest(), &None, 9, How::Moved),
            Next {
                there: vec![2],
                bring: vec![]
            }
        );
    }

    #[test]
    fn what_an_image_abandons_is_taken_over_once() {
        let map = BlobMap::default();
        let other = Digest::of(b"other");
        map.claim(&digest(), &None, 0);
        map.claim(&other, &None, 0);
        map.claim(&digest(), &None, 1);
        let mut next = map.abandon(0);
        next.sort_by_key(|(_, next)| next.bring.len());
        let taken_over = Next {
            there: vec![],
            bring: vec![(1, None)],
        };
        assert_eq!(next, [(other, Next::default()), (digest(), taken_over)]);
        assert_eq!(map.abandon(0), []);
        assert_eq!(
            map.failed(&digest(), &None, 0),
            Next::default(),
            "it is another's"
        );
        assert_eq!(map.claim(&digest(), &None, 2), Claim::Wait);
    }

    #[test]
    fn a_failure_in_one_repository_wakes_a_waiter_of_another() {
        let map = BlobMap::default();
        map.claim(&digest(), &scope("a"), 0);
        map.claim(&digest(), &scope("b"), 1);
        assert_eq!(
            map.failed(&digest(), &scope("a"), 0),
            Next {
                there: vec![],
                bring: vec![(1, None)]
            }
        );
        assert_eq!(map.failed(&digest(), &scope("b"), 1), Next::default());
        assert_eq!(map.claim(&digest(), &scope("a"), 0), Claim::Bring { from: None });
    }

    #[test]
    fn what_is_forgotten_in_one_repository_is_brought_there_again_and_stays_in_the_others() {
        let map = BlobMap::default();
        for (image, repository, how) in [(0, "a", How::Present), (1, "b", How::Mounted)] {
            map.claim(&digest(), &scope(repository), image);
            map.arrived(&digest(), &scope(repository), 9, how);
        }
        map.forget(&[&digest(), &Digest::of(b"unknown")], &scope("a"));
        let mounted = Claim::There {
            size: 9,
            how: How::Mounted,
        };
        assert_eq!(map.claim(&digest(), &scope("b"), 2), mounted);
        assert_eq!(map.claim(&digest(), &scope("a"), 3), Claim::Bring { from: None });
        assert_eq!(map.claim(&digest(), &scope("a"), 4), Claim::Wait);
        let next = map.arrived(&digest(), &scope("a"), 9, How::Moved);
        assert_eq!((next.there, next.bring), (vec![4], vec![]));
        assert_eq!(
            map.claim(&digest(), &scope("c"), 5),
            Claim::Bring { from: scope("a") }
        );
    }
}
