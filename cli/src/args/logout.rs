//! Arguments of `logout`.

use std::path::PathBuf;

use clap::Args;

use super::{REGISTRIES, examples};

/// Arguments of `logout`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = examples::long_with(NOTES, EXAMPLES))]
pub struct LogoutArgs {
    /// Registry, or a namespace with credentials of its own
    #[arg(value_name = "REGISTRY[/NAMESPACE]")]
    pub registry: String,

    /// Credentials file of docker or podman, in place of the usual ones
    #[arg(long, value_name = "FILE", help_heading = REGISTRIES)]
    pub authfile: Option<PathBuf>,
}

const NOTES: &str = "Removes them from every file and credential helper that docker, podman and transload share, or from --authfile alone.";

const EXAMPLES: &str = "\
Examples:
  transload logout harbor.example.com
  transload logout harbor.example.com/team

Exit status:
  0 no credentials remain, 1 they couldn't be removed, 2 usage error";
