//! Arguments of `check`.

use clap::Args;

use super::{HostArgs, Output};

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CheckArgs {
    /// A registry, or a repository in it
    #[arg(value_name = "HOST[/REPOSITORY]", required = true)]
    pub hosts: Vec<String>,

    /// Don't try whether the repository may be pushed to
    #[arg(long)]
    pub no_push: bool,

    /// Text for people or JSON for programs
    #[arg(long, value_enum, default_value = "text", value_name = "FORM")]
    pub output: Output,

    /// How to reach them.
    #[command(flatten)]
    pub how: HostArgs,
}

const EXAMPLES: &str = "\
Nothing is moved. With a repository, an upload is begun and cancelled, to see whether it may be pushed to.

Examples:
  transload check harbor.example.com
  transload check harbor.example.com/mirror/pause --ca-file harbor-ca.pem
  transload check docker.io/library/alpine --no-push

Exit status:
  0 all is well, 1 something is wrong, 2 wrong usage, 130 interrupted";
