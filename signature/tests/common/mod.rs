//! Keys, images and signatures, made in the tests.

#![allow(dead_code, reason = "each test file has its own uses")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair,
};
use transload_signature::reference::{Descriptor, Digest, MediaType, RawManifest};
use transload_signature::{PublicKeys, Refusal, Signed, check};

pub const SIMPLE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
pub const ANNOTATION: &str = "dev.cosignproject.cosign/signature";
pub const IN_TOTO: &str = "application/vnd.in-toto+json";
pub const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";

/// What of a `SubjectPublicKeyInfo` comes before the key.
pub const P256: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
pub const P384: &[u8] =
    b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00";
pub const ED25519: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// A key pair.
pub enum Signer {
    Ecdsa(EcdsaKeyPair, &'static [u8]),
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

    pub fn p256() -> Signer {
        Signer::ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING, P256)
    }

    pub fn p384() -> Signer {
        Signer::ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING, P384)
    }

    pub fn ed25519() -> Signer {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Signer::Ed25519(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap())
    }

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

    pub fn spki(&self) -> Vec<u8> {
        match self {
            Signer::Ecdsa(pair, spki) => [spki, pair.public_key().as_ref()].concat(),
            Signer::Ed25519(pair) => [ED25519, pair.public_key().as_ref()].concat(),
        }
    }

    pub fn pem(&self) -> String {
        pem("PUBLIC KEY", &self.spki())
    }

    pub fn keys(&self) -> PublicKeys {
        PublicKeys::from_pem(self.pem().as_bytes()).unwrap()
    }
}

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

pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
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

pub fn payload(digest: &Digest) -> String {
    format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"hub.local/app"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"cosign container image signature"}},"optional":null}}"#
    )
}

pub fn layer(media_type: &str, blob: &[u8]) -> Descriptor {
    Descriptor::new(MediaType::new(media_type), Digest::of(blob), blob.len() as u64)
}

/// The layer of a payload, with a signature.
pub fn simple(payload: &[u8], signature: &[u8]) -> Descriptor {
    let mut layer = layer(SIMPLE, payload);
    layer.annotations.insert(ANNOTATION.to_owned(), b64(signature));
    layer
}

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

pub fn envelope(payload_type: &str, payload: &str, signature: &[u8]) -> String {
    format!(
        r#"{{"payload":"{}","payloadType":"{payload_type}","signatures":[{{"sig":"{}"}}]}}"#,
        b64(payload),
        b64(signature)
    )
}

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
