//! `transload report`.

use crate::args::{ReportArgs, ReportForm};
use crate::report::{self, ReportFile, Unwritable};
use crate::task::{self, Problem, TaskErrors};

/// Makes a page or a bill of materials of a report.
pub(crate) fn report(args: &ReportArgs) -> Result<u8, TaskErrors> {
    let (name, text) = task::read_file(&args.report)?;
    let read = report::parse(&name, &text)?;
    let form = match args.format {
        ReportForm::Html => report::Form::Html,
        ReportForm::Cyclonedx => report::Form::Cyclonedx,
    };
    let file = ReportFile::prepare(&args.out).map_err(|error| unwritable(&error))?;
    file.write_as(form, &read).map_err(|error| unwritable(&error))?;
    Ok(0)
}

fn unwritable(error: &Unwritable) -> Problem {
    let problem = Problem::of_file("--out", error.to_string());
    error.hint().into_iter().fold(problem, Problem::with_hint)
}
