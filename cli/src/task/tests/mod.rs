//! Task files as people write them, right and wrong.

mod bundles;
mod course;
mod destinations;
mod documented;
mod files;
mod kubekey;
mod messages;
mod properties;
mod reference;
mod schema;
mod surroundings;
mod templates;
mod values;
mod variables;
mod verify;

use serde_json::{Value, json};
use transload_transfer::job::{ImageName, Job};

use super::{LoadOptions, Loaded, TaskErrors, load_str};

fn options(variables: Value) -> LoadOptions {
    LoadOptions {
        variables: std::sync::Arc::new(variables.into()),
        ..LoadOptions::default()
    }
}

fn loaded(text: &str, options: &LoadOptions) -> Loaded {
    load_str("t.yaml", text, options).unwrap_or_else(|errors| panic!("{text}\n{errors}"))
}

/// The one job of a text.
fn job(text: &str, variables: Value) -> Job {
    let loaded = loaded(text, &options(variables));
    let [job] = loaded
        .jobs
        .try_into()
        .unwrap_or_else(|jobs| panic!("{text}\nis these jobs: {jobs:?}"));
    job
}

fn errors(text: &str, options: &LoadOptions) -> TaskErrors {
    match load_str("t.yaml", text, options) {
        Ok(loaded) => panic!("{text}\nis right: {loaded:?}"),
        Err(errors) => errors,
    }
}

/// All problems of a text without the source lines: `line:column: message (hint: hint)`.
fn messages(text: &str, variables: Value) -> Vec<String> {
    errors(text, &options(variables))
        .problems()
        .iter()
        .map(short)
        .collect()
}

fn warnings(text: &str, variables: Value) -> Vec<String> {
    loaded(text, &options(variables))
        .warnings
        .iter()
        .map(short)
        .collect()
}

fn short(problem: &super::Problem) -> String {
    let place = match (problem.line(), problem.column()) {
        (Some(line), Some(column)) => format!("{line}:{column}: "),
        _ => String::new(),
    };
    let hint = problem
        .hint()
        .map(|hint| format!(" (hint: {hint})"))
        .unwrap_or_default();
    format!("{place}{}{hint}", problem.message())
}

fn images(job: &Job) -> Vec<&str> {
    job.images.iter().map(|image| image.written()).collect()
}

/// Where a job sends images.
fn targets<'a>(job: &Job, images: impl IntoIterator<Item = &'a ImageName>) -> Vec<String> {
    let target = |image| job.destination.locate(image).and_then(|at| at.target(image));
    let targets = images.into_iter().map(target);
    targets.map(|target| target.unwrap().to_string()).collect()
}

/// The names of jobs in their order.
fn names(loaded: &Loaded) -> Vec<&str> {
    loaded.jobs.iter().map(|job| job.name.as_str()).collect()
}

/// Where the job's first image goes.
fn first_target(job: &Job) -> String {
    let image = &job.images[0];
    job.destination
        .locate(image)
        .and_then(|location| location.target(image))
        .map(|target| target.to_string())
        .unwrap()
}

fn empty() -> Value {
    json!({})
}
