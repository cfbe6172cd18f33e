//! A run: from jobs to what became of them.

use std::sync::Arc;
use std::time::Duration;

use transload_registry_client::{DefaultCredentials, UploadJournal};
use transload_transfer::job::Job;
use transload_transfer::panics;
use transload_transfer::place::LocalPlace;
use transload_transfer::{self as transfer, Observer, Observers, Options, Summary};

use crate::app::{FAILED, INTERRUPTED, Session, USAGE, bug, warn_of_exposure};
use crate::args::{Cli, Command, HowArgs, Output};
use crate::bundling;
use crate::course::CourseOfRun;
use crate::journal::Journal;
use crate::lock::LockFile;
use crate::receipt::{self, ReceiptFile};
use crate::records::{Ending, Records};
use crate::report::{self, ReportFile};
use crate::task::{Course, Problem, TaskErrors};
use crate::trust;
use crate::ui::{self, Progress};

/// What a run has to do.
pub(crate) struct Work<'a> {
    pub jobs: Vec<Job>,
    /// How the jobs depend on each other, one for each; none where they don't.
    pub courses: &'a [Course],
    /// Warnings that are told where something fails: the run is quiet.
    pub held: Vec<String>,
}

impl Work<'_> {
    /// One job.
    pub fn of(job: Job) -> Work<'static> {
        Work {
            jobs: vec![job],
            courses: &[],
            held: Vec::new(),
        }
    }
}

/// Does the jobs, each by its course where it has one. `locate` tells where a job that can't be begun is wrong.
///
/// # Errors
/// What is wrong with the files that the arguments name. Nothing is moved then.
pub(crate) fn transfer(
    cli: &Cli,
    how: &HowArgs,
    logins: DefaultCredentials,
    mut work: Work<'_>,
    locate: impl Fn(&transfer::Problem) -> Problem,
) -> Result<u8, TaskErrors> {
    if let Some(earlier) = &how.only_failed
        && !report::only_failed(&mut work.jobs, earlier)?
    {
        ui::err_line(format_args!(
            "{}: nothing failed, and nothing is left to do",
            earlier.display()
        ));
        // A report tells that, too.
        if how.report.is_none() && how.receipt.is_none() {
            return Ok(0);
        }
    }
    let report = report_file(how, &work.jobs)?;
    let signer = how.sign.as_deref().map(trust::read_signer).transpose()?;
    warn_of_exposure(cli, how.sign.iter().filter(|key| trust::is_private(key)));
    receipt::check_use(how, &work.jobs)?;
    let receipt = how.receipt.as_deref();
    let receipt = receipt
        .map(|path| ReceiptFile::prepare(path, signer.clone()))
        .transpose()?;
    let lock = LockFile::open(&how.lock, cli.quiet)?;
    for job in &mut work.jobs {
        job.check_existing |= how.check_existing;
        job.shard = how.shard;
        job.bundling.signer.clone_from(&signer);
    }
    work.jobs = lock.bind(&work.jobs);
    // A plan is quickly made, and is itself all that is to be seen.
    let session = Session::begin(cli, Some(&how.progress).filter(|_| !how.dry_run));
    for warning in &work.held {
        session.progress.warn(warning);
    }
    let options = Options {
        idle: Duration::from_secs(u64::from(how.timeout)),
        limit_rate: how.limit_rate,
        uploads: Journal::of_user().map(|journal| Arc::new(journal) as Arc<dyn UploadJournal>),
        ..session.options(how.jobs, how.retries, logins)
    };
    let done = match how.dry_run {
        true => preview(cli, how, &work, &session, &options),
        false => run(how, &work, &session, &options, (report, receipt, lock)),
    };
    Ok(match done {
        Ok(status) => status,
        // What couldn't be begun may have been a wait for another process.
        Err(_) if session.is_stopped() => INTERRUPTED,
        Err(problems) => refuse(&problems, locate),
    })
}

/// The place of the report, which an archive may have taken.
fn report_file(how: &HowArgs, jobs: &[Job]) -> Result<Option<ReportFile>, Problem> {
    let report = how.report.as_deref().map(ReportFile::prepare).transpose();
    let report = report.map_err(|error| error.of_argument("--report"))?;
    if report.as_ref().is_some_and(ReportFile::is_stdout) && !how.dry_run && jobs.iter().any(is_to_stdout) {
        let message = "the report and the archive would both go to standard output";
        return Err(Problem::of_file("--report", message).with_hint("give the report a file"));
    }
    Ok(report)
}

