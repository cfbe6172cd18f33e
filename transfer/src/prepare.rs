//! From a task to its images, each with its source and its destination, before anything moves.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use transload_layout_store::{OpenOptions, StoredImage, part_leftovers};
use transload_policy::{Mode, PlatformSet};
use transload_reference::Reference;
use transload_registry_client::Client;

use super::clients::Clients;
use super::fault::{Fault, Side};
use super::globs;
use super::outcome::Route;
use super::places::whole;
use crate::job::{Endpoint, EndpointError, ImageName, Job, Location, TagGlob, Target, has_archive_name};

/// What to do about a report of something else.
const SAME_AGAIN: &str = "give the report of a run of the same task file, or the same command";

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
            source: self.from.to_string(),
            destination: self.to.to_string(),
        }
    }
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
    let open_options = clients.open_options();
    let source = job.source.as_ref().and_then(Endpoint::store);
    let is_later = source.is_some_and(|path| filled.contains(&whole(path)));
    if let (Some(path), false) = (source, is_later) {
        check_source(path, &open_options, &mut wrong);
    }
    if let Some(path) = job.destination.store() {
        check_destination(path, source, &open_options, &mut wrong);
    }
    if is_later && wrong.problems.is_empty() {
        return Ok(Preparation::Later);
    }
    let mut warnings = Vec::new();
    let (mut images, mut refused) = (Vec::new(), Vec::new());
    if wrong.problems.is_empty() {
        let names = named_images(&client, &open_options, &mut wrong, &mut warnings, &mut refused);
        let names = left_images(names, &mut wrong);
        images = map_images(names, &mut wrong, &mut warnings);
        check_folders(&images, &open_options, &mut wrong);
        check_pins(&images, &mut wrong);
    }
    if wrong.problems.is_empty() {
        Ok(Preparation::Ready(Prepared {
            job,
            images,
            refused: refused
                .into_iter()
                .filter(|(glob, _)| {
                    job.earlier
                        .as_ref()
                        .is_none_or(|earlier| earlier.leaves(glob.written()))
                })
                .map(|(glob, fault)| (unmatched(job, glob), fault))
                .collect(),
            warnings,
            client,
        }))
    } else {
        Err(wrong.problems)
    }
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
    let own = || Target::Registry(name.reference().clone());
    let target = |end: &Endpoint| end.locate(&name).and_then(|location| location.target(&name));
    Mapping {
        from: job
            .source
            .as_ref()
            .map_or_else(own, |source| target(source).unwrap_or_else(|_| own())),
        to: target(&job.destination).unwrap_or_else(|_| own()),
        name,
    }
}

fn check_source(path: &Path, open_options: &OpenOptions, wrong: &mut Wrong<'_>) {
    match (path.try_exists(), open_options.open(path)) {
        (Ok(false), _) => {
            let message = format!("there is no directory {}", path.display());
            wrong.note(Some(Side::Source), message, where_else(path));
        }
        (_, Err(error)) => wrong.note(Some(Side::Source), &error, error.hint()),
        (_, Ok(_)) => {}
    }
}

fn check_destination(path: &Path, source: Option<&Path>, open_options: &OpenOptions, wrong: &mut Wrong<'_>) {
    if source.is_some_and(|source| is_same(source, path)) {
        wrong.note(None, "src and dest are the same directory", None);
    } else if path.symlink_metadata().is_ok() {
        match open_options.open(path) {
            Err(error) => wrong.note(Some(Side::Destination), &error, error.hint()),
            Ok(_) => check_filesystem(path, open_options, wrong),
        }
    } else if let Some(file) = path.ancestors().skip(1).find(|path| path.exists())
        && !file.is_dir()
    {
        let message = format!("{} can't be made: {} is a file", path.display(), file.display());
        wrong.note(Some(Side::Destination), message, None);
    } else if has_archive_name(path) {
        let path = path.display();
        let message = format!("{path} is an archive's name, and images are written into a directory");
        let hint = format!(
            "give a directory, and pack it afterwards: tar -caf {path} -C DIRECTORY . (for a directory of that name, make it first: mkdir {path})"
        );
        wrong.note(Some(Side::Destination), message, Some(hint));
    } else {
        check_filesystem(path, open_options, wrong);
    }
}

/// Checks the directories that a template names as destinations, each once.
fn check_folders(images: &[Mapping], open_options: &OpenOptions, wrong: &mut Wrong<'_>) {
    if wrong.job.destination.store().is_some() {
        return;
    }
    let folders: BTreeSet<&Path> = images
        .iter()
        .filter_map(|mapping| match &mapping.to {
            Target::Store(path, _) => Some(path.as_path()),
            Target::Registry(_) => None,
        })
        .collect();
    for path in folders {
        check_filesystem(path, open_options, wrong);
    }
}

fn check_filesystem(path: &Path, open_options: &OpenOptions, wrong: &mut Wrong<'_>) {
    if let Err(error) = open_options.check_names(path) {
        wrong.push(Some(Side::Destination), &error, error.hint(), true);
    }
}

