//! Sigstore bundles ([their specification]) with DSSE envelopes ([theirs]) of in-toto statements, or with signatures of a manifest.
//!
//! [their specification]: https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_bundle.proto
//! [theirs]: https://github.com/secure-systems-lab/dsse/blob/master/protocol.md

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use transload_reference::{Algorithm, Digest, Manifest, RawManifest};

use crate::base64;
use crate::json;
use crate::key::{PublicKey, PublicKeys};
use crate::verdict::{Form, Refusal, Signed};

/// How the media types of bundles' layers begin.
pub(crate) const MEDIA_TYPES: &str = "application/vnd.dev.sigstore.bundle";

/// The media types that bundles give themselves.
const VERSIONS: [&str; 4] = [
    "application/vnd.dev.sigstore.bundle.v0.3+json",
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
    "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.1",
];

/// The type of an envelope's payload.
const IN_TOTO: &str = "application/vnd.in-toto+json";

/// The types of in-toto statements.
const STATEMENTS: [&str; 2] = [
    "https://in-toto.io/Statement/v1",
    "https://in-toto.io/Statement/v0.1",
];

/// The predicate of a statement that is a signature.
const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    #[serde(default)]
    verification_material: Option<Material>,
    #[serde(default)]
    dsse_envelope: Option<Envelope>,
    #[serde(default)]
    message_signature: Option<MessageSignature>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    #[serde(default)]
    certificate: Option<IgnoredAny>,
    #[serde(default)]
    x509_certificate_chain: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Deserialize)]
struct EnvelopeSignature {
    sig: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageSignature {
    message_digest: MessageDigest,
    signature: String,
}

#[derive(Deserialize)]
struct MessageDigest {
    algorithm: String,
    digest: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    predicate_type: String,
}

#[derive(Deserialize)]
struct Subject {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    digest: BTreeMap<String, String>,
}

/// Checks a bundle.
pub(crate) fn check(image: &RawManifest, keys: &PublicKeys, bundle: &[u8]) -> Result<Signed, Refusal> {
    let bundle: Bundle = read("bundle", bundle)?;
    if !VERSIONS.contains(&bundle.media_type.as_str()) {
        return Err(Refusal::Type {
            what: "bundle's media type",
            found: bundle.media_type,
        });
    }
    let material = bundle.verification_material;
    let is_keyless = material
        .is_some_and(|material| material.certificate.is_some() || material.x509_certificate_chain.is_some());
    let checked = match (bundle.dsse_envelope, bundle.message_signature) {
        (Some(envelope), None) => check_envelope(image, keys, &envelope),
        (None, Some(signature)) => check_message(image, keys, &signature),
        (envelope, _) => Err(Refusal::Number {
            what: "contents",
            found: if envelope.is_some() { 2 } else { 0 },
        }),
    };
    checked.map_err(|why| match why {
        Refusal::OtherKey if is_keyless => Refusal::Certificate,
        why => why,
    })
}

fn check_envelope(image: &RawManifest, keys: &PublicKeys, envelope: &Envelope) -> Result<Signed, Refusal> {
    let [signature] = envelope.signatures.as_slice() else {
        return Err(Refusal::Number {
            what: "signatures in its envelope",
            found: envelope.signatures.len(),
        });
    };
    let payload = base64("envelope's payload", &envelope.payload)?;
    let signature = base64("signature", &signature.sig)?;
    let message = pre_authentication_encoding(&envelope.payload_type, &payload);
    // Nothing is read of a payload that no key vouches for.
    let key = keys.signer_of(&message, &signature).ok_or(Refusal::OtherKey)?;
    if envelope.payload_type != IN_TOTO {
        return Err(Refusal::Type {
            what: "payload's type",
            found: envelope.payload_type.clone(),
        });
    }
    check_statement(image, key, &payload)
}

/// What is signed of an envelope (DSSE's "PAE").
fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

fn check_statement(image: &RawManifest, key: &PublicKey, statement: &[u8]) -> Result<Signed, Refusal> {
    let statement: Statement = read("statement", statement)?;
    if !STATEMENTS.contains(&statement.kind.as_str()) {
        return Err(Refusal::Type {
            what: "statement's type",
            found: statement.kind,
        });
    }
    let (algorithm, hex) = (image.digest().algorithm().as_str(), image.digest().hex());
    let is_image = |subject: &&Subject| subject.digest.get(algorithm).is_some_and(|digest| digest == hex);
    let Some(subject) = statement.subject.iter().find(is_image) else {
        let others = statement
            .subject
            .iter()
            .filter_map(|subject| subject.digest.get(algorithm));
        let others: Vec<String> = others.map(|hex| format!("{algorithm}:{hex}")).collect();
        return Err(Refusal::OtherImage {
            signed: if others.is_empty() {
                "without a digest".to_owned()
            } else {
                others.join(", ")
            },
        });
    };
    if statement.predicate_type != SIGNATURE {
        return Err(Refusal::Attestation {
            predicate: statement.predicate_type,
        });
    }
    Ok(Signed {
        image: image.digest().clone(),
        key: key.clone(),
        form: Form::Statement,
        identity: subject.name.clone().filter(|name| !name.is_empty()),
    })
}

fn check_message(
    image: &RawManifest,
    keys: &PublicKeys,
    signature: &MessageSignature,
) -> Result<Signed, Refusal> {
    let algorithm = match signature.message_digest.algorithm.as_str() {
        "SHA2_256" => Algorithm::Sha256,
        "SHA2_512" => Algorithm::Sha512,
        other => {
            return Err(Refusal::Type {
                what: "digest's algorithm",
                found: other.to_owned(),
            });
        }
    };
    let told = base64("digest", &signature.message_digest.digest)?;
    let hex: String = told.iter().map(|byte| format!("{byte:02x}")).collect();
    if Digest::with(algorithm, image.bytes()).hex() != hex {
        return Err(Refusal::OtherImage {
            signed: format!("{}:{hex}", algorithm.as_str()),
        });
    }
    let made = base64("signature", &signature.signature)?;
    let key = keys.signer_of(image.bytes(), &made).ok_or(Refusal::OtherKey)?;
    // A key signs other documents, too: a payload of simple signing is none that could be moved as an image.
    if !matches!(image.view(), Manifest::Image(_) | Manifest::Index(_)) {
        return Err(Refusal::NoImage);
    }
    Ok(Signed {
        image: image.digest().clone(),
        key: key.clone(),
        form: Form::Message,
        identity: None,
    })
}

fn read<T: serde::de::DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, Refusal> {
    json::read(bytes).map_err(|error| Refusal::Json {
        what,
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::pre_authentication_encoding;

    #[test]
    fn the_specifications_own_example_is_encoded() {
        assert_eq!(
            pre_authentication_encoding("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }
}
