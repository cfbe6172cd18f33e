//! Where a report is written to.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::bom;
use super::schema::Report;
use crate::atomic;
use crate::page;
use crate::task::Problem;
use crate::ui;

/// The place of a report: stdout, a file that is replaced as a whole, or something else that takes bytes.
#[derive(Debug)]
pub struct ReportFile {
    place: Place,
    /// Of what its name says it is.
    form: Form,
}

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// JSON for programs.
    Json,
    /// A page to look at.
    Html,
    /// A CycloneDX bill of materials.
    Cyclonedx,
}

#[derive(Debug)]
enum Place {
    Stdout,
    /// A device, or a pipe that somebody reads.
    Stream(PathBuf),
    File(PathBuf),
}

/// Why a report can't be written to a place.
#[derive(Debug, thiserror::Error)]
pub enum Unwritable {
    /// It is a directory.
    #[error("{} is a directory", .0.display())]
    Directory(PathBuf),
    /// There is no folder to write it into.
    #[error("there is no directory {}", .0.display())]
    NoFolder(PathBuf),
    /// The system refuses.
    #[error("{} can't be written: {source}", .path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Unwritable {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Unwritable::Directory(path) => Some(format!(
                "give a file, such as {}",
                path.join("report.json").display()
            )),
            Unwritable::NoFolder(path) => Some(format!("make it first: mkdir -p {}", path.display())),
            Unwritable::Refused { source, .. } => atomic::hint(source),
        }
    }

    /// The problem of the argument that names the place.
    pub(crate) fn of_argument(&self, argument: &str) -> Problem {
        Problem::of_file(argument, self.to_string()).maybe_hint(self.hint())
    }
}

impl ReportFile {
    /// A place that can be written to, `-` being stdout. Nothing is there yet, and what was there stays until it is replaced.
    ///
    /// # Errors
    /// Where it can't be written: nothing has moved yet, and the run need not begin.
    pub fn prepare(path: &Path) -> Result<ReportFile, Unwritable> {
        let place = if path.as_os_str() == "-" {
            Place::Stdout
        } else {
            place(path)?
        };
        let is_page = path.extension().is_some_and(|extension| {
            extension.eq_ignore_ascii_case("html") || extension.eq_ignore_ascii_case("htm")
        });
        let form = if is_page { Form::Html } else { Form::Json };
        Ok(ReportFile { place, form })
    }

    /// Whether it goes to stdout, which nothing else may go to then.
    pub fn is_stdout(&self) -> bool {
        matches!(self.place, Place::Stdout)
    }

    /// Writes the report in the form that its name says: whole, or not at all.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn write(&self, report: &Report) -> Result<(), Unwritable> {
        self.write_as(self.form, report)
    }

    /// Writes the report in a form.
    ///
    /// # Errors
    /// As [`ReportFile::write`].
    pub fn write_as(&self, form: Form, report: &Report) -> Result<(), Unwritable> {
        let text = match form {
            Form::Json => ui::json(report),
            Form::Html => page::html(report)
                .map_err(|error| refused(Path::new("the page"), io::Error::other(error.to_string())))?,
            Form::Cyclonedx => ui::json(&bom::cyclonedx(report)),
        };
        self.write_text(&text)
    }

    /// Writes a text: whole, or not at all.
    ///
    /// # Errors
    /// As [`ReportFile::write`].
    pub(crate) fn write_text(&self, text: &str) -> Result<(), Unwritable> {
        let (path, written) = match &self.place {
            Place::Stdout => (Path::new("-"), ui::out(text.as_bytes())),
            Place::Stream(path) => (path.as_path(), append(path, text)),
            Place::File(path) => (path.as_path(), atomic::replace(path, text)),
        };
        written.map_err(|source| refused(path, source))
    }
}

fn refused(path: &Path, source: io::Error) -> Unwritable {
    Unwritable::Refused {
        path: path.to_owned(),
        source,
    }
}

fn place(path: &Path) -> Result<Place, Unwritable> {
    let path = atomic::target(path).map_err(|source| refused(path, source))?;
    match path.metadata() {
        Ok(found) if found.is_dir() => return Err(Unwritable::Directory(path)),
        Ok(found) if !found.is_file() => {
            return Ok(Place::Stream(path));
        }
        Ok(_) => {
            // Whoever made it read-only means it.
            let opened = OpenOptions::new().append(true).open(&path);
            opened.map_err(|source| refused(&path, source))?;
        }
        Err(_) => {}
    }
    if path.file_name().is_none() {
        return Err(Unwritable::Directory(path));
    }
    let folder = atomic::folder(&path);
    if !folder.exists() {
        return Err(Unwritable::NoFolder(folder.to_owned()));
    }
    atomic::try_to_replace(&path).map_err(|source| refused(&path, source))?;
    Ok(Place::File(path))
}

fn append(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new()
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::report::Recorder;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_report_takes_the_place_of_an_older_one_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.json");
        fs::write(&path, "old").unwrap();
        std::os::unix::fs::symlink("report.json", dir.path().join("link.json")).unwrap();
        let file = ReportFile::prepare(&dir.path().join("link.json")).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "old",
            "nothing is written before the end"
        );
        assert_eq!(names(dir.path()), ["link.json", "report.json"]);
        let report = Recorder::new([]).report(true);
        file.write(&report).unwrap();
        let read: Report = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(read, report);
        assert_eq!(names(dir.path()), ["link.json", "report.json"]);
        assert!(dir.path().join("link.json").is_symlink());
    }

    #[test]
    fn places_that_take_no_report_are_found_before() {
        let dir = tempfile::tempdir().unwrap();
        let text = |path: &Path| {
            let error = ReportFile::prepare(path).unwrap_err();
            let text = format!("{error} / {}", error.hint().unwrap_or_default());
            text.replace(&dir.path().canonicalize().unwrap().display().to_string(), "DIR")
        };
        assert_eq!(
            text(dir.path()),
            "DIR is a directory / give a file, such as DIR/report.json"
        );
        let nowhere = dir.path().join("no/where.json");
        assert!(
            text(&nowhere).ends_with("/no / make it first: mkdir -p DIR/no"),
            "{}",
            text(&nowhere)
        );
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(ReportFile::prepare(&dir.path().join("file/report.json")).is_err());
        assert_eq!(names(dir.path()), ["file"]);
    }

    #[test]
    fn a_device_is_written_to_as_it_is() {
        let file = ReportFile::prepare(Path::new("/dev/null")).unwrap();
        file.write(&Recorder::new([]).report(false)).unwrap();
        assert!(!Path::new("/dev/null").is_file());
    }
}
