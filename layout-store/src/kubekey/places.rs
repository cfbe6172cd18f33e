//! Which repositories have a folder, by names alone.

use std::collections::BTreeSet;
use std::path::Path;

use transload_reference::{Registry, Repository};

use super::folders::{DOCKER_HUB_API, MANIFESTS, is_namespace_of_docker_hub};
use super::images::{DEPTH, subfolders};
use crate::Error;
use crate::folders::{BLOBS, OWN};

/// All repositories that have a folder of manifests.
pub(super) fn all(root: &Path) -> Result<BTreeSet<Repository>, Error> {
    let mut found = BTreeSet::new();
    for (name, folder) in subfolders(root)? {
        if let Some(registry) = registry_of(&name) {
            descend(&registry, &mut String::new(), DEPTH, &folder, &mut found);
        } else if is_namespace_of_docker_hub(&name) && name != OWN {
            descend(
                &Registry::docker_hub(),
                &mut name.clone(),
                DEPTH,
                &folder,
                &mut found,
            );
        }
    }
    Ok(found)
}

/// The registry whose repositories are in a folder of this name. One that is written in another way than its registry is out of reach.
pub(super) fn registry_of(name: &str) -> Option<Registry> {
    if name == BLOBS || name == OWN || is_namespace_of_docker_hub(name) {
        return None;
    }
    let registry: Registry = name.parse().ok()?;
    let is_own = registry.as_str() == name || registry.is_docker_hub() && name == DOCKER_HUB_API;
    is_own.then_some(registry)
}

/// Folders that can't be read have no repositories: asked for, they are complained about.
fn descend(
    registry: &Registry,
    path: &mut String,
    depth: usize,
    folder: &Path,
    found: &mut BTreeSet<Repository>,
) {
    for (name, folder) in subfolders(folder).unwrap_or_default() {
        let length = path.len();
        if name == MANIFESTS
            && let Ok(repository) = Repository::new(registry.clone(), path)
            && repository.path() == path
        {
            found.insert(repository);
        }
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(&name);
        if let Some(depth) = depth.checked_sub(1) {
            descend(registry, path, depth, &folder, found);
        }
        path.truncate(length);
    }
}
