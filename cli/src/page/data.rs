//! What the page's template is given: texts, in the page's order.

use std::time::Duration;

use serde::Serialize;

use super::chart::{self, Row};
use crate::report::{ImageReport, ImageStatus, Report, RunStatus, TaskReport};
use crate::ui::{bytes, count, duration};

/// All of a page.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    style: &'static str,
    tool: String,
    heading: String,
    status: &'static str,
    began: String,
    ended: String,
    took: String,
    tiles: Vec<Tile>,
    failures: Vec<Failure>,
    images: Vec<Row>,
    images_note: String,
    platforms: Vec<Row>,
    tasks: Vec<Task>,
}

#[derive(Debug, Serialize)]
struct Tile {
    label: &'static str,
    value: String,
    kind: &'static str,
}

/// Images that failed alike.
#[derive(Debug, Serialize)]
struct Failure {
    cause: String,
    count: String,
    images: Vec<String>,
    hint: String,
}

#[derive(Debug, Serialize)]
struct Task {
    name: String,
    summary: String,
    notes: Vec<String>,
    images: Vec<Image>,
}

#[derive(Debug, Serialize)]
struct Image {
    status: &'static str,
    source: String,
    destination: String,
    lineage: Vec<String>,
    notes: Vec<String>,
    size: String,
    platforms: String,
    took: String,
}

impl Page {
    pub fn of(report: &Report, style: &'static str) -> Page {
        let (images, left_out) = chart::images(report);
        let counts = &report.totals.images;
        let names: Vec<&str> = report.tasks.iter().map(|task| task.name.as_str()).collect();
        let what = match names[..] {
            [one] => one.to_owned(),
            _ => count(names.len(), "task"),
        };
        Page {
            style,
            tool: report.transload.clone(),
            heading: format!("{what}: {}", count(counts.total, "image")),
            status: match report.status {
                RunStatus::Done => "done",
                RunStatus::Failed => "failed",
                RunStatus::Interrupted => "interrupted",
            },
            began: moment(&report.began),
            ended: moment(&report.ended),
            took: seconds(report.seconds),
            tiles: tiles(report),
            failures: failures(report),
            images,
            images_note: match left_out {
                0 => String::new(),
                left_out => format!("{} are smaller and have no bar here.", count(left_out, "image")),
            },
            platforms: chart::platforms(report),
            tasks: report.tasks.iter().map(task).collect(),
        }
    }
}

fn tiles(report: &Report) -> Vec<Tile> {
    let (images, blobs) = (&report.totals.images, &report.totals.blobs);
    let number = |label, number: usize, kind| (label, number.to_string(), number > 0, kind);
    [
        number("images copied", images.copied, "done"),
        number("there already", images.there, "done"),
        number("skipped", images.skipped, "caution"),
        number("failed", images.failed, "failed"),
        number(
            "stopped or not reached",
            images.stopped + images.not_reached,
            "caution",
        ),
        ("moved", bytes(blobs.moved.bytes), true, "plain"),
        number("blobs moved", blobs.moved.blobs, "plain"),
        number(
            "retries",
            usize::try_from(report.totals.retries).unwrap_or(usize::MAX),
            "plain",
        ),
    ]
    .into_iter()
    .filter(|(.., is_shown, _)| *is_shown)
    .map(|(label, value, _, kind)| Tile { label, value, kind })
    .collect()
}

fn failures(report: &Report) -> Vec<Failure> {
    let mut failures: Vec<(Failure, usize)> = Vec::new();
    let images = report.tasks.iter().flat_map(|task| {
        let of_task = task.errors.iter().map(|error| (task.name.clone(), error));
        let of_images = task.images.iter();
        of_task.chain(of_images.filter_map(|image| Some((name(&image.source), image.error.as_ref()?))))
    });
    for (name, error) in images {
        let cause = if error.cause.is_empty() {
            &error.message
        } else {
            &error.cause
        };
        let hint = error.hint.clone().unwrap_or_default();
        let alike = failures
            .iter_mut()
            .find(|(failure, _)| failure.cause == *cause && failure.hint == hint);
        match alike {
            Some((failure, number)) => {
                failure.images.push(name);
                *number += 1;
            }
            None => failures.push((
                Failure {
                    cause: cause.clone(),
                    count: String::new(),
                    images: vec![name],
                    hint,
                },
                1,
            )),
        }
    }
    failures
        .into_iter()
        .map(|(failure, number)| Failure {
            count: count(number, "image"),
            ..failure
        })
        .collect()
}

