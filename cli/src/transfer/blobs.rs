//! Who brings which blob: every digest moves once, however many images need it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use transload_reference::{Digest, Repository};

/// Where at a destination a blob is needed: in the whole of it (a store), or in one repository (a registry).
pub type Scope = Option<Repository>;

/// An image's number within its run.
pub type ImageId = usize;

/// The blobs of one destination: which are there, which are on their way, who waits for them.
#[derive(Debug, Default)]
pub struct BlobMap {
    entries: Mutex<HashMap<Digest, Entry>>,
}

#[derive(Debug, Default)]
struct Entry {
    present: Vec<Scope>,
    /// Where it is on its way to, and the images that bring it.
    moving: Vec<(Scope, ImageId)>,
    waiting: Vec<(ImageId, Scope)>,
}

/// What an image has to do about a blob that it needs.
#[derive(Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nothing: it is there, brought by another image of the run.
    There,
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
        let mut entries = self.lock();
        let entry = entries.entry(digest.clone()).or_default();
        if entry.present.contains(scope) {
            return Claim::There;
        }
        // While it first comes in anywhere, others wait to borrow it rather than fetch it again.
        let first_is_coming = entry.present.is_empty() && !entry.moving.is_empty();
        if first_is_coming || entry.is_moving(scope) {
            entry.waiting.push((image, scope.clone()));
            return Claim::Wait;
        }
        entry.moving.push((scope.clone(), image));
        Claim::Bring {
            from: entry.lender(scope),
        }
    }

    /// Says that the blob is in this scope now.
    pub fn arrived(&self, digest: &Digest, scope: &Scope) -> Next {
        let mut entries = self.lock();
        let entry = entries.entry(digest.clone()).or_default();
        entry.moving.retain(|(moving, _)| moving != scope);
        entry.present.push(scope.clone());
        let mut next = Next::default();
        for (image, wanted) in std::mem::take(&mut entry.waiting) {
            if entry.present.contains(&wanted) {
                next.there.push(image);
            } else if entry.is_moving(&wanted) {
                entry.waiting.push((image, wanted));
            } else {
                next.bring.push((image, entry.lender(&wanted)));
                entry.moving.push((wanted, image));
            }
        }
        next
    }

    /// Says that the image doesn't bring the blob into this scope. The first who waits tries in its turn, from its own source.
    pub fn failed(&self, digest: &Digest, scope: &Scope, image: ImageId) -> Next {
        let mut entries = self.lock();
        entries.entry(digest.clone()).or_default().failed(scope, image)
    }

    /// Says that the image brings nothing any more, and returns who goes on with each of its blobs.
    pub fn abandon(&self, image: ImageId) -> Vec<(Digest, Next)> {
        let mut next = Vec::new();
        for (digest, entry) in self.lock().iter_mut() {
            let own = entry.moving.iter().filter(|(_, by)| *by == image);
            let scopes: Vec<Scope> = own.map(|(scope, _)| scope.clone()).collect();
            next.extend(
                scopes
                    .iter()
                    .map(|scope| (digest.clone(), entry.failed(scope, image))),
            );
        }
        next
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn is_moving(&self, scope: &Scope) -> bool {
        self.moving.iter().any(|(moving, _)| moving == scope)
    }

    fn failed(&mut self, scope: &Scope, image: ImageId) -> Next {
        let before = self.moving.len();
        self.moving.retain(|(moving, by)| moving != scope || *by != image);
        let mut next = Next::default();
        if self.moving.len() == before {
            // Another image has taken it over.
            return next;
        }
        // Those who waited for another scope's first copy go on waiting only while one is still on its way.
        let position = self.waiting.iter().position(|(_, wanted)| wanted == scope);
        let position = position.or(if self.moving.is_empty() && !self.waiting.is_empty() {
            Some(0)
        } else {
            None
        });
        if let Some(position) = position {
            let (image, wanted) = self.waiting.remove(position);
            next.bring.push((image, self.lender(&wanted)));
            self.moving.push((wanted, image));
        }
        next
    }

    fn lender(&self, scope: &Scope) -> Option<Repository> {
        self.present
            .iter()
            .find(|present| *present != scope)
            .cloned()
            .flatten()
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
            map.arrived(&digest(), &None),
            Next {
                there: vec![1, 2],
                bring: vec![]
            }
        );
        assert_eq!(map.claim(&digest(), &None, 3), Claim::There);
    }

    #[test]
    fn other_repositories_wait_for_the_first_and_then_borrow_at_once() {
        let map = BlobMap::default();
        assert_eq!(map.claim(&digest(), &scope("a"), 0), Claim::Bring { from: None });
        assert_eq!(map.claim(&digest(), &scope("b"), 1), Claim::Wait);
        assert_eq!(map.claim(&digest(), &scope("b"), 2), Claim::Wait);
        assert_eq!(map.claim(&digest(), &scope("c"), 3), Claim::Wait);
        let next = map.arrived(&digest(), &scope("a"));
        assert_eq!(
            next,
            Next {
                there: vec![],
                bring: vec![(1, scope("a")), (3, scope("a"))]
            }
        );
        assert_eq!(
            map.arrived(&digest(), &scope("b")),
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
            map.arrived(&digest(), &None),
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
}
