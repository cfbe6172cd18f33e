//! From the command line to [`Job`]s.

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use transload_policy::{ImagePattern, Mode, PlatformSet};
use transload_reference::Registry;
use transload_registry_client::HostRule;

use crate::args::{CopyArgs, IndexArg, Policy, PullArgs, PushArgs, WhichArgs};
use crate::job::{Endpoint, ImageName, IndexMode, Job, Location};
use crate::task;

/// What is wrong with arguments: all of it.
#[derive(Debug)]
pub struct UsageErrors(Vec<String>);

impl fmt::Display for UsageErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for error in &self.0 {
            writeln!(f, "error: {error}")?;
        }
        f.write_str("Nothing was moved.")
    }
}

impl std::error::Error for UsageErrors {}

impl UsageErrors {
    /// Errors that come as one text, each on its line.
    pub fn listed(errors: impl fmt::Display) -> UsageErrors {
        UsageErrors(vec![errors.to_string().trim_end().to_owned()])
    }

    /// One error.
    pub fn one(message: impl fmt::Display) -> UsageErrors {
        UsageErrors(vec![message.to_string()])
    }
}

/// Collects what is wrong while going on.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn note<T, E: fmt::Display>(&mut self, what: &str, result: Result<T, E>) -> Option<T> {
        result
            .map_err(|error| self.0.push(format!("{what}: {error}")))
            .ok()
    }

    fn finish<T>(self, value: Option<T>) -> Result<T, UsageErrors> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(UsageErrors(self.0)),
        }
    }
}

/// The job of `pull`.
///
/// # Errors
/// Everything that is wrong with the arguments.
pub fn pull(args: &PullArgs) -> Result<Job, UsageErrors> {
    let mut wrong = Wrong::default();
    let destination = wrong.note("--dest", directory(&args.dest));
    let source = args
        .src
        .as_deref()
        .and_then(|src| wrong.note("--src", endpoint(src)));
    let job = destination.map(|destination| Job {
        source,
        ..Job::new("pull", destination.into())
    });
    let job = job.and_then(|job| complete(job, &args.images, &args.which, &mut wrong));
    wrong.finish(job)
}

/// The job of `push`.
///
/// # Errors
/// Everything that is wrong with the arguments.
pub fn push(args: &PushArgs) -> Result<Job, UsageErrors> {
    let mut wrong = Wrong::default();
    let source = wrong.note("--src", directory(&args.src));
    let destination = wrong.note("--dest", endpoint(&args.dest));
    if let Some(Endpoint::Fixed(Location::Store(_))) = &destination {
        wrong.0.push(format!(
            "--dest: {} is a directory; `transload copy` copies between directories",
            args.dest
        ));
    }
    let job = source.zip(destination).map(|(source, destination)| Job {
        source: Some(source.into()),
        ..Job::new("push", destination)
    });
    let job = job.and_then(|job| complete(job, &args.images, &args.which, &mut wrong));
    wrong.finish(job)
}

/// The job of `copy`.
///
/// # Errors
/// Everything that is wrong with the arguments.
pub fn copy(args: &CopyArgs) -> Result<Job, UsageErrors> {
    let mut wrong = Wrong::default();
    let source = args
        .src
        .as_deref()
        .and_then(|src| wrong.note("--src", endpoint(src)));
    let destination = wrong.note("--dest", endpoint(&args.dest));
    let job = destination.map(|destination| Job {
        source,
        ..Job::new("copy", destination)
    });
    let job = job.and_then(|job| complete(job, &args.images, &args.which, &mut wrong));
    wrong.finish(job)
}

/// A directory, with or without `local://`.
fn directory(text: &str) -> Result<Location, String> {
    let path = text.strip_prefix("local://").unwrap_or(text);
    if path.contains("://") {
        return Err(format!("{text} isn't a directory"));
    }
    Location::parse(&format!("local://{path}")).map_err(|error| error.to_string())
}

