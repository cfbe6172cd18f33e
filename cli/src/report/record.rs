//! Who notes what happens, so that a report can be made at any moment.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use transload_registry_client::NoticeKind;
use transload_transfer::{Count, Event, ImageOutcome, JobSummary, Observer, Route, Status, THE_TASK};

use super::schema::{
    BlobReport, ErrorReport, ImageReport, ImageStatus, OriginReport, ProjectReport, Report, RunStatus,
    TaskReport, TaskStatus, TokenRequests, Totals, VERSION,
};
use super::time::{rfc3339, seconds};

/// How many different causes of retries are kept for an image.
const MOST_CAUSES: usize = 10;

/// An observer that can tell at any moment what became of a run so far: also when the run is cut short.
pub struct Recorder {
    began: SystemTime,
    since: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tasks: Vec<Task>,
    /// The task whose turn it is.
    now: Option<usize>,
}

#[derive(Default)]
struct Task {
    name: String,
    follows_a_task: bool,
    is_begun: bool,
    images: Vec<Row>,
    /// Where the row of an image is.
    rows: HashMap<String, usize>,
    /// Requests that were tried again for no image.
    retries: u64,
    projects: Vec<ProjectReport>,
    end: Option<End>,
    skipped: Option<String>,
}

struct Row {
    route: Route,
    is_begun: bool,
    outcome: Option<ImageOutcome>,
    retries: u64,
    causes: Vec<String>,
}

/// What is known of a task once it is over.
struct End {
    elapsed: Duration,
    ignore_errors: bool,
    warnings: Vec<String>,
    errors: Vec<ErrorReport>,
    origins: Vec<(String, Count)>,
    bundles: Vec<String>,
    token_requests: Vec<TokenRequests>,
}

