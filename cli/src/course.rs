//! Whose turn it is: blocks that fail and are rescued, results that later tasks read, tasks that are read late.

use std::collections::{BTreeMap, HashSet};

use serde_json::json;
use transload_template::Value;
use transload_transfer::job::{Bundling, Job, Referrers};
use transload_transfer::{Fault, JobSummary, Status, Turn, Turns};

use crate::report::TaskReport;
use crate::task::{Bound, Course, Part, Register, Results, Within};

/// What the jobs that had their turn mean to those behind them.
pub(crate) struct CourseOfRun<'c> {
    /// Of the run's jobs, in their order.
    courses: &'c [Course],
    /// Blocks with a rescue of which a task failed.
    failed: HashSet<usize>,
    /// Blocks of which a job had its turn.
    entered: HashSet<usize>,
    results: Results,
}

impl<'c> CourseOfRun<'c> {
    /// Begins a run of jobs that depend on each other like this. Jobs without a course depend on nothing.
    pub fn new(courses: &'c [Course]) -> CourseOfRun<'c> {
        CourseOfRun {
            courses,
            failed: HashSet::new(),
            entered: HashSet::new(),
            results: Results::new(),
        }
    }
}

impl Turns for CourseOfRun<'_> {
    fn turn(&mut self, number: usize, job: &Job) -> Turn {
        let Some(course) = self.courses.get(number) else {
            return Turn::Run;
        };
        if let Some(reason) = self.is_left_out(&course.within) {
            self.register_skipped(course);
            return Turn::Skip(reason.to_owned());
        }
        self.entered
            .extend(course.within.iter().map(|within| within.block));
        let Some(late) = &course.late else {
            return Turn::Run;
        };
        match late.bind(&self.results) {
            Bound::Job(bound, warnings) => {
                // What the run says of all its jobs, it says of this one.
                let bound = Job {
                    name: job.name.clone(),
                    check_existing: bound.check_existing || job.check_existing,
                    create_projects: bound.create_projects.or(job.create_projects),
                    referrers: match &bound.referrers {
                        Referrers::None => job.referrers.clone(),
                        own => own.clone(),
                    },
                    trust: bound.trust.iter().chain(&job.trust).cloned().collect(),
                    pins: job.pins.clone(),
                    bundling: Bundling {
                        signer: job.bundling.signer.clone(),
                        ..bound.bundling
                    },
                    earlier: job.earlier.clone(),
                    is_fallback: job.is_fallback,
                    ..*bound
                };
                Turn::RunAs(Box::new(bound), warnings)
            }
            Bound::Skipped(reason) => {
                self.register_skipped(course);
                Turn::Skip(reason)
            }
            Bound::Wrong(told) => {
                let fault = |(message, hint): (String, Option<String>)| {
                    Fault::refused(None, message).maybe_hint(hint)
                };
                Turn::Refuse(told.into_iter().map(fault).collect())
            }
        }
    }

    /// A failure that a rescue answers for leaves the exit status alone.
    fn done(&mut self, number: usize, _job: &Job, summary: &mut JobSummary) {
        let Some(course) = self.courses.get(number) else {
            return;
        };
        if !summary.ignore_errors && summary.failures().next().is_some() {
            let answers = |within: &&Within| within.is_rescued && within.part == Part::Tasks;
            if let Some(block) = course.within.iter().rev().find(answers) {
                self.failed.insert(block.block);
                summary.ignore_errors = true;
            }
        }
        if let Some(register) = &course.register {
            self.register(register, result(register, summary));
        }
    }
}

impl CourseOfRun<'_> {
    /// Why a job has no turn, by what became of the blocks around it.
    fn is_left_out(&self, within: &[Within]) -> Option<&'static str> {
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

    fn register_skipped(&mut self, course: &Course) {
        if let Some(register) = &course.register {
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
