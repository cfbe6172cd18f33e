//! Progress for programs: a JSON object a line. `docs/progress.md` has their fields.

use std::time::{Instant, SystemTime};

use serde_json::{Value, json};
use transload_registry_client::NoticeKind;
use transload_transfer::{Event, Summary};

use super::json_text::json_line;
use super::model::{Model, is_retry};
use crate::report::{ImageReport, ProjectReport, rfc3339, seconds};

/// The version of the lines. It grows where a program that reads the old ones would read the new ones wrongly.
const VERSION: u32 = 1;

/// A line of a type, with its fields.
pub(super) fn line(kind: &str, fields: Value) -> String {
    let mut line = serde_json::Map::new();
    line.insert("version".to_owned(), VERSION.into());
    line.insert("type".to_owned(), kind.into());
    line.insert("time".to_owned(), rfc3339(SystemTime::now()).into());
    if let Value::Object(fields) = fields {
        line.extend(fields);
    }
    json_line(&Value::Object(line))
}

/// A text that is for people all the same.
pub(super) fn text(kind: &str, text: &str) -> String {
    line(kind, json!({ "text": text.trim() }))
}

/// What happened, where it is told at once.
pub(super) fn event(event: &Event<'_>) -> Option<String> {
    Some(match event {
        Event::RunStarted { tasks } => {
            let tasks: Vec<Value> = tasks
                .iter()
                .map(|task| json!({ "name": task.job, "images": task.routes.as_ref().map(Vec::len) }))
                .collect();
            line("run_started", json!({ "tasks": tasks }))
        }
        Event::JobStarted { job, images } => line("task_started", json!({ "name": job, "images": images })),
        Event::ProjectCreated { project } => {
            let report = serde_json::to_value(ProjectReport::from(*project)).unwrap_or_default();
            line("project_created", report)
        }
        Event::ImagePlanned {
            image,
            blobs,
            new_bytes,
            ..
        } => line(
            "image_planned",
            json!({ "image": image, "blobs": blobs, "new_bytes": new_bytes }),
        ),
        Event::Trouble { image, notice } => {
            let kind = match notice.kind {
                NoticeKind::SlowDown { .. } => "slow_down",
                _ if is_retry(notice) => "retry",
                _ => "fallback",
            };
            line(
                kind,
                json!({
                    "image": image,
                    "registry": notice.registry.as_ref().map(ToString::to_string),
                    "repository": notice.repository.as_ref().map(ToString::to_string),
                    "operation": notice.operation,
                    "cause": notice.cause,
                    "attempt": notice.attempt,
                    "wait_seconds": seconds(notice.wait),
                }),
            )
        }
        Event::ImageFinished { outcome } => {
            let report = serde_json::to_value(ImageReport::of(outcome, false)).unwrap_or_default();
            line("image_finished", report)
        }
        Event::LayersCompared { compared, layers } => line(
            "layers_compared",
            json!({ "compared": compared, "layers": layers }),
        ),
        Event::DifferencesMade {
            layers,
            bytes,
            whole_bytes,
        } => line(
            "differences_made",
            json!({ "layers": layers, "bytes": bytes, "whole_bytes": whole_bytes }),
        ),
        Event::Notice { text: notice } => text("message", notice),
        Event::Warning { text: warning } => text("warning", warning),
        Event::JobSkipped { job, reason, .. } => {
            line("task_skipped", json!({ "name": job, "reason": reason }))
        }
        Event::JobFinished { summary, .. } => line(
            "task_finished",
            json!({
                "name": summary.job,
                "images": summary.images.len(),
                "failed": summary.failures().count(),
                "seconds": seconds(summary.elapsed),
            }),
        ),
        _ => return None,
    })
}

/// How far the run is.
pub(super) fn progress(model: &Model, now: Instant) -> String {
    let images = model.images();
    let (total, is_known) = model.total();
    let active: Vec<Value> = model
        .active()
        .iter()
        .map(|blob| {
            json!({
                "image": blob.image,
                "digest": blob.digest.to_string(),
                "bytes": blob.position,
                "total_bytes": blob.size,
            })
        })
        .collect();
    line(
        "progress",
        json!({
            "bytes": model.bytes(),
            "total_bytes": total,
            "total_is_known": is_known,
            "fraction": (model.filled() * 10_000.0).floor() / 10_000.0,
            "bytes_per_second": model.rate(now),
            "seconds_left": model.left().map(|left| left.as_secs()),
            "stalled_seconds": model.stalled(now).map(|since| since.as_secs()),
            "images": { "total": images.total, "done": images.done, "failed": images.failed },
            "retries": model.retries(),
            "active": active,
        }),
    )
}

/// The end of a run.
pub(super) fn end(summary: &Summary) -> String {
    let status = match (summary.interrupted, summary.is_success()) {
        (true, _) => "interrupted",
        (false, true) => "done",
        (false, false) => "failed",
    };
    line("run_finished", json!({ "status": status }))
}
