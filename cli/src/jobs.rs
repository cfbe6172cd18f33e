//! From the command line to [`Job`]s.

mod ends;
mod hosts;
mod inside;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use transload_policy::{ImagePattern, Mode, PlatformPattern, PlatformSet, RenameError, Renaming, Single};
use transload_reference::ParseError;
use transload_template::{Snippet, Value};
use transload_transfer::TrustPolicy;
use transload_transfer::job::{
    Bundling, Endpoint, EntryError, ImageEntry, ImageName, IndexMode, Job, LINK_HINT, Location, NO_LINK,
};
use transload_transfer::maintenance::Keep;
use transload_transfer::place::LocalPlace;

use crate::args::{
    BundleArgs, CopyArgs, IndexArg, Policy, PruneArgs, PullArgs, PushArgs, RenameArgs, SingleArg, TrustArgs,
    VerifyArgs, VolumesArgs, WhichArgs,
};
use crate::task::{self, Problem, TaskErrors};
use crate::trust;

use ends::{
    destinations, directory, directory_as_image, endpoint, holds_images, is_directory, is_registry,
    new_directory, registry, swapped,
};
use hosts::hosts;
pub use hosts::{host_rules, logins};
pub use inside::{Ends, against, diff, inspect, inventory, place, place_of_receipt, platform_patterns};

/// Collects what is wrong while going on.
#[derive(Default)]
struct Wrong(Vec<Problem>);

impl Wrong {
    /// Notes what is wrong with an argument.
    fn note(&mut self, argument: &str, message: impl Into<String>) {
        self.0.push(Problem::of_file(argument, message));
    }

    fn note_with_hint(&mut self, argument: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.0.push(Problem::of_file(argument, message).with_hint(hint));
    }

    fn finish(self, job: Option<Job>) -> Result<Job, TaskErrors> {
        match job {
            Some(job) if self.0.is_empty() => Ok(job),
            _ => Err(self.0.into()),
        }
    }
}

/// The job of `pull`.
///
/// # Errors
/// Everything that is wrong with the arguments.
pub fn pull(args: &PullArgs) -> Result<Job, TaskErrors> {
    let mut wrong = Wrong::default();
    let src = args.src.as_deref().filter(|src| is_directory(src));
    if let Some(src) = src.filter(|_| is_registry(&args.dest)) {
        return Err(swapped(src, &args.dest).into());
    }
    let destination = new_directory(&args.dest, &mut wrong);
    let source = args
        .src
        .as_deref()
        .and_then(|src| registry("--src", src, &mut wrong));
    let renaming = renaming(&args.rename, &mut wrong);
    let job = destination.map(|destination| {
        let destination = Endpoint::from(destination);
        Job {
            source,
            renaming,
            bundling: bundling(&args.bundle, &destination, &mut wrong),
            ..Job::new("pull", destination)
        }
    });
    let job = job.and_then(|job| complete(job, &args.images, &args.which, &mut wrong));
    wrong.finish(job)
}

/// The job of `push`.
///
/// # Errors
/// Everything that is wrong with the arguments.
pub fn push(args: &PushArgs) -> Result<Job, TaskErrors> {
    let mut wrong = Wrong::default();
    if let Some(dest) = args.dest.iter().find(|dest| is_directory(dest))
        && is_registry(&args.src)
    {
        return Err(swapped(&args.src, dest).into());
    }
    let source = directory("--src", &args.src, &mut wrong)
        .map(|source| with_volumes(source, &args.volumes, &mut wrong));
    if is_registry(&args.src) {
        wrong.note_with_hint(
            "--src",
            format!("there is no directory {}", args.src),
            "`transload copy` copies between registries",
        );
    }
    let destinations = destinations(&args.dest, &mut wrong, |dest, wrong| {
        registry("--dest", dest, wrong)
    });
    let renaming = renaming(&args.rename, &mut wrong);
    let job = source
        .zip(destinations)
        .map(|(source, (destination, also_to))| Job {
            source: Some(source.into()),
            also_to,
            renaming,
            untagged: args.untagged,
            create_projects: args.projects.visibility(),
            ..Job::new("push", destination)
        });
    let job = job.and_then(|job| complete(job, &args.images, &args.which, &mut wrong));
    wrong.finish(job)
}

