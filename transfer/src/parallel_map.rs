//! Maps items in parallel, for a few small requests that would cost a round trip each.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::current_image;
use crate::fault::Fault;
use crate::lock::lock;
use crate::panics::{self, Panicked};

/// The most items in work at once.
pub(crate) const MOST: usize = 8;

/// Returns the results of `work` for each item, in the items' order. It uses threads of its own: a pool's worker that took other work while
/// it waits would be late with this one.
pub(crate) fn parallel_map<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results: Vec<Mutex<Option<Result<R, Panicked>>>> = items.iter().map(|_| Mutex::default()).collect();
    let take_turns = || {
        while let Some((item, result)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            items.get(at).zip(results.get(at))
        } {
            *lock(result) = Some(panics::caught(|| work(item)));
        }
    };
    let image = current_image::with(|image| image.map(str::to_owned));
    let help = || {
        let _at = image.as_deref().map(current_image::set);
        take_turns();
    };
    thread::scope(|scope| {
        for _ in 1..items.len().min(MOST) {
            let helper = thread::Builder::new().name("transfer ahead".to_owned());
            // Without another thread, this one does it all.
            if helper.spawn_scoped(scope, help).is_err() {
                break;
            }
        }
        take_turns();
    });
    let results = results.into_iter();
    results
        .filter_map(|result| result.into_inner().unwrap_or_else(PoisonError::into_inner))
        .map(|result| result.unwrap_or_else(|panicked| panics::resume(panicked)))
        .collect()
}

/// The same for work that may fail. After a fault, no more items are begun; a panic is a fault.
pub(crate) fn try_parallel_map<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R, Fault> + Sync,
) -> Result<Vec<R>, Fault> {
    let has_failed = AtomicBool::new(false);
    let results = parallel_map(items, |item| {
        if has_failed.load(Ordering::Relaxed) {
            return None;
        }
        let result = Fault::isolate(|| work(item));
        has_failed.fetch_or(result.is_err(), Ordering::Relaxed);
        Some(result)
    });
    results.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_items() {
        let items: Vec<usize> = (0..100).collect();
        assert_eq!(
            parallel_map(&items, |item| item * 2),
            (0..200).step_by(2).collect::<Vec<_>>()
        );
        assert!(parallel_map(&[], |item: &usize| *item).is_empty());
    }

    #[test]
    fn a_panic_is_its_callers() {
        let panicked = panics::caught(|| parallel_map(&[1, 2], |item| assert_ne!(*item, 2, "on purpose")));
        assert!(panicked.is_err());
    }

    #[test]
    fn after_a_fault_no_more_is_begun() {
        let items: Vec<usize> = (0..1000).collect();
        let begun = AtomicUsize::new(0);
        let refused: Result<Vec<()>, Fault> = try_parallel_map(&items, |_| {
            begun.fetch_add(1, Ordering::Relaxed);
            Err(Fault::refused(None, "full"))
        });
        assert_eq!(refused.unwrap_err().to_string(), "full");
        // Each thread knows of its own.
        assert!(begun.into_inner() <= MOST);
        assert_eq!(try_parallel_map(&items, |item| Ok(item + 1)).unwrap()[999], 1000);
    }

    #[test]
    fn the_work_is_done_at_once() {
        let barrier = Barrier::new(MOST);
        parallel_map(&[(); MOST], |()| barrier.wait().is_leader());
    }
}
