//! Globs for tags: `hub.local/team/app:v1.3*`.

use std::fmt;
use std::str::FromStr;

use transload_reference::{ParseError, Reference, Repository, Tag};

use super::{ImageName, pasted, transport};

/// What a list of images may hold: an image's name, or a repository with a glob for its tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageEntry {
    /// One image.
    Name(ImageName),
    /// Those of a repository's tags that match.
    Glob(TagGlob),
}

/// A repository, and a pattern that stands for those of its tags that it matches.
///
/// `*` stands for any letters, `?` for one, `[a-c]` for one of these, `[!a-c]` for any other. Only a tag may have them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagGlob {
    written: String,
    /// The repository as it was written.
    prefix: String,
    repository: Repository,
    pattern: Vec<Piece>,
    /// Where it stands: a file's line and column, or an argument.
    place: String,
}

/// What a part of a pattern stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Letter(char),
    Any,
    AnyLetters,
    /// One letter within, or, where the flag is set, outside of these ranges.
    OneOf(Vec<(char, char)>, bool),
}

/// Why a text is neither an image's name nor a glob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// A bad name.
    #[error("{0}")]
    Name(#[from] ParseError),
    /// An image's name with more around it, such as a line of YAML.
    #[error("{text:?} is more than an image's name")]
    Pasted {
        /// The text.
        text: String,
        /// What isn't the name.
        extra: String,
        /// The name.
        image: String,
    },
    /// An image in a form that other tools know.
    #[error("{text}: there are no `{prefix}` images here")]
    Transport {
        /// The text.
        text: String,
        /// The name of the form, with its colon.
        prefix: String,
        /// Whether the prefix is that of a directory.
        is_directory: bool,
    },
    /// A wildcard in a registry's or repository's name.
    #[error("{text}: only a tag can have wildcards (* ? [ ]), and here the name before it has some")]
    NotInTag {
        /// The text.
        text: String,
    },
    /// A wildcard before or in a digest.
    #[error("{text}: a digest names one image, so a wildcard makes no sense")]
    WithDigest {
        /// The text.
        text: String,
    },
    /// `[` without `]`, or with nothing in it.
    #[error("{text}: [ needs letters and ] after it")]
    Bracket {
        /// The text.
        text: String,
    },
    /// A letter that no tag has.
    #[error("{text}: no tag has a {letter:?} in it")]
    Letter {
        /// The text.
        text: String,
        /// The letter.
        letter: char,
    },
}

impl EntryError {
    /// What to do about it, where that can be told.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            EntryError::Name(error) => return error.hint(),
            EntryError::Pasted { extra, image, .. } => return Some(format!("leave out {extra}: {image}")),
            EntryError::Transport {
                text, is_directory, ..
            } => {
                let source = match is_directory {
                    true => "the images of a directory are named by src (--src ./images)",
                    false => {
                        "images come from registries, or from a directory that src names (--src ./images)"
                    }
                };
                return Some(format!(
                    "{source}; the image of that name at Docker Hub is docker.io/library/{text}"
                ));
            }
            EntryError::NotInTag { .. } => {
                "write each repository out, with a pattern for its tags: repository:v1.*; of a directory's images, --pattern (a task's \
                 pattern) chooses by the whole name"
            }
            EntryError::WithDigest { .. } => "leave the digest out, or the wildcard",
            EntryError::Bracket { .. } | EntryError::Letter { .. } => return None,
        };
        Some(text.to_owned())
    }
}

impl FromStr for ImageEntry {
    type Err = EntryError;

    fn from_str(text: &str) -> Result<Self, EntryError> {
        let text = text.trim();
        if let Some(transport) = transport::of_image(text) {
            return Err(EntryError::Transport {
                text: text.to_owned(),
                prefix: format!("{}:", transport.scheme),
                is_directory: transport.is_directory(),
            });
        }
        read(text).map_err(|error| match pasted::image_in(text) {
            Some((extra, image)) if read(image).is_ok() => EntryError::Pasted {
                text: text.to_owned(),
                extra,
                image: image.to_owned(),
            },
            _ => error,
        })
    }
}

fn read(text: &str) -> Result<ImageEntry, EntryError> {
    let last = text.rfind('/').map_or(0, |at| at + 1);
    let (path, tag) = match text[last..].split_once(':') {
        // The brackets of an address, in what can't be an image in any case.
        Some(_) if last == 0 && text.starts_with('[') => (text, None),
        Some((name, tag)) => (&text[..last + name.len()], Some(tag)),
        None => (text, None),
    };
    let has_wildcards = |text: &str| text.contains(['*', '?']);
    if has_wildcards(path) {
        return Err(EntryError::NotInTag {
            text: text.to_owned(),
        });
    }
    match tag {
        Some(tag) if has_wildcards(tag) || tag.contains('[') => {
            TagGlob::new(text, path, tag).map(ImageEntry::Glob)
        }
        _ => Ok(ImageEntry::Name(text.parse()?)),
    }
}

