//! What people see: progress and summaries on stderr, results on stdout.

mod format;
mod model;
mod plan;
mod progress;
mod summary;

pub use format::{bytes, count, duration, short_digest, shorten};
pub use plan::print_plan;
pub use progress::{Progress, ProgressMode};
pub use summary::{outcome_line, problems, summary};
