//! Arguments of `inspect`.

use clap::Args;

use super::{Output, RegistryArgs, VolumesArgs};

/// Arguments of `inspect`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct InspectArgs {
    /// The image, such as alpine:3.19 or hub.local/team/app@sha256:…
    #[arg(value_name = "IMAGE")]
    pub image: String,

    /// Where it is: a directory, an archive, or a registry (a mirror) that has it; its own registry if not given
    #[arg(short, long, value_name = "DIR|REGISTRY")]
    pub src: Option<String>,

    /// Where a bundle's volumes are.
    #[command(flatten)]
    pub volumes: VolumesArgs,

    /// Only these platforms of it, such as linux/amd64
    #[arg(short, long, value_name = "OS/ARCH", value_delimiter = ',')]
    pub platform: Vec<String>,

    /// The bytes of its manifest or index, exactly as they are, and nothing else; with --platform, those of that platform's manifest
    #[arg(long, conflicts_with = "output")]
    pub raw: bool,

    /// Text for people or JSON for programs; sizes in bytes there
    #[arg(long, value_enum, default_value = "text", value_name = "FORM")]
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
  0 done, 1 it isn't there, or something of it is missing or can't be read, 2 wrong usage";
