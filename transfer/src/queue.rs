//! Which piece of work comes next.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Mutex;

use crate::lock::lock;

/// A blob of fewer bytes takes little longer than the request for it does on its way.
const SMALL: u64 = 1 << 20;

/// Five kinds of work.
///
/// Publishing comes first: it makes an image usable and is short. So is claiming the blobs of an image that is planned. Planning comes before
/// moving blobs only while too few blobs are known to keep every worker busy; else blobs come first, so that images get done one after another
/// instead of all at the end. Blobs come in the order of their turns, and as they were queued, but one that is so large that it would be the
/// last to arrive is begun at once. Ranges of a large blob are fetched by idle workers.
#[derive(Debug)]
pub struct Queue<P, B, R> {
    lanes: Mutex<Lanes<P, B, R>>,
    workers: usize,
}

#[derive(Debug)]
struct Lanes<P, B, R> {
    publish: VecDeque<P>,
    claim: VecDeque<P>,
    plan: VecDeque<P>,
    blobs: Blobs<B>,
    ranges: VecDeque<R>,
}

impl<P, B, R> Lanes<P, B, R> {
    fn len(&self) -> usize {
        self.publish.len() + self.claim.len() + self.plan.len() + self.blobs.by_order.len()
    }
}

/// A piece of work.
#[derive(Debug, PartialEq, Eq)]
pub enum Work<P, B, R> {
    /// Find out what an image consists of.
    Plan(P),
    /// Queue the blobs of an image that is planned.
    Claim(P),
    /// Move a blob.
    Blob(B, Rank),
    /// Write an image's manifests and its tag.
    Publish(P),
    /// Fetch ranges of a blob that another worker moves.
    Ranges(R),
}

/// What decides when a blob comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// Those with the smallest come first: its place in the file that it is for, where it is for one.
    pub turn: usize,
    /// In bytes.
    pub size: u64,
}

/// A blob's turn, and how many came before it.
type Place = (usize, u64);

/// Blobs by their order, and by size.
#[derive(Debug)]
struct Blobs<B> {
    came: u64,
    by_order: BTreeMap<Place, (B, Rank)>,
    by_size: BTreeSet<(u64, Place)>,
    bytes: u128,
}

impl<B> Blobs<B> {
    fn push(&mut self, blob: B, rank: Rank) {
        let place = (rank.turn, self.came);
        self.by_order.insert(place, (blob, rank));
        self.by_size.insert((rank.size, place));
        self.bytes += u128::from(rank.size);
        self.came += 1;
    }

    /// The first, unless the largest alone takes a worker as long as all the others keep the other workers busy. Small ones
    /// take about as long as each other, and an image that waits for nothing but a small one is done with it.
    fn pop(&mut self, workers: usize) -> Option<(B, Rank)> {
        let &(largest, at) = self.by_size.last()?;
        let is_urgent = largest >= SMALL && u128::from(largest) * workers as u128 >= self.bytes;
        let at = match self.by_order.first_key_value() {
            Some((&first, _)) if !is_urgent => first,
            _ => at,
        };
        let (blob, rank) = self.by_order.remove(&at)?;
        self.by_size.remove(&(rank.size, at));
        self.bytes -= u128::from(rank.size);
        Some((blob, rank))
    }
}

impl<P, B, R> Queue<P, B, R> {
    /// An empty queue for so many workers.
    pub fn new(workers: usize) -> Self {
        let lanes = Lanes {
            publish: VecDeque::new(),
            claim: VecDeque::new(),
            plan: VecDeque::new(),
            blobs: Blobs {
                came: 0,
                by_order: BTreeMap::new(),
                by_size: BTreeSet::new(),
                bytes: 0,
            },
            ranges: VecDeque::new(),
        };
        Queue {
            lanes: Mutex::new(lanes),
            workers,
        }
    }

    /// Adds a piece of work. How many there are now.
    pub fn push(&self, work: Work<P, B, R>) -> usize {
        let mut lanes = lock(&self.lanes);
        match work {
            Work::Plan(image) => lanes.plan.push_back(image),
            Work::Claim(image) => lanes.claim.push_back(image),
            Work::Blob(blob, rank) => lanes.blobs.push(blob, rank),
            Work::Publish(image) => lanes.publish.push_back(image),
            Work::Ranges(ranges) => lanes.ranges.push_back(ranges),
        }
        lanes.len() + lanes.ranges.len()
    }

    /// Takes the next piece of work.
    pub fn pop(&self) -> Option<Work<P, B, R>> {
        let mut lanes = lock(&self.lanes);
        if let Some(image) = lanes.publish.pop_front() {
            return Some(Work::Publish(image));
        }
        if let Some(image) = lanes.claim.pop_front() {
            return Some(Work::Claim(image));
        }
        if lanes.blobs.by_order.len() < self.workers
            && let Some(image) = lanes.plan.pop_front()
        {
            return Some(Work::Plan(image));
        }
        match lanes.blobs.pop(self.workers) {
            Some((blob, rank)) => Some(Work::Blob(blob, rank)),
            None => match lanes.plan.pop_front() {
                Some(image) => Some(Work::Plan(image)),
                None => lanes.ranges.pop_front().map(Work::Ranges),
            },
        }
    }

