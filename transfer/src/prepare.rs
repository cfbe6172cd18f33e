//! From a task to its images, each with its source and its destination, before anything moves.

mod across;
mod names;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use transload_policy::Mode;
use transload_registry_client::Client;

use super::clients::Clients;
use super::fault::{Fault, Side};
use super::outcome::Route;
use super::place::{LocalPlace, Opener, Place, Refusal};
use crate::bundle::BundleChoice;
use crate::job::{Endpoint, EndpointError, ImageName, Job, Shard, TagGlob, Target};

pub(crate) use across::check_across;
use names::{left_images, named_images};

/// What to do about a report of something else.
const SAME_AGAIN: &str = "use the report of the same task file or command";

/// Why a task can't be begun.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The task's number among those of the run, from 0.
    pub number: usize,
    /// The task.
    pub job: String,
    /// The side that it is about: the task's source or its destination.
    pub side: Option<Side>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether a place is at fault, and not how it was asked for: a registry that doesn't answer, a tag that isn't there, a disk that
    /// takes no image directory.
    pub failed: bool,
    /// The file's place or the argument that it is about, where that isn't the task or one of its sides.
    pub place: Option<String>,
}

impl Problem {
    /// Returns the problem that one of a job's own faults is.
    pub(crate) fn of_job(job: &Job, fault: &Fault) -> Problem {
        Problem {
            number: 0,
            job: job.name.clone(),
            side: fault.side(),
            message: fault.to_string(),
            hint: fault.hint().map(str::to_owned),
            failed: false,
            place: None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Some(Side::Source) => "src: ",
            Some(Side::Destination) => "dest: ",
            None => "",
        };
        write!(f, "{}: {side}{}", self.job, self.message)?;
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
    /// Globs that stand for no image, and why: they fail as an image does.
    pub refused: Vec<(Mapping, Fault)>,
    pub warnings: Vec<String>,
    pub client: Client,
    pub opener: Opener,
    /// What a bundle carries.
    pub choice: Arc<BundleChoice>,
}

impl Prepared<'_> {
    /// Its images and their ends, as they are shown.
    pub fn routes(&self) -> Vec<Route> {
        let refused = self.refused.iter().map(|(mapping, _)| mapping);
        self.images.iter().chain(refused).map(Mapping::route).collect()
    }
}

/// One image's way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// The image, as it was written.
    pub name: ImageName,
    /// What events call it: see [`Route::label`].
    pub label: String,
    /// Where it comes from.
    pub from: Target,
    /// Where it goes.
    pub to: Target,
}

impl Mapping {
    /// The image and its ends, as they are shown.
    pub fn route(&self) -> Route {
        Route {
            image: self.name.written().to_owned(),
            label: self.label.clone(),
            source: self.from.to_string(),
            destination: self.to.to_string(),
        }
    }
}

/// Whether a task's images are known yet.
pub(crate) enum Preparation<'a> {
    Ready(Prepared<'a>),
    /// Its source is a place that an earlier task of the run fills.
    Later,
}

