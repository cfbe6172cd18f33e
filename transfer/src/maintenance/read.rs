//! Reading all blobs of a store to their ends.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use rayon::prelude::*;
use transload_layout_store::{Store, Verdict};
use transload_reference::{Descriptor, Digest};

use super::verify::Look;
use crate::lock::lock;

/// How many threads read for each core: while some wait for the disk, others hash.
const READERS: usize = 2;

/// Reads blobs with the threads of the current pool; `told` is called from all of them. A blob that was never begun has no verdict.
pub(super) fn read_all(
    store: &Store,
    mut blobs: Vec<&Descriptor>,
    cancel: &AtomicBool,
    told: &(dyn Fn(Look) + Sync),
) -> HashMap<(Digest, u64), Verdict> {
    // The last ones are short, so that all threads end together.
    blobs.sort_by_key(|blob| std::cmp::Reverse(blob.size));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let readers = (READERS * cores).min(rayon::current_num_threads());
    let begun = AtomicUsize::new(0);
    let is_cancelled = || cancel.load(Ordering::Relaxed);
    let verdicts = Mutex::new(HashMap::new());
    (0..readers).into_par_iter().with_max_len(1).for_each(|_| {
        while !is_cancelled()
            && let Some(blob) = blobs.get(begun.fetch_add(1, Ordering::Relaxed))
        {
            let mut read = 0;
            let verdict = store.verify_blob(blob, |bytes| {
                read += bytes;
                told(Look::Read(bytes));
                !is_cancelled()
            });
            told(Look::Read(blob.size.saturating_sub(read)));
            let mut verdicts = lock(&verdicts);
            verdicts.insert((blob.digest.clone(), blob.size), verdict);
        }
    });
    verdicts.into_inner().unwrap_or_else(PoisonError::into_inner)
}
