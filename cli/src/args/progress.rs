//! How progress is shown.

use clap::Args;

use crate::ui::ProgressMode;

/// How progress is shown.
#[derive(Debug, Args)]
pub struct ProgressArgs {
    /// How progress is shown
    #[arg(
        long = "progress",
        value_enum,
        default_value = "auto",
        value_name = "HOW",
        env = "TRANSLOAD_PROGRESS",
        hide_env_values = true,
        help_heading = "How"
    )]
    pub mode: ProgressMode,

    /// The most lines of the terminal that progress takes
    #[arg(long = "progress-lines", value_name = "N", default_value = "8", value_parser = clap::value_parser!(u16).range(1..=1000),
          allow_negative_numbers = true, help_heading = "How")]
    pub lines: u16,
}
