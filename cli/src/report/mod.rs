//! What became of a run, as a file for programs: written at its end, and read by the run that does the rest.
//!
//! `docs/report.schema.json` is the form; [`VERSION`] is its version.

mod file;
mod only_failed;
mod record;
mod schema;
mod time;

pub use file::{ReportFile, Unwritable};
pub use only_failed::only_failed;
pub use record::Recorder;
pub use schema::{
    BlobCount, BlobReport, ErrorReport, ImageCounts, ImageReport, ImageStatus, LeftReferrersReport,
    OriginReport, ProjectReport, ReferrerReport, Report, RunStatus, TaskReport, TaskStatus, Totals, VERSION,
};
pub use time::{rfc3339, seconds, today};
