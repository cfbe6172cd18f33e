//! Arguments of `inspect`.

use clap::Args;

use super::{OUTPUT, Output, RegistryArgs, SELECTION, VolumesArgs};

/// Arguments of `inspect`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct InspectArgs {
    /// Image, such as alpine:3.19 or hub.local/team/app@sha256:…
    #[arg(value_name = "IMAGE")]
    pub image: String,

    /// Place that has it [default: the image's registry]
    #[arg(short, long, value_name = "DIR|REGISTRY")]
    pub src: Option<String>,

    /// Where a bundle's volumes are.
    #[command(flatten)]
    pub volumes: VolumesArgs,

    /// Only these platforms, such as linux/amd64
    #[arg(short, long, value_name = "OS/ARCH", value_delimiter = ',', help_heading = SELECTION)]
    pub platform: Vec<String>,

    /// Print the manifest or index byte for byte
    ///
    /// With --platform, prints that platform's manifest.
    #[arg(long, conflicts_with = "output", help_heading = OUTPUT)]
    pub raw: bool,

    /// Output format
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT", help_heading = OUTPUT)]
    pub output: Output,

    /// How to reach registries.
    #[command(flatten)]
    pub registries: RegistryArgs,
}

const EXAMPLES: &str = "\
Examples:
  transload inspect registry.k8s.io/pause:3.10
  transload inspect registry.k8s.io/pause:3.10 --src ./images
  transload inspect alpine:3.19 --platform linux/arm64
  transload inspect alpine:3.19 --raw | sha256sum

Exit status:
  0 done, 1 the image or a part of it is missing or unreadable, 2 usage error";