/// Looks at everything that can be looked at without moving anything. `filled` are the places that earlier tasks write to.
pub(crate) fn prepare<'a>(
    job: &'a Job,
    filled: &HashSet<LocalPlace>,
    clients: &mut Clients<'_>,
) -> Result<Preparation<'a>, Vec<Problem>> {
    let mut wrong = Wrong {
        job,
        problems: Vec::new(),
    };
    let client = match clients.of(job) {
        Ok(client) => client,
        Err(error) => {
            wrong.note(None, error.kind().to_string(), error.hint());
            return Err(wrong.problems);
        }
    };
    let opener = clients.opener().clone();
    let source = job.source.as_ref().and_then(Endpoint::local);
    let is_later = source.is_some_and(|place| filled.contains(place));
    for place in job.destinations().filter_map(Endpoint::local) {
        check_destination(place, source, &opener, &mut wrong);
    }
    let stands_alone = |place: &LocalPlace| place.is_stream() || place.is_bundle();
    if let Some(place) = job
        .destinations()
        .filter_map(Endpoint::local)
        .find(|place| stands_alone(place))
        && !job.also_to.is_empty()
    {
        let message = format!("{place} can't be one of several destinations");
        let hint = "write a pipe or a bundle with a task or command of its own";
        wrong.note(Some(Side::Destination), message, Some(hint.to_owned()));
    }
    // A pipe gives what it gives once: not before the destination is known to be right.
    if let Some(place) = source.filter(|place| !is_later && (wrong.problems.is_empty() || !place.is_stream()))
        && let Err(refusal) = place.kind().check_source(place, &opener)
    {
        wrong.refuse(Side::Source, refusal);
    }
    if is_later && wrong.problems.is_empty() {
        return Ok(Preparation::Later);
    }
    let mut warnings = Vec::new();
    let (mut images, mut refused) = (Vec::new(), Vec::new());
    if wrong.problems.is_empty() {
        let names = named_images(&client, &opener, &mut wrong, &mut warnings, &mut refused);
        let names = left_images(names, &mut wrong);
        images = map_images(names, &mut wrong, &mut warnings);
        check_places(&images, &opener, &mut wrong);
        check_pins(&images, &mut wrong);
    }
    let choice = match wrong.problems.is_empty() {
        true => clients.choice(job).unwrap_or_else(|fault| {
            wrong.note(None, fault.text(), fault.hint().map(str::to_owned));
            Arc::default()
        }),
        false => Arc::default(),
    };
    if wrong.problems.is_empty() {
        let is_left = |glob: &TagGlob| {
            job.earlier
                .as_ref()
                .is_none_or(|earlier| earlier.leaves(glob.written()))
        };
        let mut refused: Vec<(Mapping, Fault)> = refused
            .into_iter()
            .filter(|(glob, _)| is_left(glob))
            .map(|(glob, fault)| (unmatched(job, glob), fault))
            .collect();
        if let Some(shard) = job.shard {
            keep_shard(shard, &mut images, &mut refused, &mut warnings);
        }
        Ok(Preparation::Ready(Prepared {
            job,
            images,
            refused,
            warnings,
            client,
            opener,
            choice,
        }))
    } else {
        Err(wrong.problems)
    }
}

/// Leaves out what belongs to other shards.
fn keep_shard(
    shard: Shard,
    images: &mut Vec<Mapping>,
    refused: &mut Vec<(Mapping, Fault)>,
    warnings: &mut Vec<String>,
) {
    // All destinations of an image are in one shard, so that it is read once.
    let repository = |mapping: &Mapping| match mapping.label == mapping.name.written() {
        true => format!("{} {}", mapping.to.place(), mapping.to.reference().repository()),
        false => format!(
            "{} {}",
            mapping.from.place(),
            mapping.from.reference().repository()
        ),
    };
    let all = images
        .iter()
        .chain(refused.iter().map(|(mapping, _)| mapping))
        .map(repository);
    let all: BTreeSet<String> = all.collect();
    let own = shard.own(&all);
    if own.is_empty() {
        let repositories = match all.len() {
            1 => "1 repository".to_owned(),
            several => format!("{several} repositories"),
        };
        warnings.push(format!(
            "no image is left for this shard: the images go to {repositories}"
        ));
    }
    images.retain(|mapping| own.contains(&repository(mapping)));
    refused.retain(|(mapping, _)| own.contains(&repository(mapping)));
}

/// Collects what is wrong with a task.
pub(super) struct Wrong<'a> {
    pub job: &'a Job,
    problems: Vec<Problem>,
}

