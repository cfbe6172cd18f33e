//! What is wrong with a file, shown where it is wrong.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::secret;
use super::yaml::{self, Id, Node, Syntax};

/// More problems than this are counted, not shown.
const MAX_SHOWN: usize = 50;
/// A longer source line is shown in part: this many letters.
const MAX_WIDTH: usize = 120;

/// Something wrong, or worth a warning, in a task file: what, where, and often what to do.
///
/// Its text has no secrets: passwords of the file are masked in messages and in source lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    file: String,
    place: Option<Place>,
    message: String,
    /// What the value holds, where the mistake is in it and its lines aren't the file's: a template in folded text.
    excerpt: Option<Box<Drawing>>,
    hint: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    line: usize,
    column: usize,
    source: Option<Box<Drawing>>,
}

/// A line and what is wrong in it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Drawing {
    /// The line as shown.
    line: String,
    /// How many letters of it are before the carets.
    caret: usize,
    /// How many carets there are.
    width: usize,
}

impl Drawing {
    fn carets(&self) -> String {
        let under: String = self.line.chars().take(self.caret).map(blank).collect();
        under + &"^".repeat(self.width)
    }
}

impl Problem {
    pub(super) fn of_file(file: &str, message: impl Into<String>) -> Problem {
        Problem {
            file: file.to_owned(),
            place: None,
            message: message.into(),
            excerpt: None,
            hint: None,
        }
    }

    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
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
                source.line,
                source.carets()
            )?;
        }
        if let Some(excerpt) = &self.excerpt {
            write!(f, "\n  in: {}\n      {}", excerpt.line, excerpt.carets())?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// What takes a letter's room in the line below it.
fn blank(letter: char) -> char {
    let is_wide = matches!(letter, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}' | '\u{1f300}'..='\u{1faff}');
    if is_wide { '\u{3000}' } else { ' ' }
}

/// Everything that is wrong with a file, in the file's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskErrors {
    problems: Vec<Problem>,
    more: usize,
}

impl TaskErrors {
    /// The problems: at least one, at most fifty.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    pub(super) fn append(&mut self, other: TaskErrors) {
        let room = MAX_SHOWN.saturating_sub(self.problems.len());
        self.more += other.more + other.problems.len().saturating_sub(room);
        self.problems.extend(other.problems.into_iter().take(room));
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

/// A problem before its place in the file has been looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    at: Id,
    message: String,
    part: Option<Part>,
    hint: Option<String>,
}

/// Where in the text that a value holds a mistake is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// The text's line, from 1.
    pub number: usize,
    /// That line, or a part of it where it is very long.
    pub line: String,
    /// How many letters of it are before the mistake.
    pub caret: usize,
    /// How many letters are wrong.
    pub width: usize,
}

impl Part {
    /// The part of a template that is wrong.
    pub(super) fn of_template(error: &transload_template::Error) -> Part {
        let snippet = error.snippet();
        Part {
            number: error.line(),
            line: snippet.text.clone(),
            caret: snippet.caret,
            width: snippet.width,
        }
    }
}

impl Note {
    /// Says where in the value's text it is.
    pub(super) fn within(&mut self, part: Part) -> &mut Note {
        self.part = Some(part);
        self
    }

    pub(super) fn hint(&mut self, hint: impl Into<String>) {
        self.hint = Some(hint.into());
    }
}

/// Where the checks put what they find.
#[derive(Debug, Default)]
pub(super) struct Sink {
    errors: Notes,
    warnings: Notes,
    /// Values that YAML itself didn't make sense of: what else is wrong with them only follows from that.
    broken: HashSet<Id>,
    unheard: Notes,
}

impl Sink {
    /// A sink that has these mistakes already.
    pub(super) fn with(mistakes: Vec<(Id, String)>) -> Sink {
        let mut sink = Sink::default();
        for (at, mistake) in mistakes {
            sink.errors.add(at, mistake);
            sink.broken.insert(at);
        }
        sink
    }

    pub(super) fn error(&mut self, at: Id, message: impl Into<String>) -> &mut Note {
        let notes = if self.broken.contains(&at) {
            &mut self.unheard
        } else {
            &mut self.errors
        };
        notes.add(at, message.into())
    }

    pub(super) fn warn(&mut self, at: Id, message: impl Into<String>) -> &mut Note {
        self.warnings.add(at, message.into())
    }

