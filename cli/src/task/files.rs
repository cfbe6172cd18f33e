//! Reading files that people wrote.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use transload_template::Value;

use super::diagnostic::{IDS_OF_A_FILE, Sink, Source, Sources};
use super::problem::{Problem, TaskErrors};
use super::yaml::{self, Id, Node, Yaml};

/// More than this is no file that a person wrote.
const MAX_SIZE: u64 = 16 << 20;

/// Whether the standard input has been read: it can be once.
static STDIN_IS_READ: AtomicBool = AtomicBool::new(false);

/// The files that tasks are read from: the one that was named, and those that it includes.
#[derive(Debug, Clone, Default)]
pub(super) struct Files {
    files: Vec<Arc<TaskFile>>,
    /// By their real paths, so that each is read once.
    by_path: HashMap<PathBuf, usize>,
}

#[derive(Debug)]
struct TaskFile {
    name: String,
    text: String,
    documents: Arc<[Node]>,
}

impl Files {
    /// Adds a file's text, and returns its documents, whose ids are told from those of other files.
    ///
    /// # Errors
    /// Where the text isn't YAML.
    pub fn add(&mut self, name: String, text: String, sink: &mut Sink) -> Result<Arc<[Node]>, TaskErrors> {
        let source = Source {
            name: &name,
            text: &text,
        };
        let mut parsed = yaml::parse(&text).map_err(|error| source.syntax_error(error))?;
        let first = self.files.len() * IDS_OF_A_FILE;
        parsed
            .documents
            .iter_mut()
            .for_each(|document| shift(document, first));
        let mistakes = parsed.mistakes.into_iter();
        sink.add_mistakes(mistakes.map(|(at, mistake)| (at + first, mistake)).collect());
        let documents: Arc<[Node]> = parsed.documents.into();
        self.files.push(Arc::new(TaskFile {
            name,
            text,
            documents: Arc::clone(&documents),
        }));
        Ok(documents)
    }

    /// Reads a file, or takes it from those that were read.
    ///
    /// # Errors
    /// Where it can't be read, or isn't YAML.
    pub fn open(&mut self, path: &Path, sink: &mut Sink) -> Result<Arc<[Node]>, TaskErrors> {
        let real = real_path(path);
        if let Some(file) = self.by_path.get(&real).and_then(|&known| self.files.get(known)) {
            return Ok(Arc::clone(&file.documents));
        }
        let (name, text) = read(path)?;
        let documents = self.add(name, text, sink)?;
        self.by_path.insert(real, self.files.len() - 1);
        Ok(documents)
    }

    /// The errors, or else the warnings, without secrets of these files and of the variables.
    pub fn close(&self, sink: Sink, variables: &Value) -> Result<Vec<Problem>, TaskErrors> {
        let variables = Node::literal(0, variables);
        let documents = self.files.iter().flat_map(|file| file.documents.iter());
        self.sources().close(sink, documents.chain([&variables]))
    }

    /// Describes a mistake in a value that shows only while the tasks run.
    pub fn found_later(&self, at: Id, message: String, hint: Option<String>) -> Problem {
        self.sources().found_later(at, message, hint)
    }

    /// A value's place as `file:line:column`.
    pub fn place(&self, at: Id) -> String {
        self.sources().place(at)
    }

    /// The name of the file that was given.
    pub fn main(&self) -> &str {
        self.files.first().map_or("", |file| &file.name)
    }

    fn sources(&self) -> Sources<'_> {
        let mut sources = Vec::new();
        for file in &self.files {
            sources.push(Source {
                name: &file.name,
                text: &file.text,
            });
        }
        Sources(sources)
    }
}

/// What tells two files apart, however they are reached.
pub(super) fn real_path(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Moves the ids of a file's values behind those of the files before it.
fn shift(node: &mut Node, by: Id) {
    node.id += by;
    match &mut node.value {
        Yaml::List(items) => items.iter_mut().for_each(|item| shift(item, by)),
        Yaml::Map(entries) => {
            for (key, value) in entries {
                key.id += by;
                shift(value, by);
            }
        }
        _ => {}
    }
}

/// A file's name for messages and its text. `-` is the standard input.
pub(crate) fn read(path: &Path) -> Result<(String, String), TaskErrors> {
    let is_stdin = path == Path::new("-");
    let name = if is_stdin {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    };
    if is_stdin && STDIN_IS_READ.swap(true, Ordering::Relaxed) {
        let problem = Problem::of_file(&name, "it is used twice, and can be read only once");
        return Err(problem.with_hint("give - for one file only").into());
    }
    let bytes = if is_stdin {
        read_limited(io::stdin().lock())
    } else {
        open(path).and_then(read_limited)
    };
    match bytes
        .map_err(|error| unreadable(path, &name, &error))
        .and_then(|bytes| text(&name, bytes))
    {
        Ok(text) => Ok((name, text)),
        Err(problem) => Err(problem.into()),
    }
}

fn open(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(file)
}

fn read_limited(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MAX_SIZE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_SIZE {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// Whether a file that is read later can be: what is wrong otherwise, and what may help.
pub(super) fn check(path: &Path) -> Result<(), (String, Option<String>)> {
    match open(path) {
        Ok(_) => Ok(()),
        Err(error) => {
            let (message, hint) = explain(path, &error);
            Err((format!("{}: {message}", path.display()), hint))
        }
    }
}

/// What is wrong with a file that an argument names.
pub(crate) fn check_argument(argument: &str, path: &Path) -> Option<Problem> {
    let (message, hint) = check(path).err()?;
    Some(Problem::of_file(argument, message).maybe_hint(hint))
}

/// Returns the problem of a file that can't be read.
pub(crate) fn unreadable(path: &Path, name: &str, error: &io::Error) -> Problem {
    let (message, hint) = explain(path, error);
    Problem::of_file(name, message).maybe_hint(hint)
}

fn explain(path: &Path, error: &io::Error) -> (String, Option<String>) {
    let message = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::IsADirectory => "this is a directory, not a file".to_owned(),
        io::ErrorKind::PermissionDenied => "this file can't be read: permission denied".to_owned(),
        io::ErrorKind::FileTooLarge => {
            format!(
                "this is larger than {} MiB: too large for such a file",
                MAX_SIZE >> 20
            )
        }
        _ => format!("this can't be read: {error}"),
    };
    let hint = match error.kind() {
        io::ErrorKind::NotFound if path.is_relative() => std::env::current_dir()
            .ok()
            .map(|here| format!("the current directory is {}", here.display())),
        _ => None,
    };
    (message, hint)
}

fn text(name: &str, bytes: Vec<u8>) -> Result<String, Problem> {
    let is_utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        let problem = Problem::of_file(
            name,
            format!("this isn't UTF-8 text (line {line}, byte {})", valid + 1),
        );
        if is_utf16 {
            problem.with_hint("it looks like UTF-16: save it as UTF-8")
        } else {
            problem
        }
    })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(text) => text.to_owned(),
        None => text,
    })
}
