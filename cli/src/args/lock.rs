//! Arguments for lock files.

use std::path::PathBuf;

use clap::Args;

/// What tags stood for, and whether they still do.
#[derive(Debug, Args)]
pub struct LockArgs {
    /// Note in this YAML file what each image's tag stands for and what was written; entries of other images stay. - is stdout
    /// (with --quiet), or stdin with --locked
    #[arg(long, value_name = "FILE")]
    pub lock: Option<PathBuf>,

    /// Move exactly what the file of --lock has: an image whose tag or platforms have changed since fails, and what changed is told
    #[arg(long, requires = "lock")]
    pub locked: bool,
}
