//! `transload verify`.

use std::sync::Arc;
use std::time::Instant;

use transload_layout_store::{Error, Store};
use transload_policy::ImagePattern;
use transload_transfer::job::{ImageName, Job};
use transload_transfer::maintenance::{Checkup, Look, Mender, Report, repair};
use transload_transfer::{self as transfer, Observer, Options};

use crate::app::{FAILED, INTERRUPTED, Session, at_dir, open_store, warn_of_exposure};
use crate::args::{Cli, Output, VerifyArgs};
use crate::jobs;
use crate::open_files;
use crate::task::{Problem, TaskErrors};
use crate::ui::{self, Checked};

/// Checks a directory, and mends it if that is asked for.
pub(crate) fn verify(cli: &Cli, args: &VerifyArgs) -> Result<u8, TaskErrors> {
    let began = Instant::now();
    let pattern = jobs::pattern(args.pattern.as_deref())?;
    warn_of_exposure(cli, args.registries.auths.iter());
    let session = Session::begin(cli, args.progress);
    let result = with_store(&session, args, pattern.as_ref());
    session.progress.finish();
    let report = match result? {
        Ok(report) => report,
        Err(error) if error.is_stopped() => return Ok(INTERRUPTED),
        Err(error) => {
            ui::err(ui::errors(&[at_dir(&error)], 0));
            return Ok(FAILED);
        }
    };
    if let Some(pattern) = pattern.filter(|_| report.health.images == 0) {
        ui::err_line(format_args!("the pattern \"{pattern}\" matches no image"));
    }
    let checked = Checked {
        dir: &args.dir,
        report: &report,
        repair: args.repair,
        elapsed: began.elapsed(),
    };
    let text = match args.output {
        Output::Text => ui::health_text(&checked),
        Output::Json => ui::json(&ui::health_json(&checked)),
    };
    let status = match (report.health.stopped, report.health.findings.is_empty()) {
        (true, _) => INTERRUPTED,
        (false, true) => 0,
        (false, false) => FAILED,
    };
    Ok(ui::result(text, status))
}

fn with_store(
    session: &Session,
    args: &VerifyArgs,
    pattern: Option<&ImagePattern>,
) -> Result<Result<Report, Error>, TaskErrors> {
    let store = match open_store(&args.dir, &session.cancel)? {
        Ok(store) => Arc::new(store),
        Err(stopped) => return Ok(Err(stopped)),
    };
    let options = Options {
        jobs: open_files::workers(args.jobs),
        request_retries: args.retries,
        cancel: Arc::clone(&session.cancel),
        ..Options::default()
    };
    let source = if args.repair {
        Some(registries(&store, args, pattern, &options, session)?)
    } else {
        None
    };
    let pool = options.pool(usize::MAX).map_err(problem)?;
    let told = |look: Look| session.progress.look(look);
    let mut checkup = Checkup::new(&store, pattern, &pool, &session.cancel, &told);
    let health = checkup.look();
    let Some((job, client)) = source else {
        return Ok(health.map(Report::of));
    };
    let mender = Mender {
        store: &store,
        from: job.source.as_ref(),
        client: &client,
        pool: &pool,
        told: &told,
        observer: session.progress.as_ref(),
        cancel: &session.cancel,
    };
    Ok(health.and_then(|health| repair(&mut checkup, &mender, health)))
}

/// Where things come from that are mended: what is wrong with the arguments is told before anything is looked at.
fn registries(
    store: &Store,
    args: &VerifyArgs,
    pattern: Option<&ImagePattern>,
    options: &Options,
    session: &Session,
) -> Result<(Job, transload_registry_client::Client), TaskErrors> {
    let listing = store.listing().map_err(|error| at_dir(&error))?;
    let images: Vec<ImageName> = listing
        .images
        .into_iter()
        .map(|image| image.reference)
        .filter(|image| pattern.is_none_or(|pattern| pattern.matches(&image.to_string(), image)))
        .map(ImageName::from)
        .collect();
    let job = jobs::repair(args, &images)?;
    let observer: Arc<dyn Observer> = Arc::clone(&session.progress) as Arc<dyn Observer>;
    let client = transfer::client(&job, options, &observer).map_err(|error| {
        let problem = Problem::of_file("verify", error.kind().to_string());
        error.hint().into_iter().fold(problem, Problem::with_hint)
    })?;
    Ok((job, client))
}

fn problem(problem: transfer::Problem) -> Problem {
    let found = Problem::of_file(&problem.job, problem.message);
    problem.hint.into_iter().fold(found, Problem::with_hint)
}