impl ImageEntry {
    /// The text as it was written.
    pub fn written(&self) -> &str {
        match self {
            ImageEntry::Name(name) => name.written(),
            ImageEntry::Glob(glob) => glob.written(),
        }
    }

    /// Sorts a list into names and globs, each in the list's order.
    pub fn divide(list: impl IntoIterator<Item = ImageEntry>) -> (Vec<ImageName>, Vec<TagGlob>) {
        let (mut names, mut globs) = (Vec::new(), Vec::new());
        for entry in list {
            match entry {
                ImageEntry::Name(name) => names.push(name),
                ImageEntry::Glob(glob) => globs.push(glob),
            }
        }
        (names, globs)
    }
}

impl TagGlob {
    fn new(written: &str, prefix: &str, pattern: &str) -> Result<TagGlob, EntryError> {
        let text = || written.to_owned();
        if written.contains('@') {
            return Err(EntryError::WithDigest { text: text() });
        }
        let repository = prefix.parse::<Reference>()?.repository().clone();
        let mut pieces = Vec::new();
        let mut letters = pattern.chars();
        while let Some(letter) = letters.next() {
            let piece = match letter {
                '*' => Piece::AnyLetters,
                '?' => Piece::Any,
                '[' => {
                    let rest = letters.as_str();
                    let (inside, _) = rest
                        .split_once(']')
                        .ok_or_else(|| EntryError::Bracket { text: text() })?;
                    letters = rest[inside.len() + 1..].chars();
                    one_of(inside).ok_or_else(|| EntryError::Bracket { text: text() })?
                }
                letter if is_of_tags(letter) => Piece::Letter(letter),
                letter => return Err(EntryError::Letter { text: text(), letter }),
            };
            // Several stars in a row are one.
            if !(piece == Piece::AnyLetters && pieces.last() == Some(&piece)) {
                pieces.push(piece);
            }
        }
        Ok(TagGlob {
            written: text(),
            prefix: prefix.to_owned(),
            repository,
            pattern: pieces,
            place: "IMAGE".to_owned(),
        })
    }

    /// The text as it was written.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// Where it stands, for messages: `file:line:column`, or an argument's name.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Notes where the glob was written, such as a line of a file, for messages.
    pub fn set_place(&mut self, place: String) {
        self.place = place;
    }

    /// The repository whose tags are meant.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Itself in the place of an image, where it stands for none.
    pub(crate) fn as_image(&self) -> ImageName {
        ImageName {
            written: self.written.clone(),
            reference: Reference::new(self.repository.clone(), None, None),
        }
    }

    /// Whether it stands for this image.
    pub fn stands_for(&self, image: &Reference) -> bool {
        *image.repository() == self.repository && image.tag().is_some_and(|tag| self.matches(tag))
    }

    /// Whether it stands for this tag.
    pub fn matches(&self, tag: &Tag) -> bool {
        let letters: Vec<char> = tag.as_str().chars().collect();
        let (mut piece, mut letter) = (0, 0);
        // Where the last star was, and what it stands for so far: one letter more where what follows doesn't fit.
        let mut star = None;
        while letter < letters.len() {
            match self.pattern.get(piece) {
                Some(Piece::AnyLetters) => {
                    star = Some((piece, letter));
                    piece += 1;
                }
                Some(one) if one.fits(letters[letter]) => {
                    piece += 1;
                    letter += 1;
                }
                _ => match star {
                    Some((at, until)) => {
                        star = Some((at, until + 1));
                        piece = at + 1;
                        letter = until + 1;
                    }
                    None => return false,
                },
            }
        }
        self.pattern[piece..]
            .iter()
            .all(|piece| *piece == Piece::AnyLetters)
    }

    /// The image with this tag, named as the repository was written.
    pub fn image(&self, tag: &Tag) -> ImageName {
        ImageName {
            written: format!("{}:{tag}", self.prefix),
            reference: Reference::new(self.repository.clone(), Some(tag.clone()), None),
        }
    }

    /// What the pattern begins with: the letters before its first wildcard.
    pub fn beginning(&self) -> String {
        let letters = self.pattern.iter().map_while(|piece| match piece {
            Piece::Letter(letter) => Some(*letter),
            _ => None,
        });
        letters.collect()
    }
}

impl fmt::Display for TagGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.written)
    }
}

impl Piece {
    fn fits(&self, letter: char) -> bool {
        match self {
            Piece::Letter(own) => *own == letter,
            Piece::Any | Piece::AnyLetters => true,
            Piece::OneOf(ranges, others) => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&letter)) != *others
            }
        }
    }
}

