//! Arguments of `diff`.

use clap::Args;

use super::{OUTPUT, Output, RegistryArgs, SELECTION, TRANSFER, VolumesArgs, examples};

/// Arguments of `diff`.
#[derive(Debug, Args)]
#[command(after_help = examples::short(EXAMPLES), after_long_help = examples::long_with(NOTES, EXAMPLES))]
pub struct DiffArgs {
    /// Directory or archive; or a registry, if B is a directory or archive
    #[arg(value_name = "A")]
    pub a: String,

    /// Directory, archive, or registry as in `push --dest`
    #[arg(value_name = "B")]
    pub b: String,

    /// Where a bundle's volumes are.
    #[command(flatten)]
    pub volumes: VolumesArgs,

    /// Only images whose name matches this pattern
    #[arg(long, value_name = "REGEX", help_heading = SELECTION)]
    pub pattern: Option<String>,

    /// Include images that lost their tag to a newer one
    #[arg(long, hide_short_help = true, help_heading = SELECTION)]
    pub untagged: bool,

    /// Report only what the registry lacks, not what A lacks
    #[arg(long, help_heading = SELECTION)]
    pub one_way: bool,

    /// Output format
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT", help_heading = OUTPUT)]
    pub output: Output,

    /// How to reach registries.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// Maximum concurrent requests
    #[arg(short, long, value_name = "N", env = "TRANSLOAD_JOBS", hide_env_values = true, default_value = "16",
          value_parser = clap::value_parser!(u16).range(1..=256), allow_negative_numbers = true, help_heading = TRANSFER)]
    pub jobs: u16,

    /// Retries of a request that failed
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(0..=1000),
          allow_negative_numbers = true, hide_short_help = true, help_heading = TRANSFER)]
    pub retries: u32,
}

const NOTES: &str = "Blobs are looked up, not read: `transload verify` reads them.";

const EXAMPLES: &str = "\
Examples:
  transload diff ./images /mnt/usb/images
  transload diff ./images harbor.example.com/mirror --one-way

Exit status:
  0 the same, 1 they differ, 2 usage error, or something couldn't be compared, 130 interrupted";