/// Where a directory may be that a path doesn't lead to.
fn where_else(path: &Path) -> Option<String> {
    // local://var/lib/images lacks a slash.
    let from_root = Path::new("/").join(path);
    if path.is_relative() && from_root.is_dir() {
        let path = from_root.display();
        return Some(format!(
            "there is one at {path}: with local://, that is local://{path}"
        ));
    }
    let here = std::env::current_dir().ok().filter(|_| path.is_relative())?;
    Some(format!("the current directory is {}", here.display()))
}

/// Whether two paths lead to one folder, however they are written.
fn is_same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// The images that the task is about: those it lists, else those of its source; of these, those that its pattern matches.
fn named_images<'a>(
    client: &Client,
    open_options: &OpenOptions,
    wrong: &mut Wrong<'a>,
    warnings: &mut Vec<String>,
    refused: &mut Vec<(&'a TagGlob, Fault)>,
) -> Vec<ImageName> {
    let job = wrong.job;
    let names = match (&job.source, job.images.as_slice()) {
        (_, listed) if !job.globs.is_empty() => {
            let listed = listed.to_vec();
            listed
                .into_iter()
                .chain(globs::expand(client, open_options, wrong, refused))
                .collect()
        }
        (Some(Endpoint::Fixed(Location::Image(image))), []) => vec![image.clone().into()],
        (Some(Endpoint::Fixed(Location::Store(path))), []) => {
            stored_images(open_options, path, wrong, warnings)
        }
        (_, []) => {
            let hint = "list them in manifests, or give a src that holds some (local://…) or is one (registry/repository:tag)";
            wrong.note(None, "no images are named", Some(hint.to_owned()));
            Vec::new()
        }
        (_, listed) => listed.to_vec(),
    };
    let Some(pattern) = &job.pattern else {
        if names.is_empty() && refused.is_empty() && wrong.problems.is_empty() {
            warnings.push("there are no images to move".to_owned());
        }
        return names;
    };
    let before = names.len();
    let names: Vec<ImageName> = names
        .into_iter()
        .filter(|name| pattern.matches(name.written(), name.reference()))
        .collect();
    if names.is_empty() && refused.is_empty() && wrong.problems.is_empty() {
        warnings.push(format!(
            "the pattern \"{pattern}\" matches no image (of {before})"
        ));
    }
    names
}

/// Of the images, those that an earlier run left.
fn left_images(names: Vec<ImageName>, wrong: &mut Wrong<'_>) -> Vec<ImageName> {
    let Some(earlier) = &wrong.job.earlier else {
        return names;
    };
    let globs = wrong.job.globs.iter();
    let known = names.iter().map(ImageName::written);
    let known: HashSet<&str> = known.chain(globs.clone().map(TagGlob::written)).collect();
    let mut strange = earlier
        .open
        .keys()
        .filter(|image| !known.contains(image.as_str()));
    if let Some(image) = strange.next().filter(|_| wrong.problems.is_empty()) {
        let more = match strange.count() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let message = format!("the report doesn't fit: it has {image}{more}, which isn't among the images");
        wrong.note(None, message, Some(SAME_AGAIN.to_owned()));
        return Vec::new();
    }
    names
        .into_iter()
        .filter(|name| {
            // A glob that stood for nothing may stand for images now.
            let is_of_open_glob = |glob: &TagGlob| {
                earlier.open.contains_key(glob.written()) && glob.stands_for(name.reference())
            };
            earlier.leaves(name.written()) || globs.clone().any(is_of_open_glob)
        })
        .collect()
}

fn stored_images(
    open_options: &OpenOptions,
    path: &Path,
    wrong: &mut Wrong<'_>,
    warnings: &mut Vec<String>,
) -> Vec<ImageName> {
    // A folder that can't be opened was complained about already.
    let Ok(store) = open_options.open(path) else {
        return Vec::new();
    };
    match store.images() {
        Ok(images) if images.len() == 0 => {
            let message = format!("{} holds no images", path.display());
            let hint = "pull images into it first, or check the path: `transload list DIR` shows what a directory holds";
            wrong.push(Some(Side::Source), message, Some(hint.to_owned()), true);
            Vec::new()
        }
        Ok(images) if wrong.job.untagged => images.map(|image| image.reference.into()).collect(),
        Ok(images) => without_leftovers(images, warnings),
        Err(error) => {
            wrong.note(Some(Side::Source), &error, error.hint());
            Vec::new()
        }
    }
}

/// Images but those that moved tags left behind, which a warning tells.
fn without_leftovers(
    images: impl Iterator<Item = StoredImage>,
    warnings: &mut Vec<String>,
) -> Vec<ImageName> {
    let (wanted, leftovers) = part_leftovers(images);
    if let [first, others @ ..] = leftovers.as_slice() {
        let (number, more) = match others.len() {
            0 => ("an image".to_owned(), String::new()),
            more => (format!("{} images", more + 1), format!(" and {more} more")),
        };
        warnings.push(format!(
            "{number} without a tag left out, beside tagged ones of the same repository: {}{more} (--untagged or `untagged: true` includes them)",
            first.reference
        ));
    }
    wanted.into_iter().map(|image| image.reference.into()).collect()
}

