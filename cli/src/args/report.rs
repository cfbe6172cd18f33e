//! Arguments of `report`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Arguments of `report`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ReportArgs {
    /// A report that --report wrote; - reads it from stdin
    #[arg(value_name = "REPORT.json")]
    pub report: PathBuf,

    /// The file to write; - is stdout
    #[arg(short = 'o', long = "out", value_name = "FILE", default_value = "-")]
    pub out: PathBuf,

    /// The form: a page (html) or a bill of materials (cyclonedx)
    #[arg(long, value_enum, value_name = "FORM", default_value = "html")]
    pub format: ReportForm,
}

/// What a report becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportForm {
    /// A page to look at, print and sign: one file that needs no other
    Html,
    /// A CycloneDX 1.6 bill of materials of the images that arrived, as JSON
    Cyclonedx,
}

const EXAMPLES: &str = "\
Examples:
  transload report report.json -o report.html
  transload report report.json --format cyclonedx -o bom.cdx.json

Exit status:
  0 done, 2 wrong usage, or the file is no report or can't be written";
