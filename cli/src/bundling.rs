//! Inventories that are written.

use std::path::Path;
use std::slice;

use transload_transfer::JobSummary;
use transload_transfer::bundle::Holdings;

use crate::atomic;
use crate::task::Problem;
use crate::ui;

/// Writes the inventories of missing content: one of all jobs into this file, and one of each job into the file that it names. Returns whether
/// that succeeded.
pub(crate) fn write_missing(file: Option<&Path>, jobs: &[JobSummary]) -> bool {
    let of_all = file.is_none_or(|file| write_united(file, jobs));
    let of_each = |job: &JobSummary| {
        let file = job.missing_file.as_deref();
        file.is_none_or(|file| write_united(file, slice::from_ref(job)))
    };
    jobs.iter().map(of_each).fold(of_all, |all, one| all && one)
}

fn write_united(file: &Path, jobs: &[JobSummary]) -> bool {
    let mut all = Holdings::default();
    jobs.iter().for_each(|job| all.unite(job.missing.clone()));
    write(file, &all, "--missing")
}

/// Writes an inventory to a file, or to standard output. Returns whether that succeeded.
pub(crate) fn write(file: &Path, holdings: &Holdings, argument: &str) -> bool {
    let text = holdings.to_text();
    let written = match file == Path::new("-") {
        true => ui::out(text.as_bytes()),
        false => atomic::replace(file, &text),
    };
    match written {
        Ok(()) => true,
        Err(error) => {
            let problem = Problem::of_file(argument, format!("writing {}: {error}", file.display()));
            ui::err(ui::errors(&[problem.maybe_hint(atomic::hint(&error))], 0));
            false
        }
    }
}
