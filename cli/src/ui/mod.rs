//! What people see: progress, logs and summaries on stderr, results on stdout.

mod bars;
mod causes;
mod comparison;
mod errors;
mod examined;
mod format;
mod garbage;
mod health;
mod images;
mod inventory;
mod json_lines;
mod json_text;
mod log;
mod model;
mod output;
mod paint;
mod plan;
mod platforms;
mod progress;
mod results;
mod screen;
mod speed;
mod summary;
mod tree;

pub use comparison::{Compared, comparison_json, comparison_text, comparison_troubles};
pub use errors::{NOTHING_MOVED, NOTHING_REMOVED, NOTHING_STORED, errors};
pub use examined::{Examined, examined_json, examined_text};
pub use format::{bytes, count, duration, short_digest, shorten, way, wrap};
pub use garbage::{Pruned, garbage_json, garbage_text};
pub use health::{Checked, health_json, health_text, signatures_json, signatures_text};
pub(crate) use images::{images_json, images_text};
pub use inventory::{inventory_flaws, inventory_json, inventory_names, inventory_table, inventory_tree};
pub(crate) use json_text::json;
pub use log::start_log;
pub(crate) use output::{
    clap_message, err, err_is_terminal, err_line, err_width, fitted, out, out_line, result,
};
pub use paint::{ColorMode, choose_colors};
pub use plan::{plan_json, plan_text};
pub use progress::{Progress, ProgressMode};
pub use summary::{GOES_ON, Told, summary};
pub use tree::{tree_json, tree_text};
