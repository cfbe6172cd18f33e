//! Signatures of images: payloads of simple signing, and bundles with their envelopes.

use std::sync::LazyLock;

use transload_reference::{Descriptor, Digest, MediaType, RawManifest, is_unprintable};
use transload_signature::{NotSigned, PublicKeys, check as check_signature};

/// Ed25519 keys whose private halves are nobody's business: nothing that libFuzzer makes up is signed by them.
const KEYS: &[u8] = b"-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----";

static WORLD: LazyLock<(PublicKeys, RawManifest)> = LazyLock::new(|| {
    let keys = PublicKeys::from_pem(KEYS).expect("a key");
    let image = RawManifest::parse(*br#"{"schemaVersion":2,"manifests":[]}"#, None).expect("an index");
    (keys, image)
});

/// Of a text whose first line is an annotation and whose rest is a blob, nothing is valid, and the refusal can be shown.
pub fn check(input: &[u8]) {
    let (keys, image) = &*WORLD;
    let at = input.iter().position(|byte| *byte == b'\n');
    let (annotation, blob) = match at {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (&[][..], input),
    };
    for media_type in [
        "application/vnd.dev.cosign.simplesigning.v1+json",
        "application/vnd.dev.sigstore.bundle.v0.3+json",
    ] {
        let mut layer = Descriptor::new(MediaType::new(media_type), Digest::of(blob), blob.len() as u64);
        let annotation = String::from_utf8_lossy(annotation).into_owned();
        layer
            .annotations
            .insert("dev.cosignproject.cosign/signature".to_owned(), annotation);
        let mut not_signed = NotSigned::new(image.digest().clone());
        match check_signature(image, keys, &layer, blob) {
            Ok(signed) => panic!("nobody has signed this: {signed:?}"),
            Err(why) => not_signed.refuse(layer.digest, why),
        }
        assert!(!not_signed.to_string().contains(is_unprintable));
    }
}
