//! The file of `--lock`, before a run and after it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Lock;
use crate::args::lock::LockArgs;
use crate::job::Job;
use crate::task::{self, Problem, TaskErrors};
use crate::transfer::Summary;

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
        if path.try_exists().unwrap_or(true) {
            read(path)?;
        }
        try_to_write(path).map_err(|error| cannot_write(path, &error))?;
        Ok(LockFile::Kept(path.clone()))
    }

    /// The jobs, bound to the file if it says what moves.
    pub(crate) fn bind(&self, jobs: &[Job]) -> Vec<Job> {
        let bound = match self {
            LockFile::Binding(lock) => Some(lock),
            _ => None,
        };
        let bind = |job: &Job| Job {
            lock: bound.cloned(),
            ..job.clone()
        };
        jobs.iter().map(bind).collect()
    }

    /// Takes note of what became of a run. The file is replaced as a whole, or left as it is.
    ///
    /// # Errors
    /// Where it can't be read again, or written.
    pub(crate) fn record(&self, summary: &Summary) -> Result<(), TaskErrors> {
        let outcomes = summary.jobs.iter().flat_map(|job| &job.images);
        match self {
            LockFile::None | LockFile::Binding(_) => Ok(()),
            LockFile::Printed => {
                let mut lock = Lock::default();
                lock.record(outcomes, &today());
                let mut out = io::stdout().lock();
                let written = out
                    .write_all(lock.to_string().as_bytes())
                    .and_then(|()| out.flush());
                written.map_err(|error| {
                    Problem::of_file("--lock", format!("stdout can't be written: {error}")).into()
                })
            }
            LockFile::Kept(path) => {
                // Read anew: another run may have kept it meanwhile.
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
                replace(path, &lock.to_string()).map_err(|error| cannot_write(path, &error).into())
            }
        }
    }
}

fn read(path: &Path) -> Result<Lock, TaskErrors> {
    let (name, text) = task::read_file(path)?;
    Lock::read(&name, &text)
}

fn cannot_write(path: &Path, error: &io::Error) -> Problem {
    let folder = folder(path);
    let problem = Problem::of_file(
        &path.display().to_string(),
        format!("the lock file can't be written here: {error}"),
    );
    match error.kind() {
        io::ErrorKind::NotFound => {
            problem.with_hint(format!("make the directory {} first", folder.display()))
        }
        _ => problem,
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes a file beside the one that is meant, and removes it: hours later is too late to find out that this can't be.
fn try_to_write(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let (draft, file) = draft(path)?;
    drop(file);
    fs::remove_file(draft)
}

/// Writes a file under another name beside it, durably, and gives it the name then.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    // A link stays one: what it leads to is replaced.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (draft, mut file) = draft(&path)?;
    let written = (|| {
        file.write_all(text.as_bytes())?;
        if let Ok(before) = path.metadata() {
            file.set_permissions(before.permissions())?;
        }
        file.sync_all()?;
        fs::rename(&draft, &path)
    })();
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&draft);
    }
    written
}

/// A new file beside another one, which no other process writes.
fn draft(path: &Path) -> io::Result<(PathBuf, File)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = folder(path).join(format!(".{name}.{}", std::process::id()));
    // What a process of the same number left when it was killed.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new().write(true).create_new(true).open(&draft)?;
    Ok((draft, file))
}

fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    date(since.as_secs() / 86_400)
}

/// The day so many days after 1 January 1970, as `2026-11-25`.
///
/// Years are counted from March, so that the leap day is their last, in eras of 400 years, which all have the same number of days.
fn date(days: u64) -> String {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn days_are_dates() {
        let cases = [
            (0, "1970-01-01"),
            (59, "1970-03-01"),
            (789, "1972-02-29"),
            (11_016, "2000-02-29"),
            (20_782, "2026-11-25"),
            (20_818, "2026-12-31"),
            (20_819, "2027-01-01"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
        ];
        for (days, expected) in cases {
            assert_eq!(date(days), expected);
        }
    }
}
