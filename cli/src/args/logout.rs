//! Arguments of `logout`.

use clap::Args;

use super::examples;

/// Arguments of `logout`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = examples::long_with(NOTES, EXAMPLES))]
pub struct LogoutArgs {
    /// Registry, or a namespace with credentials of its own
    #[arg(value_name = "REGISTRY[/NAMESPACE]")]
    pub registry: String,
}

const NOTES: &str =
    "Removes them from every file and credential helper that docker, podman and transload share.";

const EXAMPLES: &str = "\
Examples:
  transload logout harbor.example.com
  transload logout harbor.example.com/team

Exit status:
  0 no credentials remain, 1 they couldn't be removed, 2 usage error";
