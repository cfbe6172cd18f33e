//! The clients of a run: tasks that ask in the same way share one, with its connections and tokens, and all keep one pace.

use std::collections::HashSet;
use std::sync::Arc;

use transload_registry_client::{Client, Error, HostRule, Need};

use super::Options;
use super::current_image;
use super::ends::open_source;
use super::event::{Event, Observer};
use super::fault::{Fault, Side};
use super::place::{LocalPlace, Opener, Place, SinkOptions, Source, Straight};
use super::prepare::{Mapping, Preparation, Problem, prepare};
use crate::bundle::{BundleChoice, choice};
use crate::job::{Endpoint, Job};

/// Builds the client that a job asks registries with.
///
/// # Errors
/// Where a file that the job's rules name can't be read.
pub fn client(job: &Job, options: &Options, observer: &Arc<dyn Observer>) -> Result<Client, Error> {
    Clients::new(options, observer).of(job)
}

/// A job's images with their two ends, found out without moving anything.
#[derive(Debug)]
#[non_exhaustive]
pub struct Located {
    /// The images.
    pub images: Vec<Mapping>,
    /// What is worth a look.
    pub warnings: Vec<String>,
    /// What registries are asked with.
    pub client: Client,
}

/// Finds out which images a job is about and where each of them is and goes.
///
/// # Errors
/// Everything that is wrong with the job.
pub fn locate(job: &Job, options: &Options, observer: &Arc<dyn Observer>) -> Result<Located, Vec<Problem>> {
    match prepare(job, &HashSet::new(), &mut Clients::new(options, observer))? {
        Preparation::Ready(prepared) => Ok(Located {
            images: prepared.images,
            warnings: prepared.warnings,
            client: prepared.client,
        }),
        Preparation::Later => unreachable!("no job comes before this one"),
    }
}

/// Opens a place to look at what it holds.
///
/// # Errors
/// Where it can't be read, or a file that the job's rules name.
pub fn open(
    job: &Job,
    place: &Place,
    options: &Options,
    observer: &Arc<dyn Observer>,
) -> Result<Arc<dyn Source>, Fault> {
    if let Place::Local(local) = place {
        return local.open(&options.cancel);
    }
    let client = client(job, options, observer).map_err(|error| {
        Fault::refused(Some(Side::Source), error.kind().to_string()).maybe_hint(error.hint())
    })?;
    open_source(&client, &Opener::new(&options.cancel), place)
}

/// Tells a client which repositories images need, each image's two ends beside each other.
pub(crate) fn expect(client: &Client, images: &[Mapping]) {
    client.expect(images.iter().flat_map(|mapping| {
        let ends = [(&mapping.to, Need::Push), (&mapping.from, Need::Pull)];
        let in_registries = ends.into_iter().filter(|(target, _)| target.registry().is_some());
        in_registries.map(|(target, need)| (target.reference().repository().clone(), need))
    }));
}

/// The clients that a run has, each with what it was made of.
pub(crate) struct Clients<'a> {
    options: &'a Options,
    observer: Arc<dyn Observer>,
    opener: Opener,
    made: Vec<(Settings, Client)>,
}

/// What tasks must have in common to share a client: all that says how a registry is reached, and as whom.
#[derive(PartialEq, Eq)]
struct Settings {
    hosts: Vec<HostRule>,
    skip_tls_verify: bool,
}

impl<'a> Clients<'a> {
    /// None yet.
    pub fn new(options: &'a Options, observer: &Arc<dyn Observer>) -> Clients<'a> {
        Clients {
            options,
            observer: Arc::clone(observer),
            opener: Opener::new(&options.cancel),
            made: Vec::new(),
        }
    }

    /// Lets the large blobs of a pipe go straight to a task's destination, if the task is about a pipe and wants everything.
    pub fn send_straight(&self, job: &Job) {
        let is_pipe = job
            .source
            .as_ref()
            .and_then(Endpoint::local)
            .is_some_and(LocalPlace::is_stream);
        let is_alone = job.also_to.is_empty();
        if let Some(place) = job
            .destination
            .local()
            .filter(|_| is_pipe && is_alone && job.wants_all())
        {
            let options = SinkOptions::of(job, Opener::new(&self.options.cancel), Arc::default());
            self.opener.send_straight(Straight::new(place.clone(), options));
        }
    }

    /// What a task's bundle carries.
    pub fn choice(&self, job: &Job) -> Result<Arc<BundleChoice>, Fault> {
        choice(job, self.options, &self.observer).map(Arc::new)
    }

    /// The client of a task's registries. The files that its rules name are read when it is made.
    pub fn of(&mut self, job: &Job) -> Result<Client, Error> {
        let settings = Settings {
            hosts: job.hosts.clone(),
            skip_tls_verify: job.skip_tls_verify,
        };
        if let Some((_, client)) = self.made.iter().find(|(of, _)| *of == settings) {
            return Ok(client.clone());
        }
        let observer = Arc::clone(&self.observer);
        let mut builder = self
            .options
            .client_builder()
            .hosts(settings.hosts.clone())
            .skip_tls_verify(settings.skip_tls_verify)
            .on_notice(move |notice| {
                current_image::with(|image| observer.event(&Event::Trouble { image, notice }))
            });
        if let Some((_, first)) = self.made.first() {
            builder = builder.alongside(first);
        }
        let client = builder.build()?;
        self.made.push((settings, client.clone()));
        Ok(client)
    }

    /// What opens places on disks in this run.
    pub fn opener(&self) -> &Opener {
        &self.opener
    }
}