fn endpoint(text: &str) -> Result<Endpoint, String> {
    let parsed = if transload_template::has_actions(text) {
        Endpoint::parse(text, &no_variables())
    } else {
        Location::parse_argument(text).map(Endpoint::Fixed)
    };
    parsed.map_err(|error| error.to_string())
}

fn no_variables() -> Arc<Value> {
    Arc::new(Value::Object(serde_json::Map::new()))
}

fn complete(job: Job, images: &[String], which: &WhichArgs, wrong: &mut Wrong) -> Option<Job> {
    let mut names: Vec<ImageName> = Vec::new();
    for image in images {
        names.extend(wrong.note("IMAGE", image.parse()));
    }
    if let Some(file) = &which.images_file {
        names.extend(images_of_file(file, wrong));
        if names.is_empty() && wrong.0.is_empty() {
            wrong
                .0
                .push(format!("--images-file: {} names no image", file.display()));
        }
    }
    let platforms = wrong.note("--platform", PlatformSet::parse(&which.platform));
    let pattern = which
        .pattern
        .as_deref()
        .map(|pattern| wrong.note("--pattern", ImagePattern::new(pattern)));
    let hosts = hosts(&job, which, wrong);
    Some(Job {
        images: names,
        pattern: pattern.flatten(),
        platforms: platforms?,
        mode: match which.policy {
            Policy::Strict => Mode::Strict,
            Policy::Warn => Mode::Warn,
        },
        index: match which.index {
            IndexArg::Filtered => IndexMode::Filtered,
            IndexArg::Original => IndexMode::Original,
        },
        hosts,
        skip_tls_verify: which.insecure,
        ..job
    })
}

fn images_of_file(file: &Path, wrong: &mut Wrong) -> Vec<ImageName> {
    let (name, text) = if file == Path::new("-") {
        let mut text = String::new();
        (
            "stdin".to_owned(),
            std::io::stdin().read_to_string(&mut text).map(|_| text),
        )
    } else {
        (file.display().to_string(), std::fs::read_to_string(file))
    };
    let Some(text) = wrong.note(&format!("--images-file {name}"), text) else {
        return Vec::new();
    };
    let mut names = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let image = line.split_once('#').map_or(line, |(image, _)| image).trim();
        if !image.is_empty() {
            names.extend(wrong.note(&format!("{name}:{}", number + 1), image.parse()));
        }
    }
    names
}

/// The rules of `--auths`, and one for `--plain-http` and `--ca-file`.
fn hosts(job: &Job, which: &WhichArgs, wrong: &mut Wrong) -> Vec<HostRule> {
    let mut rules = Vec::new();
    if let Some(file) = &which.auths {
        rules.extend(
            wrong
                .note("--auths", task::load_auths(file, &no_variables()))
                .unwrap_or_default(),
        );
    }
    if !which.plain_http && which.ca_file.is_none() {
        return rules;
    }
    let registries = named_registries(job);
    if registries.is_empty() {
        wrong.0.push(
            "--plain-http and --ca-file are for the registry that --src or --dest names, and neither names one: \
             use --auths with an entry for each registry"
                .to_owned(),
        );
    }
    for registry in registries {
        // An entry of --auths for the same registry keeps its credentials.
        match rules
            .iter_mut()
            .find(|rule: &&mut HostRule| rule.repo == registry.as_str())
        {
            Some(rule) => set_transport(rule, which),
            None => {
                let mut rule = HostRule::new(registry.as_str());
                rule.insecure = which.insecure.then_some(true);
                set_transport(&mut rule, which);
                rules.push(rule);
            }
        }
    }
    rules
}

fn set_transport(rule: &mut HostRule, which: &WhichArgs) {
    if which.plain_http {
        rule.plain_http = Some(true);
    }
    if let Some(file) = &which.ca_file {
        rule.ca_file = Some(file.clone());
    }
}

fn named_registries(job: &Job) -> Vec<Registry> {
    let ends = job.source.iter().chain([&job.destination]);
    ends.filter_map(Endpoint::named_registry).collect()
}
