//! Where one image is.

use std::fmt;
use std::path::Path;

use transload_reference::{Reference, Registry};

use crate::place::{LocalPlace, Place};

/// Where one image is: in a place, under a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    pub(super) place: Place,
    pub(super) reference: Reference,
}

impl Target {
    /// Returns an image of a place on a disk.
    pub fn local(place: LocalPlace, reference: Reference) -> Target {
        Target {
            place: Place::Local(place),
            reference,
        }
    }

    /// Returns an image of the registry that its name begins with.
    pub fn in_registry(reference: Reference) -> Target {
        Target {
            place: Place::Registry(reference.registry().clone()),
            reference,
        }
    }

    /// The place that it is in.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The image's name there.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// The registry that it is in, if it is in one.
    pub fn registry(&self) -> Option<&Registry> {
        self.place.registry()
    }

    /// The path of the place that it is in, if that is on a disk.
    pub fn path(&self) -> Option<&Path> {
        self.place.path()
    }

    /// What tells two destinations apart: with a tag, the tag.
    pub(crate) fn published_as(&self) -> Target {
        let reference = match self.reference.tag() {
            Some(tag) => Reference::new(self.reference.repository().clone(), Some(tag.clone()), None),
            None => self.reference.clone(),
        };
        Target {
            place: self.place.clone(),
            reference,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path() {
            Some(path) => write!(f, "{} in {}", self.reference, path.display()),
            None => self.reference.fmt(f),
        }
    }
}