/// The job of `copy`.
///
/// # Errors
/// Everything that is wrong with the arguments.
pub fn copy(args: &CopyArgs) -> Result<Job, TaskErrors> {
    let mut wrong = Wrong::default();
    let source = args.src.as_deref().and_then(|src| {
        let parsed = Location::parse_argument(src);
        let parsed = parsed.map(|source| Endpoint::Fixed(with_volumes(source, &args.volumes, &mut wrong)));
        endpoint("--src", src, parsed, &mut wrong)
    });
    if let (None, Some(given)) = (&args.src, args.volumes.given()) {
        wrong.note(given, "it is for bundles, and --src isn't one");
    }
    let destinations = destinations(&args.dest, &mut wrong, |dest, wrong| {
        let parsed = Location::parse_argument(dest).map(Endpoint::Fixed);
        endpoint("--dest", dest, parsed, wrong)
    });
    if let (true, Some((first, others))) = (args.link, &destinations)
        && !std::iter::once(first)
            .chain(others)
            .all(|destination| Endpoint::may_be_linked(source.as_ref(), destination))
    {
        wrong.note_with_hint("--link", NO_LINK, LINK_HINT);
    }
    let renaming = renaming(&args.rename, &mut wrong);
    let job = destinations.map(|(destination, also_to)| Job {
        source,
        also_to,
        renaming,
        link: args.link,
        untagged: args.untagged,
        create_projects: args.projects.visibility(),
        bundling: bundling(&args.bundle, &destination, &mut wrong),
        ..Job::new("copy", destination)
    });
    let job = job.and_then(|job| complete(job, &args.images, &args.which, &mut wrong));
    wrong.finish(job)
}

/// How a bundle is written.
fn bundling(args: &BundleArgs, destination: &Endpoint, wrong: &mut Wrong) -> Bundling {
    if let Some(given) = args.given()
        && !destination.local().is_some_and(LocalPlace::is_bundle)
    {
        let message = "it is for writing bundles, and --dest isn't one";
        wrong.note_with_hint(given, message, "for a bundle, write --dest bundle:DIR");
    }
    Bundling {
        base: args.base.clone(),
        delta: args.delta,
        only: args.only.clone(),
        limit: args.volume_size,
        command: args.volume_command.clone(),
        signer: None,
    }
}

/// Adds the folders that have a bundle's volumes, and who has to have signed it.
fn with_volumes(source: Location, args: &VolumesArgs, wrong: &mut Wrong) -> Location {
    let Some(given) = args.given() else {
        return source;
    };
    match source {
        Location::Local(place) if place.is_bundle() => {
            let is_missing = |folder: &&PathBuf| matches!(folder.try_exists(), Ok(false));
            if let Some(missing) = args.volumes.iter().find(is_missing) {
                wrong.note(
                    "--volumes",
                    format!("there is no directory {}", missing.display()),
                );
            }
            let signers = args.trust.as_deref().map(trust::read_signers).transpose();
            let signers = signers.unwrap_or_else(|errors| {
                wrong.0.extend(errors.problems().iter().cloned());
                None
            });
            let place = place.with_volumes(args.volumes.clone());
            Location::Local(place.with_signers(signers))
        }
        other => {
            let message = match given {
                "--trust" => format!("{other} isn't a bundle, and only bundles are signed as a whole"),
                _ => format!("{other} isn't a bundle, and has no volumes"),
            };
            wrong.note(given, message);
            other
        }
    }
}