/// What stands between brackets.
fn one_of(inside: &str) -> Option<Piece> {
    let listed = inside.strip_prefix(['!', '^']);
    let mut letters = listed.unwrap_or(inside).chars().peekable();
    let mut ranges = Vec::new();
    while let Some(from) = letters.next() {
        let mut ahead = letters.clone();
        let to = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(to)) => {
                letters = ahead;
                to
            }
            _ => from,
        };
        if from > to {
            return None;
        }
        ranges.push((from, to));
    }
    (!ranges.is_empty()).then_some(Piece::OneOf(ranges, listed.is_some()))
}

/// Whether tags may have this letter.
fn is_of_tags(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "_.-".contains(letter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn glob(text: &str) -> TagGlob {
        match text.parse() {
            Ok(ImageEntry::Glob(glob)) => glob,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_glob_matches_whole_tags() {
        let cases: [(&str, &[&str], &[&str]); 9] = [
            (
                "a:v1.3*",
                &["v1.3", "v1.3.0", "v1.34"],
                &["v1.2", "xv1.3", "V1.3"],
            ),
            ("a:*", &["latest", "v1"], &[]),
            ("a:v?", &["v1", "vx"], &["v", "v10"]),
            (
                "a:*-alpine",
                &["3-alpine", "3.19-alpine"],
                &["3-alpine3", "alpine"],
            ),
            (
                "a:v1.*.0-*.1",
                &["v1.2.0-rc.1", "v1.0.0.0-x.1.1"],
                &["v1.2.0", "v1.2.0-rc.2"],
            ),
            ("a:v1.[34].0", &["v1.3.0", "v1.4.0"], &["v1.5.0", "v1.34.0"]),
            ("a:v1.[2-4x]*", &["v1.2", "v1.x", "v1.30"], &["v1.1", "v1."]),
            ("a:v[!0-1]*", &["v2", "vx1"], &["v1", "v0.1", "v"]),
            ("a:1.**.2", &["1.0.2", "1..2"], &["1.2"]),
        ];
        for (pattern, hits, misses) in cases {
            let glob = glob(pattern);
            for tag in hits {
                assert!(glob.matches(&tag.parse().unwrap()), "{pattern} {tag}");
            }
            for tag in misses {
                assert!(!glob.matches(&tag.parse().unwrap()), "{pattern} {tag}");
            }
        }
    }

    #[test]
    fn the_repository_is_read_as_in_a_name() {
        let glob = glob("localhost:5000/team/app:v*");
        assert_eq!(glob.repository().to_string(), "localhost:5000/team/app");
        assert_eq!(glob.beginning(), "v");
        let image = glob.image(&"v1".parse().unwrap());
        assert_eq!(
            (image.written(), image.reference().to_string().as_str()),
            ("localhost:5000/team/app:v1", "localhost:5000/team/app:v1")
        );
        let short = super::tests::glob("alpine:3.?");
        assert_eq!(short.repository().to_string(), "docker.io/library/alpine");
        assert_eq!(short.image(&"3.1".parse().unwrap()).written(), "alpine:3.1");
        assert_eq!(
            super::tests::glob("[::1]:5000/app:[0-9]")
                .repository()
                .to_string(),
            "[::1]:5000/app"
        );
    }

    #[test]
    fn names_without_wildcards_are_names() {
        for name in ["alpine", "[::1]:5000/app:v1", "localhost:5000/app", "a:v1.3"] {
            assert!(matches!(name.parse(), Ok(ImageEntry::Name(_))), "{name}");
        }
    }

    #[test]
    fn wildcards_elsewhere_and_bad_patterns_are_told() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let cases = [
            ("team/*:v1".to_owned(), "only a tag can have wildcards"),
            ("*".to_owned(), "only a tag can have wildcards"),
            ("*.example.com/app:v1".to_owned(), "only a tag can have wildcards"),
            (format!("app:v*@{digest}"), "a digest names one image"),
            ("app:v[1".to_owned(), "[ needs letters and ]"),
            ("app:v[]".to_owned(), "[ needs letters and ]"),
            ("app:v[!]".to_owned(), "[ needs letters and ]"),
            ("app:v[3-1]".to_owned(), "[ needs letters and ]"),
            ("app:v 1*".to_owned(), "no tag has a ' ' in it"),
            ("app:{v1,v2}*".to_owned(), "no tag has a '{' in it"),
            ("App:v*".to_owned(), "App"),
            (":v*".to_owned(), "reference"),
        ];
        for (text, expected) in cases {
            let error = text.parse::<ImageEntry>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_a_letter_for_letter_pattern_is_its_tag(text in "\\PC{0,40}", tag in "[a-z0-9][a-z0-9._-]{0,20}") {
            let _ = text.parse::<ImageEntry>();
            let exact = glob(&format!("app:{tag}*"));
            prop_assert!(exact.matches(&tag.parse().unwrap()));
            let longer = format!("{tag}x");
            prop_assert!(exact.matches(&longer.parse().unwrap()));
        }
    }
}
