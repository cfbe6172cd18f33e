//! How a transfer is done, shown and reported.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use transload_transfer::job::Shard;

use super::{OUTPUT, ProgressArgs, REPORTS, TRANSFER, lock, rate, shard};

/// How to transfer.
#[derive(Debug, Args)]
#[command(next_help_heading = TRANSFER)]
pub struct HowArgs {
    /// Maximum concurrent requests and blobs
    ///
    /// A transfer starts with 16 at once and adds more while requests succeed.
    #[arg(short, long, value_name = "N", env = "TRANSLOAD_JOBS", hide_env_values = true, default_value = "64",
          value_parser = clap::value_parser!(u16).range(1..=256), allow_negative_numbers = true)]
    pub jobs: u16,

    /// Retries of a request that failed
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(0..=1000),
          allow_negative_numbers = true, hide_short_help = true)]
    pub retries: u32,

    /// Seconds without a byte before a connection is replaced
    ///
    /// A slow connection that still sends bytes is kept.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = clap::value_parser!(u16).range(1..=3600),
          allow_negative_numbers = true, hide_short_help = true)]
    pub timeout: u16,

    /// Maximum bytes per second, such as 500K, 20M or 100MB
    ///
    /// Counts all connections together. K, M and G are powers of 1024; KB, MB and GB are powers of 1000.
    #[arg(long, value_name = "RATE", value_parser = rate::parse, allow_negative_numbers = true, hide_short_help = true)]
    pub limit_rate: Option<u64>,

    /// Verify what the destination already has
    ///
    /// In a directory, existing blobs are hashed and damaged ones replaced. In a registry, every blob of the images it lists is
    /// looked up, and missing ones are sent.
    #[arg(long, hide_short_help = true)]
    pub check_existing: bool,

    /// Show what would be copied, and copy nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Output format of --dry-run [default: text]
    #[arg(long, value_enum, value_name = "FORMAT", hide_short_help = true, help_heading = OUTPUT)]
    pub output: Option<Output>,

    /// How progress is shown.
    #[command(flatten)]
    pub progress: ProgressArgs,

    /// What tags stood for.
    #[command(flatten)]
    pub lock: lock::LockArgs,
    /// Write a report: JSON, or a page (*.html)
    ///
    /// It has the result of each image. - is stdout.
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run", help_heading = REPORTS)]
    pub report: Option<PathBuf>,

    /// Only images that this report has as not copied
    ///
    /// Takes the --report of an earlier run; - reads stdin.
    #[arg(long, value_name = "REPORT", help_heading = REPORTS)]
    pub only_failed: Option<PathBuf>,

    /// Write what neither the bundle nor the destination has
    ///
    /// The file is an inventory for --only, on the side that writes bundles.
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run", hide_short_help = true, help_heading = REPORTS)]
    pub missing: Option<PathBuf>,

    /// Write down what arrived from a bundle, as proof
    ///
    /// The form is that of --report. `transload verify --receipt FILE --against PLACE` checks it later.
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run", hide_short_help = true, help_heading = REPORTS)]
    pub receipt: Option<PathBuf>,

    /// Sign bundles that are written, and the receipt
    ///
    /// An OpenSSH key, Ed25519 or ECDSA. With a passphrase, or only the .pub file, ssh-agent signs. A bundle that is there already is
    /// checked and signed.
    #[arg(long, value_name = "KEY", conflicts_with = "dry_run", hide_short_help = true, help_heading = REPORTS)]
    pub sign: Option<PathBuf>,

    /// Copy part I of N, where N runs divide the images
    ///
    /// In the pods of a Kubernetes Indexed Job, N alone. All images of a repository are in one part.
    #[arg(long, value_name = "I/N", value_parser = shard::parse, conflicts_with = "only_failed", hide_short_help = true, help_heading = TRANSFER)]
    pub shard: Option<Shard>,
}

/// The form of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}
