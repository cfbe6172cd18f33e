//! Arguments of `diff`.

use clap::Args;

use super::{Output, RegistryArgs, VolumesArgs};

/// Arguments of `diff`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DiffArgs {
    /// A directory or an archive; or a registry, if B is one of those
    #[arg(value_name = "A")]
    pub a: String,

    /// A directory or an archive, or where `push` would send A's images: a registry, a registry and a namespace, or a template
    #[arg(value_name = "B")]
    pub b: String,

    /// Where a bundle's volumes are.
    #[command(flatten)]
    pub volumes: VolumesArgs,

    /// Only images whose name this regular expression matches
    #[arg(long, value_name = "REGEX")]
    pub pattern: Option<String>,

    /// Count images without a tag, too, that were left in a repository of a directory when its tags moved on
    #[arg(long)]
    pub untagged: bool,

    /// Only what the registry lacks of the other place: its other tags in the same repositories don't count
    #[arg(long)]
    pub one_way: bool,

    /// Text for people or JSON for programs; sizes in bytes there
    #[arg(long, value_enum, default_value = "text", value_name = "FORM")]
    pub output: Output,

    /// How to reach registries.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// How many requests at once
    #[arg(short, long, value_name = "N", env = "TRANSLOAD_JOBS", hide_env_values = true, default_value = "16",
          value_parser = clap::value_parser!(u16).range(1..=256), allow_negative_numbers = true, help_heading = "How")]
    pub jobs: u16,

    /// How often a request that failed is tried again
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(0..=1000),
          allow_negative_numbers = true, help_heading = "How")]
    pub retries: u32,
}

const EXAMPLES: &str = "\
Blobs are looked for, and not read: `transload verify` reads them.

Examples:
  transload diff ./images /mnt/usb/images
  transload diff ./images harbor.example.com/mirror --one-way

Exit status:
  0 the same, 1 they differ, 2 wrong usage, or something couldn't be compared, 130 interrupted";