impl Recorder {
    /// Of a run that begins now, with tasks of these names. Their images are told once the run has prepared them.
    pub fn new<'a>(tasks: impl IntoIterator<Item = &'a str>) -> Recorder {
        let unprepared = |name: &str| Task {
            name: name.to_owned(),
            ..Task::default()
        };
        let state = State {
            tasks: tasks.into_iter().map(unprepared).collect(),
            now: None,
        };
        Recorder {
            began: SystemTime::now(),
            since: Instant::now(),
            state: Mutex::new(state),
        }
    }

    /// What became of the run up to now.
    pub fn report(&self, interrupted: bool) -> Report {
        let state = self.state();
        let tasks: Vec<TaskReport> = state.tasks.iter().map(|task| task.report(interrupted)).collect();
        let mut totals = Totals::default();
        for task in &tasks {
            totals.add(&task.totals);
        }
        let fails = |task: &TaskReport| {
            !task.ignore_errors && (task.totals.images.failed > 0 || !task.errors.is_empty())
        };
        let elapsed = self.since.elapsed();
        Report {
            version: VERSION,
            transload: env!("CARGO_PKG_VERSION").to_owned(),
            began: rfc3339(self.began),
            ended: rfc3339(self.began + elapsed),
            seconds: seconds(elapsed),
            status: match (interrupted, tasks.iter().any(fails)) {
                (true, _) => RunStatus::Interrupted,
                (false, true) => RunStatus::Failed,
                (false, false) => RunStatus::Done,
            },
            totals,
            tasks,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Recorder {
    fn event(&self, event: &Event<'_>) {
        let mut state = self.state();
        match event {
            Event::RunStarted { tasks } => {
                state.tasks = tasks
                    .iter()
                    .map(|scheduled| {
                        let mut task = Task {
                            name: scheduled.job.clone(),
                            follows_a_task: scheduled.routes.is_none(),
                            ..Task::default()
                        };
                        task.route(scheduled.routes.as_deref().unwrap_or_default());
                        task
                    })
                    .collect();
            }
            Event::TaskReached { number, routes } => {
                state.now = Some(*number);
                if let Some(task) = state.tasks.get_mut(*number) {
                    task.is_begun = true;
                    task.route(routes);
                }
            }
            Event::ProjectCreated { project } => {
                if let Some(task) = state.task() {
                    task.projects.push((*project).into());
                }
            }
            Event::ImagePlanned { image, .. } | Event::BlobStarted { image, .. } => {
                if let Some(row) = state.row(image) {
                    row.is_begun = true;
                }
            }
            Event::Trouble { image, notice } => {
                if matches!(notice.kind, NoticeKind::Retry | NoticeKind::Resume { .. }) {
                    let cause = format!("{}: {}", notice.operation, notice.cause);
                    state.retried(*image, cause);
                }
            }
            Event::ImageFinished { outcome } => {
                if let Some(row) = state.row(&outcome.label) {
                    row.outcome = Some((*outcome).clone());
                }
            }
            Event::ImageReopened { image } => {
                if let Some(row) = state.row(image) {
                    row.outcome = None;
                }
            }
            Event::JobSkipped { number, reason, .. } => {
                if let Some(task) = state.tasks.get_mut(*number) {
                    task.images.clear();
                    task.skipped = Some((*reason).to_owned());
                }
            }
            Event::JobFinished { number, summary } => {
                if let Some(task) = state.tasks.get_mut(*number) {
                    task.finish(summary);
                }
            }
            _ => {}
        }
    }
}

impl State {
    fn task(&mut self) -> Option<&mut Task> {
        self.now.and_then(|now| self.tasks.get_mut(now))
    }

    fn row(&mut self, image: &str) -> Option<&mut Row> {
        self.task()?.row(image)
    }

    fn retried(&mut self, image: Option<&str>, cause: String) {
        let Some(task) = self.task() else { return };
        let Some(row) = image.and_then(|image| task.row(image)) else {
            task.retries += 1;
            return;
        };
        row.is_begun = true;
        row.retries += 1;
        if row.causes.len() < MOST_CAUSES && !row.causes.contains(&cause) {
            row.causes.push(cause);
        }
    }
}

impl Task {
    fn route(&mut self, routes: &[Route]) {
        self.rows = routes
            .iter()
            .enumerate()
            .map(|(row, route)| (route.label.clone(), row))
            .collect();
        self.images = routes
            .iter()
            .map(|route| Row {
                route: route.clone(),
                is_begun: false,
                outcome: None,
                retries: 0,
                causes: Vec::new(),
            })
            .collect();
    }

    fn row(&mut self, image: &str) -> Option<&mut Row> {
        self.rows.get(image).and_then(|&row| self.images.get_mut(row))
    }

    fn finish(&mut self, summary: &JobSummary) {
        let mut errors = Vec::new();
        for outcome in &summary.images {
            match (self.row(&outcome.label), &outcome.status) {
                (Some(row), _) => row.outcome = Some(outcome.clone()),
                // What stands for a task that couldn't be begun.
                (None, Status::Failed(fault)) => errors.push(ErrorReport::from(fault)),
                (None, _) => {}
            }
        }
        self.projects = summary.projects.iter().map(ProjectReport::from).collect();
        self.end = Some(End {
            elapsed: summary.elapsed,
            ignore_errors: summary.ignore_errors,
            warnings: summary.warnings.clone(),
            errors,
            origins: summary
                .origins
                .iter()
                .map(|(from, count)| (from.clone(), *count))
                .collect(),
            bundles: summary.bundles.iter().map(ToString::to_string).collect(),
            token_requests: summary
                .token_requests
                .iter()
                .map(|(endpoint, &requests)| TokenRequests {
                    endpoint: endpoint.clone(),
                    requests,
                })
                .collect(),
        });
    }

    fn report(&self, interrupted: bool) -> TaskReport {
        let images: Vec<ImageReport> = self.images.iter().map(Row::report).collect();
        let mut totals = Totals {
            retries: self.retries,
            ..Totals::default()
        };
        for image in &images {
            totals.images.count(image.status);
            totals.blobs.add(&image.blobs);
            totals.retries += image.retries;
        }
        let is_cut = totals.images.stopped + totals.images.not_reached > 0 || self.end.is_none();
        let end = self.end.as_ref();
        TaskReport {
            name: self.name.clone(),
            status: match (self.is_begun, interrupted && is_cut) {
                _ if self.skipped.is_some() => TaskStatus::Skipped,
                (false, _) => TaskStatus::NotBegun,
                (true, true) => TaskStatus::Stopped,
                (true, false) => TaskStatus::Done,
            },
            seconds: end.map_or(0.0, |end| seconds(end.elapsed)),
            ignore_errors: end.is_some_and(|end| end.ignore_errors),
            follows_a_task: self.follows_a_task,
            reason: self.skipped.clone(),
            warnings: end.map(|end| end.warnings.clone()).unwrap_or_default(),
            errors: end.map(|end| end.errors.clone()).unwrap_or_default(),
            projects: self.projects.clone(),
            origins: end.map(End::origins).unwrap_or_default(),
            bundles: end.map(|end| end.bundles.clone()).unwrap_or_default(),
            token_requests: end.map(|end| end.token_requests.clone()).unwrap_or_default(),
            totals,
            images,
        }
    }
}

impl End {
    fn origins(&self) -> Vec<OriginReport> {
        let origin = |(from, count): &(String, Count)| OriginReport {
            from: from.clone(),
            blobs: count.blobs,
            bytes: count.bytes,
        };
        self.origins.iter().map(origin).collect()
    }
}

impl Row {
    fn report(&self) -> ImageReport {
        let outcome = self.outcome.clone();
        let outcome = outcome.unwrap_or_else(|| ImageOutcome::blank(self.route.clone(), Status::Interrupted));
        ImageReport {
            retries: self.retries,
            retry_causes: self.causes.clone(),
            ..ImageReport::of(&outcome, self.is_begun)
        }
    }
}

impl TaskReport {
    /// What became of a task that is over.
    pub(crate) fn of(summary: &JobSummary) -> TaskReport {
        let mut task = Task {
            name: summary.job.clone(),
            is_begun: true,
            ..Task::default()
        };
        let images = summary.images.iter().filter(|image| image.image != THE_TASK);
        let routes: Vec<Route> = images
            .map(|image| Route {
                image: image.image.clone(),
                label: image.label.clone(),
                source: image.source.clone(),
                destination: image.destination.clone(),
            })
            .collect();
        task.route(&routes);
        task.finish(summary);
        task.report(false)
    }
}

impl ImageReport {
    /// What became of an image. `is_begun` is whether something of it happened, for an outcome that doesn't know.
    pub fn of(outcome: &ImageOutcome, is_begun: bool) -> ImageReport {
        let (status, reason, error) = match &outcome.status {
            Status::Copied => (ImageStatus::Copied, None, None),
            Status::AlreadyThere => (ImageStatus::There, None, None),
            Status::Skipped(reason) => (ImageStatus::Skipped, Some(reason.clone()), None),
            Status::Failed(fault) => (ImageStatus::Failed, None, Some(ErrorReport::from(fault))),
            Status::Interrupted if is_begun || outcome.attempts > 0 => (ImageStatus::Stopped, None, None),
            Status::Interrupted => (ImageStatus::NotReached, None, None),
        };
        ImageReport {
            image: outcome.image.clone(),
            source: outcome.source.clone(),
            destination: outcome.destination.clone(),
            status,
            source_digest: outcome.source_digest.as_ref().map(ToString::to_string),
            digest: outcome.digest.as_ref().map(ToString::to_string),
            platforms: outcome.platforms.iter().map(ToString::to_string).collect(),
            referrers: outcome.referrers.iter().map(Into::into).collect(),
            left_referrers: outcome.left_referrers.into(),
            parts: outcome.contents.iter().map(Into::into).collect(),
            blobs: (&outcome.blobs).into(),
            attempts: outcome.attempts.max(u32::from(is_begun)),
            retries: 0,
            retry_causes: Vec::new(),
            began: outcome.began.map(rfc3339),
            ended: outcome.began.map(|began| rfc3339(began + outcome.elapsed)),
            seconds: seconds(outcome.elapsed),
            warnings: outcome.warnings.clone(),
            verified_by: outcome.verified_by.clone(),
            reason,
            error,
        }
    }
}

impl Totals {
    fn add(&mut self, more: &Totals) {
        let (images, other) = (&mut self.images, &more.images);
        images.total += other.total;
        images.copied += other.copied;
        images.there += other.there;
        images.skipped += other.skipped;
        images.failed += other.failed;
        images.stopped += other.stopped;
        images.not_reached += other.not_reached;
        self.blobs.add(&more.blobs);
        self.retries += more.retries;
    }
}

impl BlobReport {
    fn add(&mut self, more: &BlobReport) {
        for (count, other) in [
            (&mut self.moved, more.moved),
            (&mut self.resumed, more.resumed),
            (&mut self.skipped, more.skipped),
            (&mut self.mounted, more.mounted),
            (&mut self.linked, more.linked),
            (&mut self.cloned, more.cloned),
            (&mut self.shared, more.shared),
        ] {
            count.blobs += other.blobs;
            count.bytes = count.bytes.saturating_add(other.bytes);
        }
    }
}
