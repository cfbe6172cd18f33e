//! How a task depends on the tasks before it: blocks, registered results, and tasks that are read late.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use transload_template::Value;
use transload_transfer::job::Job;

/// The results that were registered so far, by their variables' names.
pub type Results = BTreeMap<String, Value>;

/// How a job depends on the jobs before it in its file.
#[derive(Debug, Clone, Default)]
pub struct Course {
    /// The blocks around it, outermost first.
    pub within: Vec<Within>,
    /// The variable that takes its result.
    pub register: Option<Register>,
    /// Reads the job in its turn, where its task needs a registered result. Until then the job has a name and nothing else.
    pub late: Option<Arc<dyn Bind>>,
}

impl Course {
    /// Returns that of a job in these blocks, outermost first.
    pub(super) fn within(within: Vec<Within>) -> Course {
        Course {
            within,
            ..Course::default()
        }
    }

    /// Whether the job runs only where another one failed.
    pub fn is_in_a_rescue(&self) -> bool {
        self.within.iter().any(|within| within.part == Part::Rescue)
    }
}

/// A block around a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Within {
    /// The block's number in its run.
    pub block: usize,
    /// The part of the block that the job is in.
    pub part: Part,
    /// Whether the block has a `rescue` with image tasks: a failure in its tasks ends them and starts these.
    pub is_rescued: bool,
}

/// A part of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `block`: its tasks.
    Tasks,
    /// `rescue`: runs where a task failed.
    Rescue,
    /// `always`: runs last, whatever happened.
    Always,
}

/// The variable that takes a job's result.
#[derive(Debug, Clone, PartialEq)]
pub struct Register {
    /// Its name.
    pub name: String,
    /// Whether `stdout` is the report itself, as a mapping, and not its JSON text.
    pub is_parsed: bool,
    /// The loop's item, for a task with a loop: its results are a list.
    pub item: Option<Value>,
    /// Whether it is the first round, which begins the list anew.
    pub is_first: bool,
}

impl Register {
    /// A result: what the task did, and what went wrong, nothing where it didn't.
    pub fn result(stdout: Value, error: String) -> BTreeMap<String, Value> {
        let failed = !error.is_empty();
        let fields: [(&str, Value); 4] = [
            ("stdout", stdout),
            ("stderr", error.clone().into()),
            ("error", error.into()),
            ("failed", failed.into()),
        ];
        fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    /// The result of a task that doesn't run, as KubeKey has it.
    pub fn of_nothing() -> BTreeMap<String, Value> {
        Register::result("skip".into(), String::new())
    }
}

/// Reads a task once the results that it needs are there.
pub trait Bind: fmt::Debug + Send + Sync {
    /// Reads the task over these results.
    fn bind(&self, results: &Results) -> Bound;
}

/// What a task that is read late came to.
#[derive(Debug)]
pub enum Bound {
    /// A job, with warnings.
    Job(Box<Job>, Vec<String>),
    /// Nothing to do, and why.
    Skipped(String),
    /// Mistakes, each with its place and perhaps a hint.
    Wrong(Vec<(String, Option<String>)>),
}
