//! Which images a transfer is about, and what of them.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use transload_transfer::job::Referrers;

use super::{RegistryArgs, SELECTION, TrustArgs};

/// Which images, and what of them.
#[derive(Debug, Args)]
#[command(next_help_heading = SELECTION)]
pub struct WhichArgs {
    /// File of images, one per line; - reads stdin
    ///
    /// A line has an image or a glob. # begins a comment, at the start of a line or after a space.
    #[arg(short = 'f', long, value_name = "FILE")]
    pub images_file: Option<PathBuf>,

    /// Only images whose name matches this pattern
    ///
    /// It may match anywhere in the name, as written or in full: calico matches docker.io/calico/node:v3.28.2. ^ and $ bind it to the ends.
    #[arg(long, value_name = "REGEX")]
    pub pattern: Option<String>,

    /// Only these platforms, such as linux/amd64
    ///
    /// Several are separated by commas; all platforms if not given. An index that loses platforms gets a new digest (see --index). A version of Windows is written 'windows(10.0.20348)/amd64', in full or its beginning.
    #[arg(short, long, value_name = "OS/ARCH", value_delimiter = ',')]
    pub platform: Vec<String>,

    /// What to do if an image lacks a platform of --platform
    #[arg(
        long,
        value_enum,
        default_value = "strict",
        value_name = "POLICY",
        hide_short_help = true
    )]
    pub policy: Policy,

    /// Whether an image of one platform satisfies several in --platform
    #[arg(
        long,
        value_enum,
        default_value = "refuse",
        value_name = "SINGLE",
        hide_short_help = true
    )]
    pub single: SingleArg,

    /// How to write an index if only some of its platforms are copied
    #[arg(
        long,
        value_enum,
        default_value = "filtered",
        value_name = "INDEX",
        hide_short_help = true
    )]
    pub index: IndexArg,

    /// Referrers to copy along, such as signatures and SBOMs
    ///
    /// none, all, or artifact types, and sig, att and sbom for cosign's tags.
    #[arg(long, default_value = "none", value_name = "TYPE,…", hide_short_help = true)]
    pub referrers: Referrers,

    /// What is checked of them.
    #[command(flatten)]
    pub trust: TrustArgs,

    /// How to reach registries.
    #[command(flatten)]
    pub registries: RegistryArgs,
}

/// What to do about a missing platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Policy {
    /// Fail the image.
    Strict,
    /// Warn, and copy the platforms it has.
    Warn,
}

/// How to judge an image of one platform where several are asked for and its own is one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SingleArg {
    /// It lacks the other platforms, so --policy decides.
    Refuse,
    /// It is complete, as in KubeKey.
    Accept,
}

/// How to write an index if only some of its platforms are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IndexArg {
    /// List only the copied platforms; the digest changes.
    Filtered,
    /// Keep the index and its digest unchanged (a sparse index).
    Original,
}