fn map_images(names: Vec<ImageName>, wrong: &mut Wrong<'_>, warnings: &mut Vec<String>) -> Vec<Mapping> {
    let job = wrong.job;
    let mut mappings: Vec<Mapping> = Vec::new();
    let mut by_destination: HashMap<Target, usize> = HashMap::new();
    let mut clashes: BTreeMap<String, Vec<ImageName>> = BTreeMap::new();
    if let Some(Endpoint::Fixed(Location::Image(image))) = &job.source
        && names.len() > 1
    {
        let hint = format!("give src as a registry ({}) or list one image", image.registry());
        let message = format!("{image} is one image, and {} are to move", names.len());
        wrong.note(Some(Side::Source), message, Some(hint));
        return mappings;
    }
    for name in names {
        let located = locate(job, &name);
        let mapping = match located {
            Ok((from, to)) => {
                let went_to = job
                    .earlier
                    .as_ref()
                    .and_then(|earlier| earlier.open.get(name.written()));
                if let Some(elsewhere) = went_to.filter(|went_to| **went_to != to.to_string()) {
                    let message =
                        format!("the report doesn't fit: {name} was to go to {elsewhere}, and now to {to}");
                    wrong.note(Some(Side::Destination), message, Some(SAME_AGAIN.to_owned()));
                    return mappings;
                }
                Mapping { name, from, to }
            }
            Err((side, error)) => {
                // What is wrong with a template is mostly wrong for every image.
                wrong.note(Some(side), &error, error.hint());
                return mappings;
            }
        };
        if mapping.from == mapping.to {
            let message = format!("{} would be copied onto itself", mapping.name);
            wrong.note(Some(Side::Destination), message, None);
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
        if let Some(first) = first {
            let (message, hint) = clash(&first.name, &others, &to);
            wrong.note(Some(Side::Destination), message, Some(hint));
        }
    }
    mappings
}

/// Refuses tasks of which a later one would take a tag from an image that an earlier one copies: nobody wants the first copy then.
/// `tasks` are those whose images are known, with their numbers.
pub(crate) fn check_across(tasks: &[(usize, &Prepared<'_>)]) -> Vec<Problem> {
    let mut by_destination: HashMap<Target, (&Job, &Mapping)> = HashMap::new();
    let mut problems = Vec::new();
    for (number, prepared) in tasks {
        let job = prepared.job;
        let taken = prepared.images.iter().find_map(|mapping| {
            let (other, earlier) = by_destination.get(&published_as(&mapping.to))?;
            let is_same =
                earlier.from == mapping.from && other.platforms == job.platforms && other.index == job.index;
            (!is_same).then_some((mapping, *other, *earlier))
        });
        if let Some((mapping, other, earlier)) = taken {
            problems.push(Problem {
                number: *number,
                ..taken_by_another(job, mapping, other, earlier)
            });
        }
        let ends = prepared
            .images
            .iter()
            .map(|mapping| (published_as(&mapping.to), (job, mapping)));
        for (to, writer) in ends {
            by_destination.entry(to).or_insert(writer);
        }
    }
    problems
}

fn listed(platforms: &PlatformSet) -> String {
    let patterns = platforms.patterns().unwrap_or_default();
    match patterns {
        [] => "all".to_owned(),
        _ => patterns
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    }
}

/// Why a task can't write what an earlier one of the run writes, and what to do about it.
fn taken_by_another(job: &Job, mapping: &Mapping, other: &Job, earlier: &Mapping) -> Problem {
    let to = &mapping.to;
    let (message, hint) = if earlier.from == mapping.from {
        (
            format!(
                "the task \"{}\" writes {to} with the platforms {}, and this one would replace it with {}",
                other.name,
                listed(&other.platforms),
                listed(&job.platforms)
            ),
            "list the platforms in one task: `platform: [linux/amd64, linux/arm64]` copies one image with both",
        )
    } else {
        (
            format!(
                "the task \"{}\" writes {to} from {}, and this one would replace it with {}",
                other.name, earlier.from, mapping.from
            ),
            "give one of the tasks another dest, or run them from two files",
        )
    };
    Problem {
        number: 0,
        job: job.name.clone(),
        side: Some(Side::Destination),
        message,
        hint: Some(hint.to_owned()),
        failed: false,
        place: None,
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

fn locate(job: &Job, name: &ImageName) -> Result<(Target, Target), (Side, EndpointError)> {
    let target = |end: &Endpoint| end.locate(name).and_then(|location| location.target(name));
    let from = match &job.source {
        None => Ok(Target::Registry(name.reference().clone())),
        Some(source) => target(source),
    };
    Ok((
        from.map_err(|error| (Side::Source, error))?,
        target(&job.destination).map_err(|error| (Side::Destination, error))?,
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
