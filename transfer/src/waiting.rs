//! Work that waits for its turn, in an order.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Work that can't be done yet, by its place in the order. No worker waits with it.
#[derive(Debug)]
pub(crate) struct Waiting<T>(Mutex<BTreeMap<usize, Vec<T>>>);

impl<T> Default for Waiting<T> {
    fn default() -> Waiting<T> {
        Waiting(Mutex::default())
    }
}

impl<T> Waiting<T> {
    /// Keeps work whose turn, which is its place in the order, hasn't come; returns it where it has.
    pub fn keep(&self, work: T, turn: impl Fn(&T) -> Option<usize>) -> Option<T> {
        if turn(&work).is_none() {
            return Some(work);
        }
        // Whatever let its turn come meanwhile may have looked here before.
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match turn(&work) {
            Some(at) => {
                waiting.entry(at).or_default().push(work);
                None
            }
            None => Some(work),
        }
    }

    /// Takes the first pieces of work, as far as their turn has come.
    pub fn release(&self, turn: impl Fn(&T) -> Option<usize>) -> Vec<T> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut released = Vec::new();
        while let Some(first) = waiting.first_entry() {
            if first.get().iter().any(|work| turn(work).is_some()) {
                break;
            }
            released.extend(first.remove());
        }
        released
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_waits_for_its_turn_and_leaves_in_order() {
        let waiting = Waiting::default();
        let may = |most: usize| move |work: &usize| Some(*work).filter(|work| *work > most);
        assert_eq!(waiting.keep(1, may(1)), Some(1));
        for work in [5, 3, 4, 3] {
            assert_eq!(waiting.keep(work, may(1)), None);
        }
        assert!(waiting.release(may(2)).is_empty());
        assert_eq!(waiting.release(may(4)), [3, 3, 4]);
        assert_eq!(waiting.release(may(9)), [5]);
    }
}
