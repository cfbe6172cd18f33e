//! The transfer: what a task's images consist of (plan), and moving it (execute).
//!
//! ```text
//! Job -> prepare (names to sources and destinations; nothing moves before all tasks pass)
//!     -> plan (an image's manifests, platforms chosen; reads no blob but a config) -> Queue
//!     -> executor (blobs once each, then manifests, children first, then the tag) -> ImageOutcome -> JobSummary
//! ```
//!
//! Nothing here prints, exits or knows how the task was written.

mod at_work;
mod blobs;
mod clients;
mod course;
mod destination;
mod event;
mod executor;
mod fault;
mod fill;
mod flight;
mod globs;
mod local;
mod losses;
mod manifest_locks;
mod near;
mod outcome;
mod places;
mod plan;
mod pool;
mod prepare;
mod preview;
mod queue;
mod ranges;
mod refused;
mod room;
mod source;
mod staff;
mod tagging;
mod together;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rayon::ThreadPool;
use transload_layout_store::Opening;
use transload_registry_client::{
    Client, ClientBuilder, CredentialSource, DefaultCredentials, RetryPolicy, Timeouts, UploadJournal,
};

pub use event::{Event, How, Observer, Observers, Unobserved};
pub use fault::{Fault, Side};
pub use outcome::{Count, ImageOutcome, JobSummary, Route, Scheduled, Status, Tally};
pub use prepare::{Mapping, Problem};
pub use preview::{Disk, Host, ImagePreview, JobPreview, Login, Preview, preview};
pub use source::Source;

pub(crate) use clients::Clients;
pub(crate) use destination::{Bring, Destination, Expected, StoreDestination};
pub(crate) use prepare::{Preparation, check_across, prepare};
pub(crate) use source::{RegistrySource, StoreSource, config_of};

use crate::job::{Endpoint, Job};
use course::{Course, Turn};
use executor::Executor;
use flight::Flight;
use losses::AllLosses;
use places::{Places, Port, whole};
use pool::Pool;
use prepare::Prepared;

/// How transfers are done, whatever they move.
#[derive(Clone)]
pub struct Options {
    /// How many requests and blobs are under way at once.
    pub jobs: usize,
    /// How often a request that failed is tried again.
    pub request_retries: u32,
    /// How long a connection may go without a byte.
    pub idle: Duration,
    /// How many bytes may pass in a second over all connections, where that is limited.
    pub limit_rate: Option<u64>,
    /// Who keeps upload sessions for a later run.
    pub uploads: Option<Arc<dyn UploadJournal>>,
    /// Where credentials come from that no task gives.
    pub credentials: Arc<dyn CredentialSource>,
    /// Set by whoever wants the run to stop.
    pub cancel: Arc<AtomicBool>,
}

impl Options {
    /// How often a request that failed is tried again, where nobody says.
    pub(crate) const RETRIES: u32 = 5;

    /// For looking at things, and moving none.
    pub(crate) fn looking(jobs: usize, retries: u32, cancel: &Arc<AtomicBool>) -> Options {
        Options {
            jobs,
            request_retries: retries,
            idle: Timeouts::default().idle,
            limit_rate: None,
            uploads: None,
            credentials: Arc::new(DefaultCredentials::new()),
            cancel: Arc::clone(cancel),
        }
    }

    fn client_builder(&self) -> ClientBuilder {
        let mut timeouts = Timeouts::default();
        timeouts.idle = self.idle;
        // Who says that less than a connection's usual time is too long means that too.
        timeouts.connect = timeouts.connect.min(self.idle);
        let builder = match &self.uploads {
            Some(uploads) => Client::builder().upload_journal(Arc::clone(uploads)),
            None => Client::builder(),
        };
        builder
            .timeouts(timeouts)
            .jobs(self.jobs)
            .limit_rate(self.limit_rate)
            .retry(RetryPolicy::attempts(self.request_retries.saturating_add(1)))
            .credentials(Arc::clone(&self.credentials))
            .cancel(Arc::clone(&self.cancel))
    }

    fn opening(&self) -> Opening {
        Opening::until(Arc::clone(&self.cancel))
    }

    /// The threads for so many things at once.
    pub(crate) fn pool(&self, most: usize) -> Result<ThreadPool, Problem> {
        pool(self.jobs.min(most))
    }
}

/// So many threads.
pub(crate) fn pool(threads: usize) -> Result<ThreadPool, Problem> {
    pool::builder(threads)
        .build()
        .map_err(|error| no_threads(&error, "try a smaller --jobs"))
}

