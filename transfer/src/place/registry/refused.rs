//! What a registry has refused in this run, so that it isn't asked again for what it refuses: projects, and types of manifests.

use std::collections::HashMap;
use std::sync::Mutex;

use transload_reference::{MediaType, RawManifest, Repository};
use transload_registry_client::{Client, Error, Extent, Reason, project_of};

use crate::fault::{Fault, Side};
use crate::lock::lock;

/// Returns a repository's project, which may have rules of its own, or nothing for a repository in none.
pub(crate) fn project(repository: &Repository) -> &str {
    project_of(repository).unwrap_or_default()
}

/// The first refusal of each project, and of the whole registry.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<Vec<Refusal>>);

struct Refusal {
    reason: Reason,
    extent: Extent,
    /// The repository that met it.
    repository: Repository,
    fault: Fault,
}

impl Refusal {
    fn is_about(&self, client: &Client, repository: &Repository) -> bool {
        match self.extent {
            Extent::Registry => true,
            // Another user may have other rights.
            Extent::Project => {
                project(&self.repository) == project(repository)
                    && client.is_same_user(&self.repository, repository)
            }
        }
    }
}

impl Refusals {
    /// Returns the fault to tell of an error of a request to a repository. One that ends other images as well is noted, and is the same fault
    /// for all of them.
    pub fn note(&self, client: &Client, repository: &Repository, error: Error) -> Fault {
        let Some((reason, extent)) = error.reason().zip(error.extent()) else {
            return Fault::registry(Side::Destination, error);
        };
        let mut refusals = lock(&self.0);
        let known = refusals
            .iter()
            .find(|refusal| refusal.reason == reason && refusal.is_about(client, repository));
        if let Some(known) = known {
            return known.fault.clone();
        }
        let fault = Fault::registry(Side::Destination, error.of_extent(extent));
        refusals.push(Refusal {
            reason,
            extent,
            repository: repository.clone(),
            fault: fault.clone(),
        });
        fault
    }

    /// Fails where this run has learnt that nothing can be read or written in a repository's project.
    pub fn check(&self, client: &Client, repository: &Repository) -> Result<(), Fault> {
        self.find(client, repository, |reason| !reason.allows_reading())
    }

    /// Fails where this run has learnt that nothing can be written in a repository's project.
    pub fn check_write(&self, client: &Client, repository: &Repository) -> Result<(), Fault> {
        self.find(client, repository, |_| true)
    }

    fn find(
        &self,
        client: &Client,
        repository: &Repository,
        counts: impl Fn(Reason) -> bool,
    ) -> Result<(), Fault> {
        let refusals = lock(&self.0);
        let found = refusals
            .iter()
            .find(|refusal| counts(refusal.reason) && refusal.is_about(client, repository));
        found.map_or(Ok(()), |refusal| Err(refusal.fault.clone()))
    }
}

/// The first refusal of each type, by project.
#[derive(Default)]
pub(crate) struct RefusedTypes(Mutex<HashMap<(String, MediaType), Fault>>);

impl RefusedTypes {
    /// Notes that a manifest was refused for its type.
    pub fn note(&self, repository: &Repository, manifest: &RawManifest, fault: &Fault) {
        let mut refused = lock(&self.0);
        refused
            .entry(key(repository, manifest))
            .or_insert_with(|| fault.clone());
    }

    /// Fails where a manifest has a type that was refused before.
    pub fn check(
        &self,
        repository: &Repository,
        manifests: &mut dyn Iterator<Item = &RawManifest>,
    ) -> Result<(), Fault> {
        let refused = lock(&self.0);
        if refused.is_empty() {
            return Ok(());
        }
        for manifest in manifests {
            let key = key(repository, manifest);
            let Some(first) = refused.get(&key) else {
                continue;
            };
            let (project, media_type) = key;
            let registry = repository.registry();
            let fault = Fault::refused(
                Some(Side::Destination),
                format!(
                    "{registry} refused another manifest of the type {media_type} in {project}: no blob is sent for this one"
                ),
            );
            return Err(match first.hint() {
                Some(hint) => fault.with_hint(hint),
                None => fault,
            });
        }
        Ok(())
    }
}

fn key(repository: &Repository, manifest: &RawManifest) -> (String, MediaType) {
    let project = project_of(repository).unwrap_or(repository.path());
    (project.to_owned(), manifest.media_type().clone())
}
