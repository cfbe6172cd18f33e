//! Arguments that are about bundles.

use std::path::PathBuf;

use clap::Args;
use transload_transfer::bundle::VolumeSize;

use super::RegistryArgs;

/// How a bundle is written.
#[derive(Debug, Args)]
#[command(next_help_heading = "Bundles (--dest bundle:DIR)")]
pub struct BundleArgs {
    /// What the other side has, and the bundle leaves out: an inventory, an earlier bundle (its BUNDLE.json), a directory, an archive or
    /// a registry. Several add up
    #[arg(long, value_name = "BASE")]
    pub base: Vec<String>,

    /// The most bytes of a volume, such as 4G, 700MB, fat32 or dvd; one volume if not given
    #[arg(long, value_name = "SIZE")]
    pub volume_size: Option<VolumeSize>,

    /// Run this in a shell for each volume once it is whole, with its path as $1: it may carry the volume off before the next is written
    #[arg(long, value_name = "CMD")]
    pub volume_command: Option<String>,

    /// Carry only what this inventory names, as --missing wrote it on the other side
    #[arg(long, value_name = "FILE")]
    pub only: Option<PathBuf>,
}

impl BundleArgs {
    /// The first argument that is given.
    pub fn given(&self) -> Option<&'static str> {
        let given = [
            ("--base", !self.base.is_empty()),
            ("--volume-size", self.volume_size.is_some()),
            ("--volume-command", self.volume_command.is_some()),
            ("--only", self.only.is_some()),
        ];
        given.into_iter().find_map(|(name, is_given)| is_given.then_some(name))
    }
}

/// Where a bundle's volumes are.
#[derive(Debug, Args)]
pub struct VolumesArgs {
    /// Further folders that have volumes of the bundle, or another bundle with what it lacks
    #[arg(long, value_name = "DIR", value_delimiter = ',')]
    pub volumes: Vec<PathBuf>,
}

/// Arguments of `inventory`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct InventoryArgs {
    /// A directory, an archive, a bundle, or a registry, a registry and a namespace
    #[arg(value_name = "PLACE")]
    pub place: String,

    /// The file to write, for --base; - is stdout
    #[arg(short = 'o', long = "output-file", value_name = "FILE", default_value = "-")]
    pub file: PathBuf,

    /// How to reach registries.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// How often a request that failed is tried again
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(0..=1000),
          allow_negative_numbers = true, help_heading = "How")]
    pub retries: u32,
}

const EXAMPLES: &str = "\
An inventory is a text of digests: a line for each blob, image and manifest. No blob is read for it.

Examples:
  transload inventory ./images -o have.tli
  transload inventory harbor.example.com/mirror -o have.tli
  transload pull --images-file images.txt --dest bundle:/mnt/usb/2026-12 --base have.tli

Exit status:
  0 done, 1 something of it can't be read, 2 wrong usage, 130 interrupted";

/// Arguments of `verify` about bundles.
#[derive(Debug, Args)]
pub struct AgainstArgs {
    /// Of a bundle: whether this place (a directory, an archive, a registry or an inventory) has what the bundle lacks
    #[arg(long, value_name = "PLACE")]
    pub against: Option<String>,
}

