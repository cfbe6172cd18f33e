//! What is wrong with a file, shown where it is wrong.

use std::collections::{HashMap, HashSet};

use transload_template::Snippet;

use super::problem::{MAX_SHOWN, Part, Place, Problem, TaskErrors, lines, one_line};
use super::secret;
use super::yaml::{self, Id, Node, Syntax};

/// A problem before its place in the file has been looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    at: Id,
    message: String,
    part: Option<Part>,
    hint: Option<String>,
}

impl Note {
    /// Says where in the value's text it is.
    pub(crate) fn within(&mut self, part: Part) -> &mut Note {
        self.part = Some(part);
        self
    }

    pub(crate) fn hint(&mut self, hint: impl Into<String>) {
        self.hint = Some(hint.into());
    }
}

/// Where the checks put what they find.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    errors: Notes,
    warnings: Notes,
    /// Values that YAML itself didn't make sense of: what else is wrong with them only follows from that.
    broken: HashSet<Id>,
    unheard: Notes,
    /// Errors that have their places already.
    problems: Vec<Problem>,
}

impl Sink {
    /// A sink that has these mistakes already.
    pub(crate) fn with(mistakes: Vec<(Id, String)>) -> Sink {
        let mut sink = Sink::default();
        sink.add_mistakes(mistakes);
        sink
    }

    /// Adds mistakes that YAML itself found in one more file.
    pub(crate) fn add_mistakes(&mut self, mistakes: Vec<(Id, String)>) {
        for (at, mistake) in mistakes {
            self.errors.add(at, mistake);
            self.broken.insert(at);
        }
    }

    /// Adds the problems of a file that can't be read as YAML.
    pub(crate) fn add_problems(&mut self, errors: TaskErrors) {
        for problem in errors.problems {
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
    }

    pub(crate) fn error(&mut self, at: Id, message: impl Into<String>) -> &mut Note {
        let notes = if self.broken.contains(&at) {
            &mut self.unheard
        } else {
            &mut self.errors
        };
        notes.add(at, message.into())
    }

    pub(crate) fn warn(&mut self, at: Id, message: impl Into<String>) -> &mut Note {
        self.warnings.add(at, message.into())
    }

    pub(crate) fn error_count(&self) -> usize {
        self.errors.list.len() + self.problems.len()
    }
}

#[derive(Debug, Default)]
struct Notes {
    list: Vec<Note>,
    /// Which of the list are at a value.
    at: HashMap<Id, Vec<usize>>,
}

impl Notes {
    /// Adds a note. A loop's rounds find the same mistake again: it is told once.
    fn add(&mut self, at: Id, message: String) -> &mut Note {
        let there = self.at.entry(at).or_default();
        let known = there
            .iter()
            .copied()
            .find(|index| self.list[*index].message == message);
        let index = known.unwrap_or_else(|| {
            there.push(self.list.len());
            self.list.push(Note {
                at,
                message,
                part: None,
                hint: None,
            });
            self.list.len() - 1
        });
        &mut self.list[index]
    }
}

/// A file's name and text: what places are shown in.
#[derive(Clone, Copy)]
pub(crate) struct Source<'t> {
    pub name: &'t str,
    pub text: &'t str,
}

/// Several files. Those of the second have the ids from [`IDS_OF_A_FILE`] up, and so on.
pub(crate) struct Sources<'t>(pub Vec<Source<'t>>);

/// The distance between the ids of two files.
pub(crate) const IDS_OF_A_FILE: Id = yaml::MAX_VALUES + 1;

impl Sources<'_> {
    /// The errors, or else the warnings. `holders` are the trees whose secrets must not be shown.
    pub(crate) fn close<'n>(
        &self,
        sink: Sink,
        holders: impl IntoIterator<Item = &'n Node>,
    ) -> Result<Vec<Problem>, TaskErrors> {
        let mut secrets = Vec::new();
        holders
            .into_iter()
            .for_each(|holder| secret::collect(holder, &mut secrets));
        // The longest first, so that one that holds another is hidden whole.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        if sink.error_count() == 0 {
            return Ok(self.problems(sink.warnings.list, &secrets));
        }
        let more = sink.errors.list.len().saturating_sub(MAX_SHOWN);
        let mut errors = TaskErrors {
            problems: self.problems(sink.errors.list, &secrets),
            more,
        };
        errors.append(TaskErrors {
            problems: sink.problems,
            more: 0,
        });
        Err(errors)
    }

    /// What is wrong with a value, found after the file was read.
    pub(crate) fn found_later(&self, at: Id, message: String, hint: Option<String>) -> Problem {
        let note = Note {
            at,
            message,
            part: None,
            hint,
        };
        self.problem(note, &[])
    }

    /// A value's place as `file:line:column`.
    pub(crate) fn place(&self, at: Id) -> String {
        let problem = self.found_later(at, String::new(), None);
        match (problem.line(), problem.column()) {
            (Some(line), Some(column)) => format!("{}:{line}:{column}", problem.file()),
            _ => problem.file().to_owned(),
        }
    }

    fn problems(&self, mut notes: Vec<Note>, secrets: &[String]) -> Vec<Problem> {
        notes.sort_by_key(|note| note.at);
        notes.truncate(MAX_SHOWN);
        notes
            .into_iter()
            .map(|note| self.problem(note, secrets))
            .collect()
    }

    fn problem(&self, mut note: Note, secrets: &[String]) -> Problem {
        let source = self.0.get(note.at / IDS_OF_A_FILE);
        note.at %= IDS_OF_A_FILE;
        source
            .unwrap_or(&Source { name: "", text: "" })
            .problem(note, secrets)
    }
}

