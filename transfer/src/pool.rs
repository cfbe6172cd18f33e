//! A pool of threads, each of which begins once there is work for it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rayon::{Scope, ThreadBuilder, ThreadPool, ThreadPoolBuilder};

use crate::lock::lock;

/// A pool whose threads begin late: those that have nothing to do look for work again and again, and many are never needed.
pub(crate) struct Pool {
    pool: ThreadPool,
    unborn: Arc<Mutex<Vec<ThreadBuilder>>>,
    /// Whether the system gave no more threads when it was last asked.
    is_short: AtomicBool,
}

/// How a pool of so many threads is built.
pub(super) fn builder(threads: usize) -> ThreadPoolBuilder {
    ThreadPoolBuilder::new()
        .num_threads(threads.max(1))
        .thread_name(|n| format!("transfer {n}"))
}

impl Pool {
    /// A pool of at most so many threads, of which there is one, so that whatever is asked of it gets done.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn new(most: usize) -> io::Result<Pool> {
        let unborn = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&unborn);
        let pool = builder(most)
            .spawn_handler(move |thread| {
                lock(&kept).push(thread);
                Ok(())
            })
            .build()
            .map_err(io::Error::other)?;
        let pool = Pool {
            pool,
            unborn,
            is_short: AtomicBool::new(false),
        };
        pool.begin(1)?;
        Ok(pool)
    }

    /// How many threads there may be.
    pub fn most(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Sees to it that there are so many threads, as far as there may be and the system gives them. Where it gives no more, that is said once.
    pub fn need(&self, threads: usize) {
        if !self.is_short.load(Ordering::Relaxed)
            && let Err(error) = self.begin(threads)
            && !self.is_short.swap(true, Ordering::Relaxed)
        {
            log::warn!("the system allows no more threads, so less is done at once: {error}");
        }
    }

    fn begin(&self, threads: usize) -> io::Result<()> {
        let mut unborn = lock(&self.unborn);
        while self.most() - unborn.len() < threads
            && let Some(thread) = unborn.pop()
        {
            let name = thread.name().unwrap_or_default().to_owned();
            thread::Builder::new().name(name).spawn(|| thread.run())?;
        }
        Ok(())
    }

    /// Leaves the threads asleep, as the process is about to end: the system ends all of them at once. Each by itself would be woken, give
    /// back its memory and have every core told of that, for which the end would wait.
    pub fn leave(self) {
        std::mem::forget(self.pool);
    }

    /// Calls `work` on the present thread. What it spawns is done by those of the pool, and over at its end.
    pub fn scope<'scope, T>(&self, work: impl FnOnce(&Scope<'scope>) -> T) -> T {
        self.pool.in_place_scope(work)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn threads_begin_as_they_are_asked_for_and_are_used_again() {
        let pool = Pool::new(4).unwrap();
        let names = Mutex::new(HashSet::new());
        for threads in [2, 1, 3, 9] {
            pool.need(threads);
            let together = Barrier::new(threads.min(4));
            pool.scope(|scope| {
                for _ in 0..threads.min(4) {
                    scope.spawn(|_| {
                        together.wait();
                        lock(&names).insert(thread::current().name().map(str::to_owned));
                    });
                }
            });
            assert_eq!(4 - lock(&pool.unborn).len(), lock(&names).len());
        }
        assert_eq!(lock(&names).len(), 4);
    }
}
