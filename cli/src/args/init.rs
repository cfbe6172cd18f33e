//! Arguments of `init`.

use std::path::PathBuf;

use clap::Args;

/// Arguments of `init`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct InitArgs {
    /// File to write; - is stdout [default: tasks.yaml]
    ///
    /// With --schema, the default is task.schema.json.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// Write the JSON Schema of task files instead, for editors
    #[arg(long)]
    pub schema: bool,

    /// Replace an existing file
    #[arg(short, long)]
    pub force: bool,
}

const EXAMPLES: &str = "\
Examples:
  transload init
  transload init - | less
  transload init --schema
  transload run tasks.yaml --dry-run";
