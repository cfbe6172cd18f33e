//! The ends of a task: the stores and registries that its images come from and go to, each opened once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use transload_layout_store::{Opening, filesystem};
use transload_reference::{Reference, Registry};
use transload_registry_client::Client;

use super::blobs::BlobMap;
use super::destination::{Destination, FolderToBe, RegistryDestination, StoreDestination};
use super::manifest_locks::ManifestLocks;
use super::room::Room;
use super::source::{RegistrySource, Source, StoreSource};
use crate::job::{Job, Target};

/// A destination, who brings what to it, whether that fits, and the locks on its manifests.
pub(crate) struct Port {
    pub destination: Box<dyn Destination>,
    pub blobs: BlobMap,
    pub room: Arc<Room>,
    pub manifest_locks: ManifestLocks,
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
    opening: Opening,
    job: &'a Job,
    sources: HashMap<Place, Arc<dyn Source>>,
    ports: HashMap<Place, Arc<Port>>,
    /// By filesystem: directories on one share its space.
    rooms: HashMap<u64, Arc<Room>>,
}

impl<'a> Places<'a> {
    /// None of this task's yet. Waits for stores end as `opening` says.
    pub fn new(opening: Opening, job: &'a Job) -> Places<'a> {
        Places {
            opening,
            job,
            sources: HashMap::new(),
            ports: HashMap::new(),
            rooms: HashMap::new(),
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
            Target::Store(path, _) => Arc::new(StoreSource::new(Arc::new(self.opening.open(path)?))),
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
                Arc::new(FolderToBe::new(path.clone(), self.job.link))
            }
            Target::Store(path, _) => {
                let store = Arc::new(self.opening.open(path)?);
                Arc::new(StoreDestination::new(store).with(self.job))
            }
            Target::Registry(reference) => Arc::new(self.registry(client, reference)),
        })
    }

    /// The destination of a target. A store that isn't there is made.
    pub fn port(
        &mut self,
        client: &Client,
        target: &Target,
    ) -> Result<Arc<Port>, transload_layout_store::Error> {
        let place = Place::of(target);
        if let Some(port) = self.ports.get(&place) {
            return Ok(Arc::clone(port));
        }
        let destination: Box<dyn Destination> = match target {
            Target::Store(path, _) => {
                let store = Arc::new(self.opening.create(path)?);
                Box::new(StoreDestination::new(store).with(self.job))
            }
            Target::Registry(reference) => Box::new(self.registry(client, reference)),
        };
        let port = Arc::new(Port {
            destination,
            blobs: BlobMap::default(),
            room: self.room(target),
            manifest_locks: ManifestLocks::default(),
        });
        self.ports.insert(place, Arc::clone(&port));
        Ok(port)
    }

    /// The space that a destination, which is there, takes its share of.
    fn room(&mut self, target: &Target) -> Arc<Room> {
        let found = match target {
            Target::Store(path, _) => filesystem(path),
            Target::Registry(_) => None,
        };
        found.map_or_else(Arc::default, |filesystem| {
            Arc::clone(self.rooms.entry(filesystem).or_default())
        })
    }

    /// What the filesystems of the destinations were found to lack so far, sorted.
    pub fn cautions(&self) -> Vec<String> {
        let mut found: Vec<String> = self
            .ports
            .values()
            .flat_map(|port| port.destination.cautions())
            .collect();
        found.sort();
        found
    }

    fn registry(&self, client: &Client, reference: &Reference) -> RegistryDestination {
        RegistryDestination::new(client.clone(), reference.registry().clone()).with(self.job)
    }
}
