//! How progress is shown.

use clap::Args;

use super::OUTPUT;
use crate::ui::ProgressMode;

/// How progress is shown.
#[derive(Debug, Args)]
pub struct ProgressArgs {
    /// How to show progress
    #[arg(
        long = "progress",
        value_enum,
        default_value = "auto",
        value_name = "HOW",
        env = "TRANSLOAD_PROGRESS",
        hide_env_values = true,
        hide_short_help = true,
        help_heading = OUTPUT
    )]
    pub mode: ProgressMode,

    /// Maximum terminal lines for progress
    #[arg(long = "progress-lines", value_name = "N", default_value = "8", value_parser = clap::value_parser!(u16).range(1..=1000),
          allow_negative_numbers = true, hide_short_help = true, help_heading = OUTPUT)]
    pub lines: u16,
}
