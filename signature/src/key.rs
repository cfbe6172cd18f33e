//! Public keys.

use std::fmt;

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519,
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use transload_reference::Digest;

use crate::der::{self, NotDer, Reader};
use crate::error::KeyError;
use crate::pem::{Block, blocks};

/// The largest key file that is read, in bytes.
pub const MAX_KEY_FILE: usize = 1 << 20;

/// How many keys a file may have.
const MAX_KEYS: usize = 256;

/// Object identifiers, as their content in DER.
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];
const SECP256K1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x0a];
const ED25519_OID: &[u8] = &[0x2b, 0x65, 0x70];
const ED448: &[u8] = &[0x2b, 0x65, 0x71];
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const RSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];

/// What a public key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyKind {
    /// ECDSA with the curve P-256; signatures are made with SHA-256.
    EcdsaP256,
    /// ECDSA with the curve P-384; signatures are made with SHA-384, by older versions of cosign with SHA-256.
    EcdsaP384,
    /// Ed25519, over the message itself (not Ed25519ph).
    Ed25519,
    /// RSA of 2048 to 8192 bits with SHA-256; signatures are PKCS #1 v1.5, which cosign makes, or PSS with a salt of 32 bytes.
    Rsa,
}

impl KeyKind {
    /// The algorithms by which a signature of such a key may be made.
    fn algorithms(self) -> Vec<&'static dyn VerificationAlgorithm> {
        match self {
            KeyKind::EcdsaP256 => vec![&ECDSA_P256_SHA256_ASN1],
            KeyKind::EcdsaP384 => vec![&ECDSA_P384_SHA384_ASN1, &ECDSA_P384_SHA256_ASN1],
            KeyKind::Ed25519 => vec![&ED25519],
            KeyKind::Rsa => vec![&RSA_PKCS1_2048_8192_SHA256, &RSA_PSS_2048_8192_SHA256],
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            KeyKind::EcdsaP256 => "ECDSA P-256",
            KeyKind::EcdsaP384 => "ECDSA P-384",
            KeyKind::Ed25519 => "Ed25519",
            KeyKind::Rsa => "RSA",
        })
    }
}

/// A public key that signatures are checked with. It is displayed as its kind and the first twelve digits of its [id](PublicKey::id).
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    kind: KeyKind,
    /// As `ring` takes it: a point, Ed25519's 32 bytes, or `RSAPublicKey`.
    bytes: Box<[u8]>,
    id: Digest,
}

impl PublicKey {
    /// Reads a `SubjectPublicKeyInfo` (RFC 5280, section 4.1).
    ///
    /// # Errors
    /// Anything but strict DER of a key of a [`KeyKind`].
    pub fn from_spki(der: &[u8]) -> Result<PublicKey, KeyError> {
        let (algorithm, mut parameters, bytes) = read_spki(der)?;
        let kind = match algorithm {
            EC if parameters.next_tag() != Some(der::OBJECT_IDENTIFIER) => {
                return Err(KeyError::Unsupported("an ECDSA key with a curve of its own"));
            }
            EC => match parameters.value(der::OBJECT_IDENTIFIER)? {
                P256 => KeyKind::EcdsaP256,
                P384 => KeyKind::EcdsaP384,
                P521 => return Err(KeyError::Unsupported("ECDSA P-521")),
                SECP256K1 => return Err(KeyError::Unsupported("ECDSA secp256k1")),
                _ => {
                    return Err(KeyError::Unsupported(
                        "an ECDSA key with another curve than P-256 and P-384",
                    ));
                }
            },
            ED25519_OID => KeyKind::Ed25519,
            RSA => {
                parameters
                    .value(der::NULL)?
                    .is_empty()
                    .then_some(())
                    .ok_or(NotDer)?;
                KeyKind::Rsa
            }
            RSA_PSS => return Err(KeyError::Unsupported("an RSA key for PSS alone")),
            ED448 => return Err(KeyError::Unsupported("Ed448")),
            _ => {
                return Err(KeyError::Unsupported(
                    "a key of another kind than ECDSA, Ed25519 and RSA",
                ));
            }
        };
        parameters.end()?;
        check(kind, bytes)?;
        Ok(PublicKey {
            kind,
            bytes: bytes.into(),
            id: Digest::of(der),
        })
    }

    /// What it is.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The SHA-256 digest of its `SubjectPublicKeyInfo`, by which people and reports tell keys apart.
    ///
    /// `openssl pkey -pubin -in cosign.pub -outform DER | sha256sum` prints the same.
    pub fn id(&self) -> &Digest {
        &self.id
    }

