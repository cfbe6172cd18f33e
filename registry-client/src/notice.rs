//! Notices of retries and slow-downs.

use std::fmt;
use std::time::Duration;

use transload_reference::{Registry, Repository};

/// An event that an observer may show. The work goes on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Notice {
    /// The kind of event.
    pub kind: NoticeKind,
    /// The operation, as in "reading the manifest 3.19".
    pub operation: String,
    /// The registry.
    pub registry: Option<Registry>,
    /// The repository, if it is about one.
    pub repository: Option<Repository>,
    /// The number of the failed try, from 1.
    pub attempt: u32,
    /// The wait before the next try.
    pub wait: Duration,
    /// The cause, without secrets.
    pub cause: String,
}

/// The kind of a [`Notice`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoticeKind {
    /// A request failed and will be retried.
    Retry,
    /// A transfer was cut and resumes.
    Resume {
        /// The offset of the first byte still to transfer.
        offset: u64,
    },
    /// The registry is overloaded: fewer requests run at once.
    SlowDown {
        /// The new limit.
        concurrency: usize,
    },
    /// The client switches to another way, such as chunks instead of one body.
    Fallback,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.repository, &self.registry) {
            (Some(repository), _) => write!(f, "{repository}: ")?,
            (None, Some(registry)) => write!(f, "{registry}: ")?,
            (None, None) => {}
        }
        write!(f, "{}: {}", self.operation, self.cause)?;
        match self.kind {
            NoticeKind::Retry => write!(f, "; trying again")?,
            NoticeKind::Resume { offset } => write!(f, "; going on from byte {offset}")?,
            NoticeKind::SlowDown { concurrency } => {
                write!(f, "; at most {concurrency} requests at once from now on")?
            }
            NoticeKind::Fallback => {}
        }
        let is_about_waiting = !matches!(self.kind, NoticeKind::SlowDown { .. });
        if is_about_waiting && self.wait >= Duration::from_millis(100) {
            write!(f, " in {:.1} s", self.wait.as_secs_f64())?;
        }
        Ok(())
    }
}
