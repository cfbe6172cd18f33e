//! Which manifests refer to which.

use std::collections::HashMap;
use std::sync::Mutex;

use transload_reference::{Digest, RawManifest};

use crate::Error;
use crate::lock::lock;

/// So many manifests are remembered; a few hundred bytes each.
const MOST: usize = 100_000;

/// The subjects of manifests that were read, by their digests, which stand for the same bytes for ever. A server asks again and again.
#[derive(Debug, Default)]
pub(crate) struct Subjects(Mutex<HashMap<Digest, Option<Digest>>>);

impl Subjects {
    /// Returns the subject of a manifest, which is read if it isn't known. Of a file that isn't what its name says, nothing is believed.
    ///
    /// # Errors
    /// Where it can't be read.
    pub fn of(
        &self,
        digest: &Digest,
        read: impl FnOnce() -> Result<Option<RawManifest>, Error>,
    ) -> Result<Option<Digest>, Error> {
        if let Some(subject) = lock(&self.0).get(digest) {
            return Ok(subject.clone());
        }
        let Some(manifest) = readable(read())? else {
            return Ok(None);
        };
        let subject = manifest.view().subject().map(|subject| subject.digest.clone());
        let mut known = lock(&self.0);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(digest.clone(), subject.clone());
        Ok(subject)
    }
}

/// What was read, and none of a file that is something else than its name says.
pub(crate) fn readable<T>(read: Result<Option<T>, Error>) -> Result<Option<T>, Error> {
    match read {
        Err(error @ Error::Io { .. }) => Err(error),
        Err(_) => Ok(None),
        read => read,
    }
}
