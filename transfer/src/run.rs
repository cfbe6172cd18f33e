//! A run: its jobs one after another, the images of each together.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use transload_archive::bundle::Holdings;
use transload_registry_client::Client;

use crate::clients::{Clients, expect};
use crate::ends::{DestinationState, Ends};
use crate::event::{Event, Observer};
use crate::executor::Executor;
use crate::fault::Fault;
use crate::image_task::ImageTask;
use crate::job::{Endpoint, Job};
use crate::options::{Options, no_threads};
use crate::outcome::{Count, ImageOutcome, JobSummary, Route, Scheduled, Status};
use crate::place::{AllLosses, LocalPlace, Source};
use crate::pool::Pool;
use crate::prepare::{Mapping, Preparation, Prepared, Problem, check_across, prepare};
use crate::projects::{KnownProjects, Projects};
use crate::turns::{InOrder, Turn, Turns};

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
    run_in_turns(jobs, &mut InOrder, options, observer)
}

/// Does the tasks as [`run`] does, where `turns` decides what becomes of each once those before it are done.
///
/// # Errors
/// See [`run`].
pub fn run_in_turns(
    jobs: &[Job],
    turns: &mut dyn Turns,
    options: &Options,
    observer: &Arc<dyn Observer>,
) -> Result<Summary, Vec<Problem>> {
    let pool = Pool::new(options.jobs).map_err(|error| vec![no_threads(&error)])?;
    let mut summaries = Vec::new();
    let (mut told, losses) = (HashSet::new(), AllLosses::default());
    let mut known = KnownProjects::default();
    let mut clients = Clients::new(options, observer);
    // Other tasks might need it, too.
    if let [job] = jobs {
        clients.send_straight(job);
    }
    let preparations = prepare_all(jobs, &mut clients)?;
    tell_start(jobs, &preparations, observer.as_ref());
    let mut skipped = 0;
    for (number, (job, preparation)) in jobs.iter().zip(preparations).enumerate() {
        if options.cancel.load(Ordering::Relaxed) {
            break;
        }
        let (mut read_late, mut wrong) = (None, None);
        match turns.turn(number, job) {
            Turn::Run => {}
            Turn::RunAs(job, warnings) => {
                for text in &warnings {
                    observer.event(&Event::Warning { text });
                }
                read_late = Some(job);
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
            Turn::Refuse(faults) => {
                let problem = |fault: &Fault| Problem::of_job(job, fault);
                wrong = Some(faults.iter().map(problem).collect::<Vec<_>>());
            }
        }
        let job = read_late.as_deref().unwrap_or(job);
        let preparation = match preparation {
            _ if wrong.is_some() => Err(wrong.unwrap_or_default()),
            Preparation::Later => prepare(job, &HashSet::new(), &mut clients),
            ready => Ok(ready),
        };
        let mut summary = match preparation {
            Ok(Preparation::Ready(prepared)) => {
                observer.event(&Event::TaskReached {
                    number,
                    routes: &prepared.routes(),
                });
                run_job(
                    prepared,
                    options,
                    &pool,
                    observer.as_ref(),
                    &losses,
                    (&mut known, &mut told),
                )
            }
            Ok(Preparation::Later) => continue,
            Err(problems) => not_begun(job, &problems),
        };
        turns.done(number, job, &mut summary);
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

/// Tells all that there is to do, which nobody here needs afterwards.
fn tell_start(jobs: &[Job], preparations: &[Preparation<'_>], observer: &dyn Observer) {
    let tasks: Vec<Scheduled> = jobs.iter().zip(preparations).map(scheduled).collect();
    observer.event(&Event::RunStarted { tasks: &tasks });
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
pub(crate) fn prepare_all<'a>(
    jobs: &'a [Job],
    clients: &mut Clients<'_>,
) -> Result<Vec<Preparation<'a>>, Vec<Problem>> {
    let mut filled: HashSet<LocalPlace> = HashSet::new();
    let mut preparations = Vec::new();
    let mut problems = Vec::new();
    let mut follows_a_late_one = false;
    for (number, job) in jobs.iter().enumerate() {
        // A task that is read later may fill any directory.
        let waits = follows_a_late_one && job.source.as_ref().is_some_and(|source| source.local().is_some());
        if job.is_late || waits {
            follows_a_late_one = true;
            preparations.push(Preparation::Later);
            continue;
        }
        match prepare(job, &filled, clients) {
            Ok(preparation) => preparations.push(preparation),
            Err(found) => problems.extend(found.into_iter().map(|problem| Problem { number, ..problem })),
        }
        filled.extend(job.destinations().filter_map(Endpoint::local).cloned());
    }
    if problems.is_empty() {
        let ready = preparations
            .iter()
            .enumerate()
            .filter_map(|(number, preparation)| match preparation {
                Preparation::Ready(prepared) => Some((number, prepared)),
                Preparation::Later => None,
            })
            // A fallback brings what another job didn't.
            .filter(|(_, prepared)| !prepared.job.is_fallback);
        problems = check_across(&ready.collect::<Vec<_>>());
    }
    if problems.is_empty() {
        Ok(preparations)
    } else {
        Err(problems)
    }
}

/// Does a task. `known` are the projects that this run knows, `told` the cautions that were told to the user in it.
fn run_job(
    prepared: Prepared<'_>,
    options: &Options,
    pool: &Pool,
    observer: &dyn Observer,
    losses: &AllLosses,
    (known, told): (&mut KnownProjects, &mut HashSet<String>),
) -> JobSummary {
    let started = Instant::now();
    let Prepared {
        job,
        images,
        refused,
        mut warnings,
        client,
        opener,
        choice,
    } = prepared;
    observer.event(&Event::JobStarted {
        job: &job.name,
        images: images.len() + refused.len(),
    });
    for warning in &warnings {
        observer.event(&Event::Warning { text: warning });
    }
    expect(&client, &images);
    let projects = match job.create_projects {
        Some(visibility) => known.provide(&client, visibility, &images, false),
        None => Projects::default(),
    };
    for project in &projects.created {
        observer.event(&Event::ProjectCreated { project });
    }
    let mut ends = Ends::new(opener, job, choice).with_losses(losses);
    let mut image_tasks = Vec::with_capacity(images.len());
    let mut grounded: Vec<ImageOutcome> = refused
        .into_iter()
        .map(|(mapping, fault)| ImageOutcome::blank(mapping.route(), Status::Failed(fault)))
        .collect();
    for mapping in images {
        let opened = match projects.fault(&mapping.to) {
            Some(fault) => Err(fault.clone()),
            None => Fault::isolate(|| open(&mut ends, &client, &mapping)),
        };
        match opened {
            Ok((source, state)) => image_tasks.push(ImageTask::new(mapping, source, state)),
            Err(fault) => grounded.push(ImageOutcome::blank(mapping.route(), Status::of(fault))),
        }
    }
    let mut tell_cautions = |ends: &Ends| {
        for text in ends.cautions() {
            if told.insert(text.clone()) {
                observer.event(&Event::Warning { text: &text });
                warnings.push(text);
            }
        }
    };
    tell_cautions(&ends);
    for outcome in &grounded {
        observer.event(&Event::ImageFinished { outcome });
    }
    let bundles = image_tasks
        .iter()
        .filter_map(|task| task.source.bundle().cloned());
    let bundles = bundles.collect();
    let executor = Executor::new(job, image_tasks, client.clone(), pool, observer, &options.cancel);
    executor.run();
    // Some show only once something was written.
    tell_cautions(&ends);
    ends.leave_unchecked();
    warnings.extend(executor.warnings());
    let missing = executor.missing();
    let is_stopped = options.cancel.load(Ordering::Relaxed);
    let mut origins: BTreeMap<String, Count> = BTreeMap::new();
    let mut images = Vec::new();
    for image_task in executor.into_tasks() {
        let origin = image_task.source.describe();
        let read = image_task.source.read();
        let outcome = image_task.into_outcome(is_stopped);
        let moved = outcome.blobs.moved;
        if let Some(read) = read.filter(|read| read.blobs > 0) {
            // Read once, however many destinations it went to.
            origins.insert(origin, read);
        } else if moved.blobs > 0 {
            origins.entry(origin).or_default().add(moved.blobs, moved.bytes);
        }
        images.push(outcome);
    }
    images.extend(grounded);
    let of_indexes: Vec<usize> = images
        .iter()
        .map(|outcome| outcome.left_referrers.of_index)
        .filter(|number| *number > 0)
        .collect();
    if let (number @ 1.., indexes) = (of_indexes.iter().sum::<usize>(), of_indexes.len()) {
        let text = left_with_indexes(number, indexes);
        observer.event(&Event::Warning { text: &text });
        warnings.push(text);
    }
    JobSummary {
        job: job.name.clone(),
        images,
        warnings,
        projects: projects.created,
        origins,
        token_requests: client.take_token_requests(),
        missing,
        missing_file: job.missing.clone(),
        bundles,
        elapsed: started.elapsed(),
        ignore_errors: job.ignore_errors,
        takes_all_platforms: job.platforms.patterns().is_none(),
    }
}

/// What is told of the referrers of indexes that were cut.
fn left_with_indexes(number: usize, indexes: usize) -> String {
    match (number, indexes) {
        (1, _) => "the index's signature isn't carried: `--index original` keeps it".to_owned(),
        (number, 1) => format!(
            "{number} signatures and other referrers of the index aren't carried: `--index original` keeps them"
        ),
        (number, indexes) => format!(
            "{number} signatures and other referrers of {indexes} indexes aren't carried: `--index original` keeps them"
        ),
    }
}

type Opened = (Arc<dyn Source>, Arc<DestinationState>);

fn open(ends: &mut Ends, client: &Client, mapping: &Mapping) -> Result<Opened, Fault> {
    let source = ends.source(client, mapping.from.place())?;
    Ok((source, ends.state(client, mapping.to.place())?))
}

/// What stands for the images of a task that couldn't be begun.
pub const THE_TASK: &str = "(the task)";

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
            label: THE_TASK.to_owned(),
        };
        ImageOutcome::blank(route, Status::Failed(fault))
    });
    JobSummary {
        job: job.name.clone(),
        images: images.collect(),
        warnings: Vec::new(),
        projects: Vec::new(),
        origins: BTreeMap::new(),
        token_requests: BTreeMap::new(),
        missing: Holdings::default(),
        missing_file: None,
        bundles: BTreeSet::new(),
        elapsed: Duration::ZERO,
        ignore_errors: job.ignore_errors,
        takes_all_platforms: false,
    }
}
