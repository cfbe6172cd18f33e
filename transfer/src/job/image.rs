//! Images as users name them.

use std::fmt;
use std::str::FromStr;

use transload_policy::Renaming;
use transload_reference::{ParseError, Reference};

use super::EndpointError;

/// An image's name: as it was written, and what that stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName {
    pub(super) written: String,
    pub(super) reference: Reference,
}

impl ImageName {
    /// The name as it was written, such as `alpine`.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// What it stands for, such as `docker.io/library/alpine:latest`: with a tag or a digest in every case.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// The image under the name that it gets on its way.
    ///
    /// # Errors
    /// Where the new name is none.
    pub fn renamed(&self, renaming: &Renaming) -> Result<ImageName, EndpointError> {
        if renaming.is_none() {
            return Ok(self.clone());
        }
        Ok(renaming.apply(&self.reference)?.into())
    }
}

impl FromStr for ImageName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let written = text.trim();
        Ok(ImageName {
            written: written.to_owned(),
            reference: written.parse::<Reference>()?.or_latest(),
        })
    }
}

impl From<Reference> for ImageName {
    fn from(reference: Reference) -> Self {
        let reference = reference.or_latest();
        ImageName {
            written: reference.to_string(),
            reference,
        }
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.written)
    }
}
