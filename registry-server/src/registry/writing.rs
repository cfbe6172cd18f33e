//! The directory that is pushed to, and what is done for it between requests.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::sessions::Sessions;
use crate::content::{ContentError, DirectoryContent};
use crate::lock::{lock, wait_for};

/// What a registry that is pushed to accepts.
#[derive(Debug, Clone)]
pub struct WriteOptions {
    pub(super) uploads: usize,
    pub(super) upload_bytes: u64,
    pub(super) expiry: Duration,
    pub(super) sparse_indexes: bool,
}

impl Default for WriteOptions {
    /// 1000 uploads of 1 TiB together, each for an hour after its last byte, and no sparse indexes.
    fn default() -> WriteOptions {
        WriteOptions {
            uploads: 1000,
            upload_bytes: 1 << 40,
            expiry: Duration::from_secs(3600),
            sparse_indexes: false,
        }
    }
}

impl WriteOptions {
    /// Sets how many uploads may be unfinished at once.
    #[must_use]
    pub fn uploads(mut self, number: usize) -> WriteOptions {
        self.uploads = number;
        self
    }

    /// Sets how many bytes all unfinished uploads may have together.
    #[must_use]
    pub fn upload_bytes(mut self, bytes: u64) -> WriteOptions {
        self.upload_bytes = bytes;
        self
    }

    /// Sets for how long an unfinished upload is kept after its last byte.
    #[must_use]
    pub fn expiry(mut self, expiry: Duration) -> WriteOptions {
        self.expiry = expiry;
        self
    }

    /// Sets whether an index is accepted of which only some manifests were pushed.
    #[must_use]
    pub fn sparse_indexes(mut self, accepted: bool) -> WriteOptions {
        self.sparse_indexes = accepted;
        self
    }
}

/// Takes what is pushed.
#[derive(Debug)]
pub(super) struct Writing {
    pub directory: Arc<DirectoryContent>,
    pub options: WriteOptions,
    pub sessions: Arc<Sessions>,
    sweeper: Sweeper,
}

impl Writing {
    pub fn new(directory: Arc<DirectoryContent>, options: WriteOptions) -> Result<Writing, ContentError> {
        let sessions = Arc::new(Sessions::new(Arc::clone(&directory), options.clone())?);
        Ok(Writing {
            sweeper: Sweeper::start(Arc::clone(&directory), Arc::clone(&sessions)),
            directory,
            options,
            sessions,
        })
    }

    /// Has the sweeper look once more: something was written that it will have to clear up after.
    pub fn wake_sweeper(&self) {
        self.sweeper.signal(|signals| signals.has_work = true);
    }
}

/// A thread that removes uploads that nobody goes on with, and lets go of the directory some time after the last push.
#[derive(Debug)]
struct Sweeper {
    signals: Arc<(Mutex<Signals>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Signals {
    has_work: bool,
    is_over: bool,
}

impl Sweeper {
    fn start(directory: Arc<DirectoryContent>, sessions: Arc<Sessions>) -> Sweeper {
        let signals = Arc::<(Mutex<Signals>, Condvar)>::default();
        let shared = Arc::clone(&signals);
        let sweep = move || {
            loop {
                let next = [sessions.expire(), directory.tidy()].into_iter().flatten().min();
                let mut signals = lock(&shared.0);
                if !signals.has_work && !signals.is_over {
                    signals = match next {
                        Some(wait) => wait_for(&shared.1, signals, wait + Duration::from_millis(1)),
                        None => shared.1.wait(signals).unwrap_or_else(PoisonError::into_inner),
                    };
                }
                if signals.is_over {
                    return;
                }
                signals.has_work = false;
            }
        };
        // Without it, uploads expire when the next one begins.
        let thread = thread::Builder::new().name("sweeper".to_owned()).spawn(sweep);
        Sweeper {
            signals,
            thread: thread.ok(),
        }
    }

    fn signal(&self, signal: impl FnOnce(&mut Signals)) {
        signal(&mut lock(&self.signals.0));
        self.signals.1.notify_all();
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.signal(|signals| signals.is_over = true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
