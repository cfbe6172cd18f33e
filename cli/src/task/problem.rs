//! What is wrong, as people are shown it.

use std::fmt;

use transload_reference::is_unprintable;
use transload_template::Snippet;
use transload_transfer as transfer;

use super::secret;

/// More problems than this are counted, not shown.
pub(super) const MAX_SHOWN: usize = 50;

/// Something wrong, or worth a warning, in a task file or an argument: what, where, and often what to do.
///
/// Its text has no secrets: passwords of the file are masked in messages and in source lines, and those in front of a host anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub(super) file: String,
    pub(super) place: Option<Place>,
    pub(super) message: String,
    /// What the value holds, where the mistake is in it and its lines aren't the file's: a template in folded text.
    pub(super) excerpt: Option<Box<Snippet>>,
    pub(super) hint: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub line: usize,
    pub column: usize,
    pub source: Option<Box<Snippet>>,
}

impl Problem {
    /// A problem of a file as a whole, or of an argument, by its name.
    pub(crate) fn of_file(file: &str, message: impl Into<String>) -> Problem {
        Problem {
            file: file.to_owned(),
            place: None,
            message: one_line(&secret::mask_values(&message.into(), &[])),
            excerpt: None,
            hint: None,
        }
    }

    /// A problem in a line of a file. Line and column count from 1.
    pub(crate) fn in_line(
        file: &str,
        (number, line): (usize, &str),
        column: usize,
        message: String,
    ) -> Problem {
        let line = secret::mask_values(line, &[]);
        Problem {
            place: Some(Place {
                line: number,
                column,
                source: Some(Box::new(Snippet::new(&line, column.saturating_sub(1), 1))),
            }),
            ..Problem::of_file(file, message)
        }
    }

    /// A bad template in an argument.
    pub(crate) fn of_template(argument: &str, error: &transload_template::Error) -> Problem {
        Problem::of_file(argument, error.message())
            .with_excerpt(error.snippet().clone())
            .maybe_hint(error.hint())
    }

    /// Shows a line of the argument, unless there may be a secret in it.
    pub(crate) fn with_excerpt(mut self, snippet: Snippet) -> Problem {
        if secret::mask_values(&snippet.text, &[]) == snippet.text {
            self.excerpt = Some(Box::new(snippet));
        }
        self
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(one_line(&secret::mask_values(&hint.into(), &[])));
        self
    }

    /// Adds what to do, where it is known.
    pub(crate) fn maybe_hint(self, hint: Option<impl Into<String>>) -> Problem {
        match hint {
            Some(hint) => self.with_hint(hint),
            None => self,
        }
    }

    /// The file's name as it was given.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line, from 1.
    pub fn line(&self) -> Option<usize> {
        self.place.as_ref().map(|place| place.line)
    }

    /// The column in letters, from 1.
    pub fn column(&self) -> Option<usize> {
        self.place.as_ref().map(|place| place.column)
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do, where it is known.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// A problem of a task as a whole, or of the program.
impl From<transfer::Problem> for Problem {
    fn from(problem: transfer::Problem) -> Problem {
        Problem::of_file(&problem.job, problem.message).maybe_hint(problem.hint)
    }
}

/// `file:line:column: message`, the source line with a caret, and the hint, each on lines of their own; no newline at the end.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(place) = &self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(Place {
            line,
            source: Some(source),
            ..
        }) = &self.place
        {
            let margin = " ".repeat(line.to_string().len());
            write!(
                f,
                "\n{margin} |\n{line} | {}\n{margin} | {}",
                source.text.trim_end(),
                source.carets()
            )?;
        }
        if let Some(excerpt) = &self.excerpt {
            write!(
                f,
                "\n  in: {}\n      {}",
                excerpt.text.trim_end(),
                excerpt.carets()
            )?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// A text as one line, without letters that would do something to a terminal.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(printable).collect()
}

fn printable(letter: char) -> char {
    match letter {
        '\t' | '\n' | '\r' => ' ',
        letter if is_unprintable(letter) => '\u{fffd}',
        letter => letter,
    }
}

/// Everything that is wrong with a task file, in its order, or with arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskErrors {
    pub(super) problems: Vec<Problem>,
    /// How many there are besides.
    pub(super) more: usize,
}

impl TaskErrors {
    /// The problems: at least one, at most fifty.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    pub(crate) fn append(&mut self, other: TaskErrors) {
        let room = MAX_SHOWN.saturating_sub(self.problems.len());
        self.more += other.more + other.problems.len().saturating_sub(room);
        self.problems.extend(other.problems.into_iter().take(room));
    }

    /// How many there are that [`TaskErrors::problems`] leaves out.
    pub fn left_out(&self) -> usize {
        self.more
    }

    /// How many there are in all.
    pub fn count(&self) -> usize {
        self.problems.len() + self.more
    }
}

impl From<Problem> for TaskErrors {
    fn from(problem: Problem) -> Self {
        TaskErrors {
            problems: vec![problem],
            more: 0,
        }
    }
}

impl std::error::Error for TaskErrors {}

impl From<Vec<Problem>> for TaskErrors {
    fn from(problems: Vec<Problem>) -> Self {
        let mut errors = TaskErrors {
            problems: Vec::new(),
            more: 0,
        };
        errors.append(TaskErrors { problems, more: 0 });
        errors
    }
}

/// All problems with an empty line between them; no newline at the end.
impl fmt::Display for TaskErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                f.write_str("\n\n")?;
            }
            problem.fmt(f)?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\n\nand {more} more problems"),
        }
    }
}

/// Where in the text that a value holds a mistake is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// The text's line, from 1.
    pub number: usize,
    /// That line and the mistake.
    pub snippet: Snippet,
}

impl Part {
    /// The part of a template that is wrong.
    pub(super) fn of_template(error: &transload_template::Error) -> Part {
        Part {
            number: error.line(),
            snippet: error.snippet().clone(),
        }
    }
}

/// Lines as YAML has them: at least one.
pub(super) fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some((at, end)) = rest.char_indices().find(|(_, letter)| is_break(*letter)) {
        lines.push(&rest[..at]);
        let after = &rest[at..];
        rest = after.strip_prefix("\r\n").unwrap_or(&after[end.len_utf8()..]);
    }
    lines.push(rest);
    lines
}

fn is_break(letter: char) -> bool {
    matches!(letter, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}