impl Wrong<'_> {
    /// Notes what is wrong with the task, or with its source or destination.
    fn note(&mut self, side: Option<Side>, message: impl fmt::Display, hint: Option<String>) {
        self.push(side, message, hint, false);
    }

    /// The same; `failed` is [`Problem::failed`].
    pub fn push(
        &mut self,
        side: Option<Side>,
        message: impl fmt::Display,
        hint: Option<String>,
        failed: bool,
    ) {
        self.problems.push(Problem {
            number: 0,
            job: self.job.name.clone(),
            side,
            message: message.to_string(),
            hint,
            failed,
            place: None,
        });
    }

    /// Notes why one of the task's places can't be used.
    fn refuse(&mut self, side: Side, refusal: Refusal) {
        self.push(
            Some(refusal.side.unwrap_or(side)),
            refusal.message,
            refusal.hint,
            refusal.failed,
        );
    }

    /// Notes what is wrong with a glob, where it stands.
    pub fn push_at(&mut self, glob: &TagGlob, message: String, hint: Option<String>) {
        self.push(None, message, hint, false);
        if let Some(problem) = self.problems.last_mut() {
            problem.place = Some(glob.place().to_owned());
        }
    }
}

/// A glob that stands for no image, as a way from where it was looked for.
fn unmatched(job: &Job, glob: &TagGlob) -> Mapping {
    let name = glob.as_image();
    let own = || Target::in_registry(name.reference().clone());
    let target = |end: &Endpoint| end.target(&name);
    Mapping {
        label: name.written().to_owned(),
        from: job
            .source
            .as_ref()
            .map_or_else(own, |source| target(source).unwrap_or_else(|_| own())),
        to: target(&job.destination).unwrap_or_else(|_| own()),
        name,
    }
}

fn check_destination(
    place: &LocalPlace,
    source: Option<&LocalPlace>,
    opener: &Opener,
    wrong: &mut Wrong<'_>,
) {
    if source.is_some_and(|source| is_same(source.path(), place.path())) {
        wrong.note(None, format!("src and dest are the same place, {place}"), None);
    } else if let Err(refusal) = place.kind().check_sink(place, opener) {
        wrong.refuse(Side::Destination, refusal);
    }
}

/// Checks the places that a template names as destinations, each once.
fn check_places(images: &[Mapping], opener: &Opener, wrong: &mut Wrong<'_>) {
    // The others have been looked at.
    let mut seen: HashSet<&LocalPlace> = wrong.job.destinations().filter_map(Endpoint::local).collect();
    for mapping in images {
        if let Place::Local(place) = mapping.to.place()
            && seen.insert(place)
            && let Err(refusal) = place.kind().check_sink(place, opener)
        {
            wrong.refuse(Side::Destination, refusal);
        }
    }
}

/// Whether two paths lead to one folder, however they are written.
fn is_same(a: &std::path::Path, b: &std::path::Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

fn map_images(names: Vec<ImageName>, wrong: &mut Wrong<'_>, warnings: &mut Vec<String>) -> Vec<Mapping> {
    let job = wrong.job;
    let mut mappings: Vec<Mapping> = Vec::new();
    let mut by_destination: HashMap<Target, usize> = HashMap::new();
    let mut clashes: BTreeMap<String, Vec<ImageName>> = BTreeMap::new();
    if let Some(image) = job.source.as_ref().and_then(Endpoint::image)
        && names.len() > 1
    {
        let hint = format!("give src as {} alone, or list one image", image.place());
        let message = format!("{image} is one image, and {} are to move", names.len());
        wrong.note(Some(Side::Source), message, Some(hint));
        return mappings;
    }
    let ways = names
        .iter()
        .flat_map(|name| job.destinations().map(move |to| (name, to)));
    for (name, destination) in ways {
        let located = locate(job, name, destination);
        let mapping = match located {
            Ok((from, to)) => {
                let label = match job.also_to.is_empty() {
                    true => name.written().to_owned(),
                    false => format!("{name} to {destination}"),
                };
                let open = job
                    .earlier
                    .as_ref()
                    .and_then(|earlier| earlier.open.get(name.written()));
                let is_left_out = open.is_some_and(|open| !open.contains(&to.to_string()));
                if is_left_out && !job.also_to.is_empty() {
                    continue;
                }
                if let Some(elsewhere) = open.and_then(BTreeSet::first).filter(|_| is_left_out) {
                    let message =
                        format!("the report doesn't fit: {name} was to go to {elsewhere}, and now to {to}");
                    wrong.note(Some(Side::Destination), message, Some(SAME_AGAIN.to_owned()));
                    return mappings;
                }
                let name = name.clone();
                Mapping {
                    name,
                    label,
                    from,
                    to,
                }
            }
            Err((side, error)) => {
                // What is wrong with a template is mostly wrong for every image.
                wrong.note(Some(side), &error, error.hint());
                return mappings;
            }
        };
        // Standard input isn't standard output, though both are written `-`.
        let is_stream = matches!(mapping.to.place(), Place::Local(local) if local.is_stream());
        if mapping.from == mapping.to && !is_stream {
            let message = format!("{} would be copied onto itself", mapping.name);
            wrong.note(Some(Side::Destination), message, None);
            continue;
        }
        match by_destination
            .get(&mapping.to.published_as())
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
                by_destination.insert(mapping.to.published_as(), mappings.len());
                mappings.push(mapping);
            }
        }
    }
    check_earlier(&mappings, wrong);
    for (to, others) in clashes {
        let first = mappings.iter().find(|mapping| mapping.to.to_string() == to);
        if let Some(first) = first {
            let (message, hint) = clash(&first.name, &others, &to);
            wrong.note(Some(Side::Destination), message, Some(hint));
        }
    }
    mappings
}

