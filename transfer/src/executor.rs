//! Moves what was planned: blobs, then manifests, children first, then the tag.
//!
//! All work of a task goes through one [`Queue`], drained by its [`WorkerPool`], a thread of the pool each. Nothing waits inside a worker: whoever finishes a
//! piece of work queues what it unblocks.

mod bring;
mod files;
mod gaps;
mod publish;
mod repair;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rayon::Scope;
use transload_archive::bundle::Holdings;
use transload_reference::{Descriptor, Registry, Repository};
use transload_registry_client::Client;

use super::blobs::ImageId;
use super::current_image;
use super::event::{Event, Observer};
use super::fault::Fault;
use super::image_task::ImageTask;
use super::outcome::Status;
use super::plan::{self, Plan, Planned};
use super::pool::Pool;
use super::queue::{Rank, Work};
use super::ranges::{RangeFetch, RangeWorker, RangeWorkers};
use super::shares::{DestinationId, Shares};
use super::space::SpaceReservation;
use super::worker_pool::WorkerPool;
use crate::job::{Job, Target};
use crate::lock::lock;
use crate::panics::{self, Panicked};

/// How soon, at first and in the long run, it is looked again whether registries are asked for more at once by now, so that more workers are
/// of use. That changes in the beginning mostly, and each look takes a core from somebody who was at work.
const REVIEW: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(100)];

/// In between, it is looked again after this part of the time that has passed.
const REVIEW_PART: u32 = 8;

/// How many files are copied at once where no registry has a part in it: a disk isn't quicker for more.
const MOST_LOCAL: usize = 16;

/// A task's images on their way.
pub(crate) struct Executor<'a> {
    pub job: &'a Job,
    pub image_tasks: Vec<ImageTask>,
    pub observer: &'a dyn Observer,
    pub cancel: &'a AtomicBool,
    client: Client,
    pool: &'a Pool,
    /// Those that images come from or go to.
    registries: BTreeSet<Registry>,
    queue: Shares<ImageId, BlobWork, RangeWork>,
    /// By image, which of the job's destinations it goes to.
    destinations: Vec<DestinationId>,
    worker_pool: WorkerPool,
    /// Those that belong to no image.
    warnings: Mutex<Vec<String>>,
    /// Whether no blob may come yet, since a source lacks some: it is looked first whether the destination has them.
    looks_for_gaps: AtomicBool,
    missing: Mutex<Holdings>,
}

/// Idle workers, which may fetch ranges of a blob of an image.
struct Idle<'e, 's, 'scope> {
    executor: &'scope Executor<'e>,
    scope: &'s Scope<'scope>,
    image: ImageId,
}

impl RangeWorkers for Idle<'_, '_, '_> {
    fn idle(&self) -> usize {
        if self.executor.queue.is_empty() {
            self.executor.bound().saturating_sub(self.busy())
        } else {
            0
        }
    }

    fn busy(&self) -> usize {
        self.executor.worker_pool.busy()
    }

    fn call(&self, fetch: &Arc<RangeFetch>) {
        let work = RangeWork {
            image: self.image,
            fetch: Arc::clone(fetch),
        };
        self.executor.push(self.scope, Work::Ranges(work));
    }
}

/// A blob that an image has to bring.
pub(crate) struct BlobWork {
    image: ImageId,
    blob: Descriptor,
    mount_from: Option<Repository>,
    /// The room that is set aside for it; none where it was another image that planned it.
    reservation: Option<SpaceReservation>,
}

/// A large blob of an image, whose ranges others may fetch.
struct RangeWork {
    image: ImageId,
    fetch: Arc<RangeFetch>,
}

impl<'a> Executor<'a> {
    pub fn new(
        job: &'a Job,
        image_tasks: Vec<ImageTask>,
        client: Client,
        pool: &'a Pool,
        observer: &'a dyn Observer,
        cancel: &'a AtomicBool,
    ) -> Self {
        let ends = image_tasks
            .iter()
            .flat_map(|image_task| [&image_task.mapping.from, &image_task.mapping.to]);
        let registries: BTreeSet<Registry> = ends.filter_map(Target::registry).cloned().collect();
        let most = match registries.is_empty() {
            true => most_local(&image_tasks),
            false => usize::MAX,
        };
        let workers = pool.most().min(most);
        let destinations = numbers_of_destinations(&image_tasks);
        let count = destinations.iter().max().map_or(1, |last| last + 1);
        Executor {
            job,
            registries,
            image_tasks,
            client,
            pool,
            observer,
            cancel,
            looks_for_gaps: AtomicBool::default(),
            missing: Mutex::default(),
            queue: Shares::new(workers, count),
            destinations,
            worker_pool: WorkerPool::new(workers),
            warnings: Mutex::default(),
        }
    }

