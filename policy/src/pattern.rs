//! Images by name.

use std::fmt;

use regex::Regex;
use transload_reference::Reference;

/// How much of a bad pattern its error shows, in characters.
const LONGEST_SHOWN: usize = 200;

/// A regular expression that chooses images. It may match anywhere in the name, as it was written or as it is in full.
#[derive(Debug, Clone)]
pub struct ImagePattern(Regex);

/// A pattern that can't be read, where and why, on one line: `unclosed group at character 2 of "a(b"`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PatternError {
    pattern: String,
    at: Option<Position>,
    cause: String,
}

/// A place in a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Position {
    /// How many bytes stand before it.
    pub offset: usize,
    /// Its line, from 1.
    pub line: usize,
    /// Its character in that line, from 1.
    pub column: usize,
}

impl PatternError {
    fn new(pattern: &str, error: &regex::Error) -> PatternError {
        // The regex crate tells the place only in a drawing of several lines; its own parser tells it in numbers.
        let (cause, span) = match regex_syntax::parse(pattern) {
            Err(regex_syntax::Error::Parse(parse)) => (parse.kind().to_string(), Some(*parse.span())),
            Err(regex_syntax::Error::Translate(translate)) => {
                (translate.kind().to_string(), Some(*translate.span()))
            }
            _ if matches!(error, regex::Error::CompiledTooBig(_)) => {
                ("it would take too much memory".to_owned(), None)
            }
            _ => (error.to_string(), None),
        };
        PatternError {
            pattern: pattern.to_owned(),
            at: span.map(|span| Position {
                offset: span.start.offset,
                line: span.start.line,
                column: span.start.column,
            }),
            cause,
        }
    }

    /// Where the fault is; none if the pattern as a whole is at fault.
    pub fn position(&self) -> Option<Position> {
        self.at
    }

    /// What is wrong there.
    pub fn cause(&self) -> &str {
        &self.cause
    }

    /// Always false: the same pattern fails the same way.
    pub fn is_retryable(&self) -> bool {
        false
    }

    /// What to do about it, where that is clear.
    pub fn hint(&self) -> Option<&'static str> {
        if self.at.is_none() {
            return Some("give smaller numbers of repetitions");
        }
        self.pattern
            .starts_with('*')
            .then_some("patterns are regular expressions: for \"anything\" write .*")
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)?;
        match self.at {
            Some(at) if at.line > 1 => write!(f, " at line {}, character {} of ", at.line, at.column)?,
            Some(at) => write!(f, " at character {} of ", at.column)?,
            None => f.write_str(": ")?,
        }
        let shown: String = self.pattern.chars().take(LONGEST_SHOWN).collect();
        let more = if shown.len() < self.pattern.len() {
            "…"
        } else {
            ""
        };
        write!(f, "{:?}", shown + more)
    }
}

impl ImagePattern {
    /// Reads a pattern, in the [regex crate's syntax](https://docs.rs/regex/latest/regex/#syntax), which is Go's but for rare
    /// corners.
    ///
    /// # Errors
    /// Where it can't be read, or would take too much memory.
    pub fn new(pattern: &str) -> Result<ImagePattern, PatternError> {
        Regex::new(pattern)
            .map(ImagePattern)
            .map_err(|error| PatternError::new(pattern, &error))
    }

    /// The expression itself.
    pub(crate) fn into_regex(self) -> Regex {
        self.0
    }

    /// Whether an image that is called by its full name is chosen: any is where there is no pattern.
    pub fn takes(pattern: Option<&ImagePattern>, name: &Reference) -> bool {
        pattern.is_none_or(|pattern| pattern.0.is_match(&name.to_string()))
    }

    /// Whether it matches the name as it was written, or what that stands for.
    pub fn matches(&self, written: &str, reference: &Reference) -> bool {
        self.0.is_match(written) || self.0.is_match(&reference.to_string())
    }
}

impl fmt::Display for ImagePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_name_as_written_or_in_full_is_matched_anywhere() {
        for (pattern, image, matches) in [
            (".*calico.*", "docker.io/calico/apiserver:v3.28.2", true),
            ("calico", "docker.io/calico/apiserver:v3.28.2", true),
            ("^calico/", "calico/node:v3", true),
            ("^docker.io/calico/", "calico/node:v3", true),
            ("^alpine$", "alpine", true),
            ("library/alpine:latest$", "alpine", true),
            ("calico", "quay.io/tigera/operator:v1", false),
        ] {
            let reference: Reference = image.parse::<Reference>().unwrap().or_latest();
            assert_eq!(
                ImagePattern::new(pattern).unwrap().matches(image, &reference),
                matches,
                "{pattern} {image}"
            );
        }
    }

    #[test]
    fn a_bad_pattern_is_told_with_the_place() {
        for (pattern, offset, message) in [
            ("a(b", 1, "unclosed group at character 2 of \"a(b\""),
            (
                "*calico",
                0,
                "repetition operator missing expression at character 1 of \"*calico\"",
            ),
            (
                "é[z-a]",
                3,
                "invalid character class range, the start must be <= the end at character 3 of \"é[z-a]\"",
            ),
            (
                "a\nb{2,1}",
                3,
                "invalid repetition count range, the start must be <= the end at line 2, character 2 of \"a\\nb{2,1}\"",
            ),
            (
                r"\p{Nothing}",
                0,
                "Unicode property not found at character 1 of \"\\\\p{Nothing}\"",
            ),
        ] {
            let error = ImagePattern::new(pattern).unwrap_err();
            assert_eq!(error.to_string(), message);
            assert_eq!(error.position().unwrap().offset, offset, "{pattern}");
            assert!(message.starts_with(error.cause()));
        }
        let hint = ImagePattern::new("*calico").unwrap_err().hint();
        assert!(hint.is_some_and(|hint| hint.contains(".*")));
    }

    #[test]
    fn a_pattern_of_unbounded_size_is_refused() {
        let error = ImagePattern::new("((a{1000}){1000}){1000}").unwrap_err();
        assert_eq!(error.position(), None);
        assert_eq!(
            error.to_string(),
            "it would take too much memory: \"((a{1000}){1000}){1000}\""
        );
        let long = ImagePattern::new(&"(".repeat(100_000)).unwrap_err().to_string();
        assert!(long.len() < 400, "{} bytes", long.len());
    }

    proptest! {
        #[test]
        fn any_text_is_a_pattern_or_an_error_with_a_place_in_it(text in ".{0,30}") {
            if let Err(error) = ImagePattern::new(&text) {
                prop_assert!(error.position().is_none_or(|at| text.is_char_boundary(at.offset)));
                prop_assert!(!error.to_string().contains('\n'));
            }
        }
    }
}