fn no_threads(error: &dyn fmt::Display, hint: &str) -> Problem {
    Problem {
        number: 0,
        job: "transload".to_owned(),
        side: None,
        message: format!("no threads: {error}"),
        hint: Some(hint.to_owned()),
        failed: false,
        place: None,
    }
}

/// What became of a run.
#[derive(Debug)]
pub struct Summary {
    /// What became of its tasks, in their order.
    pub jobs: Vec<JobSummary>,
    /// How many tasks weren't done, since earlier ones ended as they did.
    pub skipped: usize,
    /// Whether it was stopped.
    pub interrupted: bool,
}

impl Summary {
    /// Whether everything is where it should be, failures that a task ignores aside.
    pub fn is_success(&self) -> bool {
        self.jobs
            .iter()
            .all(|job| job.ignore_errors || job.failures().next().is_none())
    }
}

/// Does the tasks, one after another; the images inside each together. Its threads are left to the end of the process.
///
/// # Errors
/// Everything that is wrong with any of the tasks, before anything moved: a certificate that can't be read, a folder that is
/// no store, two images that would go to one destination.
pub fn run(jobs: &[Job], options: &Options, observer: &Arc<dyn Observer>) -> Result<Summary, Vec<Problem>> {
    let pool = Pool::new(options.jobs).map_err(|error| {
        let hint = "the limit on processes is reached: raise it (`ulimit -u`, a container's or a service's limit on tasks)";
        vec![no_threads(&error, hint)]
    })?;
    let mut summaries = Vec::new();
    let (mut told, losses) = (HashSet::new(), AllLosses::default());
    let mut clients = Clients::new(options, observer);
    let preparations = prepare_all(jobs, &mut clients)?;
    let tasks: Vec<Scheduled> = jobs.iter().zip(&preparations).map(scheduled).collect();
    observer.event(&Event::RunStarted { tasks: &tasks });
    let mut course = Course::default();
    let mut skipped = 0;
    for (number, (job, preparation)) in jobs.iter().zip(preparations).enumerate() {
        if options.cancel.load(Ordering::Relaxed) {
            break;
        }
        let (mut bound, mut wrong) = (None, None);
        match course.turn(job) {
            Turn::Do => {}
            Turn::DoInstead(job, warnings) => {
                for text in &warnings {
                    observer.event(&Event::Warning { text });
                }
                bound = Some(job);
            }
            Turn::Skip(reason) => {
                skipped += 1;
                observer.event(&Event::JobSkipped {
                    number,
                    job: &job.name,
                    reason: &reason,
                });
                continue;
            }
            Turn::Wrong(problems) => wrong = Some(problems),
        }
        let job = bound.as_deref().unwrap_or(job);
        let preparation = match preparation {
            _ if wrong.is_some() => Err(wrong.unwrap_or_default()),
            Preparation::Later => prepare(job, &HashSet::new(), &mut clients),
            ready => Ok(ready),
        };
        let mut summary = match preparation {
            Ok(Preparation::Ready(prepared)) => {
                let routes = prepared.routes();
                observer.event(&Event::TaskReached {
                    number,
                    routes: &routes,
                });
                run_job(prepared, options, &pool, observer.as_ref(), &losses, &mut told)
            }
            Ok(Preparation::Later) => continue,
            Err(problems) => not_begun(job, &problems),
        };
        course.done(job, &mut summary);
        observer.event(&Event::JobFinished {
            number,
            summary: &summary,
        });
        summaries.push(summary);
    }
    pool.leave();
    Ok(Summary {
        jobs: summaries,
        skipped,
        interrupted: options.cancel.load(Ordering::Relaxed),
    })
}

