//! What is told of the images in a store.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use transload_reference::{Digest, Reference, Repository};

use crate::Error;
use crate::error::shown;

/// An image of a store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct StoredImage {
    /// Its name: with its tag, or with its digest where it has none.
    pub reference: Reference,
    /// Its manifest's digest.
    pub digest: Digest,
}

impl StoredImage {
    /// An image of this name, with this manifest.
    pub fn new(reference: Reference, digest: Digest) -> StoredImage {
        StoredImage { reference, digest }
    }
}

/// Parts images from those that tags left behind: without a tag, in a repository that has tags. Mostly a tag stood for them before it was moved.
/// In a repository without tags, images were asked for by digest.
pub fn part_leftovers(images: impl IntoIterator<Item = StoredImage>) -> (Vec<StoredImage>, Vec<StoredImage>) {
    let images: Vec<StoredImage> = images.into_iter().collect();
    let tagged = images.iter().filter(|image| image.reference.tag().is_some());
    let tagged: HashSet<Repository> = tagged.map(|image| image.reference.repository().clone()).collect();
    images
        .into_iter()
        .partition(|image| image.reference.tag().is_some() || !tagged.contains(image.reference.repository()))
}

/// What is in a store.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Listing {
    /// The images, sorted by name. Where a tag map is damaged, these are the repository's tags that files tell of, and its other
    /// manifests by their digests.
    pub images: Vec<StoredImage>,
    /// Folders of manifests that no image's name leads to.
    pub nameless: Vec<PathBuf>,
    /// Tags that two folders of one repository tell differently.
    pub disputed: Vec<Disputed>,
    /// Tag maps and folders that can't be read: what images they tell of isn't known.
    pub damage: Vec<Damage>,
}

/// A tag of Docker Hub that two folders of its repository let stand for different images: `docker.io` and `registry-1.docker.io` as folders of
/// their own, after a copy that followed links.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Disputed {
    /// The tag.
    pub reference: Reference,
    /// What it stands for: the image that came last.
    pub newer: Digest,
    /// What the other folder says. It is listed by its digest.
    pub older: Digest,
    /// That folder.
    pub folder: PathBuf,
}

impl fmt::Display for Disputed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Disputed {
            reference,
            newer,
            older,
            folder,
        } = self;
        write!(
            f,
            "{reference} is {newer}, which came last; {} says {older}",
            shown(folder)
        )
    }
}

impl Listing {
    /// The same, for whom all images must be known.
    pub(crate) fn undamaged(mut self) -> Result<Listing, Error> {
        if self.damage.is_empty() {
            return Ok(self);
        }
        Err(self.damage.swap_remove(0).error)
    }
}

/// A tag map or a folder that can't be read.
#[derive(Debug)]
#[non_exhaustive]
pub struct Damage {
    /// Where it is.
    pub path: PathBuf,
    /// The repository, where it is the tag map of one, or the folder that has it.
    pub repository: Option<Repository>,
    /// What is wrong.
    pub error: Error,
}

impl Damage {
    pub(crate) fn new(path: &Path, repository: Option<Repository>, error: Error) -> Damage {
        Damage {
            path: path.to_owned(),
            repository,
            error,
        }
    }
}