/// What `verify --repair` has in common with a transfer: where these images' parts come from, and how their registries are reached.
///
/// # Errors
/// Everything that is wrong with the arguments.
pub fn repair(args: &VerifyArgs, images: &[ImageName]) -> Result<Job, TaskErrors> {
    let mut wrong = Wrong::default();
    let source = args
        .src
        .as_deref()
        .and_then(|src| registry("--src", src, &mut wrong));
    let job = Job {
        source,
        skip_tls_verify: args.registries.is_insecure(),
        ..Job::new("verify", Location::directory(Path::new("")).into())
    };
    let own = images.iter().map(|image| image.reference().registry().clone());
    let hosts = hosts(&job, own.collect(), &args.registries, &mut wrong);
    wrong.finish(Some(Job { hosts, ..job }))
}

/// The images that `prune` keeps.
///
/// # Errors
/// A bad pattern; a file that can't be read or that names no image.
pub fn keep(args: &PruneArgs) -> Result<Keep, TaskErrors> {
    if let Some(file) = &args.keep_file {
        let mut wrong = Wrong::default();
        let names = images_of_file(file, &mut wrong);
        return if wrong.0.is_empty() {
            Ok(Keep::Named(names))
        } else {
            Err(wrong.0.into())
        };
    }
    let pattern = args.keep_pattern.as_deref();
    Ok(read_argument("--keep-pattern", pattern)?.map_or(Keep::All, Keep::Matching))
}

/// A pattern, if one is given.
///
/// # Errors
/// Where it can't be read.
pub fn pattern(pattern: Option<&str>) -> Result<Option<ImagePattern>, TaskErrors> {
    read_argument("--pattern", pattern)
}

fn read_argument(argument: &str, pattern: Option<&str>) -> Result<Option<ImagePattern>, TaskErrors> {
    let read = pattern.map(|pattern| {
        ImagePattern::new(pattern).map_err(|error| pattern_problem(argument, pattern, &error))
    });
    Ok(read.transpose()?)
}

fn no_variables() -> Arc<Value> {
    Arc::new(Value::Object(BTreeMap::new()))
}

fn complete(job: Job, images: &[String], which: &WhichArgs, wrong: &mut Wrong) -> Option<Job> {
    let mut entries: Vec<ImageEntry> = Vec::new();
    for image in images {
        if job.source.is_none() && holds_images(image) {
            wrong.0.push(directory_as_image(image));
            continue;
        }
        match image.parse() {
            Ok(entry) => entries.push(entry),
            Err(error) => wrong.0.push(no_image(&error)),
        }
    }
    if let Some(file) = &which.images_file {
        entries.extend(images_of_file(file, wrong));
    } else if entries.is_empty()
        && images.is_empty()
        && !job.source.as_ref().is_some_and(Endpoint::lists_images)
    {
        wrong.note_with_hint(
            "IMAGE",
            "no image is named, and only a place on disk can be copied whole",
            "name the images, or give --images-file, or a directory as --src",
        );
    }
    let (images, globs) = ImageEntry::divide(entries);
    let own = images.iter().map(|image| image.reference().registry());
    let own = own
        .chain(globs.iter().map(|glob| glob.repository().registry()))
        .cloned();
    let hosts = hosts(&job, own.collect(), &which.registries, wrong);
    Some(Job {
        images,
        globs,
        pattern: which
            .pattern
            .as_deref()
            .and_then(|pattern| read_pattern(pattern, wrong)),
        platforms: platforms(&which.platform, wrong)?,
        mode: match which.policy {
            Policy::Strict => Mode::Strict,
            Policy::Warn => Mode::Warn,
        },
        single: match which.single {
            SingleArg::Refuse => Single::Refuse,
            SingleArg::Accept => Single::Accept,
        },
        index: match which.index {
            IndexArg::Filtered => IndexMode::Filtered,
            IndexArg::Original => IndexMode::Original,
        },
        referrers: which.referrers.clone(),
        trust: trust(&which.trust, wrong),
        hosts,
        skip_tls_verify: which.registries.is_insecure(),
        ..job
    })
}