impl Source<'_> {
    /// The errors of this file alone, or else its warnings; see [`Sources::close`].
    pub(crate) fn close(&self, sink: Sink, holders: &[Node]) -> Result<Vec<Problem>, TaskErrors> {
        Sources(vec![*self]).close(sink, holders)
    }

    fn problem(&self, note: Note, secrets: &[String]) -> Problem {
        let mask = |text: String| one_line(&secret::mask_message(&text, secrets));
        let value_at = yaml::position(self.text, note.at);
        let part_at = value_at
            .zip(note.part.as_ref())
            .and_then(|(at, part)| self.find(at, part));
        let width = match (&note.part, part_at) {
            (Some(part), Some(_)) => part.snippet.width,
            _ => 1,
        };
        // A line with a secret in it would be another line once that is masked.
        let excerpt = note
            .part
            .filter(|part| part_at.is_none() && mask(part.snippet.text.clone()) == part.snippet.text)
            .map(|part| Box::new(part.snippet));
        Problem {
            file: self.name.to_owned(),
            place: part_at.or(value_at).map(|at| self.place(at, width, secrets)),
            message: mask(note.message),
            excerpt,
            hint: note.hint.map(mask),
        }
    }

    /// Where in the file a part of the value that begins there is: found where the file has it letter by letter, which escapes and
    /// folded lines haven't.
    fn find(&self, (line, column): (usize, usize), part: &Part) -> Option<(usize, usize)> {
        let lines = lines(self.text);
        let first = lines.get(line.checked_sub(1)?)?;
        let value: String = first.chars().skip(column.saturating_sub(1)).collect();
        if let (1, Some(at)) = (part.number, value.find(&part.snippet.text)) {
            return Some((line, column + value[..at].chars().count() + part.snippet.caret));
        }
        if !value.starts_with('|') {
            return None;
        }
        let written = lines.get(line - 1 + part.number)?;
        let at = written
            .find(&part.snippet.text)
            .filter(|at| written[..*at].trim().is_empty())?;
        Some((
            line + part.number,
            written[..at].chars().count() + part.snippet.caret + 1,
        ))
    }

    /// A text that isn't YAML.
    pub(crate) fn syntax_error(&self, error: Syntax) -> TaskErrors {
        let mut problem = Problem::of_file(self.name, error.message);
        let Some((line, column)) = error.place else {
            return problem.into();
        };
        let lines = lines(self.text);
        let written = line
            .checked_sub(1)
            .and_then(|index| lines.get(index))
            .copied()
            .unwrap_or_default();
        let begins_with_tab = written.trim_start_matches(' ').starts_with('\t');
        if begins_with_tab {
            problem.hint = Some("YAML is indented with spaces, not with tabs".to_owned());
        } else if has_bare_template(written) {
            problem.hint = Some("a text that begins with {{ needs quotes around it".to_owned());
        }
        problem.place = Some(self.place((line, column), 1, &[]));
        problem.into()
    }

    fn place(&self, (line, column): (usize, usize), width: usize, secrets: &[String]) -> Place {
        let lines = lines(self.text);
        // The library has the end of a text one line below its last.
        let (line, column) = match lines.last() {
            Some(last) if line > lines.len() => (lines.len(), last.chars().count() + 1),
            _ => (line, column),
        };
        let index = line.saturating_sub(1);
        let source = lines
            .get(index)
            .filter(|source| !source.trim().is_empty())
            .map(|_| {
                let masked = secret::mask_lines(&lines[..=index], secrets);
                // A caret within what is masked is put where the mask begins.
                Box::new(Snippet::new(&masked[index], column.saturating_sub(1), width))
            });
        Place { line, column, source }
    }
}

fn has_bare_template(line: &str) -> bool {
    let value = line.split_once(": ").map_or(line, |(_, value)| value);
    value.trim_start().trim_start_matches("- ").starts_with("{{")
}
