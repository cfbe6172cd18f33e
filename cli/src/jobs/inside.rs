//! What `inspect` and `diff` are about.

use std::path::Path;

use transload_policy::PlatformPattern;
use transload_transfer::job::{Endpoint, EndpointError, ImageEntry, ImageName, Job, Location};
use transload_transfer::place::LocalPlace;

use super::{
    Wrong, directory, endpoint, hosts, is_directory, no_image, platform_problem, read_pattern, with_volumes,
};
use crate::args::{DiffArgs, InspectArgs, InventoryArgs, RegistryArgs, VerifyArgs, VolumesArgs};
use crate::task::{Problem, TaskErrors};

/// What is compared.
#[derive(Debug)]
pub enum Ends {
    /// Two places on disks.
    Local(LocalPlace, LocalPlace),
    /// A place on a disk with where it would be pushed to; whether the registry comes first.
    Registry(Box<Job>, LocalPlace, bool),
}

/// The image that `inspect` is about, as the one image of a job, and where it is.
///
/// # Errors
/// Everything that is wrong with the arguments.
pub fn inspect(args: &InspectArgs) -> Result<(Job, ImageName), TaskErrors> {
    let mut wrong = Wrong::default();
    let is_folder = Path::new(&args.image).is_dir();
    if args.src.is_none() && (is_folder || is_directory(&args.image)) {
        let dir = &args.image;
        let what = if is_folder {
            "a directory"
        } else {
            "a place, and no image"
        };
        let problem = Problem::of_file("IMAGE", format!("{dir} is {what}"));
        let hint = format!(
            "`transload list {dir}` shows its images; `transload inspect IMAGE --src {dir}` shows one of them"
        );
        return Err(problem.with_hint(hint).into());
    }
    let image = image(&args.image, &mut wrong);
    if let (None, Some(given)) = (&args.src, args.volumes.given()) {
        wrong.note(given, "it is for bundles, and --src isn't one");
    }
    let source = args.src.as_deref().and_then(|src| {
        let parsed = Location::parse_argument(src);
        let parsed = parsed.map(|source| Endpoint::Fixed(with_volumes(source, &args.volumes, &mut wrong)));
        endpoint("--src", src, parsed, &mut wrong)
    });
    // Nothing goes anywhere.
    let nowhere = Location::directory(Path::new(""));
    let job = Job {
        source,
        skip_tls_verify: args.registries.is_insecure(),
        ..Job::new("inspect", nowhere.into())
    };
    let own = image
        .iter()
        .map(|image| image.reference().repository().registry().clone());
    let hosts = hosts(&job, own.collect(), &args.registries, &mut wrong);
    let Some(image) = image else {
        return Err(wrong.0.into());
    };
    let job = wrong.finish(Some(Job { hosts, ..job }))?;
    Ok((job, image))
}

/// The one image of an argument.
fn image(text: &str, wrong: &mut Wrong) -> Option<ImageName> {
    match text.parse::<ImageEntry>() {
        Ok(ImageEntry::Name(name)) => Some(name),
        Ok(ImageEntry::Glob(_)) => {
            let hint =
                format!("`transload pull {text} --dest DIR --dry-run` shows the tags that it stands for");
            wrong.note_with_hint(
                "IMAGE",
                format!("{text} may match several images, and inspect shows one"),
                hint,
            );
            None
        }
        Err(error) => {
            wrong.0.push(no_image(&error));
            None
        }
    }
}

/// What `diff` compares.
///
/// # Errors
/// Everything that is wrong with the arguments.
pub fn diff(args: &DiffArgs) -> Result<Ends, TaskErrors> {
    let (mut wrong, mut bundles) = (Wrong::default(), 0);
    let mut read = |argument: &str, text: &str| {
        let parsed = Location::parse_argument(text).map(|location| match &location {
            Location::Local(place) if place.is_bundle() => {
                bundles += 1;
                with_volumes(location, &args.volumes, &mut wrong)
            }
            _ => location,
        });
        let parsed = parsed.map(Endpoint::Fixed);
        if let Err(EndpointError::Unclear { .. }) = &parsed {
            let message =
                format!("there is no directory {text}, and it isn't clear that a registry is meant");
            let hint =
                format!("a registry has a dot or a port in its name; docker.io/{text} is at Docker Hub");
            wrong.note_with_hint(argument, message, hint);
            return None;
        }
        endpoint(argument, text, parsed, &mut wrong)
    };
    let ends = read("A", &args.a).zip(read("B", &args.b));
    if let (0, Some(given)) = (bundles, args.volumes.given()) {
        wrong.note(given, "neither of them is a bundle");
    }
    let pattern = args
        .pattern
        .as_deref()
        .and_then(|pattern| read_pattern(pattern, &mut wrong));
    let Some((a, b)) = ends else {
        return Err(wrong.0.into());
    };
    let (place, registry, is_turned) = match (a.local(), b.local()) {
        (Some(a), Some(b)) => {
            if wrong.0.is_empty() {
                return Ok(Ends::Local(a.clone(), b.clone()));
            }
            return Err(wrong.0.into());
        }
        (Some(place), None) => (place.clone(), b, false),
        (None, Some(place)) => (place.clone(), a, true),
        (None, None) => {
            let message = format!(
                "{} and {} are registries, and one of the two must be a directory",
                args.a, args.b
            );
            wrong.note_with_hint("A", message, "a directory is written ./images");
            return Err(wrong.0.into());
        }
    };
    let source = Location::Local(place.clone()).into();
    let job = Job {
        source: Some(source),
        pattern,
        untagged: args.untagged,
        skip_tls_verify: args.registries.is_insecure(),
        ..Job::new("diff", registry)
    };
    let hosts = hosts(&job, Vec::new(), &args.registries, &mut wrong);
    let job = wrong.finish(Some(Job { hosts, ..job }))?;
    Ok(Ends::Registry(Box::new(job), place, is_turned))
}

