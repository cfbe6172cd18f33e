//! `transload prune`.

use std::io::IsTerminal;
use std::sync::Arc;

use transload_layout_store::{Error, Garbage, OpenOptions, StoredImage};
use transload_transfer::maintenance::{Keep, Kept};

use super::prompt::{self, Answer};
use crate::app::{FAILED, INTERRUPTED, Session, at_dir, open_with};
use crate::args::{Cli, Output, PruneArgs};
use crate::jobs;
use crate::task::{Problem, TaskErrors};
use crate::ui::{self, Pruned};

/// Deletes what no kept image uses.
pub(crate) fn prune(cli: &Cli, args: &PruneArgs) -> Result<u8, TaskErrors> {
    let asks = !args.yes && !args.dry_run;
    if asks && !(std::io::stdin().is_terminal() && ui::err_is_terminal()) {
        let problem = Problem::of_file("--yes", "prune deletes files, and there is no terminal to ask on");
        return Err(problem
            .with_hint("give --yes to delete, or --dry-run to see what would be deleted")
            .into());
    }
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
    let kept_in_all = images.len() - garbage.images.len();
    if asks && garbage != Garbage::default() {
        let shown = pruned(args, &garbage, kept_in_all, kept.images.len(), true);
        ui::err(ui::garbage_text(&shown));
        match prompt::ask("Delete this? [y/N] ", true) {
            Ok(Answer::Text(answer)) if ["y", "yes"].contains(&answer.to_lowercase().as_str()) => {}
            Ok(_) => {
                ui::err_line("Nothing was removed.");
                return Ok(FAILED);
            }
            Err(error) => return Err(Problem::of_file("standard input", error.to_string()).into()),
        }
    }
    if !args.dry_run
        && let Err(error) = exclusive.remove(&garbage)
    {
        return Ok(not_finished(&error));
    }
    let shown = pruned(args, &garbage, kept_in_all, kept.images.len(), args.dry_run);
    Ok(show(args, &shown))
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
        let argument = if args.keep_file.is_some() {
            "--keep-file"
        } else {
            "--keep-pattern"
        };
        let message = format!(
            "it keeps none of the {} images of {}",
            images.len(),
            args.dir.display()
        );
        return Err(Problem::of_file(argument, message)
            .with_hint("it names the images to KEEP; to delete all of them, delete the directory")
            .into());
    }
    Ok(kept)
}

/// What is shown: as what would be removed, or as what was.
fn pruned<'a>(
    args: &'a PruneArgs,
    garbage: &'a Garbage,
    kept: usize,
    by_rule: usize,
    dry_run: bool,
) -> Pruned<'a> {
    Pruned {
        dir: &args.dir,
        garbage,
        rule: rule(args),
        kept,
        referrers: kept - by_rule,
        dry_run,
    }
}

/// What is said after a preview.
const HOW_TO_REMOVE: &str = "Nothing was removed. The same command without --dry-run does it.\n";

fn show(args: &PruneArgs, pruned: &Pruned<'_>) -> u8 {
    let text = match args.output {
        Output::Text if args.dry_run && *pruned.garbage != Garbage::default() => {
            ui::fitted(ui::garbage_text(pruned) + HOW_TO_REMOVE)
        }
        Output::Text => ui::fitted(ui::garbage_text(pruned)),
        Output::Json => ui::json(&ui::garbage_json(pruned)),
    };
    ui::result(text, 0)
}

/// Which images stay, for people; none where all do.
fn rule(args: &PruneArgs) -> Option<String> {
    let file = args.keep_file.as_ref().map(|file| match file.to_str() {
        Some("-") => "named on standard input".to_owned(),
        _ => format!("named in {}", file.display()),
    });
    let pattern = args.keep_pattern.as_ref();
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
    ui::err_line("The remaining images are whole. The same command continues where this one stopped.");
    if is_stopped { INTERRUPTED } else { FAILED }
}
