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

    /// Don't test whether the repository may be pushed to
    #[arg(long)]
    pub no_push: bool,

    /// Text for people or JSON for programs
    #[arg(long, value_enum, default_value = "text", value_name = "FORM", help_heading = OUTPUT)]
    pub output: Output,

    /// How to reach them.
    #[command(flatten)]
    pub how: RegistryArgs,
}

const NOTES: &str = "Nothing is copied. With a repository, check starts an upload and cancels it, to see whether it may be pushed to.";

const EXAMPLES: &str = "\
Examples:
  transload check harbor.example.com
  transload check harbor.example.com/mirror/pause --ca-file harbor-ca.pem
  transload check docker.io/library/alpine --no-push

Exit status:
  0 no problem found, 1 a problem was found, 2 wrong usage, 130 interrupted";
