//! Arguments of `check`.

use clap::Args;

use super::{OUTPUT, Output, RegistryArgs, examples};

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = examples::long_with(NOTES, EXAMPLES))]
pub struct CheckArgs {
    /// Registry, or repository in one
    #[arg(value_name = "HOST[/REPOSITORY]", required = true)]
    pub hosts: Vec<String>,

    /// Don't test push access
    #[arg(long)]
    pub no_push: bool,

    /// Output format
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT", help_heading = OUTPUT)]
    pub output: Output,

    /// How to reach them.
    #[command(flatten)]
    pub how: RegistryArgs,
}

const NOTES: &str =
    "Nothing is copied. With a repository, check starts an upload and cancels it, to test push access.";

const EXAMPLES: &str = "\
Examples:
  transload check harbor.example.com
  transload check harbor.example.com/mirror/pause --ca-file harbor-ca.pem
  transload check docker.io/library/alpine --no-push

Exit status:
  0 no problem found, 1 a problem was found, 2 usage error, 130 interrupted";