    /// Moves all images. Those that failed and may yet succeed get `job.retries` further tries, after the others are done.
    pub fn run(&self) {
        let mut images: Vec<ImageId> = (0..self.image_tasks.len()).collect();
        for attempt in 0..=self.job.retries {
            if attempt > 0 {
                // Any of them: one that was done may have been opened again.
                images = (0..self.image_tasks.len())
                    .filter(|&image| self.image_tasks[image].renew())
                    .collect();
                if images.is_empty() || self.is_cancelled() {
                    break;
                }
                let text = format!(
                    "trying {} failed images again ({attempt} of {})",
                    images.len(),
                    self.job.retries
                );
                self.observer.event(&Event::Notice { text: &text });
                self.client.readmit_hosts();
            }
            self.look_for_gaps(&images);
            self.work_on(&images, Work::Plan);
            let mut ready = self.close_gaps();
            ready.extend(self.lay_out_files());
            self.work_on(&ready, Work::Claim);
        }
        self.finish_files();
    }

    /// Begins with this work for images, and does everything that comes of it.
    fn work_on(&self, images: &[ImageId], begin: fn(ImageId) -> Work<ImageId, BlobWork, RangeWork>) {
        if images.is_empty() {
            return;
        }
        self.pool.scope(|scope| {
            for &image in images {
                self.push(scope, begin(image));
            }
            let (began, [soonest, latest]) = (Instant::now(), REVIEW);
            while !self
                .worker_pool
                .wait((began.elapsed() / REVIEW_PART).clamp(soonest, latest))
            {
                self.spawn_for(scope, self.queue.len());
            }
        });
    }

    /// Tells a warning that belongs to no image.
    fn warn(&self, text: &str) {
        self.observer.event(&Event::Warning { text });
        let mut warnings = lock(&self.warnings);
        warnings.push(text.to_owned());
    }

    /// The warnings that were told and belong to no image.
    pub fn warnings(&self) -> Vec<String> {
        lock(&self.warnings).clone()
    }

    /// The images' image_tasks.
    pub fn into_tasks(self) -> Vec<ImageTask> {
        self.image_tasks
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// How many workers there may be now: the registries' limits change on the way.
    fn bound(&self) -> usize {
        let places = || {
            let each = self.registries.iter();
            each.map(|registry| self.client.permits(registry)).sum()
        };
        self.worker_pool.bound((!self.registries.is_empty()).then(places))
    }

    fn push<'scope>(&'scope self, scope: &Scope<'scope>, work: Work<ImageId, BlobWork, RangeWork>) {
        let image = match &work {
            Work::Plan(image) | Work::Claim(image) | Work::Publish(image) => *image,
            Work::Blob(work, _) => work.image,
            Work::Ranges(work) => work.image,
        };
        let pieces = self.queue.push(self.destinations[image], work);
        self.spawn_for(scope, pieces);
    }

