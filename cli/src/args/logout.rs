//! Arguments of `logout`.

use clap::Args;

/// Arguments of `logout`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct LogoutArgs {
    /// The registry, or a namespace in it that has credentials of its own
    #[arg(value_name = "REGISTRY[/NAMESPACE]")]
    pub registry: String,
}

const EXAMPLES: &str = "\
The credentials are removed from every file and credential helper that docker, podman and transload look into.

Examples:
  transload logout harbor.example.com
  transload logout harbor.example.com/team

Exit status:
  0 there are none any more, 1 they couldn't be removed, 2 wrong usage";
