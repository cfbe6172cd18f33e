//! Arguments of `login`.

use clap::Args;

use super::HostArgs;

/// Arguments of `login`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct LoginArgs {
    /// The registry, or a namespace in it that has credentials of its own
    #[arg(value_name = "REGISTRY[/NAMESPACE]")]
    pub registry: String,

    /// The user's name; asked for if not given. `<token>` stands for an identity token in place of the password
    #[arg(short, long, value_name = "USER")]
    pub username: Option<String>,

    /// Read the password from standard input
    #[arg(long, conflicts_with = "password")]
    pub password_stdin: bool,

    /// The password. Everybody on this machine can read it in the list of processes, and it stays in the shell's history: better leave it
    /// out and be asked, or use --password-stdin
    #[arg(short, long, value_name = "PASSWORD")]
    pub password: Option<String>,

    /// Store the credentials without trying them, for a registry that can't be reached from here
    #[arg(long)]
    pub no_check: bool,

    /// How to reach it.
    #[command(flatten)]
    pub hosts: HostArgs,
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

const EXAMPLES: &str = "\
The credentials are tried first, and stored only if the registry accepts them: in the file that docker, podman and transload look into
($REGISTRY_AUTH_FILE, containers/auth.json or Docker's config.json, which is made if there is none), or by the credential helper that
this file names.

Examples:
  transload login harbor.example.com --username admin
  transload login harbor.example.com/team --username 'robot$team' --password-stdin < token.txt
  transload login docker.io

Exit status:
  0 stored, 1 refused, or not to be stored, 2 wrong usage, 130 interrupted";