    fn push_blob<'scope>(&'scope self, scope: &Scope<'scope>, work: BlobWork) {
        let destination = &self.image_tasks[work.image].state.destination;
        let rank = Rank {
            turn: destination.turn(&work.blob),
            size: work.blob.size,
        };
        self.push(scope, Work::Blob(work, rank));
    }

    /// Begins the workers that so many pieces of work need.
    fn spawn_for<'scope>(&'scope self, scope: &Scope<'scope>, pieces: usize) {
        let new = self.worker_pool.workers_to_spawn(pieces, self.bound());
        for _ in 0..new {
            scope.spawn(|scope| self.work(scope));
        }
        if new > 0 {
            self.pool.need(self.worker_pool.spawned());
        }
    }

    /// Does pieces of work, the most urgent first, until there are none and none can come.
    fn work<'scope>(&'scope self, scope: &Scope<'scope>) {
        while let Some((next, _busy)) = self.worker_pool.next(|| self.queue.pop()) {
            let (work, _taken) = next;
            if self.is_cancelled() {
                continue;
            }
            let (image, blob, is_needed) = match &work {
                Work::Plan(image) | Work::Claim(image) | Work::Publish(image) => (*image, None, true),
                Work::Blob(work, _) => (work.image, Some(work.blob.clone()), true),
                // The blob's owner fetches without range workers what they leave.
                Work::Ranges(work) => (work.image, None, false),
            };
            let done = panics::caught(|| match work {
                Work::Plan(image) if !self.may_begin(image) => {}
                Work::Plan(image) => {
                    self.plan(scope, image);
                    self.heed_losses(scope, image);
                }
                Work::Claim(image) => self.claim(scope, image),
                Work::Blob(work, _) => self.bring(scope, work),
                Work::Publish(image) => self.publish(scope, image),
                Work::Ranges(work) => self.fetch_ranges(work),
            });
            if let Err(panicked) = done {
                if !is_needed {
                    log::warn!("{}: {panicked}", self.image_tasks[image].name());
                    continue;
                }
                // Whatever is lost by a second panic fails at the end of the run.
                let _ = panics::caught(|| self.give_up(scope, image, blob, panicked));
            }
            let image_task = &self.image_tasks[image];
            let repository = image_task.mapping.to.reference().repository();
            if image_task.is_over() || image_task.state.destination.project(repository).is_none() {
                self.release(scope, image);
            }
        }
    }

    /// Whether an image needn't wait for the first one of its project.
    fn may_begin(&self, image: ImageId) -> bool {
        let image_task = &self.image_tasks[image];
        let project = image_task
            .state
            .destination
            .project(image_task.mapping.to.reference().repository());
        project.is_none_or(|project| image_task.state.followers.may_begin(project, image))
    }

    /// Lets the images begin that wait for what this one, the first of its project, finds out.
    fn release<'scope>(&'scope self, scope: &Scope<'scope>, image: ImageId) {
        for follower in self.image_tasks[image].state.followers.release(image) {
            self.push(scope, Work::Plan(follower));
        }
    }

    /// Fails an image whose work panicked, and passes on what it had taken, so that no other image waits for it.
    fn give_up<'scope>(
        &'scope self,
        scope: &Scope<'scope>,
        image: ImageId,
        blob: Option<Descriptor>,
        panicked: Panicked,
    ) {
        let image_task = &self.image_tasks[image];
        let plan = image_task.plan();
        if image_task.is_over() {
            log::error!("{}: {panicked}", image_task.name());
        }
        self.fail(image, Fault::internal(panicked));
        let planned = plan.iter().flat_map(|plan| &plan.blobs);
        let blobs: Vec<&Descriptor> = planned.chain(&blob).collect();
        for (digest, next) in image_task.state.blobs.abandon(image) {
            if let Some(blob) = blobs.iter().find(|blob| blob.digest == digest) {
                self.pass_on(scope, blob, next);
            }
        }
        self.unlock(scope, image);
    }

    /// Fetches ranges of a large blob of an image, until there is other work.
    fn fetch_ranges(&self, RangeWork { image, fetch }: RangeWork) {
        let _at = current_image::set(self.image_tasks[image].name());
        fetch.work(&RangeWorker {
            source: self.image_tasks[image].source.as_ref(),
            progress: &|position| {
                self.observer.event(&Event::BlobProgress {
                    image: self.image_tasks[image].name(),
                    digest: fetch.digest(),
                    position,
                });
            },
            cancel: self.cancel,
            is_wanted: &|| !self.queue.is_empty(),
        });
    }

    fn plan<'scope>(&'scope self, scope: &Scope<'scope>, image: ImageId) {
        let image_task = &self.image_tasks[image];
        let _at = current_image::set(image_task.name());
        image_task.start();
        let planned = plan::plan(
            self.job,
            image_task.source.as_ref(),
            image_task.state.destination.as_ref(),
            &image_task.mapping,
            self.cancel,
        );
        let plan = match planned {
            Ok(Planned::Move(plan)) => {
                let repository = image_task.mapping.to.reference().repository();
                // What the name stands for already was written before.
                let begun = match plan.was_published {
                    true => Ok(()),
                    false => image_task.state.destination.begin(repository, &plan.blobs),
                };
                match begun {
                    Ok(()) => image_task.planned(plan),
                    Err(fault) => return self.fail(image, fault),
                }
            }
            Ok(Planned::AlreadyThere(plan)) => {
                image_task.already_there(plan);
                self.end(image, Status::AlreadyThere);
                return image_task.state.unchecked().push(image);
            }
            Ok(Planned::Skip(reason)) => return self.end(image, Status::Skipped(reason)),
            Err(fault) => return self.fail(image, fault),
        };
        self.release(scope, image);
        let looks_for_gaps = self.looks_for_gaps.load(Ordering::SeqCst) && image_task.source.is_partial();
        if !image_task.state.waits_for_layout() && !looks_for_gaps {
            self.claim_blobs(scope, image, &plan);
        }
    }

    fn fail(&self, image: ImageId, fault: Fault) {
        self.end(image, Status::of(fault));
    }

    fn end(&self, image: ImageId, status: Status) {
        if let Some(outcome) = self.image_tasks[image].end(status) {
            self.observer.event(&Event::ImageFinished { outcome: &outcome });
        }
    }
}

/// How many files are copied at once for these images. Where all go into bundles or archives, in their order, few blobs are under way, so that
/// volumes are hashed while they are in memory.
fn most_local(image_tasks: &[ImageTask]) -> usize {
    let is_file = |image_task: &ImageTask| image_task.state.destination.is_one_file();
    match thread::available_parallelism() {
        Ok(cores) if image_tasks.iter().all(is_file) => cores.get().clamp(2, MOST_LOCAL),
        _ => MOST_LOCAL,
    }
}

/// Numbers the destinations of images, in the order in which they come up.
fn numbers_of_destinations(image_tasks: &[ImageTask]) -> Vec<DestinationId> {
    let mut known = HashMap::new();
    let number = |image_task: &ImageTask| {
        let next = known.len();
        *known.entry(Arc::as_ptr(&image_task.state)).or_insert(next)
    };
    image_tasks.iter().map(number).collect()
}
