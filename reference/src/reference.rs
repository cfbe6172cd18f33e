//! References: a repository with a tag, a digest, or both.

use std::fmt;
use std::str::FromStr;

use crate::name::split_registry;
use crate::{Digest, ParseError, ParseErrorKind as Kind, Registry, Repository, Tag};

/// What a manifest is asked for by: the last component of its URL, which the
/// [distribution specification](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests) calls
/// `<reference>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Identifier {
    /// By a name that may be moved.
    Tag(Tag),
    /// By its content.
    Digest(Digest),
}

impl Identifier {
    /// The text, as it stands in a URL.
    pub fn as_str(&self) -> &str {
        match self {
            Identifier::Tag(tag) => tag.as_str(),
            Identifier::Digest(digest) => digest.as_str(),
        }
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<Tag> for Identifier {
    fn from(tag: Tag) -> Self {
        Identifier::Tag(tag)
    }
}

impl From<Digest> for Identifier {
    fn from(digest: Digest) -> Self {
        Identifier::Digest(digest)
    }
}

/// The name of an image: a repository with a tag, a digest, both or neither.
///
/// Reading one normalises it as Docker does: `alpine` is `docker.io/library/alpine`. A missing tag stays missing;
/// [`or_latest`](Reference::or_latest) adds the usual one. [`Display`](fmt::Display) writes the normalised form, which reads back to an
/// equal value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    repository: Repository,
    tag: Option<Tag>,
    digest: Option<Digest>,
}

impl Reference {
    /// A reference of its parts.
    pub fn new(repository: Repository, tag: Option<Tag>, digest: Option<Digest>) -> Reference {
        Reference {
            repository,
            tag,
            digest,
        }
    }

    /// The repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The registry.
    pub fn registry(&self) -> &Registry {
        self.repository.registry()
    }

    /// The tag.
    pub fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// The digest.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The same reference, with the tag `latest` if it has neither tag nor digest.
    pub fn or_latest(mut self) -> Reference {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some(Tag::latest());
        }
        self
    }

    /// The same tag and digest in another repository.
    pub fn in_repository(&self, repository: Repository) -> Reference {
        Reference {
            repository,
            tag: self.tag.clone(),
            digest: self.digest.clone(),
        }
    }

    /// The manifest of this digest in the same repository, without a tag: the children of an index are named so.
    pub fn by_digest(&self, digest: &Digest) -> Reference {
        Reference {
            repository: self.repository.clone(),
            tag: None,
            digest: Some(digest.clone()),
        }
    }

    /// What to ask a registry or a store for: the digest, else the tag, else `latest`.
    pub fn identifier(&self) -> Identifier {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => Identifier::Digest(digest.clone()),
            (None, Some(tag)) => Identifier::Tag(tag.clone()),
            (None, None) => Identifier::Tag(Tag::latest()),
        }
    }
}

impl FromStr for Reference {
    type Err = ParseError;

    fn from_str(input: &str) -> Result<Self, ParseError> {
        parse(input).map_err(|error| error.within("reference", input))
    }
}

fn parse(input: &str) -> Result<Reference, ParseError> {
    let fail = |kind| Err(ParseError::new("reference", input, kind));
    if input.is_empty() {
        return fail(Kind::Empty);
    }
    if input.contains("://") {
        return fail(Kind::Url);
    }
    // By the grammar, it is a tag of Docker Hub's repository "sha256". Nobody means that.
    if input.parse::<Digest>().is_ok() {
        return fail(Kind::DigestAlone);
    }
    let (named, digest) = match input.split_once('@') {
        Some((_, "")) => return fail(Kind::DigestEmpty),
        Some((named, digest)) => (named, Some(digest.parse()?)),
        None => (input, None),
    };
    if named.starts_with('/') {
        return fail(Kind::EmptyComponent);
    }
    // The registry's port has a slash after it; the tag's colon has none.
    let last = named.rfind('/').map_or(0, |at| at + 1);
    let is_address = last == 0 && named.starts_with('[');
    let (name, tag) = match named[last..].find(':') {
        Some(at) if !is_address => (&named[..last + at], Some(named[last + at + 1..].parse()?)),
        _ => (named, None),
    };
    let (registry, path) = split_registry(name)?;
    if path.is_empty() {
        return fail(Kind::EmptyComponent);
    }
    let registry = registry.map_or_else(|| Ok(Registry::docker_hub()), str::parse)?;
    Ok(Reference {
        repository: Repository::new(registry, path)?,
        tag,
        digest,
    })
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}