fn is_to_stdout(job: &Job) -> bool {
    job.destination.local().is_some_and(LocalPlace::is_stream)
}

/// Shows what a run would do.
fn preview(
    cli: &Cli,
    how: &HowArgs,
    work: &Work<'_>,
    session: &Session,
    options: &Options,
) -> Result<u8, Vec<transfer::Problem>> {
    let plans = transfer::preview(&work.jobs, options, &session.observer());
    session.progress.finish();
    if session.is_stopped() {
        return Ok(INTERRUPTED);
    }
    Ok(show_plans(cli, how, &plans?))
}

fn show_plans(cli: &Cli, how: &HowArgs, plans: &[transfer::JobPreview]) -> u8 {
    let shown = match how.output.unwrap_or(Output::Text) {
        Output::Text => ui::fitted(ui::plan_text(plans, !matches!(cli.command, Command::Run(_)))),
        Output::Json => ui::json(&ui::plan_json(plans)),
    };
    let fails = plans.iter().any(|plan| {
        plan.images.iter().any(|image| image.result.is_err())
            || plan.disks.iter().any(|disk| disk.missing() > 0)
    });
    ui::result(shown, if fails { FAILED } else { 0 })
}

/// Runs, and leaves the records behind, in whatever way it ends.
fn run(
    how: &HowArgs,
    work: &Work<'_>,
    session: &Session,
    options: &Options,
    (report, receipt, lock): (Option<ReportFile>, Option<ReceiptFile>, LockFile),
) -> Result<u8, Vec<transfer::Problem>> {
    let progress = &session.progress;
    if work.jobs.iter().any(is_to_stdout) {
        progress.give_way();
    }
    let tasks = work.jobs.iter().map(|job| job.name.as_str());
    let records = Arc::new(Records::new(tasks, lock, (report, receipt), progress));
    let observer: Arc<dyn Observer> = Arc::new(Observers(vec![
        session.observer(),
        Arc::clone(&records) as Arc<dyn Observer>,
    ]));
    session.at_stop({
        let records = Arc::clone(&records);
        move || {
            records.write(Ending::Interrupted);
        }
    });
    let ran = panics::caught(|| {
        let mut course = CourseOfRun::new(work.courses);
        transfer::run_in_turns(&work.jobs, &mut course, options, &observer)
    });
    // The lock file and the report come first: stderr may be a pipe that nobody reads.
    let is_written = match &ran {
        Ok(Ok(summary)) if summary.interrupted => records.write(Ending::Interrupted),
        Ok(Ok(_)) => records.write(Ending::Done),
        // Stopped while it was prepared.
        Ok(Err(_)) if session.is_stopped() => records.write(Ending::Interrupted),
        // Nothing was begun.
        Ok(Err(_)) => true,
        Err(_) => records.write(Ending::Broken),
    };
    progress.finish();
    match ran {
        Ok(summary) => Ok(tell(how, work.jobs.len(), &summary?, progress, is_written)),
        Err(panicked) => {
            ui::err(ui::errors(&[bug(&panicked)], 0));
            Ok(FAILED)
        }
    }
}

/// Tells what became of the jobs. `is_written`: the records could be written.
fn tell(how: &HowArgs, jobs: usize, summary: &Summary, progress: &Progress, is_written: bool) -> u8 {
    let is_written = bundling::write_missing(how.missing.as_deref(), &summary.jobs) && is_written;
    if summary.interrupted || !summary.is_success() {
        progress.tell_held();
    }
    if !progress.tell_end(summary) {
        let told = ui::Told {
            jobs,
            retries: &progress.retry_causes(),
            has_report: how.report.is_some(),
            width: ui::err_width(),
        };
        ui::err(ui::summary(summary, told));
    }
    if summary.interrupted {
        return INTERRUPTED;
    }
    if summary.jobs.is_empty() {
        let problem = Problem::of_file("transload", "no image task ran: all were skipped");
        ui::err(ui::errors(&[problem], 0) + ui::NOTHING_MOVED);
        return FAILED;
    }
    if summary.is_success() && is_written {
        0
    } else {
        FAILED
    }
}

/// Tells why nothing was begun.
fn refuse(problems: &[transfer::Problem], locate: impl Fn(&transfer::Problem) -> Problem) -> u8 {
    let shown: Vec<Problem> = problems.iter().map(locate).collect();
    ui::err(ui::errors(&shown, 0) + ui::NOTHING_MOVED);
    if problems.iter().all(|problem| problem.failed) {
        FAILED
    } else {
        USAGE
    }
}