fn scheduled((job, preparation): (&Job, &Preparation<'_>)) -> Scheduled {
    Scheduled {
        job: job.name.clone(),
        routes: match preparation {
            Preparation::Ready(prepared) => Some(prepared.routes()),
            Preparation::Later => None,
        },
    }
}

/// Looks at all tasks before the first begins.
fn prepare_all<'a>(jobs: &'a [Job], clients: &mut Clients<'_>) -> Result<Vec<Preparation<'a>>, Vec<Problem>> {
    let mut filled: HashSet<PathBuf> = HashSet::new();
    let mut preparations = Vec::new();
    let mut problems = Vec::new();
    let mut follows_a_late_one = false;
    for (number, job) in jobs.iter().enumerate() {
        // A task that is read later may fill any directory.
        let waits = follows_a_late_one && job.source.as_ref().is_some_and(|source| source.store().is_some());
        if job.course.late.is_some() || waits {
            follows_a_late_one = true;
            preparations.push(Preparation::Later);
            continue;
        }
        match prepare(job, &filled, clients) {
            Ok(preparation) => preparations.push(preparation),
            Err(found) => problems.extend(found.into_iter().map(|problem| Problem { number, ..problem })),
        }
        filled.extend(job.destination.store().map(whole));
    }
    if problems.is_empty() {
        let ready = preparations
            .iter()
            .enumerate()
            .filter_map(|(number, preparation)| match preparation {
                Preparation::Ready(prepared) => Some((number, prepared)),
                Preparation::Later => None,
            })
            // A rescue brings what its block didn't.
            .filter(|(_, prepared)| !prepared.job.course.is_in_a_rescue());
        problems = check_across(&ready.collect::<Vec<_>>());
    }
    if problems.is_empty() {
        Ok(preparations)
    } else {
        Err(problems)
    }
}

/// Does a task. `told` are the cautions that were told to the user in this run.
fn run_job(
    prepared: Prepared<'_>,
    options: &Options,
    pool: &Pool,
    observer: &dyn Observer,
    losses: &AllLosses,
    told: &mut HashSet<String>,
) -> JobSummary {
    let started = Instant::now();
    let Prepared {
        job,
        images,
        refused,
        mut warnings,
        client,
    } = prepared;
    observer.event(&Event::JobStarted {
        job: &job.name,
        images: images.len() + refused.len(),
    });
    for warning in &warnings {
        observer.event(&Event::Warning { text: warning });
    }
    let mut places = Places::new(options.opening(), job).with_losses(losses);
    let mut flights = Vec::new();
    let mut grounded: Vec<ImageOutcome> = refused
        .into_iter()
        .map(|(mapping, fault)| ImageOutcome::blank(mapping.route(), Status::Failed(fault)))
        .collect();
    for mapping in images {
        match Fault::isolate(|| open(&mut places, &client, &mapping)) {
            Ok((source, port)) => flights.push(Flight::new(mapping, source, port)),
            Err(fault) => grounded.push(ImageOutcome::blank(mapping.route(), Status::Failed(fault))),
        }
    }
    let mut tell_cautions = |places: &Places| {
        for text in places.cautions() {
            if told.insert(text.clone()) {
                observer.event(&Event::Warning { text: &text });
                warnings.push(text);
            }
        }
    };
    tell_cautions(&places);
    for outcome in &grounded {
        observer.event(&Event::ImageFinished { outcome });
    }
    let executor = Executor::new(job, flights, client, pool, observer, &options.cancel);
    executor.run();
    // Some show only once something was written.
    tell_cautions(&places);
    places.leave_unchecked();
    warnings.extend(executor.warnings());
    let is_stopped = options.cancel.load(Ordering::Relaxed);
    let mut origins: BTreeMap<String, Count> = BTreeMap::new();
    let mut images = Vec::new();
    for flight in executor.into_flights() {
        let origin = flight.source.describe();
        let outcome = flight.into_outcome(is_stopped);
        let moved = outcome.blobs.moved;
        if moved.blobs > 0 {
            origins.entry(origin).or_default().add(moved.blobs, moved.bytes);
        }
        images.push(outcome);
    }
    images.extend(grounded);
    JobSummary {
        job: job.name.clone(),
        images,
        warnings,
        origins,
        elapsed: started.elapsed(),
        ignore_errors: job.ignore_errors,
    }
}

type Ends = (Arc<dyn source::Source>, Arc<Port>);

fn open(places: &mut Places<'_>, client: &Client, mapping: &Mapping) -> Result<Ends, Fault> {
    let source = places
        .source(client, &mapping.from)
        .map_err(|error| Fault::store(Side::Source, error))?;
    let port = places
        .port(client, &mapping.to)
        .map_err(|error| Fault::store(Side::Destination, error))?;
    Ok((source, port))
}

/// What stands for the images of a task that couldn't be begun.
pub(crate) const THE_TASK: &str = "(the task)";

/// A task that could only be looked at in its turn, and was found wrong then.
fn not_begun(job: &Job, problems: &[Problem]) -> JobSummary {
    let images = problems.iter().map(|problem| {
        let fault = Fault::refused(problem.side, problem.message.clone());
        let fault = match &problem.hint {
            Some(hint) => fault.with_hint(hint.clone()),
            None => fault,
        };
        let route = Route {
            image: THE_TASK.to_owned(),
            source: job.source.as_ref().map(Endpoint::to_string).unwrap_or_default(),
            destination: job.destination.to_string(),
        };
        ImageOutcome::blank(route, Status::Failed(fault))
    });
    JobSummary {
        job: job.name.clone(),
        images: images.collect(),
        warnings: Vec::new(),
        origins: BTreeMap::new(),
        elapsed: Duration::ZERO,
        ignore_errors: job.ignore_errors,
    }
}
