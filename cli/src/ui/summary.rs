//! What became of a run, for people.

use std::fmt::Write as _;

use transload_reference::Platform;

use super::format::{bytes, count, duration, short_digest};
use crate::transfer::{Count, ImageOutcome, JobSummary, Problem, Status, Summary};

/// One image's outcome in one line.
pub fn outcome_line(outcome: &ImageOutcome) -> String {
    let mut line = match &outcome.status {
        Status::Copied => format!("copied   {}", way(outcome)),
        Status::AlreadyThere => format!("there    {}", way(outcome)),
        Status::Skipped(reason) => format!("skipped  {}: {reason}", outcome.image),
        Status::Failed(fault) => format!("failed   {}: {fault}", outcome.image),
        Status::Interrupted => format!("stopped  {}", outcome.image),
    };
    if matches!(outcome.status, Status::Copied | Status::AlreadyThere) {
        if let Some(digest) = &outcome.digest {
            let _ = write!(line, "  {}", short_digest(digest));
        }
        if !outcome.platforms.is_empty() {
            let platforms: Vec<String> = outcome.platforms.iter().map(Platform::to_string).collect();
            let _ = write!(line, "  {}", platforms.join(","));
        }
        if let (Some(before), Some(after)) = (&outcome.source_digest, &outcome.digest)
            && before != after
        {
            let _ = write!(
                line,
                "\n         its index was {before}, and is {after} with only these platforms"
            );
        }
    }
    for warning in &outcome.warnings {
        let _ = write!(line, "\n         warning: {warning}");
    }
    line
}

fn way(outcome: &ImageOutcome) -> String {
    if outcome.source == outcome.destination {
        outcome.source.clone()
    } else {
        format!("{} -> {}", outcome.source, outcome.destination)
    }
}

/// All tasks' totals, then the failures with what to do about them.
pub fn summary(summary: &Summary) -> String {
    let mut text = String::new();
    for job in &summary.jobs {
        job_summary(&mut text, job);
    }
    let failures: Vec<&ImageOutcome> = summary.jobs.iter().flat_map(JobSummary::failures).collect();
    if !failures.is_empty() && !summary.interrupted {
        let _ = writeln!(text, "\nFailed:");
        for outcome in &failures {
            failure(&mut text, outcome);
        }
    }
    if summary.interrupted {
        let _ = writeln!(text, "\nStopped.");
    }
    if summary.interrupted || !failures.is_empty() {
        text.push_str("The same command goes on where this one ended: what is there isn't moved again.\n");
    }
    text
}

fn job_summary(text: &mut String, job: &JobSummary) {
    let with = |wanted: fn(&Status) -> bool| job.images.iter().filter(|image| wanted(&image.status)).count();
    let parts: Vec<String> = [
        (with(|status| matches!(status, Status::Copied)), "copied"),
        (
            with(|status| matches!(status, Status::AlreadyThere)),
            "there already",
        ),
        (with(|status| matches!(status, Status::Skipped(_))), "skipped"),
        (with(|status| matches!(status, Status::Failed(_))), "failed"),
        (with(|status| matches!(status, Status::Interrupted)), "stopped"),
    ]
    .iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, what)| format!("{number} {what}"))
    .collect();
    let parts = if parts.is_empty() {
        "nothing to do".to_owned()
    } else {
        parts.join(", ")
    };
    let total = count(job.images.len(), "image");
    let ignored = if job.ignore_errors && job.failures().next().is_some() {
        " (its failures are ignored)"
    } else {
        ""
    };
    let _ = writeln!(
        text,
        "{}: {total} in {}: {parts}{ignored}",
        job.job,
        duration(job.elapsed)
    );
    for (origin, moved) in &job.origins {
        let _ = writeln!(text, "  moved {} from {origin}", amount(*moved));
    }
    let tally = job.tally();
    for (amount_of, what) in [
        (tally.present, "there before"),
        (tally.mounted, "mounted from other repositories"),
        (tally.linked, "linked, without copying"),
        (tally.shared, "shared with other images of this run"),
    ] {
        if amount_of.blobs > 0 {
            let _ = writeln!(text, "  {} {what}", amount(amount_of));
        }
    }
}

fn amount(of: Count) -> String {
    format!("{} in {}", bytes(of.bytes), count(of.blobs, "blob"))
}

fn failure(text: &mut String, outcome: &ImageOutcome) {
    let _ = writeln!(text, "  {}", outcome.image);
    if outcome.source == outcome.destination {
        let _ = writeln!(text, "    way:   {}", outcome.source);
    } else {
        let _ = writeln!(
            text,
            "    from:  {}\n    to:    {}",
            outcome.source, outcome.destination
        );
    }
    match &outcome.status {
        Status::Failed(fault) => {
            let _ = writeln!(text, "    cause: {fault}");
            if let Some(hint) = fault.hint() {
                let _ = writeln!(text, "    hint:  {hint}");
            }
        }
        _ => text.push_str("    cause: stopped before its turn\n"),
    }
}

/// What is wrong with tasks that weren't begun.
pub fn problems(problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        let _ = writeln!(text, "error: {problem}");
    }
    text.push_str("Nothing was moved.");
    text
}
