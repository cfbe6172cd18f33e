//! Which files are read.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Findings, text};
use crate::task::{self, Problem, TaskErrors};

/// More files than this below a directory are none that people wrote for one installation.
const MAX_FILES: usize = 20_000;
/// Directories within directories, at most.
const MAX_DEPTH: usize = 32;

/// Reads a file, the standard input (`-`), or all YAML, JSON and text files below a directory.
pub(super) fn read_all(path: &Path, findings: &mut Findings) -> Result<(), TaskErrors> {
    if path == Path::new("-") || !path.is_dir() {
        let (name, content) = task::read_file(path)?;
        text::read(&name, &content, is_list(path), findings);
        return Ok(());
    }
    let mut files = Vec::new();
    gather(path, 0, &mut files, findings);
    for file in files {
        match task::read_file(&file) {
            Ok((name, content)) if is_list(&file) && !text::is_list(&content) => {
                log::debug!("{name}: not a list of images");
            }
            Ok((name, content)) => text::read(&name, &content, false, findings),
            Err(errors) => findings.problems.extend(errors.problems().iter().cloned()),
        }
    }
    Ok(())
}

/// The files below a directory, sorted by name; what begins with a dot is left out.
fn gather(dir: &Path, depth: usize, files: &mut Vec<PathBuf>, findings: &mut Findings) {
    let shown = dir.display().to_string();
    let listed: Result<Vec<PathBuf>, _> =
        fs::read_dir(dir).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut paths = match listed {
        Ok(paths) => paths,
        Err(error) => {
            let message = format!("this directory can't be read: {error}");
            findings.problems.push(Problem::of_file(&shown, message));
            return;
        }
    };
    paths.sort();
    let is_chart = paths.iter().any(|path| path.ends_with("Chart.yaml"));
    for path in paths {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with('.') {
            continue;
        }
        if is_chart && name == "templates" && path.is_dir() {
            let message = "this is a Helm chart: its templates aren't YAML, and weren't read";
            let hint = format!("helm template {shown} | transload images -");
            findings
                .problems
                .push(Problem::of_file(&shown, message).with_hint(hint));
        } else if is_directory(&path) {
            if depth == MAX_DEPTH {
                let message =
                    format!("more than {MAX_DEPTH} directories within each other: this one wasn't read");
                findings
                    .problems
                    .push(Problem::of_file(&path.display().to_string(), message));
            } else {
                gather(&path, depth + 1, files, findings);
            }
        } else if has_images(&path) {
            if files.len() == MAX_FILES {
                let message = format!("more than {MAX_FILES} files: the others weren't read");
                findings.problems.push(Problem::of_file(&shown, message));
                return;
            }
            files.push(path);
        }
    }
}

/// A directory itself: a link to one may lead back.
fn is_directory(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|data| data.is_dir())
}

fn has_images(path: &Path) -> bool {
    let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
    path.is_file() && ["yaml", "yml", "json", "txt"].contains(&end)
}

fn is_list(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "txt")
}
