//! The program: from arguments to an exit status.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use transload_layout_store::Error;
use transload_registry_client::DefaultCredentials;
use transload_transfer::job::{Job, Referrers};
use transload_transfer::panics;
use transload_transfer::{self as transfer, Observer, Options, Side};

use crate::args::{Cli, Command, HowArgs, ProgressArgs, RunArgs, WhichArgs};
use crate::commands;
use crate::jobs;
use crate::open_files;
use crate::run::{self, Work};
use crate::signals::{on_signals, on_suspension};
use crate::task::{self, LoadOptions, Problem, TaskErrors};
use crate::trust;
use crate::ui::{self, Progress, ProgressMode};

/// Something failed to transfer, or is wrong.
pub(crate) const FAILED: u8 = 1;
/// Wrong usage or configuration; nothing was moved.
pub(crate) const USAGE: u8 = 2;
/// The user stopped it.
pub(crate) const INTERRUPTED: u8 = 130;

/// How many reasons are told for a run without a task.
const MOST_REASONS: usize = 5;

/// Lets a write beyond the limit on a file's size (`ulimit -f`) fail, which is told with its file: the signal would end the process.
fn outlive_file_size_limit() {
    // Nobody looks at the flag: the signal has a handler, and that is all.
    let unread = Arc::new(AtomicBool::new(false));
    if let Err(error) = signal_hook::flag::register(SIGXFSZ, unread) {
        log::debug!("SIGXFSZ ends the process: {error}");
    }
}

/// Does what the arguments say.
pub fn main(cli: &Cli) -> ExitCode {
    outlive_file_size_limit();
    open_files::raise_limit();
    ui::choose_colors(cli.color);
    panics::install_hook(|message| ui::err_line(message));
    let status = panics::caught(|| command(cli));
    ExitCode::from(status.unwrap_or_else(|panicked| {
        ui::err(ui::errors(&[bug(&panicked)], 0));
        FAILED
    }))
}

fn command(cli: &Cli) -> u8 {
    let moved = |job: Result<Job, TaskErrors>, which: &WhichArgs, how: &HowArgs| {
        let job = job?;
        warn_of_exposure(cli, which.registries.auths.iter());
        check_output(how)?;
        let logins = jobs::logins(which.registries.authfile.as_deref());
        run::transfer(cli, how, logins, Work::of(job), of_arguments)
    };
    let (status, otherwise) = match &cli.command {
        Command::Run(args) => (run_file(cli, args), ui::NOTHING_MOVED),
        Command::Pull(args) => (moved(jobs::pull(args), &args.which, &args.how), ui::NOTHING_MOVED),
        Command::Push(args) => (moved(jobs::push(args), &args.which, &args.how), ui::NOTHING_MOVED),
        Command::Copy(args) => (moved(jobs::copy(args), &args.which, &args.how), ui::NOTHING_MOVED),
        Command::List(args) => (commands::list(args), ""),
        Command::Inventory(args) => (commands::inventory(cli, args), ""),
        Command::Inspect(args) => (commands::inspect(cli, args), ""),
        Command::Diff(args) => (commands::diff(cli, args), ""),
        Command::Login(args) => (commands::login(cli, args), ui::NOTHING_STORED),
        Command::Logout(args) => (commands::logout(cli, args), ""),
        Command::Check(args) => (commands::check(cli, args), ""),
        Command::Serve(args) => (commands::serve(cli, args), ""),
        Command::Verify(args) => (commands::verify(cli, args), ""),
        Command::Prune(args) => (commands::prune(cli, args), ui::NOTHING_REMOVED),
        Command::Report(args) => (commands::report(args), ""),
        Command::Init(args) => (commands::init(args), ""),
        Command::Images(args) => (commands::images(args), ""),
        Command::Completions(args) => (Ok(commands::completions(args)), ""),
        Command::Man(args) => (commands::man(args), ""),
        Command::Version => (Ok(commands::version()), ""),
    };
    status.unwrap_or_else(|errors| {
        ui::err(ui::errors(errors.problems(), errors.left_out()) + otherwise);
        USAGE
    })
}

