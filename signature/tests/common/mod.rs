//! What the tests have in common.

#![allow(dead_code, reason = "each test file has its own uses")]

use transload_signature::reference::{Descriptor, Digest, MediaType, RawManifest};
use transload_signature::{PublicKeys, Refusal, Signed, check};
use transload_test_support::sign::{BUNDLE, Signer, layer, simple};

/// The keys of a file with one key.
pub fn keys_of(signer: &Signer) -> PublicKeys {
    PublicKeys::from_pem(signer.pem().as_bytes()).unwrap()
}

/// An image, other ones for other names.
pub fn image(name: &str) -> RawManifest {
    let config = Descriptor::new(
        MediaType::OCI_CONFIG,
        Digest::of(name.as_bytes()),
        name.len() as u64,
    );
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[]}}"#,
        MediaType::OCI_MANIFEST,
        serde_json::to_string(&config).unwrap()
    );
    RawManifest::parse(text.into_bytes(), None).unwrap()
}

pub fn check_simple(
    image: &RawManifest,
    keys: &PublicKeys,
    payload: &str,
    signature: &[u8],
) -> Result<Signed, Refusal> {
    check(
        image,
        keys,
        &simple(payload.as_bytes(), signature),
        payload.as_bytes(),
    )
}

pub fn check_bundle(image: &RawManifest, keys: &PublicKeys, bundle: &str) -> Result<Signed, Refusal> {
    check(image, keys, &layer(BUNDLE, bundle.as_bytes()), bundle.as_bytes())
}
