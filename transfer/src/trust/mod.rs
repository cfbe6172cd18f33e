//! Which images are trusted: what is checked of an image before anything of it moves.

mod program;
mod signatures;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use transload_policy::ImagePattern;
use transload_reference::{Manifest, MediaType, RawManifest, Reference, ReferrerTag};
use transload_signature::PublicKeys;

pub use program::TrustProgram;

use crate::fault::{Fault, Side};
use crate::job::{ImageName, Target};
use crate::place::Source;

/// What an image must fulfil. The first rule whose pattern matches the image's name decides; an image that no rule is for is refused.
#[derive(Debug, Clone, Default)]
pub struct TrustPolicy {
    /// The rules, in their order.
    pub rules: Vec<TrustRule>,
}

/// What images must fulfil whose names match a pattern: all that is given.
#[derive(Debug, Clone, Default)]
pub struct TrustRule {
    /// Which images; all where there is none.
    pub pattern: Option<ImagePattern>,
    /// A signature by one of these keys must be at the source.
    pub keys: Option<Arc<PublicKeys>>,
    /// This program must accept the image.
    pub program: Option<TrustProgram>,
}

impl TrustRule {
    fn is_for(&self, image: &ImageName) -> bool {
        let pattern = self.pattern.as_ref();
        pattern.is_none_or(|pattern| pattern.matches(image.written(), image.reference()))
    }
}

/// An image that is to be checked, as its source has it.
pub(crate) struct Candidate<'a> {
    pub name: &'a ImageName,
    pub source: &'a dyn Source,
    /// Its name at the source.
    pub from: &'a Reference,
    /// The manifest or index that the name stands for. What moves is planned from these bytes.
    pub root: &'a RawManifest,
    /// Set once the run is to stop.
    pub cancel: &'a AtomicBool,
}

impl TrustPolicy {
    /// Returns what vouches for an image, such as `key ECDSA P-256 0123456789ab`.
    ///
    /// # Errors
    /// Where nothing does, or it can't be found out.
    pub(crate) fn check(&self, image: &Candidate<'_>) -> Result<Vec<String>, Fault> {
        if is_attachment(image.from, image.root) {
            return Ok(Vec::new());
        }
        let Some(rule) = self.rules.iter().find(|rule| rule.is_for(image.name)) else {
            let message = format!("{} can't be verified: no rule of `verify` is for it", image.name);
            let hint =
                "add a rule whose `pattern` matches the image's name, or one without a pattern at the end";
            return Err(Fault::refused(None, message).with_hint(hint));
        };
        let mut vouchers = Vec::new();
        if let Some(keys) = &rule.keys {
            vouchers.push(signatures::check(image, keys)?);
        }
        if let Some(program) = &rule.program {
            vouchers.push(program.check(image)?);
        }
        if vouchers.is_empty() {
            let message = format!(
                "{} can't be verified: its rule has no key and no program",
                image.name
            );
            return Err(Fault::refused(None, message));
        }
        Ok(vouchers)
    }
}

/// Returns what vouches for an image by every policy.
///
/// # Errors
/// See [`TrustPolicy::check`].
pub(crate) fn check_all(
    policies: &[Arc<TrustPolicy>],
    name: &ImageName,
    source: &dyn Source,
    from: &Target,
    root: &RawManifest,
    cancel: &AtomicBool,
) -> Result<Vec<String>, Fault> {
    let image = Candidate {
        name,
        source,
        from: from.reference(),
        root,
        cancel,
    };
    let mut vouchers = Vec::new();
    for policy in policies {
        for voucher in policy.check(&image)? {
            if !vouchers.contains(&voucher) {
                vouchers.push(voucher);
            }
        }
    }
    Ok(vouchers)
}

/// Whether this is what a tag that belongs to another image stands for, such as cosign's `sha256-<hex>.sig`: signatures themselves aren't
/// signed. Under such a tag, nothing is let through that an engine could run.
fn is_attachment(from: &Reference, root: &RawManifest) -> bool {
    from.tag()
        .and_then(ReferrerTag::parse)
        .is_some_and(|(kind, _)| match root.view() {
            Manifest::Index(_) => kind == ReferrerTag::Index && has_no_filesystem(root),
            _ => kind != ReferrerTag::Index && has_no_filesystem(root),
        })
}

/// Whether nothing in a manifest or an index can be run: an image's layers aren't filesystems, an index lists only artifacts.
pub(crate) fn has_no_filesystem(root: &RawManifest) -> bool {
    match root.view() {
        Manifest::Image(image) => !image.layers.iter().any(|layer| is_filesystem(&layer.media_type)),
        Manifest::Index(index) => index
            .manifests
            .iter()
            .all(|child| child.artifact_type.is_some() && child.platform.is_none()),
        _ => false,
    }
}

/// Whether a layer may be one of a filesystem, or another archive: signatures, attestations and SBOMs are documents.
fn is_filesystem(media_type: &MediaType) -> bool {
    let text = media_type.as_str();
    text.is_empty() || text.contains("tar") || text.starts_with("application/vnd.oci.image.layer.")
}

fn refused(message: String) -> Fault {
    Fault::refused(Some(Side::Source), message)
}
