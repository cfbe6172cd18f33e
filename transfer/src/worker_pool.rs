//! Counts a job's workers: as many as its work needs and its registries serve, so that no thread starts only to wait.

use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::lock::{lock, wait};

/// Workers beyond the registries' permits. A registry's limit grows only while somebody waits for a permit.
const RESERVE: usize = 4;

/// Counts the workers, and blocks idle ones until there is work or all work is done.
#[derive(Debug)]
pub(crate) struct WorkerPool {
    most: usize,
    ranks: Mutex<Ranks>,
    /// Signalled for new work, and when no more can come.
    changed: Condvar,
    /// Signalled when the last worker has left.
    over: Condvar,
}

#[derive(Debug, Default)]
struct Ranks {
    /// Workers that haven't left.
    spawned: usize,
    /// Workers that have a piece of work.
    busy: usize,
}

/// Marks its worker as busy until it is dropped.
#[derive(Debug)]
pub(crate) struct Busy<'a>(&'a WorkerPool);

impl WorkerPool {
    /// Returns a pool without workers, for at most this many.
    pub fn new(most: usize) -> WorkerPool {
        WorkerPool {
            most: most.max(1),
            ranks: Mutex::default(),
            changed: Condvar::new(),
            over: Condvar::new(),
        }
    }

    /// Returns how many workers there may be, for registries with this many permits together; `None` for a job without registries.
    pub fn bound(&self, permits: Option<usize>) -> usize {
        let wanted = permits.map_or(self.most, |permits| permits.saturating_add(RESERVE));
        wanted.min(self.most)
    }

    /// Returns how many workers to spawn for this many queued items, and counts them as spawned. `bound` limits the total.
    pub fn workers_to_spawn(&self, pieces: usize, bound: usize) -> usize {
        let mut ranks = lock(&self.ranks);
        if pieces > 0 {
            self.changed.notify_one();
        }
        let free = ranks.spawned - ranks.busy;
        let wanted = pieces.saturating_sub(free);
        let new = wanted.min(bound.saturating_sub(ranks.spawned));
        ranks.spawned += new;
        new
    }

    /// Waits until `take` gives an item, and returns it. Returns `None` once there is none and every worker is idle: the calling worker has
    /// left then.
    pub fn next<T>(&self, take: impl Fn() -> Option<T>) -> Option<(T, Busy<'_>)> {
        let mut ranks = lock(&self.ranks);
        loop {
            if let Some(work) = take() {
                ranks.busy += 1;
                return Some((work, Busy(self)));
            }
            if ranks.busy == 0 {
                self.leave(&mut ranks);
                return None;
            }
            ranks = wait(&self.changed, ranks);
        }
    }

    fn leave(&self, ranks: &mut Ranks) {
        ranks.spawned -= 1;
        self.changed.notify_all();
        if ranks.spawned == 0 {
            self.over.notify_all();
        }
    }

    /// Waits until all workers have left, at most this long. Returns whether they have.
    pub fn wait(&self, longest: Duration) -> bool {
        let is_there = |ranks: &mut Ranks| ranks.spawned > 0;
        let waited = self.over.wait_timeout_while(lock(&self.ranks), longest, is_there);
        let (ranks, _) = waited.unwrap_or_else(PoisonError::into_inner);
        ranks.spawned == 0
    }

    /// Returns how many workers haven't left.
    pub fn spawned(&self) -> usize {
        lock(&self.ranks).spawned
    }

    /// Returns how many workers have a piece of work.
    pub fn busy(&self) -> usize {
        lock(&self.ranks).busy
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut ranks = lock(&self.0.ranks);
        ranks.busy -= 1;
        if thread::panicking() {
            self.0.leave(&mut ranks);
        } else if ranks.busy == 0 {
            self.0.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Arc;
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn as_many_are_hired_as_there_is_work_for_and_as_the_registries_serve() {
        let worker_pool = WorkerPool::new(64);
        assert_eq!(worker_pool.bound(None), 64, "no registry is asked");
        assert_eq!(worker_pool.bound(Some(16)), 16 + RESERVE);
        assert_eq!(worker_pool.bound(Some(usize::MAX)), 64);
        assert_eq!(WorkerPool::new(3).bound(Some(16)), 3);
        let spawned: Vec<usize> = [(1, 3), (2, 3), (2, 3), (9, 3), (9, 3), (9, 5)]
            .into_iter()
            .map(|(pieces, bound)| worker_pool.workers_to_spawn(pieces, bound))
            .collect();
        assert_eq!(spawned, [1, 1, 0, 1, 0, 2]);
        let (_, busy_guard) = worker_pool.next(|| Some(())).unwrap();
        assert_eq!(
            (worker_pool.busy(), worker_pool.workers_to_spawn(5, 64)),
            (1, 1),
            "one is no longer free"
        );
        drop(busy_guard);
        assert_eq!((worker_pool.busy(), worker_pool.workers_to_spawn(6, 64)), (0, 0));
    }

    #[test]
    fn who_has_nothing_to_do_waits_while_more_may_come_and_leaves_when_nothing_can() {
        let worker_pool = Arc::new(WorkerPool::new(2));
        let queue = Arc::new(Mutex::new(VecDeque::from(["first"])));
        assert_eq!(worker_pool.workers_to_spawn(2, 2), 2);
        let take = {
            let queue = Arc::clone(&queue);
            move || queue.lock().unwrap().pop_front()
        };
        let (first, busy_guard) = worker_pool.next(&take).unwrap();
        assert_eq!(first, "first");
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                while let Some((work, busy_guard)) = worker_pool.next(&take) {
                    drop(busy_guard);
                    tell.send(work).unwrap();
                }
                tell.send("left").unwrap();
            });
            queue.lock().unwrap().push_back("second");
            assert_eq!(worker_pool.workers_to_spawn(1, 2), 0, "somebody is free");
            assert_eq!(told.recv(), Ok("second"));
            assert!(told.try_recv().is_err(), "the first is still under way");
            drop(busy_guard);
            assert_eq!(told.recv(), Ok("left"));
        });
        assert!(worker_pool.next(&take).is_none());
        assert_eq!(worker_pool.workers_to_spawn(1, 2), 1, "all have left");
    }

    #[test]
    fn a_panic_leaves_nobody_waiting() {
        let worker_pool = WorkerPool::new(2);
        assert_eq!(worker_pool.workers_to_spawn(2, 2), 2);
        thread::scope(|scope| {
            let failing = scope.spawn(|| {
                let (_, _busy) = worker_pool.next(|| Some(())).unwrap();
                panic!("on purpose");
            });
            assert!(failing.join().is_err());
            assert!(!worker_pool.wait(Duration::ZERO), "one is still there");
            assert!(worker_pool.next(|| None::<()>).is_none());
        });
        assert!(worker_pool.wait(Duration::MAX));
    }
}
