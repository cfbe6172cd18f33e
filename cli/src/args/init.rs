//! Arguments of `init`.

use std::path::PathBuf;

use clap::Args;

/// Arguments of `init`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct InitArgs {
    /// The file; - is stdout. Without it, tasks.yaml, or task.schema.json with --schema
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// Write the JSON Schema of task files instead, for editors without a way to the one on the web
    #[arg(long)]
    pub schema: bool,

    /// Write over a file that is there
    #[arg(long)]
    pub force: bool,
}

const EXAMPLES: &str = "\
Examples:
  transload init
  transload init - | less
  transload init --schema
  transload run tasks.yaml --dry-run";
