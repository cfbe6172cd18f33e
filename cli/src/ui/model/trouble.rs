//! What went wrong of late and is mended, and what is waited for.

use std::time::{Duration, Instant};

use transload_registry_client::{Notice, NoticeKind};

use crate::ui::format;

/// How long trouble is shown at least.
const SHOWN: Duration = Duration::from_secs(5);

/// What went wrong of late, and is mended.
#[derive(Debug, Clone)]
pub(in crate::ui) struct Trouble {
    /// The image, or the repository or registry.
    pub at: String,
    /// What was being done.
    pub operation: String,
    pub cause: String,
    /// When the next try begins.
    pub until: Instant,
    /// Whether there is a next try: a slower pace or another way is none.
    pub is_retry: bool,
    since: Instant,
}

impl Trouble {
    pub fn of(image: Option<&str>, notice: &Notice, now: Instant) -> Trouble {
        // A slower pace is the whole registry's.
        let concerned = image.filter(|_| !matches!(notice.kind, NoticeKind::SlowDown { .. }));
        let registry = notice.registry.as_ref().map(ToString::to_string);
        let repository = notice.repository.as_ref().map(ToString::to_string);
        let (place, cause) = match notice.kind {
            NoticeKind::SlowDown { concurrency } => {
                let requests = format::count(concurrency, "request");
                let cause = format!("at most {requests} at once from now on: {}", notice.cause);
                (registry.or(repository), cause)
            }
            _ => (repository.or(registry), notice.cause.clone()),
        };
        Trouble {
            at: concerned.map(str::to_owned).or(place).unwrap_or_default(),
            operation: notice.operation.clone(),
            cause,
            until: now + notice.wait,
            is_retry: is_retry(notice),
            since: now,
        }
    }

    /// Whether it is still to be shown.
    pub fn is_fresh(&self, now: Instant) -> bool {
        now < self.until.max(self.since + SHOWN)
    }

    /// What went wrong, and when the next try is.
    pub fn text(&self, now: Instant) -> String {
        format!(
            "{}: {}: {}{}",
            self.at,
            self.operation,
            self.cause,
            self.outlook(now)
        )
    }

    /// When the next try is, where there is one.
    pub fn outlook(&self, now: Instant) -> String {
        let wait = self.until.saturating_duration_since(now);
        match (self.is_retry, wait >= Duration::from_millis(500)) {
            (false, _) => String::new(),
            (true, true) => format!(
                "; trying again in {}",
                format::clock(wait + Duration::from_millis(500))
            ),
            (true, false) => "; trying again".to_owned(),
        }
    }
}

/// Whether a request is tried again, or goes on where it was cut.
pub(in crate::ui) fn is_retry(notice: &Notice) -> bool {
    matches!(notice.kind, NoticeKind::Retry | NoticeKind::Resume { .. })
}
