//! What people see: progress, logs and summaries on stderr, results on stdout.

mod bars;
mod errors;
mod format;
mod garbage;
mod health;
mod json_lines;
mod log;
mod model;
mod plan;
mod progress;
mod screen;
mod speed;
mod summary;

pub use errors::{NOTHING_MOVED, NOTHING_REMOVED, errors};
pub use format::{TERMINAL_WIDTH, bytes, count, duration, short_digest, shorten, way, wrap};
pub use garbage::{Pruned, garbage_json, garbage_text};
pub use health::{Checked, health_json, health_text};
pub use log::start_log;
pub use plan::print_plan;
pub use progress::{Progress, ProgressMode};
pub use summary::{GOES_ON, outcome_line, summary};
