//! Whether the images of a place on a disk are trusted, offline.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;
use transload_policy::ImagePattern;
use transload_reference::{Reference, ReferrerTag};

use crate::fault::Fault;
use crate::job::ImageName;
use crate::place::Source;
use crate::trust::{Candidate, TrustPolicy, has_no_filesystem};

/// What vouches for an image of a place, or why nothing does.
#[derive(Debug)]
pub struct TrustedImage {
    /// The image.
    pub image: Reference,
    /// What vouches for it, such as `key ECDSA P-256 0123456789ab`.
    pub vouchers: Result<Vec<String>, Fault>,
}

/// Checks all images of a place that match a pattern. Signatures and other referrers, which aren't signed themselves, are left out.
///
/// # Errors
/// Where the images can't be listed.
pub fn check_trust(
    source: &dyn Source,
    policy: &TrustPolicy,
    pattern: Option<&ImagePattern>,
    pool: &rayon::ThreadPool,
    cancel: &AtomicBool,
) -> Result<Vec<TrustedImage>, Fault> {
    // Images that a damaged directory can't tell of are found by a look at it.
    let mut images = source.listing()?.images;
    images.retain(|image| ImagePattern::takes(pattern, &image.reference));
    Ok(pool.install(|| {
        let images = images.into_par_iter();
        let checked = images.map(|image| {
            let vouchers = check(source, policy, &image.reference, cancel);
            vouchers.map(|vouchers| TrustedImage {
                image: image.reference,
                vouchers,
            })
        });
        checked.flatten_iter().collect()
    }))
}

/// What vouches for one image; nothing where it is no image but a referrer of one, or the look was stopped.
fn check(
    source: &dyn Source,
    policy: &TrustPolicy,
    image: &Reference,
    cancel: &AtomicBool,
) -> Option<Result<Vec<String>, Fault>> {
    if cancel.load(Ordering::Relaxed) {
        return None;
    }
    let root = match source.root(image) {
        Ok(root) => root,
        Err(fault) => return Some(Err(fault)),
    };
    // Nobody names what has no tag by anything but its digest.
    let is_referrer = match image.tag() {
        Some(tag) => ReferrerTag::parse(tag).is_some(),
        None => root.view().subject().is_some(),
    };
    if is_referrer && has_no_filesystem(&root) {
        return None;
    }
    Some(policy.check(&Candidate {
        name: &ImageName::from(image.clone()),
        source,
        from: image,
        root: &root,
        cancel,
    }))
}
