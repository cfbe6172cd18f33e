//! Each destination's work in a queue of its own, so that one that stalls holds its share of the workers and no more.

use std::sync::Mutex;

use crate::lock::lock;
use crate::queue::{Queue, Work};

/// A destination's number within its job.
pub type DestinationId = usize;

/// The queues of a job's destinations.
///
/// Destinations that have work share the workers evenly. Where one has none left, its share goes to the others.
#[derive(Debug)]
pub struct Shares<P, B, R> {
    queues: Vec<Queue<P, B, R>>,
    workers: usize,
    /// How many workers are at work for each destination.
    busy: Mutex<Vec<usize>>,
}

/// A worker's piece of work. Its destination has one worker less once this is dropped.
#[derive(Debug)]
pub struct Taken<'a> {
    busy: &'a Mutex<Vec<usize>>,
    destination: DestinationId,
}

impl<P, B, R> Shares<P, B, R> {
    /// Empty queues for so many workers and destinations.
    pub fn new(workers: usize, destinations: usize) -> Self {
        Shares {
            queues: (0..destinations)
                .map(|_| Queue::new(workers.div_ceil(destinations)))
                .collect(),
            workers,
            busy: Mutex::new(vec![0; destinations]),
        }
    }

    /// Adds a piece of work for a destination. How many there are now for all of them.
    pub fn push(&self, destination: DestinationId, work: Work<P, B, R>) -> usize {
        let own = self.queues[destination].push(work);
        let others = self.queues.iter().enumerate();
        let others = others.filter(|(number, _)| *number != destination);
        own + others.map(|(_, queue)| queue.len()).sum::<usize>()
    }

    /// Takes the next piece of work of the destination that has the fewest workers, if its share allows for one more.
    pub fn pop(&self) -> Option<(Work<P, B, R>, Taken<'_>)> {
        let mut busy = lock(&self.busy);
        let has_part = |number: &DestinationId| busy[*number] > 0 || !self.queues[*number].has_nothing();
        let mut open: Vec<DestinationId> = (0..self.queues.len()).filter(has_part).collect();
        let share = self.workers.div_ceil(open.len().max(1));
        open.retain(|number| busy[*number] < share);
        open.sort_by_key(|number| busy[*number]);
        let (destination, work) = open
            .into_iter()
            .find_map(|number| Some((number, self.queues[number].pop()?)))?;
        busy[destination] += 1;
        let taken = Taken {
            busy: &self.busy,
            destination,
        };
        Some((work, taken))
    }

    /// How many pieces of work there are, ranges aside.
    pub fn len(&self) -> usize {
        self.queues.iter().map(Queue::len).sum()
    }

    /// Whether there is nothing to do but to fetch ranges.
    pub fn is_empty(&self) -> bool {
        self.queues.iter().all(Queue::is_empty)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        lock(self.busy)[self.destination] -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take<'s>(shares: &'s Shares<usize, (), ()>) -> Option<(usize, Taken<'s>)> {
        shares.pop().map(|(work, taken)| match work {
            Work::Plan(image) => (image, taken),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn destinations_take_turns_and_none_gets_more_than_its_share() {
        let shares = Shares::new(4, 2);
        for image in [0, 1, 2, 3, 4] {
            shares.push(0, Work::Plan(image));
        }
        assert_eq!(shares.push(1, Work::Plan(10)), 6);
        shares.push(1, Work::Plan(11));
        shares.push(1, Work::Plan(12));
        let taken: Vec<_> = std::iter::from_fn(|| take(&shares)).collect();
        let images: Vec<usize> = taken.iter().map(|(image, _)| *image).collect();
        assert_eq!(images, [0, 10, 1, 11], "two each");
        assert_eq!(shares.len(), 4);
        drop(taken);
        assert_eq!(shares.pop().map(|(work, _)| work), Some(Work::Plan(2)));
    }

    #[test]
    fn the_share_of_a_destination_that_is_done_goes_to_the_others() {
        let shares = Shares::new(4, 2);
        shares.push(1, Work::Plan(10));
        for image in 0..4 {
            shares.push(0, Work::Plan(image));
        }
        let (image, taken) = take(&shares).unwrap();
        assert_eq!(image, 0);
        let of_other = take(&shares).unwrap();
        assert_eq!(of_other.0, 10);
        let second = take(&shares).unwrap();
        assert!(take(&shares).is_none(), "the other is still at work");
        drop(of_other);
        let rest: Vec<_> = std::iter::from_fn(|| take(&shares)).collect();
        assert_eq!(rest.len(), 2);
        drop((taken, second, rest));
    }

    #[test]
    fn of_more_destinations_than_workers_one_that_stalls_holds_one_worker_until_the_others_are_done() {
        let shares = Shares::new(2, 5);
        for destination in 0..5 {
            for image in 0..3 {
                shares.push(destination, Work::Plan(10 * destination + image));
            }
        }
        let (first, stalled) = take(&shares).unwrap();
        assert_eq!(first, 0);
        let others: Vec<usize> = std::iter::from_fn(|| take(&shares).map(|(image, _)| image)).collect();
        assert_eq!(others, [10, 11, 12, 20, 21, 22, 30, 31, 32, 40, 41, 42, 1, 2]);
        drop(stalled);
    }
}
