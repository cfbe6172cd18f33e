//! Which piece of work comes next.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Three kinds of work, each first in, first out.
///
/// Publishing comes first: it makes an image usable and is short. Planning comes before moving blobs only while too few blobs
/// are known to keep every worker busy; else blobs come first, so that images get done one after another instead of all at
/// the end.
#[derive(Debug)]
pub struct Queue<P, B> {
    lanes: Mutex<Lanes<P, B>>,
    workers: usize,
}

#[derive(Debug)]
struct Lanes<P, B> {
    publish: VecDeque<P>,
    plan: VecDeque<P>,
    blobs: VecDeque<B>,
}

/// A piece of work.
#[derive(Debug, PartialEq, Eq)]
pub enum Work<P, B> {
    /// Find out what an image consists of.
    Plan(P),
    /// Move a blob.
    Blob(B),
    /// Write an image's manifests and its tag.
    Publish(P),
}

impl<P, B> Queue<P, B> {
    /// An empty queue for so many workers.
    pub fn new(workers: usize) -> Self {
        let lanes = Lanes {
            publish: VecDeque::new(),
            plan: VecDeque::new(),
            blobs: VecDeque::new(),
        };
        Queue {
            lanes: Mutex::new(lanes),
            workers,
        }
    }

    /// Adds a piece of work.
    pub fn push(&self, work: Work<P, B>) {
        let mut lanes = self.lock();
        match work {
            Work::Plan(image) => lanes.plan.push_back(image),
            Work::Blob(blob) => lanes.blobs.push_back(blob),
            Work::Publish(image) => lanes.publish.push_back(image),
        }
    }

    /// Takes the next piece of work.
    pub fn pop(&self) -> Option<Work<P, B>> {
        let mut lanes = self.lock();
        if let Some(image) = lanes.publish.pop_front() {
            return Some(Work::Publish(image));
        }
        if lanes.blobs.len() < self.workers
            && let Some(image) = lanes.plan.pop_front()
        {
            return Some(Work::Plan(image));
        }
        match lanes.blobs.pop_front() {
            Some(blob) => Some(Work::Blob(blob)),
            None => lanes.plan.pop_front().map(Work::Plan),
        }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        let lanes = self.lock();
        lanes.publish.is_empty() && lanes.plan.is_empty() && lanes.blobs.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Lanes<P, B>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_published_first_and_planned_while_few_blobs_are_ready() {
        let queue = Queue::new(2);
        for image in 0..3 {
            queue.push(Work::Plan(image));
        }
        queue.push(Work::Blob('a'));
        assert_eq!(queue.pop(), Some(Work::Plan(0)));
        queue.push(Work::Blob('b'));
        queue.push(Work::Publish(9));
        assert_eq!(queue.pop(), Some(Work::Publish(9)));
        assert_eq!(queue.pop(), Some(Work::Blob('a')), "enough blobs are ready");
        assert_eq!(queue.pop(), Some(Work::Plan(1)), "one is too few for two workers");
        assert_eq!(queue.pop(), Some(Work::Plan(2)));
        assert_eq!(queue.pop(), Some(Work::Blob('b')));
        assert_eq!(queue.pop(), None);
    }
}
