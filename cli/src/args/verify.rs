//! Arguments of `verify`.

use std::path::PathBuf;

use clap::Args;

use super::{
    AgainstArgs, OUTPUT, Output, ProgressArgs, RegistryArgs, SELECTION, TRANSFER, TrustArgs, VolumesArgs,
    examples,
};

/// Arguments of `verify`.
#[derive(Debug, Args)]
#[command(after_help = examples::short(EXAMPLES), after_long_help = examples::long_with(NOTES, EXAMPLES))]
pub struct VerifyArgs {
    /// Directory, archive or bundle
    #[arg(value_name = "PLACE", required_unless_present = "receipt")]
    pub place: Option<String>,

    /// Check that the images of this receipt are still there
    ///
    /// An import writes it with --receipt. With --trust, one of the signers must have signed it.
    #[arg(long, value_name = "FILE", requires = "against", conflicts_with_all = ["place", "pattern", "repair"], hide_short_help = true)]
    pub receipt: Option<PathBuf>,

    /// Where a bundle's volumes are.
    #[command(flatten)]
    pub volumes: VolumesArgs,

    /// What a bundle is compared with.
    #[command(flatten)]
    pub against: AgainstArgs,

    /// Only images whose name matches this pattern
    #[arg(long, value_name = "REGEX", help_heading = SELECTION)]
    pub pattern: Option<String>,

    /// Fetch missing and damaged blobs again
    #[arg(long)]
    pub repair: bool,

    /// Registry to repair from; default: each image's own
    #[arg(short, long, value_name = "REGISTRY", requires = "repair")]
    pub src: Option<String>,

    /// Output format
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT", help_heading = OUTPUT)]
    pub output: Output,

    /// Who must have signed the images.
    #[command(flatten)]
    pub trust: TrustArgs,

    /// How to reach registries.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// Maximum blobs to read or fetch at once
    #[arg(short, long, value_name = "N", env = "TRANSLOAD_JOBS", hide_env_values = true, default_value = "8",
          value_parser = clap::value_parser!(u16).range(1..=256), allow_negative_numbers = true, help_heading = TRANSFER)]
    pub jobs: u16,

    /// Retries of a request that failed
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(0..=1000),
          allow_negative_numbers = true, hide_short_help = true, help_heading = TRANSFER)]
    pub retries: u32,

    /// How progress is shown.
    #[command(flatten)]
    pub progress: ProgressArgs,
}

const NOTES: &str = "\
Unused blobs, leftovers of interrupted transfers and foreign files are reported; they are no errors.";

const EXAMPLES: &str = "\
Examples:
  transload verify ./images
  transload verify ./images --repair --src hub.local/mirror
  transload verify bundle:/mnt/usb/2026-12 --trust allowed_signers
  transload verify --receipt receipt.json --against hub.local/mirror --trust allowed_signers

Exit status:
  0 no damage, 1 damage that wasn't repaired, 2 usage error, 130 interrupted";
