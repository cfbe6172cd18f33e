//! Why a template can't be read or rendered, and where.

use std::fmt;
use std::ops::Range;

use crate::words::{blank, printable};

/// Longer source lines are shown in part: this many letters.
const LONGEST_LINE: usize = 120;
/// Letters shown before the caret where a line's beginning is cut off.
const LETTERS_BEFORE: usize = 60;

/// A template that can't be read or rendered: what is wrong, where, and often what to do.
///
/// It names variables, functions and types, and shows a line of the template, but never a variable's value.
///
/// ```
/// use transload_template::Template;
///
/// let error = Template::parse("{{ .name | uper }}").unwrap_err();
/// assert_eq!((error.line(), error.column()), (1, 12));
/// assert_eq!(error.hint(), Some("did you mean `upper`?"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Error(Box<Details>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Details {
    kind: ErrorKind,
    offset: usize,
    line: usize,
    column: usize,
    message: String,
    hint: Option<String>,
    snippet: Snippet,
}

/// The kinds of an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text isn't a template.
    Syntax,
    /// Go's templates have it and these don't.
    Unsupported,
    /// A function that doesn't exist, or one with too many or too few arguments.
    Function,
    /// A variable that isn't there, or is null where a value is needed.
    Missing,
    /// A value of the wrong type.
    Type,
    /// A value of the right type that a function can't use.
    Value,
    /// Nested too deep, or too much text.
    Limit,
}

/// A source line and a mistake in it, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snippet {
    /// The line, or a part of it where it is very long, without characters that a terminal would obey.
    pub text: String,
    /// How many letters of `text` are before the caret.
    pub caret: usize,
    /// How many letters of `text` are wrong, at least 1: so many carets.
    pub width: usize,
}

/// An error inside the crate: a part of the source that isn't at hand where the error is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub span: Range<usize>,
    pub kind: ErrorKind,
    pub message: String,
    pub hint: Option<String>,
}

impl Fault {
    pub fn new(kind: ErrorKind, span: &Range<usize>, message: impl Into<String>) -> Fault {
        Fault {
            span: span.clone(),
            kind,
            message: message.into(),
            hint: None,
        }
    }

    pub fn syntax(span: &Range<usize>, message: impl Into<String>) -> Fault {
        Fault::new(ErrorKind::Syntax, span, message)
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Fault {
        self.hint = Some(hint.into());
        self
    }

    pub fn maybe_hint(mut self, hint: Option<String>) -> Fault {
        self.hint = hint.or(self.hint);
        self
    }

    /// The error that users see.
    pub fn of(self, source: &str) -> Error {
        let offset = letter_start(source, self.span.start);
        let before = &source[..offset];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = source[line_start..].lines().next().unwrap_or("");
        let caret = source[line_start..offset].chars().count();
        let on_line = self.span.end.min(line_start + line.len()).max(offset);
        let width = source[offset..letter_start(source, on_line)].chars().count();
        Error(Box::new(Details {
            kind: self.kind,
            offset,
            line: before.matches('\n').count() + 1,
            column: caret + 1,
            message: self.message,
            hint: self.hint,
            snippet: Snippet::new(line, caret, width),
        }))
    }
}

/// Where the letter begins that this byte belongs to.
fn letter_start(source: &str, at: usize) -> usize {
    let at = at.min(source.len());
    (0..=at)
        .rev()
        .find(|at| source.is_char_boundary(*at))
        .unwrap_or(0)
}

impl Snippet {
    /// Makes a line ready to be shown. `caret` letters are before the mistake, which has `width` letters.
    ///
    /// ```
    /// # use transload_template::Snippet;
    /// let snippet = Snippet::new("polcy: warn", 0, 5);
    /// assert_eq!((snippet.text.as_str(), snippet.carets().as_str()), ("polcy: warn", "^^^^^"));
    /// ```
    pub fn new(line: &str, caret: usize, width: usize) -> Snippet {
        let letters = line.chars().count();
        let caret = caret.min(letters);
        let skipped = if letters > LONGEST_LINE {
            caret.saturating_sub(LETTERS_BEFORE)
        } else {
            0
        };
        let mut text = String::new();
        if skipped > 0 {
            text.push('…');
        }
        text.extend(line.chars().skip(skipped).take(LONGEST_LINE).map(printable));
        if letters > skipped + LONGEST_LINE {
            text.push('…');
        }
        let caret = caret - skipped + usize::from(skipped > 0);
        let room = text.chars().count().saturating_sub(caret);
        Snippet {
            text,
            caret,
            width: width.min(room).max(1),
        }
    }

    /// Returns the line of carets that belongs below `text`.
    pub fn carets(&self) -> String {
        let before: String = self.text.chars().take(self.caret).map(blank).collect();
        before + &"^".repeat(self.width)
    }
}

impl Error {
    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Where it is in the template, in bytes from 0.
    pub fn offset(&self) -> usize {
        self.0.offset
    }

    /// The line, from 1.
    pub fn line(&self) -> usize {
        self.0.line
    }

    /// The column in letters, from 1.
    pub fn column(&self) -> usize {
        self.0.column
    }

    /// What is wrong, in one line and without the place.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to do, where it is known.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The line of the template and what to put the caret under.
    pub fn snippet(&self) -> &Snippet {
        &self.0.snippet
    }

    /// Always false: the same template fails the same way.
    pub fn is_retryable(&self) -> bool {
        false
    }
}

/// The place and the message, the source line with carets, and the hint, each on lines of their own; no newline at the end.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details {
            line,
            column,
            message,
            hint,
            snippet,
            ..
        } = &*self.0;
        let margin = " ".repeat(line.to_string().len());
        write!(
            f,
            "line {line}, column {column}: {message}\n{margin} |\n{line} | {}\n",
            snippet.text
        )?;
        write!(f, "{margin} | {}", snippet.carets())?;
        match hint {
            Some(hint) => write!(f, "\n  help: {hint}"),
            None => Ok(()),
        }
    }
}
