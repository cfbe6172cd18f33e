//! Arguments that say how to reach registries.

use std::path::PathBuf;

use clap::Args;

/// How to reach registries.
#[derive(Args)]
#[command(next_help_heading = super::REGISTRIES)]
pub struct RegistryArgs {
    /// User and password for the registry
    ///
    /// For the only registry that the command names; with several, use --auths. Other users of this machine see
    /// the password in the process list, and your shell keeps it: `transload login` and --auths are safer.
    #[arg(long, value_name = "USER:PASSWORD")]
    pub creds: Option<String>,

    /// YAML file of credentials and TLS settings
    ///
    /// It has the form of a task's auths: one entry for each registry.
    #[arg(long, value_name = "FILE")]
    pub auths: Option<PathBuf>,

    /// Credentials file of docker or podman, in place of the usual ones
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub authfile: Option<PathBuf>,

    /// Don't verify TLS certificates
    ///
    /// Registries that have an entry in --auths keep that entry's setting.
    #[arg(short = 'k', long)]
    pub insecure: bool,

    /// Verify certificates; --tls-verify=false is --insecure
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          action = clap::ArgAction::Set, conflicts_with = "insecure", hide_short_help = true)]
    pub tls_verify: Option<bool>,

    /// Use plain HTTP with the registry
    ///
    /// For the only registry that the command names; with several, use --auths.
    #[arg(long)]
    pub plain_http: bool,

    /// CA certificates of the registry (PEM)
    ///
    /// They are trusted besides the system's, for the only registry that the command names; with several, use --auths.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,

    /// Whether --plain-http and --ca-file come from variables of the environment alone: then they are for commands that name a registry.
    #[arg(skip)]
    pub is_general: bool,
}

impl RegistryArgs {
    /// Whether certificates go unverified where nothing else is said.
    pub fn is_insecure(&self) -> bool {
        self.insecure || self.tls_verify == Some(false)
    }
}

impl std::fmt::Debug for RegistryArgs {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegistryArgs")
            .field("auths", &self.auths)
            .field("authfile", &self.authfile)
            .field("insecure", &self.is_insecure())
            .field("plain_http", &self.plain_http)
            .field("ca_file", &self.ca_file)
            .finish_non_exhaustive()
    }
}
