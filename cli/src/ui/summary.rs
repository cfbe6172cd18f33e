//! What became of a run, for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use transload_transfer::{Count, Fault, JobSummary, Status, Summary};

use super::causes::failures;
use super::format::{bytes, count, count_of, duration, wrap};
use super::paint::{Ink, Painter};
use super::platforms::{self, Shares};

/// What to do after a run that was stopped, or that another try may mend.
pub const GOES_ON: &str = "Run the same command again to continue. It copies nothing twice.";

/// How many causes of retries are told.
const MOST_RETRY_CAUSES: usize = 3;

/// How many destinations are told that lack images.
const MOST_DESTINATIONS: usize = 5;

/// What a run has besides what became of its tasks.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// How many tasks there were to do.
    pub jobs: usize,
    /// The causes of retries, the most frequent first.
    pub retries: &'a [(String, usize)],
    /// Whether a report is written.
    pub has_report: bool,
    /// How wide the terminal is, if it is one.
    pub width: Option<usize>,
}

/// Tells the failures by their causes, then the tasks' totals, then how to go on.
pub fn summary(summary: &Summary, told: Told<'_>) -> String {
    let painter = Painter::of_err();
    let mut text = String::new();
    let all = match told.has_report {
        true => "the report lists each image",
        false => "--report FILE lists each image",
    };
    for job in &summary.jobs {
        let failures = failures(job.images.iter(), all, told.width, painter);
        if failures.is_empty() {
            continue;
        }
        let of = match told.jobs {
            0 | 1 => String::new(),
            _ => format!(" ({})", job.job),
        };
        let heading = painter.paint(Ink::Failed, &format!("Failed{of}:"));
        let _ = write!(text, "\n{heading}\n{failures}");
    }
    if !text.is_empty() {
        text.push('\n');
    }
    for job in &summary.jobs {
        job_summary(&mut text, job, painter);
        cut_indexes(&mut text, job, told.width);
        other_platforms(&mut text, job, told.width);
    }
    retries(&mut text, told);
    if summary.interrupted {
        text.push_str("\nStopped.");
        let left = told.jobs.saturating_sub(summary.jobs.len() + summary.skipped);
        if left > 0 {
            let _ = write!(text, " {} not begun.", count(left, "task"));
        }
        text.push('\n');
    }
    if summary.interrupted || faults(summary).any(Fault::is_retryable) {
        text.push_str(GOES_ON);
        text.push('\n');
    }
    text
}

fn faults(summary: &Summary) -> impl Iterator<Item = &Fault> {
    let images = summary.jobs.iter().flat_map(|job| &job.images);
    images.filter_map(|image| match &image.status {
        Status::Failed(fault) => Some(fault),
        _ => None,
    })
}

fn retries(text: &mut String, told: Told<'_>) {
    let causes = told.retries;
    let number: usize = causes.iter().map(|(_, number)| number).sum();
    if number == 0 {
        return;
    }
    let mut named: Vec<String> = causes
        .iter()
        .take(MOST_RETRY_CAUSES)
        .map(|(cause, number)| match causes.len() {
            1 => cause.clone(),
            _ => format!("{cause} ({number})"),
        })
        .collect();
    if causes.len() > MOST_RETRY_CAUSES {
        named.push("others".to_owned());
    }
    let number = count_of(number, "retry", "retries");
    let line = format!("{number}: {}", named.join(", "));
    let _ = writeln!(text, "{}", wrap(&line, "  ", told.width));
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

/// At which destinations images are missing, where they go to several.
fn destinations(text: &mut String, job: &JobSummary) {
    let mut lacking: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for outcome in &job.images {
        let destination = outcome.label.strip_prefix(&*outcome.image);
        if let Some(destination) = destination.and_then(|rest| rest.strip_prefix(" to ")) {
            let (failed, all) = lacking.entry(destination).or_default();
            *failed += usize::from(!outcome.status.is_success());
            *all += 1;
        }
    }
    let count_all = lacking.len();
    lacking.retain(|_, (failed, _)| *failed > 0);
    if lacking.is_empty() {
        return;
    }
    let complete = count_all - lacking.len();
    let named = lacking.iter().take(MOST_DESTINATIONS);
    let mut named: Vec<String> = named
        .map(|(destination, (failed, all))| {
            format!("{destination} lacks {failed} of {}", count(*all, "image"))
        })
        .collect();
    if let more @ 1.. = lacking.len().saturating_sub(MOST_DESTINATIONS) {
        named.push(format!("and {more} more"));
    }
    let _ = writeln!(
        text,
        "  complete at {complete} of {count_all} destinations; {}",
        named.join(", ")
    );
}

fn job_summary(text: &mut String, job: &JobSummary, painter: Painter) {
    let with = |wanted: fn(&Status) -> bool| job.images.iter().filter(|image| wanted(&image.status)).count();
    let parts: Vec<String> = [
        (
            with(|status| matches!(status, Status::Copied)),
            "copied",
            Ink::Done,
        ),
        (
            with(|status| matches!(status, Status::AlreadyThere)),
            "there already",
            Ink::Done,
        ),
        (
            with(|status| matches!(status, Status::Skipped(_))),
            "skipped",
            Ink::Caution,
        ),
        (
            with(|status| matches!(status, Status::Failed(_))),
            "failed",
            Ink::Failed,
        ),
        (
            with(|status| matches!(status, Status::Interrupted)),
            "stopped",
            Ink::Caution,
        ),
    ]
    .into_iter()
    .filter(|(number, ..)| *number > 0)
    .map(|(number, what, ink)| painter.paint(ink, &format!("{number} {what}")))
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
    destinations(text, job);
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

/// Indexes that were cut have new digests, which is what somebody looks for who compares them.
fn cut_indexes(text: &mut String, job: &JobSummary, width: Option<usize>) {
    let copied = job
        .images
        .iter()
        .filter(|image| matches!(image.status, Status::Copied));
    let cut = copied
        .filter(|image| matches!((&image.source_digest, &image.digest), (Some(before), Some(after)) if before != after))
        .count();
    if cut > 0 {
        let indexes = count_of(cut, "index was", "indexes were");
        let line = format!(
            "{indexes} filtered to the chosen platforms, with a new digest (listed by -v and --report)"
        );
        let _ = writeln!(text, "{}", wrap(&line, "  ", width));
    }
}

fn other_platforms(text: &mut String, job: &JobSummary, width: Option<usize>) {
    if let Some(own) = platforms::own().filter(|_| job.takes_all_platforms) {
        let images = job.images.iter().filter(|image| image.status.is_success());
        let shares = Shares::of(images.map(|image| &*image.contents), &own);
        if let Some(told) = shares.text(&own) {
            let _ = writeln!(text, "{}", wrap(&told, "  ", width));
        }
    }
}

fn amount(of: Count) -> String {
    format!("{} in {}", bytes(of.bytes), count(of.blobs, "blob"))
}
