//! From a task to its images, each with its source and its destination, before anything moves.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use transload_layout_store::Store;
use transload_reference::{Reference, Registry};
use transload_registry_client::Client;

use super::Options;
use super::blobs::BlobMap;
use super::destination::{Destination, FolderToBe, RegistryDestination, StoreDestination};
use super::event::{Event, Observer};
use super::source::{RegistrySource, Source, StoreSource};
use crate::job::{Endpoint, ImageName, Job, Location, Target};

/// Why a task can't be begun.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The task.
    pub job: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.job, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// A task that can be begun.
pub(crate) struct Prepared<'a> {
    pub job: &'a Job,
    pub images: Vec<Mapping>,
    pub warnings: Vec<String>,
    pub client: Client,
}

/// One image's way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub name: ImageName,
    pub from: Target,
    pub to: Target,
}

/// Whether a task's images are known yet.
pub(crate) enum Preparation<'a> {
    Ready(Prepared<'a>),
    /// Its source is a folder that an earlier task of the run fills.
    Later,
}

/// Looks at everything that can be looked at without moving anything. `filled` are the folders that earlier tasks write to.
pub(crate) fn prepare<'a>(
    job: &'a Job,
    filled: &HashSet<PathBuf>,
    options: &Options,
    observer: &Arc<dyn Observer>,
) -> Result<Preparation<'a>, Vec<Problem>> {
    let problem = |message: String, hint: Option<String>| Problem {
        job: job.name.clone(),
        message,
        hint,
    };
    let client = client(job, options, observer).map_err(|error| {
        let hint = error.hint();
        vec![problem(error.to_string(), hint)]
    })?;
    if job
        .source
        .as_ref()
        .and_then(Endpoint::store)
        .is_some_and(|path| filled.contains(&whole(path)))
    {
        return Ok(Preparation::Later);
    }
    let mut problems = Vec::new();
    let mut warnings = Vec::new();
    check_folders(job, &mut problems);
    let mut images = Vec::new();
    if problems.is_empty() {
        let names = named_images(job, &mut problems, &mut warnings);
        images = map_images(job, names, &mut problems, &mut warnings);
    }
    if problems.is_empty() {
        Ok(Preparation::Ready(Prepared {
            job,
            images,
            warnings,
            client,
        }))
    } else {
        Err(problems
            .into_iter()
            .map(|(message, hint)| problem(message, hint))
            .collect())
    }
}

type Found = (String, Option<String>);

fn client(
    job: &Job,
    options: &Options,
    observer: &Arc<dyn Observer>,
) -> Result<Client, transload_registry_client::Error> {
    let observer = Arc::clone(observer);
    options
        .client_builder()
        .hosts(job.hosts.clone())
        .skip_tls_verify(job.skip_tls_verify)
        .on_notice(Arc::new(move |notice| {
            observer.event(&Event::Notice {
                text: &notice.to_string(),
            })
        }))
        .build()
}

fn check_folders(job: &Job, problems: &mut Vec<Found>) {
    let source = job.source.as_ref().and_then(Endpoint::store);
    if let Some(path) = source {
        match (path.try_exists(), Store::open(path)) {
            (Ok(false), _) => problems.push(no_directory(path)),
            (_, Err(error)) => problems.push((format!("src: {error}"), error.hint())),
            (_, Ok(_)) => {}
        }
    }
    // However they are written.
    let is_same =
        |(a, b): (&Path, &Path)| matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b);
    if source.zip(job.destination.store()).is_some_and(is_same) {
        problems.push(("src and dest are the same directory".to_owned(), None));
    } else if let Some(path) = job.destination.store()
        && path.symlink_metadata().is_ok()
        && let Err(error) = Store::open(path)
    {
        problems.push((format!("dest: {error}"), error.hint()));
    }
}

fn no_directory(path: &Path) -> Found {
    let message = format!("src: there is no directory {}", path.display());
    let here = std::env::current_dir().ok().filter(|_| path.is_relative());
    let hint = here.map(|here| format!("the current directory is {}", here.display()));
    (message, hint)
}

/// The images that the task is about: those it lists, else those of its source; of these, those that its pattern matches.
fn named_images(job: &Job, problems: &mut Vec<Found>, warnings: &mut Vec<String>) -> Vec<ImageName> {
    let names = match (&job.source, job.images.as_slice()) {
        (Some(Endpoint::Fixed(Location::Image(image))), []) => vec![image.clone().into()],
        (Some(Endpoint::Fixed(Location::Store(path))), []) => stored_images(path, problems),
        (_, []) => {
            let hint = "list them in manifests, or give a src that holds some (local://…) or is one (registry/repository:tag)";
            problems.push(("no images are named".to_owned(), Some(hint.to_owned())));
            Vec::new()
        }
        (_, listed) => listed.to_vec(),
    };
    let Some(pattern) = &job.pattern else {
        if names.is_empty() && problems.is_empty() {
            warnings.push("there are no images to move".to_owned());
        }
        return names;
    };
    let before = names.len();
    let names: Vec<ImageName> = names
        .into_iter()
        .filter(|name| pattern.matches(name.written(), name.reference()))
        .collect();
    if names.is_empty() && problems.is_empty() {
        warnings.push(format!(
            "the pattern \"{pattern}\" matches no image (of {before})"
        ));
    }
    names
}

