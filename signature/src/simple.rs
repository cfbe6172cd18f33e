//! cosign's simple signing ([its specification]).
//!
//! [its specification]: https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md

use serde::Deserialize;
use transload_reference::{Descriptor, RawManifest};

use crate::base64;
use crate::json;
use crate::key::PublicKeys;
use crate::verdict::{Form, Refusal, Signed};

/// The media type of a payload.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// The type of a referrer with payloads, which cosign writes with `--registry-referrers-mode oci-1-1`.
pub(crate) const ARTIFACT_TYPE: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";

/// The annotation of a payload's layer that has its signature.
pub(crate) const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// The annotation that has the certificate of a keyless signature.
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";

/// What a payload says that it is.
const TYPE: &str = "cosign container image signature";

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Identity {
    #[serde(rename = "docker-reference")]
    docker_reference: String,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    docker_manifest_digest: String,
}

/// Checks a payload and the signature in its layer's annotations.
pub(crate) fn check(
    image: &RawManifest,
    keys: &PublicKeys,
    layer: &Descriptor,
    payload: &[u8],
) -> Result<Signed, Refusal> {
    let signature = layer.annotations.get(SIGNATURE).ok_or(Refusal::NoAnnotation)?;
    if signature.is_empty() {
        return Err(Refusal::NoAnnotation);
    }
    let signature = base64("signature", signature)?;
    // Nothing is read of a payload that no key vouches for.
    let key = keys.signer_of(payload, &signature).ok_or_else(|| {
        let is_keyless = layer.annotations.contains_key(CERTIFICATE);
        if is_keyless {
            Refusal::Certificate
        } else {
            Refusal::OtherKey
        }
    })?;
    let Payload { critical } = json::read(payload).map_err(|error| Refusal::Json {
        what: "payload",
        reason: error.to_string(),
    })?;
    if critical.kind != TYPE {
        return Err(Refusal::Type {
            what: "payload's type",
            found: critical.kind,
        });
    }
    let signed = critical.image.docker_manifest_digest;
    if signed != image.digest().as_str() {
        return Err(Refusal::OtherImage { signed });
    }
    Ok(Signed {
        image: image.digest().clone(),
        key: key.clone(),
        form: Form::SimpleSigning,
        identity: Some(critical.identity.docker_reference).filter(|name| !name.is_empty()),
    })
}
