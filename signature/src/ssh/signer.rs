//! Signing: with a private key in OpenSSH's form (OpenSSH's PROTOCOL.key), or through ssh-agent.

use std::fmt;
use std::path::{Path, PathBuf};

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
};

use super::agent;
use super::envelope::Envelope;
use super::key::Kind;
use super::wire::{NotWire, Reader, padded, put, put_number, unarmored};
use super::{SshError, SshPublicKey};

const LABEL: &str = "OPENSSH PRIVATE KEY";
const MAGIC: &[u8] = b"openssh-key-v1\0";
const PRIVATE: &str = "private key";

/// The largest file of a key that is read, in bytes.
pub const MAX_SSH_KEY: usize = 64 << 10;

/// Somebody who signs.
pub struct SshSigner {
    key: SshPublicKey,
    hand: Hand,
}

/// Where the private key is.
enum Hand {
    Ed25519(Ed25519KeyPair),
    Ecdsa(Box<EcdsaKeyPair>),
    /// In the agent that listens at this socket.
    Agent(PathBuf),
}

impl SshSigner {
    /// Reads a private key, or the public half of one that an agent has, which listens at the socket `agent`. A key with a passphrase
    /// is used through the agent, too.
    ///
    /// # Errors
    /// Keys of other types and forms, and where an agent is needed and there is none.
    pub fn read(file: &[u8], agent: Option<&Path>) -> Result<SshSigner, SshError> {
        if file.len() > MAX_SSH_KEY {
            return Err(SshError::TooLarge {
                what: "key",
                most: MAX_SSH_KEY,
            });
        }
        let text = std::str::from_utf8(file).map_err(|_| SshError::Damaged("key"))?;
        let through = |key: SshPublicKey, why: &'static str| {
            let socket = agent.ok_or(SshError::NoAgent(why))?;
            Ok(SshSigner {
                key,
                hand: Hand::Agent(socket.to_owned()),
            })
        };
        if !text.starts_with("-----BEGIN ") {
            let key = SshPublicKey::from_line(text).map_err(|error| match error {
                SshError::Damaged(_) => SshError::Damaged("key in OpenSSH's form"),
                error => error,
            });
            return through(key?, "is a public key");
        }
        if !text.starts_with(&format!("-----BEGIN {LABEL}-----")) {
            return Err(SshError::OtherForm);
        }
        let damaged = SshError::damaged(PRIVATE);
        let bytes = unarmored(LABEL, file).map_err(&damaged)?;
        let Sealed {
            cipher,
            public,
            inside,
        } = read_sealed(&bytes).map_err(&damaged)?;
        let key = SshPublicKey::from_blob(public)?;
        if cipher != "none" {
            return through(key, "key has a passphrase");
        }
        if key.kind == Kind::Rsa {
            return Err(SshError::RsaFile);
        }
        let hand = read_private(&key, inside).map_err(&damaged)?;
        Ok(SshSigner { key, hand })
    }

    /// The key.
    pub fn key(&self) -> &SshPublicKey {
        &self.key
    }

    /// Returns the file of a signature of a message, for `namespace`, as `ssh-keygen -Y verify` reads it.
    ///
    /// # Errors
    /// Where the agent doesn't sign.
    pub fn sign(&self, namespace: &str, message: &[u8]) -> Result<String, SshError> {
        Envelope::made(&self.key, namespace, message, |bytes| self.raw(bytes))
    }

    /// Whether it has signed a message for `namespace` already.
    pub fn has_signed(&self, namespace: &str, message: &[u8], signature: &[u8]) -> bool {
        Envelope::parse(signature).is_ok_and(|envelope| {
            envelope.namespace == namespace
                && *envelope.key == *self.key.blob
                && envelope.verify(&self.key, message).is_ok()
        })
    }

    fn raw(&self, message: &[u8]) -> Result<Vec<u8>, SshError> {
        let mut signature = Vec::new();
        match &self.hand {
            Hand::Agent(socket) => return agent::sign(socket, &self.key, message),
            Hand::Ed25519(pair) => put(&mut signature, pair.sign(message).as_ref()),
            Hand::Ecdsa(pair) => {
                let signed = pair.sign(&SystemRandom::new(), message);
                let numbers = signed.map_err(|_| SshError::Invalid)?;
                let (r, s) = numbers.as_ref().split_at(numbers.as_ref().len() / 2);
                let mut both = Vec::new();
                put_number(&mut both, r);
                put_number(&mut both, s);
                put(&mut signature, &both);
            }
        }
        let mut bytes = Vec::new();
        put(&mut bytes, self.key.kind.name().as_bytes());
        bytes.append(&mut signature);
        Ok(bytes)
    }
}

impl fmt::Debug for SshSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SshSigner({})", self.key)
    }
}

/// A private key's file, as far as it can be read without a passphrase.
struct Sealed<'a> {
    cipher: &'a str,
    public: &'a [u8],
    inside: &'a [u8],
}

fn read_sealed(bytes: &[u8]) -> Result<Sealed<'_>, NotWire> {
    let mut reader = Reader::new(bytes);
    let is_one = reader.bytes(MAGIC.len())? == MAGIC;
    let cipher = reader.text()?;
    let _kdf = reader.string()?;
    let _kdf_options = reader.string()?;
    if !is_one || reader.number()? != 1 {
        return Err(NotWire);
    }
    let (public, inside) = (reader.string()?, reader.string()?);
    // Some ciphers have a tag behind what is sealed.
    if cipher == "none" {
        reader.end()?;
    }
    Ok(Sealed {
        cipher,
        public,
        inside,
    })
}

fn read_private(key: &SshPublicKey, inside: &[u8]) -> Result<Hand, NotWire> {
    let mut reader = Reader::new(inside);
    let is_open = reader.number()? == reader.number()?;
    if !is_open || reader.text()? != key.kind.name() {
        return Err(NotWire);
    }
    let hand = match key.kind.curve() {
        Some((_, size)) => {
            let _curve = reader.string()?;
            let _point = reader.string()?;
            let scalar = padded(reader.positive()?, size)?;
            let algorithm = match key.kind {
                Kind::P256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
                _ => &ECDSA_P384_SHA384_FIXED_SIGNING,
            };
            let random = SystemRandom::new();
            let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, &scalar, &key.point, &random);
            Hand::Ecdsa(Box::new(pair.map_err(|_| NotWire)?))
        }
        None => {
            let _point = reader.string()?;
            let (seed, point) = reader.string()?.split_at_checked(32).ok_or(NotWire)?;
            let pair = Ed25519KeyPair::from_seed_and_public_key(seed, &key.point);
            if *point != *key.point {
                return Err(NotWire);
            }
            Hand::Ed25519(pair.map_err(|_| NotWire)?)
        }
    };
    let _comment = reader.string()?;
    let is_padding = (1..)
        .zip(reader.rest())
        .all(|(number, byte): (u8, _)| *byte == number);
    if is_padding { Ok(hand) } else { Err(NotWire) }
}
