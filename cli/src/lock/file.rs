//! The file of `--lock`, before a run and after it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use transload_transfer::ImageOutcome;
use transload_transfer::job::{Job, Pins};

use super::Lock;
use crate::args::lock::LockArgs;
use crate::atomic;
use crate::report::today;
use crate::task::{self, Problem, TaskErrors};
use crate::ui;

/// What a run has to do with a lock file.
#[derive(Debug)]
pub(crate) enum LockFile {
    /// Nothing.
    None,
    /// It is kept here.
    Kept(PathBuf),
    /// It is written to the standard output.
    Printed,
    /// It says what moves.
    Binding(Arc<Lock>),
}

impl LockFile {
    /// Looks at the file before anything moves: whether it can be read, and be written at the end. `is_quiet` says that nothing else goes
    /// to the standard output.
    ///
    /// # Errors
    /// Where it is damaged, or can't be there; where it binds and isn't there.
    pub(crate) fn open(args: &LockArgs, is_quiet: bool) -> Result<LockFile, TaskErrors> {
        let Some(path) = &args.lock else {
            return Ok(LockFile::None);
        };
        let is_stream = path == Path::new("-");
        if args.locked {
            if !is_stream && let Ok(false) = path.try_exists() {
                let problem = Problem::of_file(
                    &path.display().to_string(),
                    "there is no such file, and --locked needs it",
                );
                return Err(problem
                    .with_hint("run once without --locked: that writes it")
                    .into());
            }
            return read(path).map(|lock| LockFile::Binding(Arc::new(lock)));
        }
        if is_stream {
            let problem = Problem::of_file(
                "--lock",
                "- is stdout, and that has a line for each image already",
            );
            return match is_quiet {
                true => Ok(LockFile::Printed),
                false => Err(problem
                    .with_hint("add --quiet: then stdout has the lock file alone")
                    .into()),
            };
        }
        let cannot_write = |error| cannot_write(path, &error);
        atomic::target(path).map_err(cannot_write)?;
        if path.try_exists().unwrap_or(true) {
            read(path)?;
        }
        atomic::try_to_replace(path).map_err(cannot_write)?;
        Ok(LockFile::Kept(path.clone()))
    }

    /// The jobs, bound to the file if it says what moves.
    pub(crate) fn bind(&self, jobs: &[Job]) -> Vec<Job> {
        let bound = match self {
            LockFile::Binding(lock) => Some(lock),
            _ => None,
        };
        let bind = |job: &Job| Job {
            pins: bound.cloned().map(|lock| lock as Arc<dyn Pins>),
            ..job.clone()
        };
        jobs.iter().map(bind).collect()
    }

    /// Whether it is written at the end of a run.
    pub(crate) fn is_kept(&self) -> bool {
        matches!(self, LockFile::Kept(_) | LockFile::Printed)
    }

    /// Takes note of what became of a run's images. The file is replaced as a whole, or left as it is.
    ///
    /// # Errors
    /// Where it can't be read again, or written.
    pub(crate) fn record(&self, outcomes: &[ImageOutcome]) -> Result<(), TaskErrors> {
        match self {
            LockFile::None | LockFile::Binding(_) => Ok(()),
            LockFile::Printed => {
                let mut lock = Lock::default();
                lock.record(outcomes, &today());
                ui::out(lock.to_string().as_bytes()).map_err(|error| {
                    Problem::of_file("--lock", format!("stdout can't be written: {error}")).into()
                })
            }
            LockFile::Kept(path) => {
                // Read anew, and alone: other runs may keep it, too.
                let _alone = atomic::exclusively(path).map_err(|error| cannot_write(path, &error))?;
                let before = if path.try_exists().unwrap_or(true) {
                    read(path)?
                } else {
                    Lock::default()
                };
                let mut lock = before.clone();
                lock.record(outcomes, &today());
                if lock == before && path.exists() {
                    return Ok(());
                }
                atomic::replace(path, &lock.to_string()).map_err(|error| cannot_write(path, &error).into())
            }
        }
    }
}

fn read(path: &Path) -> Result<Lock, TaskErrors> {
    let (name, text) = task::read_file(path)?;
    Lock::read(&name, &text)
}

fn cannot_write(path: &Path, error: &io::Error) -> Problem {
    let folder = atomic::folder(path);
    let hint = match error.kind() {
        io::ErrorKind::NotFound => Some(format!("make the directory {} first", folder.display())),
        _ => atomic::hint(error),
    };
    let message = format!("the lock file can't be written here: {error}");
    Problem::of_file(&path.display().to_string(), message).maybe_hint(hint)
}