fn run_file(cli: &Cli, args: &RunArgs) -> Result<u8, TaskErrors> {
    let variables = task::load_variables(&args.vars, &args.set)?;
    let options = LoadOptions {
        variables: Arc::new(variables),
        tags: args.tags.clone(),
        image_tasks_only: args.image_tasks_only,
    };
    let file = args.file();
    let loaded = task::load(file, &options)?;
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    if !cli.quiet {
        for warning in &warnings {
            ui::err_line(format_args!("warning: {warning}"));
        }
    }
    warn_of_exposure(cli, args.vars.iter().map(PathBuf::as_path).chain([file]));
    for skipped in &loaded.skipped {
        if !cli.quiet {
            ui::err_line(format_args!("skipped {skipped}"));
        }
    }
    check_output(&args.how)?;
    if loaded.jobs.is_empty() {
        let mut reasons: Vec<String> = loaded.skipped.iter().map(ToString::to_string).collect();
        reasons.truncate(MOST_REASONS);
        let problem = Problem::of_file(&file.display().to_string(), "no image task of this file runs");
        return Err(problem.with_hint(reasons.join("; ")).into());
    }
    let trust = trust::policy(&args.trust).map_err(TaskErrors::from)?;
    let mut jobs = loaded.jobs.clone();
    for job in &mut jobs {
        job.create_projects = job.create_projects.or(args.projects.visibility());
        job.trust.extend(trust.clone());
        if job.referrers == Referrers::None {
            job.referrers = args.referrers.clone();
        }
    }
    let work = Work {
        jobs,
        courses: &loaded.courses,
        held: if cli.quiet { warnings } else { Vec::new() },
    };
    let logins = DefaultCredentials::new();
    run::transfer(cli, &args.how, logins, work, |problem| loaded.locate(problem))
}

/// Tells of files with secrets that other users of this machine may read or change, each once.
pub(crate) fn warn_of_exposure<'a, P: AsRef<Path> + Ord + ?Sized + 'a>(
    cli: &Cli,
    files: impl Iterator<Item = &'a P>,
) {
    let files: BTreeSet<&P> = files.collect();
    for warning in files
        .into_iter()
        .filter_map(|file| task::exposure_warning(file.as_ref()))
    {
        if !cli.quiet {
            ui::err_line(format_args!("warning: {warning}"));
        }
    }
}

/// What there is to tell of a panic.
pub(crate) fn bug(panicked: &panics::Panicked) -> Problem {
    Problem::of_file("transload", panicked.to_string()).with_hint(panics::HINT)
}

/// A problem of the job that arguments made.
fn of_arguments(problem: &transfer::Problem) -> Problem {
    let argument = match problem.side {
        _ if problem.place.is_some() => problem.place.as_deref().unwrap_or_default(),
        Some(Side::Source) => "--src",
        Some(Side::Destination) => "--dest",
        None => problem.job.as_str(),
    };
    Problem::of_file(argument, problem.message.as_str()).maybe_hint(problem.hint.clone())
}

/// `--output` is about the plan; who gives it with a transfer may be waiting for something else.
fn check_output(how: &HowArgs) -> Result<(), TaskErrors> {
    if how.dry_run || how.output.is_none() {
        return Ok(());
    }
    let problem = Problem::of_file("--output", "it sets the format of --dry-run");
    let hint =
        "add --dry-run to see what would move; --report FILE writes what became of each image, as JSON";
    Err(problem.with_hint(hint).into())
}

/// What every command that takes its time has: progress and a log on stderr, and an end on request.
pub(crate) struct Session {
    pub progress: Arc<Progress>,
    /// Set once the user wants to stop.
    pub cancel: Arc<AtomicBool>,
    last: LastDeed,
}

/// What is still to be done where the user doesn't wait for an end in order.
type LastDeed = Arc<OnceLock<Box<dyn Fn() + Send + Sync>>>;

