//! How hosts are reached, for commands that are about hosts.

use std::path::PathBuf;

use clap::Args;

/// How the hosts are reached.
#[derive(Debug, Args)]
#[command(next_help_heading = "Registries")]
pub struct HostArgs {
    /// A YAML list of credentials and settings by registry, as a task's auths
    #[arg(long, value_name = "FILE")]
    pub auths: Option<PathBuf>,

    /// Don't check certificates
    #[arg(long)]
    pub insecure: bool,

    /// Speak plain HTTP
    #[arg(long)]
    pub plain_http: bool,

    /// A PEM file of certificate authorities to trust besides the system's
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}