    pub(super) fn error_count(&self) -> usize {
        self.errors.list.len()
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
pub(super) struct Source<'t> {
    pub name: &'t str,
    pub text: &'t str,
}

impl Source<'_> {
    /// The errors, or else the warnings. `holders` are the trees whose secrets must not be shown.
    pub(super) fn close(&self, sink: Sink, holders: &[Node]) -> Result<Vec<Problem>, TaskErrors> {
        let mut secrets = Vec::new();
        holders
            .iter()
            .for_each(|holder| secret::collect(holder, &mut secrets));
        // The longest first, so that one that holds another is hidden whole.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        if sink.errors.list.is_empty() {
            return Ok(self.problems(sink.warnings.list, &secrets));
        }
        let more = sink.errors.list.len().saturating_sub(MAX_SHOWN);
        Err(TaskErrors {
            problems: self.problems(sink.errors.list, &secrets),
            more,
        })
    }

    fn problems(&self, mut notes: Vec<Note>, secrets: &[String]) -> Vec<Problem> {
        notes.sort_by_key(|note| note.at);
        notes.truncate(MAX_SHOWN);
        notes
            .into_iter()
            .map(|note| self.problem(note, secrets))
            .collect()
    }

    fn problem(&self, note: Note, secrets: &[String]) -> Problem {
        let mask = |text: String| secret::mask_message(&text, secrets);
        let value_at = yaml::position(self.text, note.at);
        let part_at = value_at
            .zip(note.part.as_ref())
            .and_then(|(at, part)| self.find(at, part));
        let width = match (&note.part, part_at) {
            (Some(part), Some(_)) => part.width,
            _ => 1,
        };
        // A line with a secret in it would be another line once that is masked.
        let excerpt = note
            .part
            .filter(|part| part_at.is_none() && mask(part.line.clone()) == part.line)
            .map(|part| {
                Box::new(Drawing {
                    line: part.line,
                    caret: part.caret,
                    width: part.width,
                })
            });
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
        if let (1, Some(at)) = (part.number, value.find(&part.line)) {
            return Some((line, column + value[..at].chars().count() + part.caret));
        }
        if !value.starts_with('|') {
            return None;
        }
        let written = lines.get(line - 1 + part.number)?;
        let at = written
            .find(&part.line)
            .filter(|at| written[..*at].trim().is_empty())?;
        Some((line + part.number, written[..at].chars().count() + part.caret + 1))
    }

    /// A text that isn't YAML.
    pub(super) fn syntax_error(&self, error: Syntax) -> TaskErrors {
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
        let index = line.saturating_sub(1);
        let source = lines
            .get(index)
            .filter(|source| !source.trim().is_empty())
            .map(|_| {
                let masked = secret::mask_lines(&lines[..=index], secrets);
                // A caret within what is masked is put where the mask begins.
                Box::new(window(&masked[index], column.saturating_sub(1), width))
            });
        Place { line, column, source }
    }
}

fn has_bare_template(line: &str) -> bool {
    let value = line.split_once(": ").map_or(line, |(_, value)| value);
    value.trim_start().trim_start_matches("- ").starts_with("{{")
}

/// Lines as YAML has them.
fn lines(text: &str) -> Vec<&str> {
    text.split(['\n', '\u{85}', '\u{2028}', '\u{2029}'])
        .map(|line| line.strip_suffix('\r').unwrap_or(line))
        .collect()
}

/// The part of a line around its caret, without letters that would move the cursor.
fn window(line: &str, caret: usize, width: usize) -> Drawing {
    let letters: Vec<char> = line
        .chars()
        .map(|c| match c {
            '\t' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect();
    let caret = caret.min(letters.len());
    let width = width.min(letters.len() - caret).max(1);
    if letters.len() <= MAX_WIDTH {
        return Drawing {
            line: letters.into_iter().collect::<String>().trim_end().to_owned(),
            caret,
            width,
        };
    }
    let from = caret.saturating_sub(MAX_WIDTH / 2);
    let to = (from + MAX_WIDTH).min(letters.len());
    let mut shown = String::new();
    let mut at = caret - from;
    if from > 0 {
        shown.push('…');
        at += 1;
    }
    shown.extend(&letters[from..to]);
    if to < letters.len() {
        shown.push('…');
    }
    Drawing {
        line: shown,
        caret: at,
        width: width.min(to - caret).max(1),
    }
}
