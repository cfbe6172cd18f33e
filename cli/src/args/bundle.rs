//! Arguments that are about bundles.

use std::path::PathBuf;

use clap::Args;
use transload_transfer::bundle::VolumeSize;

use super::{RegistryArgs, SELECTION, TRANSFER, examples};

/// How a bundle is written.
#[derive(Debug, Args)]
#[command(next_help_heading = "Bundles")]
pub struct BundleArgs {
    /// Leave out of a bundle what the other side has already
    ///
    /// An inventory, an earlier bundle (its BUNDLE.json), a directory, an archive or a registry. May be repeated.
    #[arg(long, value_name = "BASE", hide_short_help = true)]
    pub base: Vec<String>,

    /// Let changed layers travel as differences to the base's layers
    ///
    /// Makes a bundle smaller. A base must have the layers: a directory, an archive, a registry or an earlier bundle. Only transload imports such a
    /// bundle, and only into places with these layers.
    #[arg(long, hide_short_help = true)]
    pub delta: bool,

    /// Largest size of a bundle's volume, such as 4G, 700MB, fat32 or dvd
    ///
    /// Without it, a bundle has one volume.
    #[arg(long, value_name = "SIZE", hide_short_help = true)]
    pub volume_size: Option<VolumeSize>,

    /// Shell command to run after each volume of a bundle
    ///
    /// Gets the volume's path as $1, and may carry the volume off before the next is written.
    #[arg(long, value_name = "CMD", hide_short_help = true)]
    pub volume_command: Option<String>,

    /// Put only what this inventory names into a bundle
    ///
    /// --missing writes such an inventory on the other side.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub only: Option<PathBuf>,
}

impl BundleArgs {
    /// The first argument that is given.
    pub fn given(&self) -> Option<&'static str> {
        let given = [
            ("--base", !self.base.is_empty()),
            ("--delta", self.delta),
            ("--volume-size", self.volume_size.is_some()),
            ("--volume-command", self.volume_command.is_some()),
            ("--only", self.only.is_some()),
        ];
        given
            .into_iter()
            .find_map(|(name, is_given)| is_given.then_some(name))
    }
}

/// Where a bundle's volumes are, and who has to have signed it.
#[derive(Debug, Args)]
pub struct VolumesArgs {
    /// More directories with volumes of the bundle
    ///
    /// Also other bundles, if they have blobs that this one lacks.
    #[arg(long, value_name = "DIR", value_delimiter = ',', hide_short_help = true, help_heading = SELECTION)]
    pub volumes: Vec<PathBuf>,

    /// Require a signature of the bundle by one of these signers
    ///
    /// A file of allowed signers, as ssh-keygen reads it. Nothing else of the bundle is read before its signature.
    #[arg(long, value_name = "SIGNERS", hide_short_help = true, help_heading = SELECTION)]
    pub trust: Option<PathBuf>,
}

impl VolumesArgs {
    /// The first argument that is given.
    pub fn given(&self) -> Option<&'static str> {
        match (self.volumes.is_empty(), &self.trust) {
            (_, Some(_)) => Some("--trust"),
            (false, None) => Some("--volumes"),
            (true, None) => None,
        }
    }
}

/// Arguments of `inventory`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = examples::long_with(NOTES, EXAMPLES))]
pub struct InventoryArgs {
    /// Directory, archive, bundle, or registry (also with a namespace)
    #[arg(value_name = "PLACE")]
    pub place: String,

    /// File to write, for --base; - is stdout
    #[arg(short = 'o', long = "out", value_name = "FILE", default_value = "-")]
    pub file: PathBuf,

    /// How to reach registries.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// Retries of a request that failed
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(0..=1000),
          allow_negative_numbers = true, hide_short_help = true, help_heading = TRANSFER)]
    pub retries: u32,
}

const NOTES: &str = "An inventory is a text file of digests, one line for each blob, image and manifest. No blob is read to write it.";

const EXAMPLES: &str = "\
Examples:
  transload inventory ./images -o have.tli
  transload inventory harbor.example.com/mirror -o have.tli
  transload pull --images-file images.txt --dest bundle:/mnt/usb/2026-12 --base have.tli

Exit status:
  0 done, 1 something can't be read, 2 usage error, 130 interrupted";

/// Arguments of `verify` about bundles.
#[derive(Debug, Args)]
pub struct AgainstArgs {
    /// Place that must have the bundle's missing blobs, or the receipt's images
    ///
    /// A directory, an archive or a registry; for bundles also an inventory.
    #[arg(long, value_name = "PLACE", hide_short_help = true, help_heading = SELECTION)]
    pub against: Option<String>,
}