/// The place that `inventory` is about, and a job that says how it is reached.
///
/// # Errors
/// Everything that is wrong with the arguments.
pub fn inventory(args: &InventoryArgs) -> Result<(Job, Location), TaskErrors> {
    let location = location("PLACE", &args.place)?;
    Ok((
        reaching("inventory", Some(&location), &args.registries)?,
        location,
    ))
}

/// A job that says how the place of `verify --against` is reached.
///
/// # Errors
/// Everything that is wrong with the arguments.
pub fn against(args: &VerifyArgs) -> Result<Job, TaskErrors> {
    let text = args
        .against
        .against
        .as_deref()
        .filter(|text| !Path::new(text).exists());
    let location = text.map(|text| location("--against", text)).transpose()?;
    reaching("verify", location.as_ref(), &args.registries)
}

/// The place that a receipt is compared with, and a job that says how it is reached.
///
/// # Errors
/// Everything that is wrong with the arguments.
pub fn place_of_receipt(args: &VerifyArgs) -> Result<(Job, Location), TaskErrors> {
    let location = location("--against", args.against.against.as_deref().unwrap_or_default())?;
    Ok((reaching("verify", Some(&location), &args.registries)?, location))
}

fn location(argument: &str, text: &str) -> Result<Location, TaskErrors> {
    Ok(Location::parse_argument(text)
        .map_err(|error| Problem::of_file(argument, error.to_string()).maybe_hint(error.hint()))?)
}

/// A job that moves nothing, and says how a place is reached.
fn reaching(name: &str, location: Option<&Location>, registries: &RegistryArgs) -> Result<Job, TaskErrors> {
    let mut wrong = Wrong::default();
    let job = Job {
        source: location.cloned().map(Endpoint::from),
        skip_tls_verify: registries.is_insecure(),
        ..Job::new(name, Location::directory(Path::new("")).into())
    };
    let hosts = hosts(&job, Vec::new(), registries, &mut wrong);
    wrong.finish(Some(Job { hosts, ..job }))
}

/// The place on a disk that a command is about, with what is said of its bundle.
///
/// # Errors
/// Where the text is none's, or is no bundle's and something is said of one.
pub fn place(text: &str, volumes: &VolumesArgs) -> Result<LocalPlace, TaskErrors> {
    let mut wrong = Wrong::default();
    let location = directory("PLACE", text, &mut wrong);
    match location.map(|location| with_volumes(location, volumes, &mut wrong)) {
        Some(Location::Local(place)) if wrong.0.is_empty() => Ok(place),
        Some(Location::Local(_)) => Err(wrong.0.into()),
        Some(image) => {
            let message = format!("{image} is one image, and the command is about a whole place");
            Err(Problem::of_file("PLACE", message).into())
        }
        None => Err(wrong.0.into()),
    }
}

/// The platforms of `--platform`; none where all are meant.
///
/// # Errors
/// Where one is none.
pub fn platform_patterns(list: &[String]) -> Result<Vec<PlatformPattern>, TaskErrors> {
    let mut wrong = Wrong::default();
    let mut patterns = Vec::new();
    for text in list {
        match text.parse() {
            Ok(pattern) => patterns.push(pattern),
            Err(_) if text.eq_ignore_ascii_case("all") => return Ok(Vec::new()),
            Err(error) => wrong.0.push(platform_problem(&error)),
        }
    }
    if wrong.0.is_empty() {
        Ok(patterns)
    } else {
        Err(wrong.0.into())
    }
}
