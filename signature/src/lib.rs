#![doc = include_str!("../README.md")]
//! # Where to look
//!
//! - Keys: [`PublicKeys::from_pem`], [`PublicKey::id`].
//! - Where signatures are: cosign's tag ([`ReferrerTag::Signature`](reference::ReferrerTag)) and the image's referrers
//!   ([`may_be_signature`]) name manifests, [`signature_layers`] the blobs in them.
//! - Whether one counts: [`check`]; what an image without one is told: [`NotSigned`].
//! - Signatures of files: [`ssh`].

mod bundle;
mod der;
mod error;
mod json;
mod key;
mod pem;
mod simple;
pub mod ssh;
mod verdict;

pub use error::KeyError;
pub use key::{KeyKind, MAX_KEY_FILE, PublicKey, PublicKeys};
/// The crate whose types stand in this one's signatures.
pub use transload_reference as reference;
pub use verdict::{Form, NotSigned, Refusal, Signed};

use ::base64::Engine as _;
use ::base64::engine::general_purpose::STANDARD;
use transload_reference::{Descriptor, Manifest, RawManifest, Verifier};

/// The largest blob that can be a signature, in bytes. Real ones have some kilobytes.
pub const MAX_SIGNATURE_SIZE: u64 = 1 << 20;

/// Whether an entry of an image's list of referrers may be a signature, by its artifact type; what has none may be.
pub fn may_be_signature(referrer: &Descriptor) -> bool {
    let kind = referrer.artifact_type.as_deref();
    kind.is_none_or(|kind| kind == simple::ARTIFACT_TYPE || kind.starts_with(bundle::MEDIA_TYPES))
}

/// Returns the layers of a manifest whose blobs can be signatures, by their media types. Referrers of an image have many others.
pub fn signature_layers(manifest: &RawManifest) -> impl Iterator<Item = &Descriptor> {
    let layers = match manifest.view() {
        Manifest::Image(image) => image.layers.as_slice(),
        _ => &[],
    };
    layers.iter().filter(|layer| can_be_signature(layer))
}

fn can_be_signature(layer: &Descriptor) -> bool {
    let media_type = layer.media_type.as_str();
    media_type == simple::MEDIA_TYPE || media_type.starts_with(bundle::MEDIA_TYPES)
}

/// Checks a signature: `layer` is one of [`signature_layers`], and `blob` its bytes. The image is the manifest or index that is signed.
///
/// # Errors
/// Why it doesn't count.
pub fn check(
    image: &RawManifest,
    keys: &PublicKeys,
    layer: &Descriptor,
    blob: &[u8],
) -> Result<Signed, Refusal> {
    let size = layer.size.max(blob.len() as u64);
    if size > MAX_SIGNATURE_SIZE {
        return Err(Refusal::TooLarge { size });
    }
    let mut verifier = Verifier::of(layer);
    let content = verifier.update(blob).and_then(|()| verifier.finish());
    content.map_err(Refusal::Content)?;
    let media_type = layer.media_type.as_str();
    match media_type {
        simple::MEDIA_TYPE => simple::check(image, keys, layer, blob),
        bundle if bundle.starts_with(bundle::MEDIA_TYPES) => bundle::check(image, keys, blob),
        other => Err(Refusal::Type {
            what: "media type",
            found: other.to_owned(),
        }),
    }
}

/// Decodes base64 with its padding, in the one way that each value has.
fn base64(what: &'static str, text: &str) -> Result<Vec<u8>, Refusal> {
    STANDARD.decode(text).map_err(|_| Refusal::Base64 { what })
}