fn task(task: &TaskReport) -> Task {
    let counts = &task.totals.images;
    let parts: Vec<String> = [
        (counts.copied, "copied"),
        (counts.there, "there already"),
        (counts.skipped, "skipped"),
        (counts.failed, "failed"),
        (counts.stopped, "stopped"),
        (counts.not_reached, "not reached"),
    ]
    .iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, what)| format!("{number} {what}"))
    .collect();
    let moved = task.origins.iter().map(|origin| {
        let blobs = count(origin.blobs, "blob");
        format!("{} in {blobs} moved from {}", bytes(origin.bytes), origin.from)
    });
    let projects = task.projects.iter().map(|project| {
        let visibility = if project.public { "public" } else { "private" };
        format!(
            "the {visibility} project {} was created on {}",
            project.project, project.registry
        )
    });
    let notes = task.reason.iter().map(|reason| format!("Not done: {reason}"));
    let warnings = task.warnings.iter().map(|warning| format!("Warning: {warning}"));
    Task {
        name: task.name.clone(),
        summary: format!("{} in {}", parts.join(", "), seconds(task.seconds)),
        notes: notes.chain(moved).chain(projects).chain(warnings).collect(),
        images: task.images.iter().map(image).collect(),
    }
}

fn image(image: &ImageReport) -> Image {
    let size: u64 = chart::blobs(&image.parts).values().sum();
    let retries = match image.retries {
        0 => None,
        retries => Some(format!("{retries} retries: {}", image.retry_causes.join("; "))),
    };
    let notes = image.warnings.iter().map(|warning| format!("Warning: {warning}"));
    let verified = image.verified_by.iter().map(|by| format!("Verified by {by}"));
    let notes = verified.chain(notes).chain(image.reason.clone()).chain(retries);
    Image {
        status: match image.status {
            ImageStatus::Copied => "copied",
            ImageStatus::There => "there",
            ImageStatus::Skipped => "skipped",
            ImageStatus::Failed => "failed",
            ImageStatus::Stopped => "stopped",
            ImageStatus::NotReached => "not_reached",
        },
        source: image.source.clone(),
        destination: match image.destination == image.source {
            true => String::new(),
            false => image.destination.clone(),
        },
        lineage: lineage(image),
        notes: notes
            .chain(image.error.iter().map(|error| error.message.clone()))
            .collect(),
        size: if size > 0 { bytes(size) } else { String::new() },
        platforms: image.platforms.join(", "),
        took: seconds(image.seconds),
    }
}

/// Returns an image's digest and where it is from: an index that was cut has a new one.
fn lineage(image: &ImageReport) -> Vec<String> {
    let mut lines = Vec::new();
    match (&image.source_digest, &image.digest) {
        (Some(before), Some(after)) if before != after => {
            lines.push(after.clone());
            lines.push(format!("filtered to these platforms from {before}"));
        }
        (_, Some(digest)) => lines.push(digest.clone()),
        _ => {}
    }
    let is_index = image.parts.len() > 1;
    let parts = image
        .parts
        .iter()
        .filter(|part| is_index || Some(&part.digest) != image.digest.as_ref());
    lines.extend(parts.map(|part| {
        let platform = part.platform.as_deref().unwrap_or("without a platform");
        format!("{platform}: {}", part.digest)
    }));
    lines.extend(image.referrers.iter().map(|referrer| {
        let kind = referrer.artifact_type.as_deref().unwrap_or("a referrer");
        format!("with {kind}: {}", referrer.digest)
    }));
    lines
}

/// An image's name, without the directory that it is in.
pub(super) fn name(source: &str) -> String {
    source.split(" in ").next().unwrap_or(source).to_owned()
}

fn seconds(seconds: f64) -> String {
    Duration::try_from_secs_f64(seconds).map_or_else(|_| String::new(), duration)
}

/// `2026-11-29 13:02:19 UTC`.
fn moment(time: &str) -> String {
    let time = time.split('.').next().unwrap_or(time);
    format!("{} UTC", time.replace('T', " ").trim_end_matches('Z'))
}