    /// How many pieces of work there are, ranges aside.
    pub fn len(&self) -> usize {
        lock(&self.lanes).len()
    }

    /// Whether there is nothing to do but to fetch ranges.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is nothing to do at all.
    pub fn has_nothing(&self) -> bool {
        let lanes = lock(&self.lanes);
        lanes.len() == 0 && lanes.ranges.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a blob that has no turn.
    fn bytes(size: u64) -> Rank {
        Rank { turn: 0, size }
    }

    #[test]
    fn ranges_are_fetched_by_idle_workers_alone() {
        let queue = Queue::new(2);
        assert_eq!(queue.push(Work::Ranges("layer")), 1);
        assert!(queue.is_empty());
        assert_eq!(queue.push(Work::Plan('a')), 2);
        assert_eq!(queue.push(Work::Blob('b', bytes(1))), 3);
        assert_eq!(queue.len(), 2);
        assert_eq!(queue.pop(), Some(Work::Plan('a')));
        assert_eq!(queue.pop(), Some(Work::Blob('b', bytes(1))));
        assert_eq!(queue.pop(), Some(Work::Ranges("layer")));
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn images_are_published_first_and_planned_while_few_blobs_are_ready() {
        let queue = Queue::<_, _, ()>::new(2);
        for image in 0..3 {
            queue.push(Work::Plan(image));
        }
        queue.push(Work::Blob('a', bytes(1)));
        assert_eq!(queue.pop(), Some(Work::Plan(0)));
        queue.push(Work::Blob('b', bytes(1)));
        queue.push(Work::Publish(9));
        assert_eq!(queue.pop(), Some(Work::Publish(9)));
        assert!(
            matches!(queue.pop(), Some(Work::Blob(..))),
            "enough blobs are ready"
        );
        assert_eq!(queue.pop(), Some(Work::Plan(1)), "one is too few for two workers");
        assert_eq!(queue.pop(), Some(Work::Plan(2)));
        assert!(matches!(queue.pop(), Some(Work::Blob(..))));
        assert_eq!(queue.pop(), None);
        assert!(queue.is_empty());
    }

    #[test]
    fn blobs_for_a_file_come_in_its_order_once_those_of_all_images_are_known() {
        let queue = Queue::<_, _, ()>::new(2);
        queue.push(Work::Blob('c', Rank { turn: 3, size: 1 }));
        queue.push(Work::Claim(0));
        queue.push(Work::Blob('a', Rank { turn: 1, size: 1 }));
        queue.push(Work::Claim(1));
        queue.push(Work::Blob('b', Rank { turn: 2, size: 1 }));
        assert_eq!(queue.len(), 5);
        assert_eq!(queue.pop(), Some(Work::Claim(0)));
        assert_eq!(queue.pop(), Some(Work::Claim(1)));
        let came = std::iter::from_fn(|| queue.pop()).map(|work| match work {
            Work::Blob(name, _) => name,
            other => panic!("{other:?}"),
        });
        assert_eq!(came.collect::<String>(), "abc");
    }

    #[test]
    fn small_blobs_come_in_order_however_many_workers_there_are() {
        let queue = Queue::<(), char, ()>::new(64);
        for (name, size) in [('a', 1), ('b', SMALL - 1), ('c', 2), ('d', SMALL)] {
            queue.push(Work::Blob(name, bytes(size)));
        }
        let came = std::iter::from_fn(|| queue.pop()).map(|work| match work {
            Work::Blob(name, _) => name,
            other => panic!("{other:?}"),
        });
        assert_eq!(came.collect::<String>(), "dabc", "a large one is begun at once");
    }

    #[test]
    fn blobs_come_in_order_but_what_would_be_the_last_to_arrive_is_begun_at_once() {
        let table: [(&str, usize, &[u64], &[u64]); 6] = [
            ("alike", 2, &[5, 5, 5, 5, 5], &[5, 5, 5, 5, 5]),
            ("smaller ones first", 2, &[1, 2, 9, 9, 9], &[1, 2, 9, 9, 9]),
            ("a large one last", 3, &[2, 2, 2, 3, 2, 9], &[9, 2, 3, 2, 2, 2]),
            ("one worker", 1, &[1, 9, 1], &[1, 9, 1]),
            ("empty ones", 4, &[0, 0], &[0, 0]),
            ("more workers than blobs", 9, &[1, 2, 0, 3, 0], &[3, 2, 1, 0, 0]),
        ];
        for (case, workers, sizes, expected) in table {
            let queue = Queue::<(), usize, ()>::new(workers);
            for (at, &size) in sizes.iter().enumerate() {
                queue.push(Work::Blob(at, bytes(size * SMALL)));
            }
            let came: Vec<u64> = std::iter::from_fn(|| queue.pop())
                .map(|work| match work {
                    Work::Blob(_, rank) => rank.size / SMALL,
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(came, expected, "{case}");
        }
    }
}
