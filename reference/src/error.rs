//! Why a name is not one.

use std::fmt;

use crate::{Reference, Tag, platform};

/// A name (reference, repository, tag, digest, platform) that could not be read, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {what} {input:?}: {kind}")]
pub struct ParseError {
    what: &'static str,
    input: String,
    kind: ParseErrorKind,
}

impl ParseError {
    pub(crate) fn new(what: &'static str, input: &str, kind: ParseErrorKind) -> Self {
        // A hostile name may be megabytes long; an error message is not the place for it.
        const LONGEST: usize = 200;
        let mut shown: String = input.chars().take(LONGEST).collect();
        if shown.len() < input.len() {
            shown.push('…');
        }
        ParseError {
            what,
            input: shown,
            kind,
        }
    }

    /// The same cause, told about another kind of name (a tag's fault is shown with the whole reference).
    pub(crate) fn within(self, what: &'static str, input: &str) -> Self {
        ParseError::new(what, input, self.kind)
    }

    /// What the input was meant to be: `reference`, `tag`, `digest`, …
    pub fn what(&self) -> &'static str {
        self.what
    }

    /// The input, cut where it is very long.
    pub fn input(&self) -> &str {
        &self.input
    }

    /// The cause.
    pub fn kind(&self) -> &ParseErrorKind {
        &self.kind
    }

    /// Returns what to do about it, where that can be told.
    pub fn hint(&self) -> Option<String> {
        match self.kind {
            // No tag has a plus sign, and the versions of Helm charts have.
            ParseErrorKind::TagGrammar => {
                let meant = self.input.replace('+', "_");
                let is_one = meant != self.input
                    && (meant.parse::<Reference>().is_ok() || meant.parse::<Tag>().is_ok());
                is_one.then(|| format!("Helm writes a chart's version with _ in place of +: {meant}"))
            }
            ParseErrorKind::Platform if self.input.contains("osver=") => {
                Some("an operating system's version is written windows(10.0.20348)/amd64".to_owned())
            }
            ParseErrorKind::Platform => {
                platform::meant(&self.input).map(|platform| format!("did you mean {platform}?"))
            }
            _ => None,
        }
    }

    /// Always false: the same input fails the same way.
    pub fn is_retryable(&self) -> bool {
        false
    }
}

/// The causes of a [`ParseError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// Nothing was given.
    Empty,
    /// A repository with uppercase letters.
    Uppercase,
    /// A registry without a repository.
    NoRepository,
    /// A digest whose hexadecimal part has the wrong length for its algorithm.
    DigestLength,
    /// A digest whose hexadecimal part has other characters than `0-9a-f`.
    DigestHex,
    /// A digest without `algorithm:`.
    DigestForm,
    /// A digest algorithm other than sha256 and sha512.
    DigestAlgorithm,
    /// `name@` without a digest.
    DigestEmpty,
    /// A digest in the place of a reference.
    DigestAlone,
    /// A tag of more than 128 characters.
    TagLength,
    /// A tag that is not `[A-Za-z0-9_][A-Za-z0-9_.-]*`.
    TagGrammar,
    /// `name:` without a tag.
    TagEmpty,
    /// A repository of more than 255 characters.
    RepositoryLength,
    /// `a//b`, `/a` or `a/`.
    EmptyComponent,
    /// Separators in a row, or at the end of a path component.
    Separator,
    /// A path component that starts with something else than a letter or digit.
    ComponentStart,
    /// A character that no repository may have.
    ComponentCharacter,
    /// A scheme where a bare name is expected.
    Url,
    /// `..` in a name.
    Traversal,
    /// A registry's host name that is none.
    Host,
    /// A port that is not 1 to 65535.
    Port,
    /// A platform that is not `os/architecture[/variant]`.
    Platform,
}

impl fmt::Display for ParseErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use ParseErrorKind::*;
        f.write_str(match self {
            Empty => "it is empty",
            Uppercase => "uppercase letters in the repository (repositories are lowercase; only tags may have capitals)",
            NoRepository => "no repository after the registry",
            DigestLength => "wrong digest length (sha256 has 64 hexadecimal digits, sha512 has 128)",
            DigestHex => "a digest must be lowercase hex (0-9, a-f)",
            DigestForm => "a digest is algorithm:hex, for example sha256:0123…",
            DigestAlgorithm => "unknown digest algorithm (sha256 and sha512 are known)",
            DigestEmpty => "empty digest after '@'",
            DigestAlone => "a digest alone doesn't say where the image is (write repository@sha256:…)",
            TagLength => "the tag is too long (at most 128 characters)",
            TagGrammar => {
                "a tag has letters, digits, '_', '.' and '-' only, and starts with a letter, a digit or '_'"
            }
            TagEmpty => "empty tag after ':'",
            RepositoryLength => "the repository is too long (at most 255 characters)",
            EmptyComponent => "empty path component ('//', or '/' at the start or the end)",
            Separator => {
                "separators in a wrong place (one '.', one or two '_', or any number of '-' between letters and digits)"
            }
            ComponentStart => "each path component must start with a letter or digit",
            ComponentCharacter => "a repository has lowercase letters, digits, '.', '_', '-' and '/' only",
            Url => "a URL, not a reference (write it without the scheme: host/repository:tag)",
            Traversal => "path traversal ('..')",
            Host => "invalid registry host",
            Port => "the registry's port is out of range (1 to 65535)",
            Platform => "a platform is os/architecture or os/architecture/variant, for example linux/arm64",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charts_version_is_told_as_the_tag_that_helm_makes_of_it() {
        let hint = |input: &str| input.parse::<Reference>().unwrap_err().hint();
        let helm = |tag: &str| {
            Some(format!(
                "Helm writes a chart's version with _ in place of +: {tag}"
            ))
        };
        assert_eq!(
            hint("hub.local/charts/x:1.2.3+up4"),
            helm("hub.local/charts/x:1.2.3_up4")
        );
        assert_eq!(hint("hub.local:5000/x:1.0+a+b"), helm("hub.local:5000/x:1.0_a_b"));
        assert_eq!("1.2.3+up4".parse::<Tag>().unwrap_err().hint(), helm("1.2.3_up4"));
        for other in ["x:1+ 2", "x:-1+2", "x+y:1", "x:1,", "X:1+2"] {
            assert_eq!(hint(other), None, "{other}");
        }
    }
}
