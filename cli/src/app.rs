//! The program: from arguments to an exit status.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use transload_layout_store::Store;
use transload_policy::ImagePattern;
use transload_registry_client::DefaultCredentials;

use crate::args::{Cli, Command, HowArgs, ListArgs, Output, RunArgs};
use crate::job::Job;
use crate::jobs::{self, UsageErrors};
use crate::task::{self, LoadOptions};
use crate::transfer::{self, Observer, Options};
use crate::ui::{self, Progress};

/// Something failed to transfer.
const FAILED: u8 = 1;
/// Wrong usage or configuration; nothing was moved.
const USAGE: u8 = 2;
/// The user stopped it.
const INTERRUPTED: u8 = 130;

/// Does what the arguments say.
pub fn main(cli: &Cli) -> ExitCode {
    let status = match &cli.command {
        Command::Run(args) => run_file(cli, args),
        Command::Pull(args) => jobs::pull(args).map(|job| transfer(cli, &args.how, &[job])),
        Command::Push(args) => jobs::push(args).map(|job| transfer(cli, &args.how, &[job])),
        Command::Copy(args) => jobs::copy(args).map(|job| transfer(cli, &args.how, &[job])),
        Command::List(args) => list(args),
    };
    ExitCode::from(status.unwrap_or_else(|errors| {
        eprintln!("{errors}");
        USAGE
    }))
}

fn run_file(cli: &Cli, args: &RunArgs) -> Result<u8, UsageErrors> {
    let variables = task::load_variables(&args.vars, &args.set).map_err(UsageErrors::listed)?;
    let options = LoadOptions {
        variables: Arc::new(variables),
        tags: args.tags.clone(),
        image_tasks_only: args.image_tasks_only,
    };
    let loaded = task::load(&args.file, &options).map_err(UsageErrors::listed)?;
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    for skipped in &loaded.skipped {
        if !cli.quiet {
            eprintln!("skipped {}: {}", skipped.name, skipped.reason);
        }
    }
    if loaded.jobs.is_empty() {
        eprintln!("{}: no task to do", args.file.display());
    }
    Ok(transfer(cli, &args.how, &loaded.jobs))
}

fn transfer(cli: &Cli, how: &HowArgs, jobs: &[Job]) -> u8 {
    let progress = Arc::new(Progress::new(how.progress, cli.quiet));
    start_log(cli, &progress);
    let cancel = Arc::new(AtomicBool::new(false));
    stop_on_signal(&cancel);
    let options = Options {
        jobs: usize::from(how.jobs),
        request_retries: how.retries,
        credentials: Arc::new(DefaultCredentials::new()),
        cancel,
    };
    let observer: Arc<dyn Observer> = Arc::clone(&progress) as Arc<dyn Observer>;
    if how.dry_run {
        let plans = transfer::preview(jobs, &options, &observer);
        progress.finish();
        return match plans {
            Ok(plans) => show_plans(&plans),
            Err(problems) => refuse(&problems),
        };
    }
    let summary = transfer::run(jobs, &options, &observer);
    progress.finish();
    match summary {
        Err(problems) => refuse(&problems),
        Ok(summary) => {
            eprint!("{}", ui::summary(&summary));
            match (summary.interrupted, summary.is_success()) {
                (true, _) => INTERRUPTED,
                (false, true) => 0,
                (false, false) => FAILED,
            }
        }
    }
}

fn refuse(problems: &[transfer::Problem]) -> u8 {
    eprintln!("{}", ui::problems(problems));
    USAGE
}

fn show_plans(plans: &[transfer::JobPreview]) -> u8 {
    if ui::print_plan(plans, &mut std::io::stdout().lock()).is_err() {
        return FAILED;
    }
    let fails = plans
        .iter()
        .flat_map(|plan| &plan.images)
        .any(|image| image.result.is_err());
    if fails { FAILED } else { 0 }
}

/// Logs to stderr, above the bars: warnings, more with -v, or what RUST_LOG says.
fn start_log(cli: &Cli, progress: &Progress) {
    let level = match (cli.quiet, cli.verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "info",
        (false, 2) => "debug,ureq=info,rustls=info",
        (false, _) => "trace",
    };
    let colour = if std::io::stderr().is_terminal() {
        env_logger::WriteStyle::Auto
    } else {
        env_logger::WriteStyle::Never
    };
    // A second logger in one process would be refused; there is none.
    let _ = env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(level))
        .target(env_logger::Target::Pipe(progress.log_target()))
        .write_style(colour)
        .format_target(false)
        .try_init();
}

/// The first signal asks for an end; the second ends at once.
fn stop_on_signal(cancel: &Arc<AtomicBool>) {
    let cancel = Arc::clone(cancel);
    let handler = ctrlc::set_handler(move || {
        if cancel.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(INTERRUPTED));
        }
        eprintln!("stopping; once more to stop at once");
    });
    if let Err(error) = handler {
        log::warn!("Ctrl-C stops at once, without a summary: {error}");
    }
}

fn list(args: &ListArgs) -> Result<u8, UsageErrors> {
    let pattern = args
        .pattern
        .as_deref()
        .map(ImagePattern::new)
        .transpose()
        .map_err(UsageErrors::one)?;
    let store = Store::open(&args.dir).map_err(|error| match error.hint() {
        Some(hint) => UsageErrors::one(format!("{error}\n  hint: {hint}")),
        None => UsageErrors::one(error),
    })?;
    let mut images = store.images().map_err(UsageErrors::one)?;
    if let Some(pattern) = &pattern {
        images.retain(|image| pattern.matches(&image.reference.to_string(), &image.reference));
    }
    let mut out = std::io::stdout().lock();
    let written = match args.output {
        Output::Text => images
            .iter()
            .try_for_each(|image| writeln!(out, "{}  {}", image.reference, image.digest)),
        Output::Json => {
            let list: Vec<_> = images
                .iter()
                .map(|image| serde_json::json!({"image": image.reference.to_string(), "digest": image.digest.to_string()}))
                .collect();
            writeln!(out, "{:#}", serde_json::Value::Array(list))
        }
    };
    Ok(if written.is_ok() { 0 } else { FAILED })
}