fn trust(args: &TrustArgs, wrong: &mut Wrong) -> Vec<Arc<TrustPolicy>> {
    match trust::policy(args) {
        Ok(policy) => policy.into_iter().collect(),
        Err(problems) => {
            wrong.0.extend(problems);
            Vec::new()
        }
    }
}

/// An argument that isn't an image's name.
fn no_image(error: &EntryError) -> Problem {
    Problem::of_file("IMAGE", error.to_string()).maybe_hint(error.hint())
}

fn read_pattern(pattern: &str, wrong: &mut Wrong) -> Option<ImagePattern> {
    match ImagePattern::new(pattern) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            wrong.0.push(pattern_problem("--pattern", pattern, &error));
            None
        }
    }
}

/// A bad pattern.
fn pattern_problem(argument: &str, pattern: &str, error: &transload_policy::PatternError) -> Problem {
    let message = format!("this isn't a regular expression: {}", error.cause());
    let problem = Problem::of_file(argument, message);
    let problem = match error.position() {
        Some(at) => {
            let line = pattern.split('\n').nth(at.line - 1).unwrap_or_default();
            problem.with_excerpt(Snippet::new(line, at.column - 1, 1))
        }
        None => problem,
    };
    problem.maybe_hint(error.hint())
}

/// The rules of `--rename`, with what else changes names.
fn renaming(args: &RenameArgs, wrong: &mut Wrong) -> Renaming {
    Renaming::new(&args.rename, args.strip_registry, args.prefix.as_deref()).unwrap_or_else(|errors| {
        for error in errors {
            let argument = match error {
                RenameError::Prefix(..) => "--prefix",
                _ => "--rename",
            };
            wrong.note(argument, error.to_string());
        }
        Renaming::default()
    })
}

/// A bad `--platform`.
fn platform_problem(error: &ParseError) -> Problem {
    Problem::of_file("--platform", error.to_string()).maybe_hint(error.hint())
}

fn platforms(list: &[String], wrong: &mut Wrong) -> Option<PlatformSet> {
    let before = wrong.0.len();
    for text in list.iter().filter(|text| !text.eq_ignore_ascii_case("all")) {
        if let Err(error) = text.parse::<PlatformPattern>() {
            wrong.0.push(platform_problem(&error));
        }
    }
    if wrong.0.len() > before {
        return None;
    }
    PlatformSet::parse(list)
        .map_err(|error| wrong.note("--platform", error.to_string()))
        .ok()
}

/// The images of a file, one a line. `#` begins a comment at the beginning of a line or behind white space: nothing else can, since a
/// line may be copied from anywhere, and what isn't understood must not be left out.
fn images_of_file(file: &Path, wrong: &mut Wrong) -> Vec<ImageEntry> {
    let (name, text) = match task::read_file(file) {
        Ok(read) => read,
        Err(errors) => {
            wrong.0.extend(errors.problems().iter().cloned());
            return Vec::new();
        }
    };
    let before = wrong.0.len();
    let mut entries = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let image = without_comment(line);
        if image.trim().is_empty() {
            continue;
        }
        match image.parse::<ImageEntry>() {
            Ok(mut entry) => {
                if let ImageEntry::Glob(glob) = &mut entry {
                    glob.set_place(format!("{name}:{}", index + 1));
                }
                entries.push(entry);
            }
            Err(error) => {
                let indent = image.chars().take_while(|c| c.is_whitespace()).count();
                let problem = Problem::in_line(&name, (index + 1, line), indent + 1, error.to_string());
                wrong.0.push(problem.maybe_hint(error.hint()));
            }
        }
    }
    if entries.is_empty() && wrong.0.len() == before {
        wrong.note_with_hint(
            &name,
            "this file names no image",
            "it has one image a line, such as alpine:3.19; what follows # is a comment",
        );
    }
    entries
}

