//! Types of manifests that a registry has refused in this run.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use transload_reference::{MediaType, RawManifest, Repository};

use super::fault::{Fault, Side};

/// The first refusal of each type, by project: the first part of a repository's name, which may have rules of its own.
#[derive(Default)]
pub(crate) struct RefusedTypes(Mutex<HashMap<(String, MediaType), Fault>>);

impl RefusedTypes {
    /// Notes that a manifest was refused for its type.
    pub fn note(&self, repository: &Repository, manifest: &RawManifest, fault: &Fault) {
        let mut refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
        let refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
    let project = repository.path().split('/').next().unwrap_or_default();
    (project.to_owned(), manifest.media_type().clone())
}
