//! Public keys of SSH (RFC 4253, section 6.6; RFC 5656; RFC 8332; RFC 8709), and what they signed.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ring::digest::{SHA256, digest};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents, UnparsedPublicKey,
};

use super::SshError;
use super::wire::{NotWire, Reader, padded};

const KEY: &str = "public key";
const SIGNATURE: &str = "signature";

/// A kind of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Ed25519,
    P256,
    P384,
    Rsa,
}

impl Kind {
    pub fn of_name(name: &str) -> Option<Kind> {
        let kinds = [Kind::Ed25519, Kind::P256, Kind::P384, Kind::Rsa];
        kinds.into_iter().find(|kind| kind.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Kind::Ed25519 => "ssh-ed25519",
            Kind::P256 => "ecdsa-sha2-nistp256",
            Kind::P384 => "ecdsa-sha2-nistp384",
            Kind::Rsa => "ssh-rsa",
        }
    }

    /// What the curve is called, and how many bytes a number of it has.
    pub fn curve(self) -> Option<(&'static str, usize)> {
        match self {
            Kind::P256 => Some(("nistp256", 32)),
            Kind::P384 => Some(("nistp384", 48)),
            Kind::Ed25519 | Kind::Rsa => None,
        }
    }
}

/// A public key of SSH. It is displayed as its type and its fingerprint, as ssh-keygen shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct SshPublicKey {
    pub(super) kind: Kind,
    /// As it stands in files and signatures.
    pub(super) blob: Box<[u8]>,
    /// A point, Ed25519's 32 bytes, or RSA's exponent.
    pub(super) point: Box<[u8]>,
    /// RSA's modulus.
    modulus: Box<[u8]>,
}

impl SshPublicKey {
    /// Reads a key as it stands in signatures.
    ///
    /// # Errors
    /// Keys that are damaged, or of another type than Ed25519, ECDSA with P-256 or P-384, and RSA of 2048 to 8192 bits.
    pub fn from_blob(blob: &[u8]) -> Result<SshPublicKey, SshError> {
        let damaged = SshError::damaged(KEY);
        let mut reader = Reader::new(blob);
        let name = reader.text().map_err(&damaged)?;
        let kind = Kind::of_name(name).ok_or_else(|| SshError::KeyType(name.to_owned()))?;
        let (point, modulus) = read_key(kind, reader).map_err(&damaged)?;
        Ok(SshPublicKey {
            kind,
            blob: blob.into(),
            point: point.into(),
            modulus: modulus.into(),
        })
    }

    /// Reads a line of a `.pub` file: a type, a key in base64, and a comment.
    ///
    /// # Errors
    /// As [`SshPublicKey::from_blob`].
    pub fn from_line(line: &str) -> Result<SshPublicKey, SshError> {
        let mut words = line.split_ascii_whitespace();
        let (name, text) = words.next().zip(words.next()).ok_or(SshError::Damaged(KEY))?;
        let blob = blob_of(name, text)?;
        SshPublicKey::from_blob(&blob)
    }

    /// The fingerprint, as `ssh-keygen -l` shows it: `SHA256:` and 43 letters.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.blob)
    }

    /// Whether a signature of a message, as the agent gives it, was made with this key.
    ///
    /// # Errors
    /// Signatures that are damaged, of another algorithm, or don't fit.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SshError> {
        let damaged = SshError::damaged(SIGNATURE);
        let mut reader = Reader::new(signature);
        let algorithm = reader.text().map_err(&damaged)?;
        let bytes = reader.string().map_err(&damaged)?;
        reader.end().map_err(&damaged)?;
        let verified = match (self.kind, algorithm) {
            (Kind::Ed25519, "ssh-ed25519") => {
                UnparsedPublicKey::new(&ED25519, &self.point).verify(message, bytes)
            }
            (Kind::P256, "ecdsa-sha2-nistp256") => {
                let numbers = two_numbers(bytes, 32).map_err(&damaged)?;
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.point).verify(message, &numbers)
            }
            (Kind::P384, "ecdsa-sha2-nistp384") => {
                let numbers = two_numbers(bytes, 48).map_err(&damaged)?;
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, &self.point).verify(message, &numbers)
            }
            (Kind::Rsa, "rsa-sha2-256") => self.rsa().verify(&RSA_PKCS1_2048_8192_SHA256, message, bytes),
            (Kind::Rsa, "rsa-sha2-512") => self.rsa().verify(&RSA_PKCS1_2048_8192_SHA512, message, bytes),
            (kind, found) => {
                return Err(SshError::Algorithm {
                    found: found.to_owned(),
                    key: kind.name(),
                });
            }
        };
        verified.map_err(|_| SshError::Invalid)
    }

    fn rsa(&self) -> RsaPublicKeyComponents<&[u8]> {
        RsaPublicKeyComponents {
            n: &self.modulus,
            e: &self.point,
        }
    }
}

impl fmt::Display for SshPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.fingerprint())
    }
}

impl fmt::Debug for SshPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SshPublicKey({self})")
    }
}

/// The fingerprint of a key of any type.
pub(super) fn fingerprint(blob: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(digest(&SHA256, blob)))
}

/// Decodes a key of any type, which must say itself that it has it.
pub(super) fn blob_of(name: &str, text: &str) -> Result<Vec<u8>, SshError> {
    let blob = STANDARD.decode(text).map_err(|_| SshError::Damaged(KEY))?;
    match Reader::new(&blob).text() {
        Ok(own) if own == name => Ok(blob),
        _ => Err(SshError::Damaged(KEY)),
    }
}

/// A signature of ECDSA as ring takes it: two numbers of so many bytes.
fn two_numbers(bytes: &[u8], size: usize) -> Result<Vec<u8>, NotWire> {
    let mut reader = Reader::new(bytes);
    let (r, s) = (reader.positive()?, reader.positive()?);
    reader.end()?;
    Ok([padded(r, size)?, padded(s, size)?].concat())
}

/// What follows a key's type: a point or an exponent, and a modulus.
fn read_key(kind: Kind, mut reader: Reader<'_>) -> Result<(&[u8], &[u8]), NotWire> {
    let is = |expected: bool| if expected { Ok(()) } else { Err(NotWire) };
    let key = match kind.curve() {
        Some((curve, size)) => {
            is(reader.text()? == curve)?;
            let point = reader.string()?;
            is(point.first() == Some(&4) && point.len() == 2 * size + 1)?;
            (point, &[][..])
        }
        None if kind == Kind::Rsa => {
            let (exponent, modulus) = (reader.positive()?, reader.positive()?);
            is((256..=1024).contains(&modulus.len()) && exponent.len() <= 4)?;
            (exponent, modulus)
        }
        None => {
            let point = reader.string()?;
            is(point.len() == 32)?;
            (point, &[][..])
        }
    };
    reader.end()?;
    Ok(key)
}
