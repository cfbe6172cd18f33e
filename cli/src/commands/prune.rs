//! `transload prune`.

use std::sync::Arc;

use transload_layout_store::{Error, Garbage, OpenOptions, StoredImage};
use transload_transfer::maintenance::{Keep, Kept};

use crate::app::{FAILED, INTERRUPTED, Session, at_dir, open_with};
use crate::args::{Cli, Output, PruneArgs};
use crate::jobs;
use crate::task::{Problem, TaskErrors};
use crate::ui::{self, Pruned};

/// Removes what no image needs that is kept.
pub(crate) fn prune(cli: &Cli, args: &PruneArgs) -> Result<u8, TaskErrors> {
    let keep = jobs::keep(args)?;
    let session = Session::begin(cli, None);
    let open_options = OpenOptions::default().cancel_flag(Arc::clone(&session.cancel));
    let mut exclusive = match open_with(&args.dir, |dir| open_options.open_exclusively(dir))? {
        Ok(exclusive) => exclusive,
        Err(stopped) => return Ok(not_begun(args, &stopped)),
    };
    let images: Vec<StoredImage> = match exclusive.store().images() {
        Ok(images) => images.collect(),
        Err(error) => return Ok(not_begun(args, &error)),
    };
    for caution in exclusive.store().cautions() {
        log::warn!("{}: {caution}", args.dir.display());
    }
    let kept = choose(&keep, args, &images)?;
    let garbage = match exclusive.garbage(|image| kept.images.contains(image)) {
        Ok(garbage) => garbage,
        Err(error) => return Ok(not_begun(args, &error)),
    };
    if !args.dry_run
        && let Err(error) = exclusive.remove(&garbage)
    {
        return Ok(not_finished(&error));
    }
    let kept_in_all = images.len() - garbage.images.len();
    Ok(show(args, &garbage, kept_in_all, kept.images.len()))
}

/// The images that stay. None would: that is a mistake, or done better without this program.
fn choose(keep: &Keep, args: &PruneArgs, images: &[StoredImage]) -> Result<Kept, TaskErrors> {
    let kept = keep.choose(images);
    for name in &kept.unknown {
        ui::err_line(format_args!(
            "warning: {name} is to be kept, and {} doesn't have it",
            args.dir.display()
        ));
    }
    if kept.images.is_empty() && !images.is_empty() {
        let argument = if args.keep.is_some() {
            "--keep"
        } else {
            "--pattern"
        };
        let message = format!(
            "it keeps none of the {} images of {}",
            images.len(),
            args.dir.display()
        );
        return Err(Problem::of_file(argument, message)
            .with_hint("it tells what is KEPT; remove the directory itself if nothing of it is needed")
            .into());
    }
    Ok(kept)
}

fn show(args: &PruneArgs, garbage: &Garbage, kept: usize, by_rule: usize) -> u8 {
    let pruned = Pruned {
        dir: &args.dir,
        garbage,
        rule: rule(args),
        kept,
        referrers: kept - by_rule,
        dry_run: args.dry_run,
    };
    let text = match args.output {
        Output::Text => ui::garbage_text(&pruned),
        Output::Json => ui::json(&ui::garbage_json(&pruned)),
    };
    ui::result(text, 0)
}

/// Which images stay, for people; none where all do.
fn rule(args: &PruneArgs) -> Option<String> {
    let file = args.keep.as_ref().map(|file| match file.to_str() {
        Some("-") => "named on standard input".to_owned(),
        _ => format!("named in {}", file.display()),
    });
    let pattern = args.pattern.as_ref();
    file.or(pattern.map(|pattern| format!("whose name \"{pattern}\" matches")))
}

/// Tells why nothing was removed.
fn not_begun(args: &PruneArgs, error: &Error) -> u8 {
    if error.is_stopped() {
        ui::err_line("Stopped. Nothing was removed.");
        return INTERRUPTED;
    }
    let problem = match error {
        Error::Damaged { .. } | Error::Manifest { .. } => {
            let hint = format!(
                "nothing is removed from a damaged directory: `transload verify {} --repair` first",
                args.dir.display()
            );
            Problem::of_file("DIR", error.to_string()).with_hint(hint)
        }
        other => at_dir(other),
    };
    ui::err(ui::errors(&[problem], 0) + ui::NOTHING_REMOVED);
    FAILED
}

/// Tells that some of it was removed.
fn not_finished(error: &Error) -> u8 {
    let is_stopped = error.is_stopped();
    if is_stopped {
        ui::err("Stopped. ");
    } else {
        ui::err_line(ui::errors(&[at_dir(error)], 0));
    }
    ui::err_line("The images that are left are whole; the same command goes on where this one ended.");
    if is_stopped { INTERRUPTED } else { FAILED }
}