impl Session {
    /// Begins to show progress, if any is wanted, and to log, and to take signals for a wish to stop.
    pub fn begin(cli: &Cli, shown: Option<&ProgressArgs>) -> Session {
        let (mode, lines) = shown.map_or((ProgressMode::None, 1), |shown| (shown.mode, shown.lines));
        let progress = Arc::new(Progress::new(mode, usize::from(lines), cli.quiet));
        ui::start_log(cli.quiet, cli.verbose, &progress);
        let cancel = Arc::new(AtomicBool::new(false));
        let last = LastDeed::default();
        stop_on_signal(&cancel, &progress, &last);
        if progress.draws() {
            let progress = Arc::clone(&progress);
            on_suspension(move |suspend| progress.without_bars(suspend));
        }
        Session {
            progress,
            cancel,
            last,
        }
    }

    /// How a command reaches and reads places: this many requests and files at once, and these logins.
    pub fn options(&self, jobs: u16, retries: u32, logins: DefaultCredentials) -> Options {
        Options {
            jobs: open_files::workers(jobs),
            request_retries: retries,
            credentials: Arc::new(logins),
            cancel: Arc::clone(&self.cancel),
            ..Options::default()
        }
    }

    /// Whether the user wants to stop.
    pub fn is_stopped(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// Returns the observer that shows the run's progress.
    pub fn observer(&self) -> Arc<dyn Observer> {
        Arc::clone(&self.progress) as Arc<dyn Observer>
    }

    /// Has something done where the user doesn't wait for an end in order.
    pub fn at_stop(&self, deed: impl Fn() + Send + Sync + 'static) {
        // A second one would be refused; there is none.
        let _ = self.last.set(Box::new(deed));
    }
}

/// How long a run gets to end in order once the user wants to stop. What the system is waited for, such as a connection or a name,
/// can't be cut short; and nothing is lost by an end at any moment.
const ORDERLY: Duration = Duration::from_millis(700);

/// The first signal asks for an end, which comes soon in any case; the second ends at once.
fn stop_on_signal(cancel: &Arc<AtomicBool>, progress: &Arc<Progress>, last: &LastDeed) {
    let (cancel, progress, last) = (Arc::clone(cancel), Arc::clone(progress), Arc::clone(last));
    let end = move || {
        if let Some(last) = last.get() {
            last();
        }
    };
    let handler = on_signals(&[SIGINT, SIGTERM, SIGHUP], move |_| {
        if cancel.swap(true, Ordering::Relaxed) {
            end();
            std::process::exit(i32::from(INTERRUPTED));
        }
        progress.finish();
        progress.print("stopping; once more to stop at once");
        let (progress, end) = (Arc::clone(&progress), end.clone());
        let stop = move || {
            thread::sleep(ORDERLY);
            end();
            progress.print("\nStopped, without waiting for an answer.");
            progress.print(ui::GOES_ON);
            std::process::exit(i32::from(INTERRUPTED));
        };
        // Where the system gives no thread, it takes a second Ctrl-C to stop what hangs.
        drop(thread::Builder::new().name("stop".to_owned()).spawn(stop));
    });
    if let Err(error) = handler {
        log::warn!("Ctrl-C stops at once, without a summary: {error}");
    }
}

/// Opens a directory, whose argument is DIR. The inner error is that it was stopped.
pub(crate) fn open_with<T>(
    dir: &Path,
    open: impl FnOnce(&Path) -> Result<T, Error>,
) -> Result<Result<T, Error>, TaskErrors> {
    check_dir(dir)?;
    match open(dir) {
        Err(error) if !error.is_stopped() => Err(at_dir(&error).into()),
        opened => Ok(opened),
    }
}

pub(crate) fn check_dir(dir: &Path) -> Result<(), TaskErrors> {
    match dir.try_exists() {
        Ok(false) => Err(Problem::of_file("DIR", format!("there is no directory {}", dir.display())).into()),
        _ => Ok(()),
    }
}

/// What is wrong with what an argument names.
pub(crate) fn of_fault(argument: &str, fault: &transfer::Fault) -> Problem {
    Problem::of_file(argument, fault.text()).maybe_hint(fault.hint())
}

/// What is wrong with the directory that a command is about.
pub(crate) fn at_dir(error: &Error) -> Problem {
    Problem::of_file("DIR", error.to_string()).maybe_hint(error.hint())
}
