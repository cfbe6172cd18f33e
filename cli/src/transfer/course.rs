//! Whose turn it is: blocks that fail and are rescued, results that later tasks read, tasks that are read late.

use std::collections::{BTreeMap, HashSet};

use serde_json::json;
use transload_template::Value;

use super::outcome::{JobSummary, Status};
use super::prepare::Problem;
use crate::job::{Bound, Job, Part, Register, Results, Within};
use crate::report::TaskReport;

/// What there is to do now that a job's turn has come.
pub(super) enum Turn {
    /// The job as it is.
    Do,
    /// The job that its task came to, with warnings.
    DoInstead(Box<Job>, Vec<String>),
    /// Nothing, and why.
    Skip(String),
    /// Nothing: the task is wrong.
    Wrong(Vec<Problem>),
}

/// What the jobs that had their turn mean to those behind them.
#[derive(Default)]
pub(super) struct Course {
    /// Blocks with a rescue of which a task failed.
    failed: HashSet<usize>,
    /// Blocks of which a job had its turn.
    entered: HashSet<usize>,
    results: Results,
}

impl Course {
    /// What there is to do of a job whose turn has come.
    pub fn turn(&mut self, job: &Job) -> Turn {
        if let Some(reason) = self.is_left_out(job) {
            self.register_skipped(job);
            return Turn::Skip(reason.to_owned());
        }
        let blocks = job.course.within.iter().map(|within| within.block);
        self.entered.extend(blocks);
        let Some(late) = &job.course.late else {
            return Turn::Do;
        };
        match late.bind(&self.results) {
            Bound::Job(bound, warnings) => {
                // What the run says of all its jobs, it says of this one.
                let mut course = job.course.clone();
                course.late = None;
                let bound = Job {
                    name: job.name.clone(),
                    check_existing: bound.check_existing || job.check_existing,
                    lock: job.lock.clone(),
                    earlier: job.earlier.clone(),
                    course,
                    ..*bound
                };
                Turn::DoInstead(Box::new(bound), warnings)
            }
            Bound::Skipped(reason) => {
                self.register_skipped(job);
                Turn::Skip(reason)
            }
            Bound::Wrong(told) => Turn::Wrong(
                told.into_iter()
                    .map(|(message, hint)| Problem {
                        number: 0,
                        job: job.name.clone(),
                        side: None,
                        message,
                        hint,
                        failed: false,
                        place: None,
                    })
                    .collect(),
            ),
        }
    }

    /// Why a job has no turn, by what became of the blocks around it.
    fn is_left_out(&self, job: &Job) -> Option<&'static str> {
        let within = &job.course.within;
        for (depth, block) in within.iter().enumerate() {
            let has_failed = self.failed.contains(&block.block);
            match block.part {
                Part::Rescue if !has_failed => return Some("nothing failed in its block"),
                Part::Tasks if has_failed => {
                    // What a block inside has begun, its `always` ends.
                    let is_end =
                        |inner: &Within| inner.part == Part::Always && self.entered.contains(&inner.block);
                    if !within[depth + 1..].iter().any(is_end) {
                        return Some("a task before it in its block failed");
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Takes note of what became of a job. A failure that a rescue answers for leaves the exit status alone.
    pub fn done(&mut self, job: &Job, summary: &mut JobSummary) {
        if !summary.ignore_errors && summary.failures().next().is_some() {
            let answers = |within: &&Within| within.is_rescued && within.part == Part::Tasks;
            if let Some(block) = job.course.within.iter().rev().find(answers) {
                self.failed.insert(block.block);
                summary.ignore_errors = true;
            }
        }
        if let Some(register) = &job.course.register {
            self.register(register, result(register, summary));
        }
    }

    fn register_skipped(&mut self, job: &Job) {
        if let Some(register) = &job.course.register {
            self.register(register, Register::of_nothing());
        }
    }

    fn register(&mut self, register: &Register, mut result: BTreeMap<String, Value>) {
        let Some(item) = &register.item else {
            self.results.insert(register.name.clone(), Value::Object(result));
            return;
        };
        result.insert("item".to_owned(), item.clone());
        let list = self.results.entry(register.name.clone()).or_default();
        match list {
            Value::Array(list) if !register.is_first => list.push(Value::Object(result)),
            other => *other = Value::Array(vec![Value::Object(result)]),
        }
    }
}

/// A job's result as templates see it.
fn result(register: &Register, summary: &JobSummary) -> BTreeMap<String, Value> {
    let report = TaskReport::of(summary);
    let errors: Vec<String> = summary
        .images
        .iter()
        .filter_map(|image| match &image.status {
            Status::Failed(fault) => Some(format!("{}: {fault}", image.image)),
            _ => None,
        })
        .collect();
    let stdout = match register.is_parsed {
        true => serde_json::to_value(&report).unwrap_or_default(),
        false => json!(serde_json::to_string(&report).unwrap_or_default()),
    };
    Register::result(stdout.into(), errors.join("\n"))
}

#[cfg(test)]
mod tests;
