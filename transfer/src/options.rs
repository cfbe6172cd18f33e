//! How transfers are done, whatever they move.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rayon::ThreadPool;
use transload_registry_client::{
    Client, ClientBuilder, CredentialSource, DefaultCredentials, RetryPolicy, Timeouts, UploadJournal,
};

use crate::pool::builder;
use crate::prepare::Problem;

/// How transfers are done, whatever they move.
#[derive(Clone)]
pub struct Options {
    /// How many requests and blobs are under way at once.
    pub jobs: usize,
    /// How often a request that failed is tried again.
    pub request_retries: u32,
    /// How long a connection may go without a byte.
    pub idle: Duration,
    /// How many bytes may pass in a second over all connections, where that is limited.
    pub limit_rate: Option<u64>,
    /// Who keeps upload sessions for a later run.
    pub uploads: Option<Arc<dyn UploadJournal>>,
    /// Where credentials come from that no task gives.
    pub credentials: Arc<dyn CredentialSource>,
    /// Set by whoever wants the run to stop.
    pub cancel: Arc<AtomicBool>,
}

impl Default for Options {
    /// Returns what a run has where nobody says otherwise: 16 jobs, 5 retries of a request, the user's credentials.
    fn default() -> Options {
        Options {
            jobs: 16,
            request_retries: 5,
            idle: Timeouts::default().idle,
            limit_rate: None,
            uploads: None,
            credentials: Arc::new(DefaultCredentials::new()),
            cancel: Arc::default(),
        }
    }
}

impl Options {
    pub(crate) fn client_builder(&self) -> ClientBuilder {
        let mut timeouts = Timeouts::default();
        timeouts.idle = self.idle;
        // Who says that less than a connection's usual time is too long means that too.
        timeouts.connect = timeouts.connect.min(self.idle);
        let builder = match &self.uploads {
            Some(uploads) => Client::builder().upload_journal(Arc::clone(uploads)),
            None => Client::builder(),
        };
        builder
            .timeouts(timeouts)
            .jobs(self.jobs)
            .limit_rate(self.limit_rate)
            .retry(RetryPolicy::attempts(self.request_retries.saturating_add(1)))
            .credentials(Arc::clone(&self.credentials))
            .cancel(Arc::clone(&self.cancel))
    }

    /// Starts the threads for so many things at once, at most as many as there are jobs.
    ///
    /// # Errors
    /// Where the system gives none.
    pub fn pool(&self, most: usize) -> Result<ThreadPool, Problem> {
        pool(self.jobs.min(most))
    }
}

/// Starts so many threads.
///
/// # Errors
/// Where the system gives none.
pub fn pool(threads: usize) -> Result<ThreadPool, Problem> {
    builder(threads).build().map_err(|error| no_threads(&error))
}

pub(crate) fn no_threads(error: &dyn fmt::Display) -> Problem {
    let hint = "the limit on processes is reached: raise it (`ulimit -u`, a container's or a service's limit on tasks)";
    Problem {
        number: 0,
        job: "transload".to_owned(),
        side: None,
        message: format!("no threads: {error}"),
        hint: Some(hint.to_owned()),
        failed: false,
        place: None,
    }
}
