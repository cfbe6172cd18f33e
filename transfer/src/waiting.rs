//! Work that waits for its turn, in an order.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::lock::lock;

/// Work that can't be done yet, by its turn. No worker waits with it.
#[derive(Debug)]
pub(crate) struct Waiting<T>(Mutex<BTreeMap<usize, Vec<T>>>);

impl<T> Default for Waiting<T> {
    fn default() -> Waiting<T> {
        Waiting(Mutex::default())
    }
}

impl<T> Waiting<T> {
    /// Keeps work that has to wait; returns it where it may be done.
    pub fn keep(&self, work: T, turn: usize, waits: impl Fn(&T) -> bool) -> Option<T> {
        if !waits(&work) {
            return Some(work);
        }
        // Whatever let its turn come meanwhile may have looked here before.
        let mut waiting = lock(&self.0);
        if waits(&work) {
            waiting.entry(turn).or_default().push(work);
            return None;
        }
        Some(work)
    }

    /// Takes the first pieces of work, as far as their turn has come.
    pub fn release(&self, waits: impl Fn(&T) -> bool) -> Vec<T> {
        let mut waiting = lock(&self.0);
        let mut released = Vec::new();
        while let Some(first) = waiting.first_entry() {
            if first.get().iter().any(&waits) {
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
        let above = |most: usize| move |work: &usize| *work > most;
        assert_eq!(waiting.keep(1, 1, above(1)), Some(1));
        for work in [5, 3, 4, 3] {
            assert_eq!(waiting.keep(work, work, above(1)), None);
        }
        assert!(waiting.release(above(2)).is_empty());
        assert_eq!(waiting.release(above(4)), [3, 3, 4]);
        assert_eq!(waiting.release(above(9)), [5]);
    }
}