/// A line of an images file without its comment.
pub(crate) fn without_comment(line: &str) -> &str {
    let begins = |at: usize| line[..at].chars().next_back().is_none_or(char::is_whitespace);
    let comment = line.match_indices('#').map(|(at, _)| at).find(|at| begins(*at));
    comment.map_or(line, |at| &line[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_begins_a_line_or_follows_white_space() {
        let cases = [
            ("alpine:3.19", "alpine:3.19"),
            ("alpine:3.19 # small", "alpine:3.19 "),
            ("alpine:3.19\t#small", "alpine:3.19\t"),
            ("# alpine", ""),
            ("  # alpine # again", "  "),
            ("alpine#3 # it", "alpine#3 "),
            ("alpine#3", "alpine#3"),
            ("", ""),
        ];
        for (line, image) in cases {
            assert_eq!(without_comment(line), image, "{line}");
        }
    }

    fn read(line: &str) -> Result<Job, TaskErrors> {
        use clap::Parser;
        match crate::args::Cli::try_parse_from(line.split(' '))
            .expect(line)
            .command
        {
            crate::args::Command::Pull(args) => pull(&args),
            crate::args::Command::Push(args) => push(&args),
            crate::args::Command::Copy(args) => copy(&args),
            _ => panic!("{line}"),
        }
    }

    #[test]
    fn credentials_go_to_the_one_registry_that_is_named() {
        for (line, registry) in [
            (
                "transload pull a.io/x:1 a.io/y:2 --dest ./d --creds u:p:q",
                "a.io",
            ),
            (
                "transload pull a.io/x:1 --src b.io --dest ./d --creds u:p:q",
                "b.io",
            ),
            ("transload copy a.io/x:1 --dest c.io/y --creds u:p:q", "c.io"),
        ] {
            let job = read(line).unwrap();
            let with: Vec<&str> = job
                .hosts
                .iter()
                .filter(|rule| rule.credential.is_some())
                .map(|rule| rule.repo.as_str())
                .collect();
            assert_eq!(with, [registry], "{line}");
        }
        for (line, why) in [
            (
                "transload pull a.io/x:1 b.io/y:2 --dest ./d --creds u:p",
                "it isn't clear which registry",
            ),
            (
                "transload copy x:1 --src a.io --dest b.io --creds u:p",
                "the command names a.io and b.io",
            ),
            (
                "transload pull a.io/x:1 --dest ./d --creds secretword",
                "isn't USER:PASSWORD",
            ),
        ] {
            let said = read(line).unwrap_err().to_string();
            assert!(
                said.contains(why) && !said.contains("secretword"),
                "{line}\n{said}"
            );
        }
    }

    #[test]
    fn names_change_at_the_destination() {
        for (line, expected) in [
            (
                "transload pull a.io/t/x:1 --dest ./d --prefix hub.local/m",
                "hub.local/m/t/x:1",
            ),
            (
                "transload pull a.io/t/x:1 --dest ./d --strip-registry",
                "docker.io/t/x:1",
            ),
            (
                "transload copy a.io/t/x:1 --dest h.io/m --prefix p",
                "h.io/m/p/t/x:1",
            ),
            (
                "transload copy a.io/t/x:1 --dest h.io --rename /t/=/u/ --rename x:1=z:1",
                "h.io/u/z:1",
            ),
            (
                "transload copy a.io/t/x:1 --dest h.io/{{.registry}}/{{.repository}}:{{.tag}}",
                "h.io/a.io/t/x:1",
            ),
        ] {
            let job = read(line).unwrap();
            let renamed = job.images[0].renamed(&job.renaming).unwrap();
            let target = job.destination.target(&renamed).unwrap();
            assert_eq!(target.reference().to_string(), expected, "{line}");
        }
        let said = read("transload pull x:1 --dest ./d --rename ( --prefix A!")
            .unwrap_err()
            .to_string();
        assert!(
            said.contains("--rename: ") && said.contains("--prefix: "),
            "{said}"
        );
        // In the host's place, the image's own registry would send it back.
        let said = read("transload copy a.io/t/x:1 --dest {{.registry}}/m")
            .unwrap_err()
            .to_string();
        assert!(said.contains("registry"), "{said}");
    }
}
