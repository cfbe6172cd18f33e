//! What a client tells while it works.

use std::fmt;
use std::time::Duration;

use transload_reference::{Registry, Repository};

/// Something that an observer may want to show: the work goes on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Notice {
    /// What happened.
    pub kind: NoticeKind,
    /// What was being done, as in "reading the manifest 3.19".
    pub operation: String,
    /// The registry concerned.
    pub registry: Option<Registry>,
    /// The repository concerned, if there is one.
    pub repository: Option<Repository>,
    /// The number of the try that failed, from 1.
    pub attempt: u32,
    /// How long the client waits before the next.
    pub wait: Duration,
    /// Why, without secrets.
    pub cause: String,
}

/// What a [`Notice`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoticeKind {
    /// A request failed and will be tried again.
    Retry,
    /// A transfer was cut and goes on from this byte.
    Resume {
        /// The first byte still to move.
        offset: u64,
    },
    /// The registry asked for a slower pace: this many requests run at once from now on.
    SlowDown {
        /// The number of requests.
        concurrency: usize,
    },
    /// Another way is taken, such as chunks instead of one body.
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
