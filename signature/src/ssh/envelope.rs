//! Signatures of files, as `ssh-keygen -Y sign` makes them (OpenSSH's PROTOCOL.sshsig).

use ring::digest::{SHA256, SHA512, digest};

use super::wire::{NotWire, Reader, armored, put, unarmored};
use super::{SshError, SshPublicKey};

const LABEL: &str = "SSH SIGNATURE";
const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;
const SIGNATURE: &str = "SSH signature";

/// The largest file of a signature that is read, in bytes.
pub const MAX_SSH_SIGNATURE: usize = 64 << 10;

/// What a file of a signature says. Nothing of it is checked.
pub(super) struct Envelope {
    /// The key that is said to have made it.
    pub key: Vec<u8>,
    pub namespace: String,
    reserved: Vec<u8>,
    hash: String,
    signature: Vec<u8>,
}

impl Envelope {
    /// Reads a file.
    pub fn parse(text: &[u8]) -> Result<Envelope, SshError> {
        if text.len() > MAX_SSH_SIGNATURE {
            return Err(SshError::TooLarge {
                what: SIGNATURE,
                most: MAX_SSH_SIGNATURE,
            });
        }
        let bytes = unarmored(LABEL, text).and_then(|bytes| read(&bytes));
        bytes.map_err(SshError::damaged(SIGNATURE))
    }

    /// Returns the file of a signature that `sign` makes of what is to be signed.
    pub fn made(
        key: &SshPublicKey,
        namespace: &str,
        message: &[u8],
        sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, SshError>,
    ) -> Result<String, SshError> {
        let mut envelope = Envelope {
            key: key.blob.to_vec(),
            namespace: namespace.to_owned(),
            reserved: Vec::new(),
            hash: "sha512".to_owned(),
            signature: Vec::new(),
        };
        envelope.signature = sign(&envelope.signed_bytes(message)?)?;
        // Whoever signs wrongly is told, and not whoever checks it.
        envelope.verify(key, message)?;
        let mut bytes = [MAGIC, &VERSION.to_be_bytes()].concat();
        put(&mut bytes, &envelope.key);
        put(&mut bytes, envelope.namespace.as_bytes());
        put(&mut bytes, &envelope.reserved);
        put(&mut bytes, envelope.hash.as_bytes());
        put(&mut bytes, &envelope.signature);
        Ok(armored(LABEL, &bytes))
    }

    /// Checks that a key made the signature, and of this message.
    pub fn verify(&self, key: &SshPublicKey, message: &[u8]) -> Result<(), SshError> {
        key.verify(&self.signed_bytes(message)?, &self.signature)
    }

    fn signed_bytes(&self, message: &[u8]) -> Result<Vec<u8>, SshError> {
        let hash = match self.hash.as_str() {
            "sha256" => digest(&SHA256, message),
            "sha512" => digest(&SHA512, message),
            _ => return Err(SshError::Hash(self.hash.clone())),
        };
        let mut bytes = MAGIC.to_vec();
        put(&mut bytes, self.namespace.as_bytes());
        put(&mut bytes, &self.reserved);
        put(&mut bytes, self.hash.as_bytes());
        put(&mut bytes, hash.as_ref());
        Ok(bytes)
    }
}

fn read(bytes: &[u8]) -> Result<Envelope, NotWire> {
    let mut reader = Reader::new(bytes);
    let is_one = reader.bytes(MAGIC.len())? == MAGIC && reader.number()? == VERSION;
    let envelope = Envelope {
        key: reader.string()?.to_vec(),
        namespace: reader.text()?.to_owned(),
        reserved: reader.string()?.to_vec(),
        hash: reader.text()?.to_owned(),
        signature: reader.string()?.to_vec(),
    };
    reader.end()?;
    if is_one { Ok(envelope) } else { Err(NotWire) }
}
