//! Arguments of `list`.

use clap::{Args, ValueEnum};

use super::{OUTPUT, SELECTION, VolumesArgs, examples};

/// Arguments of `list`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = examples::long_with(NOTES, EXAMPLES))]
pub struct ListArgs {
    /// Directory or archive
    #[arg(value_name = "PLACE")]
    pub place: String,

    /// Where a bundle's volumes are.
    #[command(flatten)]
    pub volumes: VolumesArgs,

    /// Only images whose name matches this pattern
    #[arg(long, value_name = "REGEX", help_heading = SELECTION)]
    pub pattern: Option<String>,

    /// Only images that have one of these platforms, such as linux/arm64
    #[arg(short, long, value_name = "OS/ARCH", value_delimiter = ',', help_heading = SELECTION)]
    pub platform: Vec<String>,

    /// Sort by name or by size
    #[arg(long, value_enum, default_value = "name", value_name = "BY", help_heading = OUTPUT)]
    pub sort: SortBy,

    /// Output format
    #[arg(long, value_enum, default_value = "table", value_name = "FORMAT", help_heading = OUTPUT)]
    pub output: ListForm,
}

/// The form of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListForm {
    /// One line per image: name, digest, size, shared size, platforms
    #[value(alias = "text")]
    Table,
    /// Tree of registries, repositories and tags
    Tree,
    /// One line per image: name and full digest
    Names,
    /// For programs; sizes in bytes
    Json,
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SortBy {
    /// By name
    Name,
    /// The largest first
    Size,
}

const NOTES: &str =
    "SIZE is the size of an image's blobs; SHARED is the part that other images in the place use too.";

const EXAMPLES: &str = "\
Examples:
  transload list ./images
  transload list ./images --pattern calico --output tree
  transload list ./images --platform linux/arm64 --sort size
  transload list ./images --output names | cut -d' ' -f1 > images.txt

Exit status:
  0 done, 1 something can't be read, 2 usage error";
