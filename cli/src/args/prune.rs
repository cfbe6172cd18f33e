//! Arguments of `prune`.

use std::path::PathBuf;

use clap::Args;

use super::{OUTPUT, Output, SELECTION, examples};

/// Arguments of `prune`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = examples::long_with(NOTES, EXAMPLES))]
pub struct PruneArgs {
    /// Directory
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,

    /// Keep only the images this file names; delete all others
    ///
    /// A file has one image per line; # begins a comment. - reads stdin.
    #[arg(long, value_name = "FILE", conflicts_with = "keep_pattern", help_heading = SELECTION)]
    pub keep_file: Option<PathBuf>,

    /// Keep only images whose name matches; delete all others
    #[arg(long, value_name = "REGEX", help_heading = SELECTION)]
    pub keep_pattern: Option<String>,

    /// Show what would be deleted, and delete nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Delete without asking; needed where there is no terminal
    #[arg(short, long, visible_alias = "force", visible_short_alias = 'f')]
    pub yes: bool,

    /// Output format
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT", help_heading = OUTPUT)]
    pub output: Output,
}

const NOTES: &str = "\
    Without --keep-file and --keep-pattern, every image stays: only blobs that no image uses and leftovers of interrupted \
    transfers are deleted. Signatures, attestations and other artifacts that refer to a kept image stay with it. Transfers \
    that run in the directory finish first; new ones wait until prune ends.";

const EXAMPLES: &str = "\
Examples:
  transload prune ./images --dry-run
  transload prune ./images --keep-file images.txt
  transload prune ./images --keep-pattern 'kube|calico' --yes

Exit status:
  0 done, 1 damaged directory or not confirmed (nothing was deleted), 2 usage error, 130 interrupted";
