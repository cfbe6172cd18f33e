//! What became of a run, for people.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use transload_transfer::{Count, ImageOutcome, JobSummary, Status, Summary};

use super::format::{bytes, count, duration, platform_list, short_digest, way, wrap};

/// What to do after a run that was stopped or failed.
pub const GOES_ON: &str = "The same command goes on where this one ended: what is there isn't moved again.";

/// One image's outcome: a line, and one more for each thing to look at.
pub fn outcome_line(outcome: &ImageOutcome) -> String {
    let way = way(&outcome.source, &outcome.destination);
    let mut line = match &outcome.status {
        Status::Copied => format!("copied   {way}"),
        Status::AlreadyThere => format!("there    {way}"),
        Status::Skipped(reason) => format!("skipped  {way}\n         {reason}"),
        Status::Failed(fault) => format!("failed   {way}\n         {fault}"),
        Status::Interrupted => format!("stopped  {way}"),
    };
    if matches!(outcome.status, Status::Copied | Status::AlreadyThere) {
        if let Some(digest) = &outcome.digest {
            let _ = write!(line, "  {}", short_digest(digest));
        }
        if !outcome.platforms.is_empty() {
            let _ = write!(line, "  {}", platform_list(&outcome.platforms));
        }
    }
    if !outcome.verified_by.is_empty() {
        let _ = write!(
            line,
            "\n         verified by {}",
            outcome.verified_by.join(" and ")
        );
    }
    // Where all was there, this was told when it was brought.
    if let (Status::Copied, Some(before), Some(after)) =
        (&outcome.status, &outcome.source_digest, &outcome.digest)
        && before != after
    {
        let _ = write!(
            line,
            "\n         its index was {before}, and is {after} with only these platforms"
        );
    }
    for warning in &outcome.warnings {
        let _ = write!(line, "\n         warning: {warning}");
    }
    line
}

/// The failures with what to do about them, then the tasks' totals, then how to go on. `jobs` is how many tasks there were to do; on
/// a terminal, long lines are broken at `width`.
pub fn summary(summary: &Summary, jobs: usize, width: Option<usize>) -> String {
    let mut text = String::new();
    let mut has_failures = false;
    for job in &summary.jobs {
        let failed: Vec<(&ImageOutcome, &transload_transfer::Fault)> = job
            .images
            .iter()
            .filter_map(|image| match &image.status {
                Status::Failed(fault) => Some((image, fault)),
                _ => None,
            })
            .collect();
        if failed.is_empty() {
            continue;
        }
        has_failures = true;
        let of = if jobs > 1 {
            format!(" ({})", job.job)
        } else {
            String::new()
        };
        let _ = writeln!(text, "\nFailed{of}:");
        failures(&mut text, &failed, width);
    }
    if has_failures {
        text.push('\n');
    }
    for job in &summary.jobs {
        job_summary(&mut text, job);
    }
    if summary.interrupted {
        text.push_str("\nStopped.");
        let left = jobs.saturating_sub(summary.jobs.len() + summary.skipped);
        if left > 0 {
            let _ = write!(text, " {} not begun.", count(left, "task"));
        }
        text.push('\n');
    }
    if summary.interrupted || has_failures {
        text.push_str(GOES_ON);
        text.push('\n');
    }
    text
}

/// For how many images each voucher stands.
pub(super) fn vouchers<'a>(text: &mut String, images: impl Iterator<Item = &'a [String]>) {
    let mut verified: BTreeMap<String, usize> = BTreeMap::new();
    for vouchers in images.filter(|vouchers| !vouchers.is_empty()) {
        *verified.entry(vouchers.join(" and ")).or_default() += 1;
    }
    for (vouchers, images) in verified {
        let _ = writeln!(text, "  {} verified by {vouchers}", count(images, "image"));
    }
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
    let warnings = job.images.iter().map(|image| image.warnings.len()).sum::<usize>() + job.warnings.len();
    let warnings = match warnings {
        0 => String::new(),
        number => format!(", {}", count(number, "warning")),
    };
    let ignored = if job.ignore_errors && job.failures().next().is_some() {
        " (its failures are ignored)"
    } else {
        ""
    };
    let _ = writeln!(
        text,
        "{}: {} in {}: {parts}{warnings}{ignored}",
        job.job,
        count(job.images.len(), "image"),
        duration(job.elapsed)
    );
    vouchers(text, job.images.iter().map(|image| image.verified_by.as_slice()));
    let images = job.images.iter();
    let (carried, unasked) = images.fold((0, 0), |(carried, unasked), image| {
        (
            carried + image.referrers.len(),
            unasked + image.left_referrers.unasked,
        )
    });
    if carried > 0 {
        let _ = writeln!(text, "  {} came along", count(carried, "referrer"));
    }
    if unasked > 0 {
        let _ = writeln!(
            text,
            "  {} left behind, such as signatures and SBOMs (--referrers all or `referrers: all` brings them along)",
            count(unasked, "referrer")
        );
    }
    for project in &job.projects {
        let _ = writeln!(text, "  created the project {project}");
    }
    for (origin, moved) in &job.origins {
        let _ = writeln!(text, "  moved {} from {origin}", amount(*moved));
    }
    let tally = job.tally();
    for (amount_of, what) in [
        (tally.resumed, "kept from an earlier run"),
        (tally.present, "there before"),
        (tally.mounted, "mounted from other repositories"),
        (tally.linked, "linked, without copying"),
        (tally.cloned, "copied as shared blocks"),
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

/// The failures by what to do about them, and then by their cause: a registry that refuses a password fails every image, and is told of
/// once.
fn failures(text: &mut String, failed: &[(&ImageOutcome, &transload_transfer::Fault)], width: Option<usize>) {
    let mut places: HashMap<(Option<&str>, String), usize> = HashMap::new();
    let mut causes: Vec<(Option<&str>, String, Vec<&ImageOutcome>)> = Vec::new();
    for (outcome, fault) in failed {
        let cause = fault.to_string();
        let at = *places
            .entry((fault.hint(), cause.clone()))
            .or_insert(causes.len());
        if at == causes.len() {
            causes.push((fault.hint(), cause, Vec::new()));
        }
        causes[at].2.push(outcome);
    }
    let mut hints: Vec<Option<&str>> = Vec::new();
    let mut by_hint: HashMap<Option<&str>, Vec<usize>> = HashMap::new();
    for (at, (hint, ..)) in causes.iter().enumerate() {
        let group = by_hint.entry(*hint).or_insert_with(|| {
            hints.push(*hint);
            Vec::new()
        });
        group.push(at);
    }
    for hint in hints {
        for at in &by_hint[&hint] {
            let (_, cause, outcomes) = &causes[*at];
            for outcome in outcomes {
                let _ = writeln!(text, "  {}", way(&outcome.source, &outcome.destination));
            }
            let _ = writeln!(text, "{}", wrap(cause, "    ", width));
        }
        if let Some(hint) = hint {
            let _ = writeln!(text, "{}", wrap(&format!("hint: {hint}"), "  ", width));
        }
    }
}
