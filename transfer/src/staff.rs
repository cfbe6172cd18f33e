//! How many workers are at a task: as many as there is work for and as its registries serve, so that no thread is begun to wait.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How many workers more than registries serve at once are hired: a registry is asked for more only where somebody has to wait.
const RESERVE: usize = 4;

/// Counts the workers, and lets those wait who have nothing to do until there is work, or will be none.
#[derive(Debug)]
pub(crate) struct Staff {
    most: usize,
    ranks: Mutex<Ranks>,
    /// There is work for somebody who is free, or will be none.
    changed: Condvar,
    /// All have left.
    over: Condvar,
}

#[derive(Debug, Default)]
struct Ranks {
    /// Those that haven't left.
    hired: usize,
    /// Those of them who are at something.
    busy: usize,
}

/// A worker is at a piece of work until this is dropped.
#[derive(Debug)]
pub(crate) struct Duty<'a>(&'a Staff);

impl Staff {
    /// Nobody yet, and at most so many.
    pub fn new(most: usize) -> Staff {
        Staff {
            most: most.max(1),
            ranks: Mutex::default(),
            changed: Condvar::new(),
            over: Condvar::new(),
        }
    }

    /// How many there may be where the task's registries serve `places` requests at once; none where it has no registry.
    pub fn bound(&self, places: Option<usize>) -> usize {
        let wanted = places.map_or(self.most, |places| places.saturating_add(RESERVE));
        wanted.min(self.most)
    }

    /// There are so many pieces of work to take. How many workers the caller has to begin for them, who count as hired from now on, where
    /// there may be `bound` in all.
    pub fn call(&self, pieces: usize, bound: usize) -> usize {
        let mut ranks = self.lock();
        if pieces > 0 {
            self.changed.notify_one();
        }
        let free = ranks.hired - ranks.busy;
        let wanted = pieces.saturating_sub(free);
        let new = wanted.min(bound.saturating_sub(ranks.hired));
        ranks.hired += new;
        new
    }

    /// What a worker who is free takes by `take`, as soon as there is something. None where nobody is at anything that more could come of: the
    /// worker has left.
    pub fn next<T>(&self, take: impl Fn() -> Option<T>) -> Option<(T, Duty<'_>)> {
        let mut ranks = self.lock();
        loop {
            if let Some(work) = take() {
                ranks.busy += 1;
                return Some((work, Duty(self)));
            }
            if ranks.busy == 0 {
                self.leave(&mut ranks);
                return None;
            }
            ranks = self.changed.wait(ranks).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn leave(&self, ranks: &mut Ranks) {
        ranks.hired -= 1;
        self.changed.notify_all();
        if ranks.hired == 0 {
            self.over.notify_all();
        }
    }

    /// Waits until all have left, or for so long. Whether they have.
    pub fn wait(&self, longest: Duration) -> bool {
        let is_there = |ranks: &mut Ranks| ranks.hired > 0;
        let waited = self.over.wait_timeout_while(self.lock(), longest, is_there);
        let (ranks, _) = waited.unwrap_or_else(PoisonError::into_inner);
        ranks.hired == 0
    }

    /// How many haven't left.
    pub fn hired(&self) -> usize {
        self.lock().hired
    }

    /// How many are at something.
    pub fn busy(&self) -> usize {
        self.lock().busy
    }

    fn lock(&self) -> MutexGuard<'_, Ranks> {
        self.ranks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Duty<'_> {
    fn drop(&mut self) {
        let mut ranks = self.0.lock();
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
        let staff = Staff::new(64);
        assert_eq!(staff.bound(None), 64, "no registry is asked");
        assert_eq!(staff.bound(Some(16)), 16 + RESERVE);
        assert_eq!(staff.bound(Some(usize::MAX)), 64);
        assert_eq!(Staff::new(3).bound(Some(16)), 3);
        let hired: Vec<usize> = [(1, 3), (2, 3), (2, 3), (9, 3), (9, 3), (9, 5)]
            .into_iter()
            .map(|(pieces, bound)| staff.call(pieces, bound))
            .collect();
        assert_eq!(hired, [1, 1, 0, 1, 0, 2]);
        let (_, duty) = staff.next(|| Some(())).unwrap();
        assert_eq!((staff.busy(), staff.call(5, 64)), (1, 1), "one is no longer free");
        drop(duty);
        assert_eq!((staff.busy(), staff.call(6, 64)), (0, 0));
    }

    #[test]
    fn who_has_nothing_to_do_waits_while_more_may_come_and_leaves_when_nothing_can() {
        let staff = Arc::new(Staff::new(2));
        let queue = Arc::new(Mutex::new(VecDeque::from(["first"])));
        assert_eq!(staff.call(2, 2), 2);
        let take = {
            let queue = Arc::clone(&queue);
            move || queue.lock().unwrap().pop_front()
        };
        let (first, duty) = staff.next(&take).unwrap();
        assert_eq!(first, "first");
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                while let Some((work, duty)) = staff.next(&take) {
                    drop(duty);
                    tell.send(work).unwrap();
                }
                tell.send("left").unwrap();
            });
            queue.lock().unwrap().push_back("second");
            assert_eq!(staff.call(1, 2), 0, "somebody is free");
            assert_eq!(told.recv(), Ok("second"));
            assert!(told.try_recv().is_err(), "the first is still under way");
            drop(duty);
            assert_eq!(told.recv(), Ok("left"));
        });
        assert!(staff.next(&take).is_none());
        assert_eq!(staff.call(1, 2), 1, "all have left");
    }

    #[test]
    fn a_panic_leaves_nobody_waiting() {
        let staff = Staff::new(2);
        assert_eq!(staff.call(2, 2), 2);
        thread::scope(|scope| {
            let failing = scope.spawn(|| {
                let (_, _duty) = staff.next(|| Some(())).unwrap();
                panic!("on purpose");
            });
            assert!(failing.join().is_err());
            assert!(!staff.wait(Duration::ZERO), "one is still there");
            assert!(staff.next(|| None::<()>).is_none());
        });
        assert!(staff.wait(Duration::MAX));
    }
}
