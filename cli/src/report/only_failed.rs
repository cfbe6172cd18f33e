//! The rest of a run: what its report says failed, or wasn't reached.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use transload_transfer::job::{Earlier, Job};

use super::schema::{Report, TaskReport, TaskStatus, VERSION};
use crate::task::{self, Problem, TaskErrors};

/// Cuts tasks down to what a report of theirs says failed or wasn't reached; `-` reads it from stdin. Whether anything is left to do.
///
/// # Errors
/// A file that is no report, or the report of other tasks.
pub fn only_failed(jobs: &mut [Job], file: &Path) -> Result<bool, TaskErrors> {
    let (name, text) = task::read_file(file)?;
    let report = parse(&name, &text)?;
    let names = |of: &mut dyn Iterator<Item = &str>| {
        of.map(|name| format!("\"{name}\""))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let reported = names(&mut report.tasks.iter().map(|task| task.name.as_str()));
    let wanted = names(&mut jobs.iter().map(|job| job.name.as_str()));
    if reported != wanted {
        let message = format!(
            "this report doesn't fit: it is of {}, and the run has {}",
            or_none(&reported),
            or_none(&wanted)
        );
        let hint = "use the report of the same task file or command";
        return Err(Problem::of_file(&name, message).with_hint(hint).into());
    }
    for (job, task) in jobs.iter_mut().zip(&report.tasks) {
        job.earlier = earlier(task);
    }
    let is_open = |job: &Job| {
        job.earlier
            .as_ref()
            .is_none_or(|earlier| !earlier.open.is_empty())
    };
    Ok(jobs.iter().any(is_open))
}

fn or_none(names: &str) -> &str {
    if names.is_empty() { "no task" } else { names }
}

/// Reads a report.
///
/// # Errors
/// A text that is no report, or one of another version.
pub(crate) fn parse(name: &str, text: &str) -> Result<Report, Problem> {
    let no_report = |message: String| {
        Problem::of_file(name, message).with_hint("give a file that an earlier run wrote with --report")
    };
    let value: serde_json::Value = serde_json::from_str(text)
        .map_err(|error| no_report(format!("this isn't a report: it isn't JSON: {error}")))?;
    match value.get("version").and_then(serde_json::Value::as_u64) {
        Some(version) if version == u64::from(VERSION) => {}
        Some(version) => {
            let message = format!("this report has the form {version}, and this transload reads {VERSION}");
            return Err(Problem::of_file(name, message).with_hint("use the transload that wrote it"));
        }
        None => return Err(no_report("this isn't a report: it has no version".to_owned())),
    }
    serde_json::from_value(value).map_err(|error| no_report(format!("this isn't a report: {error}")))
}

/// What a task's report leaves to do; none where that is the whole task.
fn earlier(task: &TaskReport) -> Option<Earlier> {
    if task.status == TaskStatus::NotBegun && task.images.is_empty() {
        return None;
    }
    let mut earlier = Earlier {
        open: BTreeMap::new(),
        done: BTreeSet::new(),
        // Where its turn comes this time, all of it is to do.
        takes_others: task.follows_a_task || task.status == TaskStatus::Skipped,
    };
    for image in &task.images {
        if image.status.is_open() {
            let open = earlier.open.entry(image.image.clone()).or_default();
            open.insert(image.destination.clone());
        } else {
            earlier.done.insert(image.image.clone());
        }
    }
    Some(earlier)
}
