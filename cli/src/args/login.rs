//! Arguments of `login`.

use clap::Args;

use super::{RegistryArgs, examples};

/// Arguments of `login`.
#[derive(Args)]
#[command(after_help = EXAMPLES, after_long_help = examples::long_with(NOTES, EXAMPLES))]
pub struct LoginArgs {
    /// Registry, or a namespace with credentials of its own
    #[arg(value_name = "REGISTRY[/NAMESPACE]")]
    pub registry: String,

    /// User name; prompted for if not given
    ///
    /// `<token>` means that an identity token takes the place of the password.
    #[arg(short, long, value_name = "USER")]
    pub username: Option<String>,

    /// Read the password from stdin
    #[arg(long, conflicts_with = "password")]
    pub password_stdin: bool,

    /// Password; safer: the prompt, or --password-stdin
    ///
    /// Other users of this machine see it in the process list, and your shell keeps it.
    #[arg(short, long, value_name = "PASSWORD")]
    pub password: Option<String>,

    /// Store without testing, if the registry is unreachable
    #[arg(long)]
    pub no_check: bool,

    /// How to reach it.
    #[command(flatten)]
    pub hosts: RegistryArgs,
}

impl std::fmt::Debug for LoginArgs {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginArgs")
            .field("registry", &self.registry)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

const NOTES: &str = "\
    The registry tests the credentials first; only accepted ones are stored. They go into the file that docker, podman and \
    transload share ($REGISTRY_AUTH_FILE, containers/auth.json or Docker's config.json, which is created if missing), or into \
    the credential helper that the file names.";

const EXAMPLES: &str = "\
Examples:
  transload login harbor.example.com --username admin
  transload login harbor.example.com/team --username 'robot$team' --password-stdin < token.txt
  transload login docker.io

Exit status:
  0 stored, 1 refused or not stored, 2 usage error, 130 interrupted";
