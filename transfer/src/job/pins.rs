//! What a job's images are pinned to.

use std::collections::BTreeSet;
use std::fmt;

use transload_reference::{Digest, Platform, RawManifest};

use super::ImageName;
use crate::Fault;

/// What images have to be, as a lock file says. An image that isn't what it is pinned to fails before any blob of it moves.
pub trait Pins: fmt::Debug + Send + Sync {
    /// Checks that all of a job's images are pinned, before anything moves.
    ///
    /// # Errors
    /// Where some aren't.
    fn check_listed(&self, images: &[&ImageName]) -> Result<(), Fault>;

    /// Checks what an image stands for at its source. An image that isn't pinned passes: a rule may leave it out.
    ///
    /// # Errors
    /// Where it stands for something else than it did.
    fn check_source(&self, image: &ImageName, found: &Digest) -> Result<(), Fault>;

    /// Checks what would be written of an image that is `source` at its source: its root manifest, and its platforms with their manifests.
    ///
    /// # Errors
    /// Where it isn't what was written before.
    fn check_result(
        &self,
        image: &ImageName,
        source: &Digest,
        root: &RawManifest,
        platforms: &[(Platform, Digest)],
    ) -> Result<(), Fault>;

    /// Checks the referrers that come along with an image which is `source` at its source.
    ///
    /// # Errors
    /// Where others came along before.
    fn check_referrers(
        &self,
        image: &ImageName,
        source: &Digest,
        referrers: &BTreeSet<Digest>,
    ) -> Result<(), Fault>;

    /// Checks that an image which is left out was left out before. `reason` says why it is now.
    ///
    /// # Errors
    /// Where something of it was written.
    fn check_skipped(&self, image: &ImageName, reason: &str) -> Result<(), Fault>;
}
