//! The projects of Harbors that a task's images go to (`create_projects`): looked for, and created where they are missing.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use transload_reference::{Registry, Repository};
use transload_registry_client::{Client, Visibility, project_of};

use crate::fault::{Fault, Side};
use crate::job::Target;
use crate::parallel_map::parallel_map;
use crate::prepare::Mapping;

/// A project that a run created, or would create.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Project {
    /// The Harbor.
    pub registry: Registry,
    /// Its name.
    pub name: String,
    /// Who may pull from it.
    pub visibility: Visibility,
}

impl fmt::Display for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {} ({})", self.name, self.registry, self.visibility)
    }
}

/// A registry and the first part of a repository's path.
type Key = (Registry, String);

/// What a run knows of projects by now. Those that a dry run would create aren't there.
#[derive(Debug, Default)]
pub(crate) struct KnownProjects(HashMap<Key, State>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    There,
    ToBe,
}

/// What came of a task's projects.
#[derive(Debug, Default)]
pub(crate) struct Projects {
    /// Those that were created, or would be in a dry run.
    pub created: Vec<Project>,
    faults: HashMap<Key, Fault>,
}

impl Projects {
    /// Why nothing can be brought to a target: its project is missing and can't be created.
    pub fn fault(&self, target: &Target) -> Option<&Fault> {
        self.faults.get(&key(target)?)
    }
}

impl KnownProjects {
    /// Whether a dry run would create a target's project.
    pub fn is_to_be(&self, target: &Target) -> bool {
        key(target).is_some_and(|key| self.0.get(&key) == Some(&State::ToBe))
    }

    /// Looks for the projects that images go to, and creates those that are missing, unless it is only a look.
    pub fn provide<'m>(
        &mut self,
        client: &Client,
        visibility: Visibility,
        images: impl IntoIterator<Item = &'m Mapping>,
        is_look: bool,
    ) -> Projects {
        let mut wanted: BTreeMap<Registry, BTreeMap<String, &Repository>> = BTreeMap::new();
        for mapping in images {
            if let Some(key) = key(&mapping.to)
                && !self.0.contains_key(&key)
            {
                let projects = wanted.entry(key.0).or_default();
                projects
                    .entry(key.1)
                    .or_insert_with(|| mapping.to.reference().repository());
            }
        }
        let mut all = Projects::default();
        for (registry, projects) in wanted {
            let projects: Vec<(String, &Repository)> = projects.into_iter().collect();
            let found = find(client, &registry, &projects);
            // What refuses to create one project creates none: it is asked once.
            let mut refusal = None;
            for ((name, repository), found) in projects.into_iter().zip(found) {
                let created = match (found, &refusal) {
                    (Err(fault), _) => Err(fault),
                    (Ok(true), _) => Ok(false),
                    (Ok(false), _) if is_look => Ok(true),
                    (Ok(false), Some(refusal)) => Err(Fault::clone(refusal)),
                    (Ok(false), None) => client.create_project(repository, visibility).map_err(|error| {
                        let is_for_all = error.is_denied();
                        let fault = Fault::registry(Side::Destination, error);
                        refusal = is_for_all.then(|| fault.clone());
                        fault
                    }),
                };
                let key = (registry.clone(), name);
                let is_created = match created {
                    Ok(is_created) => is_created,
                    Err(fault) => {
                        all.faults.insert(key, fault);
                        continue;
                    }
                };
                if is_created {
                    all.created.push(Project {
                        registry: key.0.clone(),
                        name: key.1.clone(),
                        visibility,
                    });
                }
                let state = if is_created && is_look {
                    State::ToBe
                } else {
                    State::There
                };
                self.0.insert(key, state);
            }
        }
        all
    }
}

/// Whether each of a registry's projects exists.
fn find(
    client: &Client,
    registry: &Registry,
    projects: &[(String, &Repository)],
) -> Vec<Result<bool, Fault>> {
    let for_all = |fault: Fault| projects.iter().map(|_| Err(fault.clone())).collect();
    let Some((_, first)) = projects.first() else {
        return Vec::new();
    };
    match client.is_harbor(first) {
        Err(error) => for_all(Fault::registry(Side::Destination, error)),
        Ok(false) => for_all(no_harbor(registry)),
        Ok(true) => parallel_map(projects, |(_, repository)| {
            let found = client.has_project(repository);
            found.map_err(|error| Fault::registry(Side::Destination, error))
        }),
    }
}

/// Who asks for projects doesn't expect a registry without: it may be another one than was meant, or a proxy in front of Harbor may
/// let only `/v2/` through.
fn no_harbor(registry: &Registry) -> Fault {
    let message = format!(
        "{registry} doesn't answer as a Harbor (at /api/v2.0), and only a Harbor has projects to create"
    );
    Fault::refused(Some(Side::Destination), message).with_hint(format!(
        "leave out --create-projects (create_projects in a task) for {registry}; if it is a Harbor behind a proxy, let /api/v2.0 through"
    ))
}

/// The project of a target. A repository whose path has one part is in none.
fn key(target: &Target) -> Option<Key> {
    let registry = target.registry()?;
    let project = project_of(target.reference().repository())?;
    Some((registry.clone(), project.to_owned()))
}
