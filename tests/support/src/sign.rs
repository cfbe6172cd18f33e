//! Keys and signatures of images, made in the forms of cosign and Sigstore's bundles.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair,
};
use transload_reference::{Descriptor, Digest, MediaType};

use crate::image::{Family, Image, ImageBuilder, descriptor_of};

/// The media type of a payload of simple signing.
pub const SIMPLE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The media type of a bundle.
pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// The annotation of a payload's layer that has its signature.
pub const ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// The type of an envelope's payload.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";
/// The predicate of a signature.
pub const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";

/// A `SubjectPublicKeyInfo` up to the key itself, for P-256.
pub const P256: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
/// The same for P-384.
pub const P384: &[u8] =
    b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00";
/// The same for Ed25519.
pub const ED25519: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// A key pair.
pub enum Signer {
    /// ECDSA, with what stands before its public key.
    Ecdsa(EcdsaKeyPair, &'static [u8]),
    /// Ed25519.
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm, spki: &'static [u8]) -> Signer {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Signer::Ecdsa(
            EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap(),
            spki,
        )
    }

    /// Makes a key pair for ECDSA P-256.
    pub fn p256() -> Signer {
        Signer::ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING, P256)
    }

    /// Makes a key pair for ECDSA P-384.
    pub fn p384() -> Signer {
        Signer::ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING, P384)
    }

    /// Makes a key pair for Ed25519.
    pub fn ed25519() -> Signer {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Signer::Ed25519(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap())
    }

    /// Signs a message as cosign does.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Signer::Ecdsa(pair, _) => pair
                .sign(&SystemRandom::new(), message)
                .unwrap()
                .as_ref()
                .to_vec(),
            Signer::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// Returns the public key as a `SubjectPublicKeyInfo`.
    pub fn spki(&self) -> Vec<u8> {
        match self {
            Signer::Ecdsa(pair, spki) => [spki, pair.public_key().as_ref()].concat(),
            Signer::Ed25519(pair) => [ED25519, pair.public_key().as_ref()].concat(),
        }
    }

    /// Returns the public key as a PEM file.
    pub fn pem(&self) -> String {
        pem("PUBLIC KEY", &self.spki())
    }
}

/// Returns a PEM block.
pub fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

/// Returns base64.
pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

/// Returns cosign's payload for an image.
pub fn payload(digest: &Digest) -> String {
    format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"hub.local/app"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"cosign container image signature"}},"optional":null}}"#
    )
}

/// Returns a layer's descriptor.
pub fn layer(media_type: &str, blob: &[u8]) -> Descriptor {
    descriptor_of(MediaType::new(media_type), blob)
}

/// The layer of a payload, with a signature.
pub fn simple(payload: &[u8], signature: &[u8]) -> Descriptor {
    let mut layer = layer(SIMPLE, payload);
    layer.annotations.insert(ANNOTATION.to_owned(), b64(signature));
    layer
}

/// Returns an in-toto statement about an image.
pub fn statement(digest: &Digest, predicate: &str) -> String {
    format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"digest":{{"sha256":"{}"}},"annotations":{{}}}}],"predicateType":"{predicate}","predicate":{{}}}}"#,
        digest.hex()
    )
}

/// What DSSE signs.
pub fn pae(payload_type: &str, payload: &str) -> Vec<u8> {
    format!(
        "DSSEv1 {} {payload_type} {} {payload}",
        payload_type.len(),
        payload.len()
    )
    .into_bytes()
}

/// Returns a DSSE envelope.
pub fn envelope(payload_type: &str, payload: &str, signature: &[u8]) -> String {
    format!(
        r#"{{"payload":"{}","payloadType":"{payload_type}","signatures":[{{"sig":"{}"}}]}}"#,
        b64(payload),
        b64(signature)
    )
}

/// Returns a bundle of this content.
pub fn bundle(content: &str) -> String {
    format!(r#"{{"mediaType":"{BUNDLE}","verificationMaterial":{{"publicKey":{{"hint":"x"}}}},{content}}}"#)
}

/// A bundle of an envelope with a statement.
pub fn signed_statement(signer: &Signer, statement: &str) -> String {
    let signature = signer.sign(&pae(IN_TOTO, statement));
    bundle(&format!(
        r#""dsseEnvelope":{}"#,
        envelope(IN_TOTO, statement, &signature)
    ))
}

/// Returns what stands under cosign's tag of an image that is signed in the form of simple signing.
pub fn simple_signature(signer: &Signer, image: &Digest) -> Image {
    let payload = payload(image);
    let layer = simple(payload.as_bytes(), &signer.sign(payload.as_bytes()));
    ImageBuilder::new(Family::Oci)
        .described_layer(layer, payload.as_bytes())
        .build()
}

/// Returns a referrer of an image that has a signature or an attestation in a bundle.
pub fn bundle_referrer(signer: &Signer, image: &Image, predicate: &str) -> Image {
    let bundle = signed_statement(signer, &statement(image.digest(), predicate));
    ImageBuilder::new(Family::Oci)
        .config("application/vnd.oci.empty.v1+json", b"{}")
        .blob_layer(BUNDLE, bundle.as_bytes())
        .field("artifactType", BUNDLE)
        .subject(&image.root.descriptor())
        .build()
}
