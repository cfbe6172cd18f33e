//! Arguments for lock files.

use std::path::PathBuf;

use clap::Args;

/// What tags stood for, and whether they still do.
#[derive(Debug, Args)]
pub struct LockArgs {
    /// Record each image's digests in this YAML file
    ///
    /// Entries of other images stay. - is stdout (with --quiet), or stdin with --locked.
    #[arg(long, value_name = "FILE", hide_short_help = true, help_heading = super::REPORTS)]
    pub lock: Option<PathBuf>,

    /// Copy exactly what the file of --lock records
    ///
    /// An image whose tag or platforms have changed since fails, and the change is reported.
    #[arg(long, requires = "lock", hide_short_help = true, help_heading = super::REPORTS)]
    pub locked: bool,
}
