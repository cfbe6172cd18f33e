//! Where KubeKey's format has its names in a store's folder.

use std::path::{Path, PathBuf};

use transload_reference::{Registry, Repository};

use crate::Error;
use crate::folders::{BLOBS, Kind, kind};

pub(crate) const MANIFESTS: &str = "manifests";
pub(crate) const LAYOUT: &str = "layout";
pub(crate) const DOCKER_HUB: &str = "docker.io";
/// KubeKey's name for Docker Hub.
pub(crate) const DOCKER_HUB_API: &str = "registry-1.docker.io";

/// The folders that may hold a repository's manifests, the one that is written to first. Docker Hub has two names, and a repository of it that
/// KubeKey pulled by a short name (`kubesphere/app`) is in a folder without either.
pub(super) fn manifests(root: &Path, repository: &Repository) -> Result<Vec<PathBuf>, Error> {
    let mut folders: Vec<PathBuf> = registry_folders(root, repository.registry())?
        .into_iter()
        .map(|registry| root.join(registry))
        .collect();
    let namespace = repository.path().split('/').next().unwrap_or_default();
    if repository.registry().is_docker_hub() && is_namespace_of_docker_hub(namespace) {
        folders.push(root.to_owned());
    }
    for folder in &mut folders {
        folder.extend(repository.path().split('/'));
        folder.push(MANIFESTS);
    }
    Ok(folders)
}

/// Whether a folder of a store is what KubeKey takes a short name's namespace for: a registry. Names that begin so are Docker Hub's.
pub(super) fn is_namespace_of_docker_hub(name: &str) -> bool {
    let path = format!("{name}/x");
    name != BLOBS
        && path
            .parse::<Repository>()
            .is_ok_and(|repository| repository.registry().is_docker_hub() && repository.path() == path)
}

fn registry_folders<'a>(root: &Path, registry: &'a Registry) -> Result<Vec<&'a str>, Error> {
    if !registry.is_docker_hub() {
        let name = registry.as_str();
        let taken = root.join(name);
        return match name {
            BLOBS => Err(Error::Collision {
                name: format!("the registry {name}"),
                path: taken,
                taken_by: "where the format keeps all blobs",
            }),
            _ => Ok(vec![name]),
        };
    }
    let has_own = kind(&root.join(DOCKER_HUB))? == Kind::Folder;
    let has_kubekeys = kind(&root.join(DOCKER_HUB_API))? == Kind::Folder;
    Ok(match (has_own, has_kubekeys) {
        (true, true) => vec![DOCKER_HUB, DOCKER_HUB_API],
        (false, true) => vec![DOCKER_HUB_API],
        (_, false) => vec![DOCKER_HUB],
    })
}
