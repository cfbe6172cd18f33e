//! `transload report`.

use crate::args::{ReportArgs, ReportForm};
use crate::report::{self, ReportFile, Unwritable};
use crate::task::{self, TaskErrors};

/// Makes a page or a bill of materials of a report.
pub(crate) fn report(args: &ReportArgs) -> Result<u8, TaskErrors> {
    let (name, text) = task::read_file(&args.report)?;
    let read = report::parse(&name, &text)?;
    let form = match args.format {
        ReportForm::Html => report::Form::Html,
        ReportForm::Cyclonedx => report::Form::Cyclonedx,
    };
    let unwritable = |error: Unwritable| error.of_argument("--out");
    let file = ReportFile::prepare(&args.out).map_err(unwritable)?;
    file.write_as(form, &read).map_err(unwritable)?;
    Ok(0)
}