    /// Whether a signature of a message was made with this key.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.kind.algorithms().into_iter().any(|algorithm| {
            let key = UnparsedPublicKey::new(algorithm, &self.bytes);
            key.verify(message, signature).is_ok()
        })
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.id.short())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// The algorithm, its parameters and the key.
fn read_spki(der: &[u8]) -> Result<(&[u8], Reader<'_>, &[u8]), NotDer> {
    let mut whole = Reader::new(der);
    let mut spki = whole.sequence()?;
    whole.end()?;
    let mut algorithm = spki.sequence()?;
    let bytes = spki.bit_string()?;
    spki.end()?;
    Ok((algorithm.value(der::OBJECT_IDENTIFIER)?, algorithm, bytes))
}

fn check(kind: KeyKind, bytes: &[u8]) -> Result<(), KeyError> {
    let point = |size: usize| match bytes {
        [4, rest @ ..] if rest.len() == 2 * size => Ok(()),
        [2 | 3, rest @ ..] if rest.len() == size => Err(KeyError::Unsupported("a compressed ECDSA key")),
        _ => Err(KeyError::from(NotDer)),
    };
    match kind {
        KeyKind::EcdsaP256 => point(32),
        KeyKind::EcdsaP384 => point(48),
        KeyKind::Ed25519 if bytes.len() == 32 => Ok(()),
        KeyKind::Ed25519 => Err(NotDer.into()),
        KeyKind::Rsa => check_rsa(bytes),
    }
}

/// Checks an `RSAPublicKey` (RFC 8017, appendix A.1.1).
fn check_rsa(der: &[u8]) -> Result<(), KeyError> {
    let mut whole = Reader::new(der);
    let mut key = whole.sequence()?;
    whole.end()?;
    let (modulus, exponent) = (key.positive()?, key.positive()?);
    key.end()?;
    let unused = modulus.first().map_or(0, |first| first.leading_zeros() as usize);
    let bits = modulus.len() * 8 - unused;
    if !(2048..=8192).contains(&bits) {
        return Err(KeyError::RsaSize { bits });
    }
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    if !is_odd(modulus) || !is_odd(exponent) || exponent == [1] || exponent.len() > 4 {
        return Err(KeyError::RsaExponent);
    }
    Ok(())
}

/// Returns an `RSAPublicKey` as a `SubjectPublicKeyInfo`.
fn spki_of_rsa(key: &[u8]) -> Vec<u8> {
    let oid = der::write(der::OBJECT_IDENTIFIER, RSA);
    let algorithm = der::write(der::SEQUENCE, &[oid, der::write(der::NULL, &[])].concat());
    let key = der::write(der::BIT_STRING, &[&[0], key].concat());
    der::write(der::SEQUENCE, &[algorithm, key].concat())
}

/// Public keys, each once. A signature by any of them counts.
#[derive(Debug, Clone, Default)]
pub struct PublicKeys(Vec<PublicKey>);

impl PublicKeys {
    /// Reads the keys of a PEM file: `PUBLIC KEY` blocks, and `RSA PUBLIC KEY` blocks (PKCS #1).
    ///
    /// # Errors
    /// A file without keys, or with anything but public keys that can be used: it is all of them or none.
    pub fn from_pem(file: &[u8]) -> Result<PublicKeys, KeyError> {
        if file.len() > MAX_KEY_FILE {
            return Err(KeyError::TooLarge);
        }
        let text = std::str::from_utf8(file).map_err(|_| KeyError::NotText)?;
        let mut keys = PublicKeys::default();
        for block in blocks(text, MAX_KEYS)? {
            keys.add(read_block(&block)?);
        }
        if keys.0.is_empty() {
            return Err(KeyError::of_text(text));
        }
        Ok(keys)
    }

    /// Adds a key, if it isn't there.
    pub fn add(&mut self, key: PublicKey) {
        if !self.0.contains(&key) {
            self.0.push(key);
        }
    }

    /// Adds the keys of another collection.
    pub fn extend(&mut self, others: PublicKeys) {
        others.0.into_iter().for_each(|key| self.add(key));
    }

    /// The keys, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        self.0.iter()
    }

    /// The first key that made a signature of a message.
    pub fn signer_of(&self, message: &[u8], signature: &[u8]) -> Option<&PublicKey> {
        self.iter().find(|key| key.verifies(message, signature))
    }
}

fn read_block(block: &Block<'_>) -> Result<PublicKey, KeyError> {
    match block.label {
        "PUBLIC KEY" => PublicKey::from_spki(&block.bytes),
        "RSA PUBLIC KEY" => {
            check_rsa(&block.bytes)?;
            PublicKey::from_spki(&spki_of_rsa(&block.bytes))
        }
        label => Err(KeyError::of_label(label)),
    }
}
