//! Task files: YAML that asks for images to be moved, as [`Job`]s.
//!
//! A file is a list of tasks of KubeKey's `image` module, of plays that hold such tasks, or one of them. [`load`] reads it with
//! everything checked that can be without a network or a store, and reports all that is wrong at once, each with its place:
//!
//! ```
//! use std::sync::Arc;
//!
//! use transload::task::{LoadOptions, load_str};
//!
//! let tasks = "
//! - name: pull images
//!   image:
//!     manifests: [\"docker.io/library/alpine:{{ .version }}\"]
//!     dest: local:///tmp/images
//! ";
//! let options = LoadOptions { variables: Arc::new(serde_json::json!({"version": "3.19"}).into()), ..LoadOptions::default() };
//! let loaded = load_str("tasks.yaml", tasks, &options)?;
//! assert_eq!(loaded.jobs[0].images[0].written(), "docker.io/library/alpine:3.19");
//!
//! let errors = load_str("tasks.yaml", "- image: {manifest: [alpine], dest: hub.kubekey}", &options).unwrap_err();
//! assert_eq!(
//!     errors.problems()[0].to_string(),
//!     "tasks.yaml:1:11: `image` has no key `manifest`
//!   |
//! 1 | - image: {manifest: [alpine], dest: hub.kubekey}
//!   |           ^
//!   hint: did you mean `manifests`?"
//! );
//! # Ok::<(), transload::task::TaskErrors>(())
//! ```
//!
//! # Variables
//! Every text of a task is a template over the variables. A loop's `item` wins over those of the command line ([`LoadOptions`]), these win
//! over the `vars` of tasks, and these over the `vars` of blocks and plays; mappings are merged key by key. `src` and `dest` are
//! rendered for each image where they name `module`, and otherwise when the file is loaded.
//!
//! # Keys around a module
//! `name`, `when`, `tags`, `retries`, `ignore_errors`, `vars`, `loop` and `register` are honoured; `block`s are flattened, and their
//! `when`, `tags`, `vars` and `ignore_errors` hold for each of their tasks. What `rescue`, `always` and `register` mean to the run is each
//! job's [`Course`]. `run_once`, `delegate_to` and the like are accepted: a task runs here, once. `delay`, `until` and
//! others that would change what happens are accepted with a warning.
//!
//! # Other files
//! [`load`] follows `include_tasks`, `import_tasks`, `import_playbook`, `roles` and `vars_files` from the file's folder; [`load_str`] can't.

mod auths;
mod bundle;
mod condition;
mod course;
mod deprecated;
pub(crate) mod diagnostic;
mod exposure;
pub(crate) mod fields;
mod files;
mod image;
mod includes;
mod keys;
mod late;
mod places;
mod playbook;
mod problem;
pub(crate) mod reader;
mod schema;
mod secret;
mod steps;
mod tags;
#[cfg(test)]
mod tests;
mod variables;
mod verify;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use transload_registry_client::HostRule;
use transload_template::Value;
use transload_transfer::job::Job;
use transload_transfer::{self as transfer, Side};

use diagnostic::{Sink, Source};
use fields::Fields;
use files::Files;
use image::Places;
use includes::Here;
use playbook::{Inherited, Playbook, Step};
use reader::Reader;
use yaml::{Node, Yaml};

use crate::yaml;

pub use course::{Bind, Bound, Course, Part, Register, Results, Within};
pub(crate) use exposure::warning as exposure_warning;
pub(crate) use files::{check_argument as check_file, read as read_file, unreadable};
pub(crate) use places::try_samples;
pub use problem::{Problem, TaskErrors};
pub use schema::schema;
pub use variables::load_variables;

/// How a task file is read.
#[derive(Clone)]
pub struct LoadOptions {
    /// The variables that templates see: an object, as [`load_variables`] gives it.
    pub variables: Arc<Value>,
    /// Only tasks with one of these tags (or `always`) are taken. Empty: all but those tagged `never`.
    pub tags: Vec<String>,
    /// Whether tasks of other modules are left out; otherwise they are errors.
    pub image_tasks_only: bool,
}

impl Default for LoadOptions {
    fn default() -> Self {
        LoadOptions {
            variables: Arc::new(Value::Object(BTreeMap::new())),
            tags: Vec::new(),
            image_tasks_only: false,
        }
    }
}

/// Without the variables: some of them are secret.
impl std::fmt::Debug for LoadOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoadOptions")
            .field("tags", &self.tags)
            .field("image_tasks_only", &self.image_tasks_only)
            .finish_non_exhaustive()
    }
}

/// What a task file asks for.
#[derive(Debug)]
pub struct Loaded {
    /// The tasks to run, in this order.
    pub jobs: Vec<Job>,
    /// How each of them depends on those before it.
    pub courses: Vec<Course>,
    /// Tasks that don't run, in the file's order.
    pub skipped: Vec<Skipped>,
    /// What is worth a look, but no error.
    pub warnings: Vec<Problem>,
    /// The files that the jobs are from, and where in them they are.
    files: Files,
    places: Vec<Places>,
}

impl Loaded {
    /// A job's problem that showed once it was looked at how it can be done, at its place in the file.
    pub fn locate(&self, problem: &transfer::Problem) -> Problem {
        let message = format!("{}: {}", problem.job, problem.message);
        if let Some(place) = &problem.place {
            return Problem::of_file(place, message).maybe_hint(problem.hint.as_deref());
        }
        let Some(places) = self.places.get(problem.number) else {
            return Problem::of_file(self.files.main(), message).maybe_hint(problem.hint.as_deref());
        };
        let at = match problem.side {
            Some(Side::Source) => places.src.unwrap_or(places.task),
            Some(Side::Destination) => places.dest,
            None => places.task,
        };
        self.files.found_later(at, message, problem.hint.clone())
    }
}

