//! Arguments of `report`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Arguments of `report`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ReportArgs {
    /// Report that --report wrote; - reads stdin
    #[arg(value_name = "REPORT.json")]
    pub report: PathBuf,

    /// File to write; - is stdout
    #[arg(short = 'o', long = "out", value_name = "FILE", default_value = "-")]
    pub out: PathBuf,

    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "html")]
    pub format: ReportForm,
}

/// What a report becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportForm {
    /// A page, in one file
    Html,
    /// A CycloneDX 1.6 bill of materials of the images that arrived, as JSON
    Cyclonedx,
}

const EXAMPLES: &str = "\
Examples:
  transload report report.json -o report.html
  transload report report.json --format cyclonedx -o bom.cdx.json

Exit status:
  0 done, 2 usage error, or the file isn't a report or can't be written";
