//! The ends of a task: the stores and registries that its images come from and go to, each opened once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use transload_layout_store::OpenOptions;
use transload_layout_store::disk::filesystem;
use transload_reference::{Reference, Registry};
use transload_registry_client::Client;

use super::blobs::{BlobMap, ImageId};
use super::destination::{Destination, RegistryDestination, StoreDestination, ToBe};
use super::losses::AllLosses;
use super::manifest_locks::ManifestLocks;
use super::scouts::Followers;
use super::source::{RegistrySource, Source, StoreSource};
use super::space::Space;
use super::tagging::Tagging;
use crate::job::{Job, Target};

/// A destination with everything that a run knows about it: who brings which blob, the space that is reserved, the locks on its manifests.
pub(crate) struct DestinationState {
    pub destination: Box<dyn Destination>,
    pub blobs: BlobMap,
    pub space: Arc<Space>,
    pub manifest_locks: ManifestLocks,
    pub tagging: Tagging,
    pub followers: Followers,
    /// The images that were taken as there without looking up their blobs.
    unchecked: Mutex<Vec<ImageId>>,
}

impl DestinationState {
    /// Returns the state of a destination that nothing was brought to.
    pub fn new(destination: Box<dyn Destination>, space: Arc<Space>) -> DestinationState {
        DestinationState {
            destination,
            blobs: BlobMap::default(),
            space,
            manifest_locks: ManifestLocks::default(),
            tagging: Tagging::default(),
            followers: Followers::default(),
            unchecked: Mutex::default(),
        }
    }

    /// The images that were taken as there without looking up their blobs.
    pub fn unchecked(&self) -> MutexGuard<'_, Vec<ImageId>> {
        self.unchecked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A store or a registry: what a target is in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Folder(PathBuf),
    Host(Registry),
}

impl Place {
    pub fn of(target: &Target) -> Place {
        match target {
            Target::Store(path, _) => Place::Folder(whole(path)),
            Target::Registry(reference) => Place::Host(reference.registry().clone()),
        }
    }
}

/// The path from the root on, so that a folder is known again that is written in another way.
pub(crate) fn whole(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The open ends of a task: every store and registry once.
pub(crate) struct Places<'a> {
    open_options: OpenOptions,
    job: &'a Job,
    sources: HashMap<Place, Arc<dyn Source>>,
    states: HashMap<Place, Arc<DestinationState>>,
    /// Registries that are looked at only: what one of them refuses one image is learnt once.
    looked_at: HashMap<Registry, Arc<RegistryDestination>>,
    /// By filesystem: directories on one share its space.
    spaces: HashMap<u64, Arc<Space>>,
    losses: AllLosses,
}

impl<'a> Places<'a> {
    /// None of this task's yet. Waits for stores end as `open_options` says.
    pub fn new(open_options: OpenOptions, job: &'a Job) -> Places<'a> {
        Places {
            open_options,
            job,
            sources: HashMap::new(),
            states: HashMap::new(),
            looked_at: HashMap::new(),
            spaces: HashMap::new(),
            losses: AllLosses::default(),
        }
    }

    /// Shares what other tasks of the run learn about registries' losses.
    pub fn with_losses(self, losses: &AllLosses) -> Places<'a> {
        Places {
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

    /// The source of a target.
    pub fn source(
        &mut self,
        client: &Client,
        target: &Target,
    ) -> Result<Arc<dyn Source>, transload_layout_store::Error> {
        let place = Place::of(target);
        if let Some(source) = self.sources.get(&place) {
            return Ok(Arc::clone(source));
        }
        let source: Arc<dyn Source> = match target {
            Target::Store(path, _) => Arc::new(StoreSource::new(Arc::new(self.open_options.open(path)?))),
            Target::Registry(reference) => {
                Arc::new(RegistrySource::new(client.clone(), reference.registry().clone()))
            }
        };
        self.sources.insert(place, Arc::clone(&source));
        Ok(source)
    }

    /// A target's destination for looking at only: a store that isn't there isn't made.
    pub fn look(
        &mut self,
        client: &Client,
        target: &Target,
    ) -> Result<Arc<dyn Destination>, transload_layout_store::Error> {
        Ok(match target {
            Target::Store(path, _) if path.symlink_metadata().is_err() => {
                Arc::new(ToBe::folder(path.clone(), self.job.link))
            }
            Target::Store(path, _) => {
                let store = Arc::new(self.open_options.open(path)?);
                Arc::new(StoreDestination::new(store).with(self.job))
            }
            Target::Registry(reference) => {
                let registry = reference.registry();
                if let Some(known) = self.looked_at.get(registry) {
                    return Ok(Arc::clone(known) as Arc<dyn Destination>);
                }
                let destination = Arc::new(self.registry(client, reference).only_looking());
                self.looked_at.insert(registry.clone(), Arc::clone(&destination));
                destination
            }
        })
    }

    /// The destination of a target. A store that isn't there is made.
    pub fn state(
        &mut self,
        client: &Client,
        target: &Target,
    ) -> Result<Arc<DestinationState>, transload_layout_store::Error> {
        let place = Place::of(target);
        if let Some(state) = self.states.get(&place) {
            return Ok(Arc::clone(state));
        }
        let destination: Box<dyn Destination> = match target {
            Target::Store(path, _) => {
                let store = Arc::new(self.open_options.create(path)?);
                Box::new(StoreDestination::new(store).with(self.job))
            }
            Target::Registry(reference) => Box::new(self.registry(client, reference)),
        };
        let state = Arc::new(DestinationState::new(destination, self.space(target)));
        self.states.insert(place, Arc::clone(&state));
        Ok(state)
    }

    /// The space that a destination, which is there, takes its share of.
    fn space(&mut self, target: &Target) -> Arc<Space> {
        let found = match target {
            Target::Store(path, _) => filesystem(path),
            Target::Registry(_) => None,
        };
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

    fn registry(&self, client: &Client, reference: &Reference) -> RegistryDestination {
        let registry = reference.registry();
        RegistryDestination::new(client.clone(), registry.clone())
            .with(self.job)
            .with_losses(self.losses.of(registry))
    }
}
