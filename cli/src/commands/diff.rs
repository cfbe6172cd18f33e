//! `transload diff`.

use std::sync::Arc;

use transload_policy::ImagePattern;
use transload_transfer::inventory::{Comparison, compare_places, compare_with_registry};
use transload_transfer::job::Job;
use transload_transfer::place::LocalPlace;
use transload_transfer::{self as transfer, Fault, Side, Source};

use crate::app::{FAILED, INTERRUPTED, Session, of_fault, warn_of_exposure};
use crate::args::{Cli, DiffArgs, Output};
use crate::jobs::{self, Ends};
use crate::open_files;
use crate::task::{Problem, TaskErrors};
use crate::ui::{self, Compared};

/// Something couldn't be compared: as diff says it.
const TROUBLE: u8 = 2;

/// Compares two places.
pub(crate) fn diff(cli: &Cli, args: &DiffArgs) -> Result<u8, TaskErrors> {
    let ends = jobs::diff(args)?;
    warn_of_exposure(cli, args.registries.auths.iter());
    let session = Session::begin(cli, None);
    let comparison = match &ends {
        Ends::Local(a, b) => local(args, a, b, &session)?,
        Ends::Registry(job, place, is_turned) => {
            let comparison = registry(args, job, place, &session)?;
            comparison.map(|found| if *is_turned { found.turned() } else { found })
        }
    };
    let Some(comparison) = comparison else {
        return Ok(INTERRUPTED);
    };
    if session.is_stopped() {
        return Ok(INTERRUPTED);
    }
    for warning in &comparison.warnings {
        ui::err_line(format_args!("warning: {warning}"));
    }
    let compared = Compared {
        a: &args.a,
        b: &args.b,
        comparison: &comparison,
    };
    let text = match args.output {
        Output::Text => ui::fitted(ui::comparison_text(&compared)),
        Output::Json => ui::json(&ui::comparison_json(&compared)),
    };
    let status = match (comparison.troubles.is_empty(), comparison.is_same()) {
        (false, _) => TROUBLE,
        (true, true) => 0,
        (true, false) => FAILED,
    };
    let status = ui::result(text, status);
    ui::err(ui::comparison_troubles(&comparison));
    Ok(status)
}

/// None where it was stopped.
fn local(
    args: &DiffArgs,
    a: &LocalPlace,
    b: &LocalPlace,
    session: &Session,
) -> Result<Option<Comparison>, TaskErrors> {
    let pattern = jobs::pattern(args.pattern.as_deref())?;
    let (Some(first), Some(second)) = (open("A", a, session)?, open("B", b, session)?) else {
        return Ok(None);
    };
    let pool = transfer::pool(open_files::workers(args.jobs)).map_err(problem)?;
    match compare_places(
        first.as_ref(),
        second.as_ref(),
        pattern.as_ref(),
        args.untagged,
        &pool,
    ) {
        Ok(comparison) => Ok(Some(comparison)),
        Err(fault) if fault.is_interrupted() => Ok(None),
        Err(fault) => Err(mend_first(&fault).into()),
    }
}

/// None where it was stopped.
fn registry(
    args: &DiffArgs,
    job: &Job,
    place: &LocalPlace,
    session: &Session,
) -> Result<Option<Comparison>, TaskErrors> {
    let Some(here) = open("DIR", place, session)? else {
        return Ok(None);
    };
    let options = session.options(
        args.jobs,
        args.retries,
        jobs::logins(args.registries.authfile.as_deref()),
    );
    let located = transfer::locate(job, &options, &session.observer())
        .map_err(|problems| problems.into_iter().map(problem).collect::<Vec<_>>())?;
    for warning in &located.warnings {
        ui::err_line(format_args!("warning: {warning}"));
    }
    let pool = options.pool(usize::MAX).map_err(problem)?;
    let pattern: Option<&ImagePattern> = job.pattern.as_ref();
    let compared = compare_with_registry(
        here.as_ref(),
        &located.images,
        &located.client,
        pattern,
        args.one_way,
        &pool,
    );
    match compared {
        Ok(comparison) => Ok(Some(comparison)),
        Err(error) if error.is_cancelled() => Ok(None),
        Err(error) => Err(Problem::of_file("diff", error.to_string())
            .maybe_hint(error.hint())
            .into()),
    }
}

/// None where the wait for somebody else was stopped.
fn open(
    argument: &str,
    place: &LocalPlace,
    session: &Session,
) -> Result<Option<Arc<dyn Source>>, TaskErrors> {
    match place.open(&session.cancel) {
        Err(fault) if fault.is_interrupted() => Ok(None),
        opened => Ok(Some(opened.map_err(|fault| of_fault(argument, &fault))?)),
    }
}

fn mend_first(fault: &Fault) -> Problem {
    if fault.is_damage() {
        let hint = "its contents aren't known: `transload verify` tells more, and --repair repairs it";
        return Problem::of_file("diff", fault.text()).with_hint(hint);
    }
    of_fault("diff", fault)
}

fn problem(problem: transfer::Problem) -> Problem {
    let argument = match problem.side {
        Some(Side::Source) => "the directory",
        Some(Side::Destination) => "the registry",
        None => problem.job.as_str(),
    };
    Problem::of_file(argument, problem.message).maybe_hint(problem.hint)
}