/// Refuses a report of which an image was to go to a place that is none of several destinations.
fn check_earlier(mappings: &[Mapping], wrong: &mut Wrong<'_>) {
    let job = wrong.job;
    let Some(earlier) = job.earlier.as_ref().filter(|_| !job.also_to.is_empty()) else {
        return;
    };
    let ways: HashSet<(&str, String)> = mappings
        .iter()
        .map(|mapping| (mapping.name.written(), mapping.to.to_string()))
        .collect();
    let open = earlier.open.iter();
    let mut open = open.flat_map(|(image, places)| places.iter().map(move |place| (image, place)));
    // A glob that stood for nothing went nowhere.
    let is_glob = |image: &str| job.globs.iter().any(|glob| glob.written() == image);
    let strange =
        open.find(|(image, place)| !ways.contains(&(image.as_str(), (*place).clone())) && !is_glob(image));
    if let Some((image, place)) = strange {
        let message =
            format!("the report doesn't fit: {image} was to go to {place}, which is no destination now");
        wrong.note(Some(Side::Destination), message, Some(SAME_AGAIN.to_owned()));
    }
}

/// Refuses images that aren't pinned where others are, before anything moves. With the policy `warn` some may have been left out when
/// they were pinned: these are judged once their platforms are known.
fn check_pins(images: &[Mapping], wrong: &mut Wrong<'_>) {
    let Some(pins) = wrong.job.pins.as_ref().filter(|_| wrong.job.mode == Mode::Strict) else {
        return;
    };
    let images: Vec<&ImageName> = images.iter().map(|mapping| &mapping.name).collect();
    if let Err(fault) = pins.check_listed(&images) {
        wrong.note(None, fault.to_string(), fault.hint().map(str::to_owned));
    }
}

/// Why several images can't go to one destination, and what to do about it.
fn clash(first: &ImageName, others: &[ImageName], to: &str) -> (String, String) {
    let message = match others {
        [second] => format!("{first} and {second} would both go to {to}"),
        others => {
            let more = others.len() - 1;
            format!("{first}, {} and {more} more would all go to {to}", others[0])
        }
    };
    let hint = "let dest tell them apart, for example with {{ .module.image.src.reference.repository }} and \
                {{ .module.image.src.reference.reference }}, or give a registry as dest";
    (message, hint.to_owned())
}

fn locate(
    job: &Job,
    name: &ImageName,
    destination: &Endpoint,
) -> Result<(Target, Target), (Side, EndpointError)> {
    let from = match &job.source {
        None => Ok(Target::in_registry(name.reference().clone())),
        Some(source) => source.target(name),
    };
    let to = name
        .renamed(&job.renaming)
        .and_then(|renamed| destination.target(&renamed));
    Ok((
        from.map_err(|error| (Side::Source, error))?,
        to.map_err(|error| (Side::Destination, error))?,
    ))
}