fn stored_images(path: &Path, problems: &mut Vec<Found>) -> Vec<ImageName> {
    // A folder that can't be opened was complained about already.
    let Ok(store) = Store::open(path) else {
        return Vec::new();
    };
    match store.images() {
        Ok(images) => images.into_iter().map(|image| image.reference.into()).collect(),
        Err(error) => {
            problems.push((format!("src: {error}"), error.hint()));
            Vec::new()
        }
    }
}

fn map_images(
    job: &Job,
    names: Vec<ImageName>,
    problems: &mut Vec<Found>,
    warnings: &mut Vec<String>,
) -> Vec<Mapping> {
    let mut mappings: Vec<Mapping> = Vec::new();
    let mut by_destination: HashMap<Target, usize> = HashMap::new();
    let mut clashes: BTreeMap<String, Vec<ImageName>> = BTreeMap::new();
    if let Some(Endpoint::Fixed(Location::Image(image))) = &job.source
        && names.len() > 1
    {
        let hint = format!("give src as a registry ({}) or list one image", image.registry());
        problems.push((
            format!("src: {image} is one image, and {} are to move", names.len()),
            Some(hint),
        ));
        return mappings;
    }
    for name in names {
        let located = locate(job, &name);
        let mapping = match located {
            Ok((from, to)) => Mapping { name, from, to },
            Err(found) => {
                // What is wrong with a template is mostly wrong for every image.
                problems.push(found);
                return mappings;
            }
        };
        if mapping.from == mapping.to {
            problems.push((
                format!(
                    "{}: source and destination are the same, {}",
                    mapping.name, mapping.to
                ),
                None,
            ));
            continue;
        }
        match by_destination
            .get(&published_as(&mapping.to))
            .map(|&at| &mappings[at])
        {
            Some(earlier) if earlier.from == mapping.from => {
                warnings.push(format!("{} is listed twice", mapping.name));
            }
            Some(_) => clashes
                .entry(mapping.to.to_string())
                .or_default()
                .push(mapping.name),
            None => {
                by_destination.insert(published_as(&mapping.to), mappings.len());
                mappings.push(mapping);
            }
        }
    }
    for (to, others) in clashes {
        let first = mappings.iter().find(|mapping| mapping.to.to_string() == to);
        problems.extend(first.map(|first| clash(&first.name, &others, &to)));
    }
    mappings
}

fn clash(first: &ImageName, others: &[ImageName], to: &str) -> Found {
    let message = match others {
        [second] => format!("{first} and {second} would both go to {to}"),
        others => {
            let more = others.len() - 1;
            format!("{first}, {} and {more} more would all go to {to}", others[0])
        }
    };
    let hint = "let dest tell them apart, for example with {{ .module.image.src.reference.repository }} and \
                {{ .module.image.src.reference.reference }}, or give a registry as dest";
    (message, Some(hint.to_owned()))
}

fn locate(job: &Job, name: &ImageName) -> Result<(Target, Target), Found> {
    let from = match &job.source {
        None => Ok(Target::Registry(name.reference().clone())),
        Some(source) => source.locate(name).and_then(|location| location.target(name)),
    };
    let from = from.map_err(|error| (format!("{name}: src: {error}"), error.hint()))?;
    let to = job
        .destination
        .locate(name)
        .and_then(|location| location.target(name));
    Ok((
        from,
        to.map_err(|error| (format!("{name}: dest: {error}"), error.hint()))?,
    ))
}

/// What tells two destinations apart: with a tag, the tag.
fn published_as(target: &Target) -> Target {
    let bare = |reference: &Reference| match reference.tag() {
        Some(tag) => Reference::new(reference.repository().clone(), Some(tag.clone()), None),
        None => reference.clone(),
    };
    match target {
        Target::Store(path, reference) => Target::Store(path.clone(), bare(reference)),
        Target::Registry(reference) => Target::Registry(bare(reference)),
    }
}

/// A destination and who brings what to it.
pub(crate) struct Port {
    pub destination: Box<dyn Destination>,
    pub blobs: BlobMap,
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
#[derive(Default)]
pub(crate) struct Places {
    sources: HashMap<Place, Arc<dyn Source>>,
    ports: HashMap<Place, Arc<Port>>,
}

impl Places {
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
            Target::Store(path, _) => Arc::new(StoreSource::new(Arc::new(Store::open(path)?))),
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
                Arc::new(FolderToBe::new(path.clone()))
            }
            Target::Store(path, _) => Arc::new(StoreDestination::new(Arc::new(Store::open(path)?))),
            Target::Registry(reference) => Arc::new(RegistryDestination::new(
                client.clone(),
                reference.registry().clone(),
            )),
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
            Target::Store(path, _) => Box::new(StoreDestination::new(Arc::new(Store::create(path)?))),
            Target::Registry(reference) => Box::new(RegistryDestination::new(
                client.clone(),
                reference.registry().clone(),
            )),
        };
        let port = Arc::new(Port {
            destination,
            blobs: BlobMap::default(),
        });
        self.ports.insert(place, Arc::clone(&port));
        Ok(port)
    }
}
