//! Whose turn it is: what becomes of a job once those before it are done.

use crate::fault::Fault;
use crate::job::Job;
use crate::outcome::JobSummary;

/// Decides what becomes of each job of a run, such as one in a block whose earlier task failed.
pub trait Turns {
    /// Says what to do of a job whose turn has come. `number` counts from 0.
    fn turn(&mut self, number: usize, job: &Job) -> Turn;

    /// Takes note of what became of a job.
    fn done(&mut self, number: usize, job: &Job, summary: &mut JobSummary);
}

/// What to do of a job whose turn has come.
#[derive(Debug)]
pub enum Turn {
    /// Run it as it is.
    Run,
    /// Run this one in its place, and tell these warnings. A [late](Job::is_late) job always becomes another.
    RunAs(Box<Job>, Vec<String>),
    /// Leave it out, for this reason.
    Skip(String),
    /// Fail it: what it asks for is wrong.
    Refuse(Vec<Fault>),
}

/// Every job, one after another.
pub(crate) struct InOrder;

impl Turns for InOrder {
    fn turn(&mut self, _number: usize, _job: &Job) -> Turn {
        Turn::Run
    }

    fn done(&mut self, _number: usize, _job: &Job, _summary: &mut JobSummary) {}
}
