//! The ends of a task: the places that its images come from and go to, each opened once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use transload_layout_store::disk::filesystem;
use transload_reference::Registry;
use transload_registry_client::Client;

use super::blobs::{BlobMap, ImageId};
use super::executor::BlobWork;
use super::fault::Fault;
use super::followers::Followers;
use super::manifest_locks::ManifestLocks;
use super::place::{
    AllLosses, Opener, Place, RegistrySink, RegistrySource, SharedSource, Sink, SinkOptions, Source,
};
use super::space::Space;
use super::tagging::Tagging;
use super::waiting::Waiting;
use crate::bundle::BundleChoice;
use crate::job::Job;
use crate::lock::lock;

/// A destination with everything that a run knows about it: who brings which blob, the space that is reserved, the locks on its manifests.
pub(crate) struct DestinationState {
    pub destination: Arc<dyn Sink>,
    pub blobs: BlobMap,
    pub space: Arc<Space>,
    pub manifest_locks: ManifestLocks,
    pub tagging: Tagging,
    pub followers: Followers,
    /// Blobs whose place in a file is too far ahead.
    pub waiting: Waiting<BlobWork>,
    /// Whether it is laid out, where it is one file.
    is_laid_out: AtomicBool,
    /// The images that were taken as there without looking up their blobs.
    unchecked: Mutex<Vec<ImageId>>,
}

impl DestinationState {
    /// Returns the state of a destination that nothing was brought to.
    pub fn new(destination: Arc<dyn Sink>, space: Arc<Space>) -> DestinationState {
        DestinationState {
            destination,
            blobs: BlobMap::default(),
            space,
            manifest_locks: ManifestLocks::default(),
            tagging: Tagging::default(),
            followers: Followers::default(),
            waiting: Waiting::default(),
            is_laid_out: AtomicBool::default(),
            unchecked: Mutex::default(),
        }
    }

    /// Whether no blob may come yet: it is one file, and not all of its images are planned.
    pub fn waits_for_layout(&self) -> bool {
        self.destination.is_one_file() && !self.is_laid_out.load(Ordering::SeqCst)
    }

    /// Notes that it is laid out.
    pub fn has_layout(&self) {
        self.is_laid_out.store(true, Ordering::SeqCst);
    }

    /// The images that were taken as there without looking up their blobs.
    pub fn unchecked(&self) -> MutexGuard<'_, Vec<ImageId>> {
        lock(&self.unchecked)
    }
}

/// The open ends of a task: every place once.
pub(crate) struct Ends {
    options: SinkOptions,
    /// How many destinations each image has.
    destinations: usize,
    sources: HashMap<Place, Arc<dyn Source>>,
    states: HashMap<Place, Arc<DestinationState>>,
    /// Registries that are looked at only: what one of them refuses one image is learnt once.
    looked_at: HashMap<Registry, Arc<dyn Sink>>,
    /// By filesystem: places on one share its space.
    spaces: HashMap<u64, Arc<Space>>,
    losses: AllLosses,
}

impl Ends {
    /// None of this task's yet.
    pub fn new(opener: Opener, job: &Job, choice: Arc<BundleChoice>) -> Ends {
        Ends {
            options: SinkOptions::of(job, opener, choice),
            destinations: job.destination_count(),
            sources: HashMap::new(),
            states: HashMap::new(),
            looked_at: HashMap::new(),
            spaces: HashMap::new(),
            losses: AllLosses::default(),
        }
    }

    /// Shares what other tasks of the run learn about registries' losses.
    pub fn with_losses(self, losses: &AllLosses) -> Ends {
        Ends {
            losses: losses.clone(),
            ..self
        }
    }

    /// Records the images that this task took as there without looking up their blobs, for later tasks of the run.
    pub fn leave_unchecked(&self) {
        for state in self.states.values() {
            if let Some(losses) = state.destination.losses() {
                losses.leave_unchecked(state.unchecked().len());
            }
        }
    }

    /// The source that a place is.
    pub fn source(&mut self, client: &Client, place: &Place) -> Result<Arc<dyn Source>, Fault> {
        if let Some(source) = self.sources.get(place) {
            return Ok(Arc::clone(source));
        }
        let mut source = open_source(client, &self.options.opener, place)?;
        // Layers that are compared are read twice.
        if (self.destinations > 1 || !self.options.choice.bases.is_empty()) && source.offers().is_remote {
            source = Arc::new(SharedSource::new(source, self.destinations));
        }
        self.sources.insert(place.clone(), Arc::clone(&source));
        Ok(source)
    }

    /// A place as a destination to look at only: one that isn't there isn't made.
    pub fn look(&mut self, client: &Client, place: &Place) -> Result<Arc<dyn Sink>, Fault> {
        let registry = match place {
            Place::Local(local) => return local.kind().look(local, &self.options),
            Place::Registry(registry) => registry,
        };
        if let Some(known) = self.looked_at.get(registry) {
            return Ok(Arc::clone(known));
        }
        let sink: Arc<dyn Sink> = Arc::new(self.registry(client, registry).only_looking());
        self.looked_at.insert(registry.clone(), Arc::clone(&sink));
        Ok(sink)
    }

    /// A place as a destination. One on a disk that isn't there is made.
    pub fn state(&mut self, client: &Client, place: &Place) -> Result<Arc<DestinationState>, Fault> {
        if let Some(state) = self.states.get(place) {
            return Ok(Arc::clone(state));
        }
        let destination: Arc<dyn Sink> = match place {
            Place::Local(local) => local.kind().sink(local, &self.options)?,
            Place::Registry(registry) => Arc::new(self.registry(client, registry)),
        };
        let state = Arc::new(DestinationState::new(destination, self.space(place)));
        self.states.insert(place.clone(), Arc::clone(&state));
        Ok(state)
    }

    /// The space that a destination, which is there, takes its share of.
    fn space(&mut self, place: &Place) -> Arc<Space> {
        let found = place.path().and_then(filesystem);
        found.map_or_else(Arc::default, |filesystem| {
            Arc::clone(self.spaces.entry(filesystem).or_default())
        })
    }

    /// What the filesystems of the destinations were found to lack so far, sorted.
    pub fn cautions(&self) -> Vec<String> {
        let mut found: Vec<String> = self
            .states
            .values()
            .flat_map(|state| state.destination.cautions())
            .collect();
        found.sort();
        found
    }

    fn registry(&self, client: &Client, registry: &Registry) -> RegistrySink {
        RegistrySink::new(client.clone(), registry.clone())
            .with(&self.options)
            .with_losses(self.losses.of(registry))
    }
}

/// Opens a place to read images from it.
pub(crate) fn open_source(client: &Client, opener: &Opener, place: &Place) -> Result<Arc<dyn Source>, Fault> {
    match place {
        Place::Local(local) => local.kind().source(local, opener),
        Place::Registry(registry) => Ok(Arc::new(RegistrySource::new(client.clone(), registry.clone()))),
    }
}
