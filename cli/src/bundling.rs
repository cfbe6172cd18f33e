//! What arguments say of bundles: read before anything moves.

use std::path::Path;
use std::sync::Arc;

use transload_transfer::bundle::{self, Holdings, MOST_HOLDINGS_BYTES, Wanted};
use transload_transfer::job::{Bundling, Job};
use transload_transfer::place::LocalPlace;
use transload_transfer::{Observer, Options, Unobserved};

use crate::app::of_fault;
use crate::args::BundleArgs;
use crate::atomic;
use crate::task::{Problem, TaskErrors};
use crate::ui;

/// Completes a job by what is said of its bundle. Bases are looked through: a registry is asked for its lists.
///
/// # Errors
/// Everything that is wrong with the arguments, and bases that can't be read.
pub(crate) fn complete(job: Job, args: &BundleArgs, options: &Options) -> Result<Job, TaskErrors> {
    let Some(given) = args.given() else {
        return Ok(job);
    };
    if !job.destination.local().is_some_and(LocalPlace::is_bundle) {
        let problem = Problem::of_file(given, "it says how a bundle is written, and --dest is none");
        return Err(problem.with_hint("a bundle is written --dest bundle:DIR").into());
    }
    let observer: Arc<dyn Observer> = Arc::new(Unobserved);
    let mut base = Holdings::default();
    for text in &args.base {
        let read = bundle::base(text, &job, options, &observer);
        base.unite(read.map_err(|fault| of_fault("--base", &fault))?);
    }
    let only = args.only.as_deref().map(read_inventory).transpose()?;
    let bundling = Bundling {
        wanted: Arc::new(Wanted::beyond(base).only(only)),
        limit: args.volume_size,
        command: args.volume_command.clone(),
        signer: None,
    };
    Ok(Job { bundling, ..job })
}

fn read_inventory(file: &Path) -> Result<Holdings, TaskErrors> {
    let problem = |reason: String| Problem::of_file("--only", format!("{}: {reason}", file.display()));
    let length = std::fs::metadata(file)
        .map_err(|error| problem(error.to_string()))?
        .len();
    if length > MOST_HOLDINGS_BYTES {
        return Err(problem(format!("it has more than {MOST_HOLDINGS_BYTES} bytes")).into());
    }
    let text = std::fs::read(file).map_err(|error| problem(error.to_string()))?;
    Ok(Holdings::parse(&text).map_err(problem)?)
}

/// Writes down what is nowhere. Returns whether that succeeded.
pub(crate) fn write_missing<'a>(file: &Path, missing: impl Iterator<Item = &'a Holdings>) -> bool {
    let mut all = Holdings::default();
    missing.cloned().for_each(|missing| all.unite(missing));
    write(file, &all, "--missing")
}

/// Writes an inventory to a file, or to standard output. Returns whether that succeeded.
pub(crate) fn write(file: &Path, holdings: &Holdings, argument: &str) -> bool {
    let text = holdings.to_text();
    let written = match file == Path::new("-") {
        true => ui::out(text.as_bytes()),
        false => atomic::replace(file, &text),
    };
    match written {
        Ok(()) => true,
        Err(error) => {
            let problem = Problem::of_file(argument, format!("writing {}: {error}", file.display()));
            ui::err(ui::errors(&[problem], 0));
            false
        }
    }
}