/// A task that doesn't run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The task's name.
    pub name: String,
    /// Why.
    pub reason: SkipReason,
}

/// `name: why`.
impl std::fmt::Display for Skipped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.name, self.reason)
    }
}

/// Why a task doesn't run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkipReason {
    /// Its condition is false. The condition's variables that don't exist, without their dots: there may be a slip in one.
    When(Vec<String>),
    /// It has none of the tags that were asked for.
    Tags,
    /// Its `loop` is an empty list.
    EmptyLoop,
    /// Its `manifests` is an empty list.
    NoImages,
    /// It names no file to import.
    NoFile,
    /// It is of this module.
    OtherModule(String),
}

impl std::fmt::Display for SkipReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SkipReason::When(missing) if missing.is_empty() => f.write_str("its `when` is false"),
            SkipReason::When(missing) => {
                let missing: Vec<String> = missing.iter().map(|path| format!("`.{path}`")).collect();
                write!(
                    f,
                    "its `when` is false, and there is no variable {}",
                    missing.join(", ")
                )
            }
            SkipReason::Tags => f.write_str("it has none of the tags"),
            SkipReason::EmptyLoop => f.write_str("its `loop` is empty"),
            SkipReason::NoImages => f.write_str("its `manifests` is empty"),
            SkipReason::NoFile => f.write_str("it names no file"),
            SkipReason::OtherModule(module) => write!(f, "it is a task of the module `{module}`"),
        }
    }
}

/// Reads a task file; `-` is the standard input.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &Path, options: &LoadOptions) -> Result<Loaded, TaskErrors> {
    let (name, text) = files::read(path)?;
    let here = match path == Path::new("-") {
        true => Here::in_playbook(Path::new("./-")),
        false => Here::in_playbook(path),
    };
    load_text(&name, &text, here, options)
}

/// Reads a task file's text, which can't include other files; `name` is the file's for messages.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_str(name: &str, text: &str, options: &LoadOptions) -> Result<Loaded, TaskErrors> {
    load_text(name, text, Here::default(), options)
}

fn load_text(name: &str, text: &str, here: Here, options: &LoadOptions) -> Result<Loaded, TaskErrors> {
    let (mut files, mut sink) = (Files::default(), Sink::default());
    let documents = files.add(name.to_owned(), text.to_owned(), &mut sink)?;
    if documents
        .iter()
        .all(|document| matches!(document.value, Yaml::Null))
    {
        let problem = Problem::of_file(name, "there is nothing in this file");
        return Err(problem.with_hint(playbook::A_TASK_FILE).into());
    }
    let mut playbook = Playbook::new(options, sink, files);
    let inherited = Inherited {
        here: Arc::new(here),
        ..Inherited::default()
    };
    documents
        .iter()
        .for_each(|document| playbook.document(document, &inherited));
    playbook.finish(documents.first().map_or(0, |document| document.id));
    let Playbook {
        steps,
        skipped,
        sink,
        files,
        files_later,
        ..
    } = playbook;
    let warnings = files.close(sink, &options.variables)?;
    // Nothing else sets it.
    let _ = files_later.set(files.clone());
    let mut loaded = Loaded {
        jobs: Vec::new(),
        courses: Vec::new(),
        skipped,
        warnings,
        places: Vec::new(),
        files,
    };
    for Step {
        mut job,
        course,
        places,
    } in steps
    {
        places.mark_globs(&mut job, &loaded.files);
        loaded.jobs.push(job);
        loaded.courses.push(course);
        loaded.places.push(places);
    }
    Ok(loaded)
}

/// Reads a file of credentials for the command line: a list with the keys of a task's `auths`, or a mapping whose `auths` is
/// such a list. Texts are templates over `variables`. `-` is the standard input.
///
/// # Errors
/// Everything that is wrong with it. Passwords aren't shown.
pub fn load_auths(path: &Path, variables: &Arc<Value>) -> Result<Vec<HostRule>, TaskErrors> {
    let (name, text) = files::read(path)?;
    let source = Source {
        name: &name,
        text: &text,
    };
    let parsed = yaml::parse(&text).map_err(|error| source.syntax_error(error))?;
    let mut sink = Sink::with(parsed.mistakes);
    let mut reader = Reader {
        variables: Arc::clone(variables),
        sink: &mut sink,
    };
    let mut rules = Vec::new();
    for document in &parsed.documents {
        let entries = match &document.value {
            Yaml::Map(_) => Fields::of("a file of credentials", document, reader.sink).and_then(|fields| {
                fields.check(&["auths"], reader.sink);
                fields.get("auths")
            }),
            _ => Some(document),
        };
        let entries = entries
            .map(|entries| auths::read(entries, &mut reader))
            .unwrap_or_default();
        rules.extend(
            entries
                .into_iter()
                .filter_map(|entry| entry.into_rule(&[], false, &mut reader)),
        );
    }
    source.close(sink, &with_variables(parsed.documents, variables))?;
    Ok(rules)
}

/// The trees whose secrets messages must not show.
fn with_variables(mut documents: Vec<Node>, variables: &Value) -> Vec<Node> {
    documents.push(Node::literal(0, variables));
    documents
}
