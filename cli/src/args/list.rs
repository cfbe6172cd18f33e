//! Arguments of `list`.

use clap::{Args, ValueEnum};

use super::VolumesArgs;

/// Arguments of `list`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ListArgs {
    /// The directory or archive
    #[arg(value_name = "PLACE")]
    pub place: String,

    /// Where a bundle's volumes are.
    #[command(flatten)]
    pub volumes: VolumesArgs,

    /// Only images whose name this regular expression matches
    #[arg(long, value_name = "REGEX")]
    pub pattern: Option<String>,

    /// Only images that have one of these platforms, such as linux/arm64
    #[arg(short, long, value_name = "OS/ARCH", value_delimiter = ',')]
    pub platform: Vec<String>,

    /// What comes first
    #[arg(long, value_enum, default_value = "name", value_name = "BY")]
    pub sort: SortBy,

    /// The form of the list
    #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
    pub output: ListForm,
}

/// The form of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListForm {
    /// A line for each image: name, digest, size, what of it others need too, platforms
    #[value(alias = "text")]
    Table,
    /// Registries, their repositories, their tags
    Tree,
    /// Name and whole digest, a line for each image, and nothing else
    Names,
    /// For programs; sizes in bytes
    Json,
}

/// What comes first in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SortBy {
    /// By name
    Name,
    /// The largest first
    Size,
}

const EXAMPLES: &str = "\
SIZE is that of an image's blobs, SHARED how much of it other images of the place need too.

Examples:
  transload list ./images
  transload list ./images --pattern calico --output tree
  transload list ./images --platform linux/arm64 --sort size
  transload list ./images --output names | cut -d' ' -f1 > images.txt

Exit status:
  0 done, 1 something of it can't be read, 2 wrong usage";
