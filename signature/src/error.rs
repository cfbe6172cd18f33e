//! Why a file isn't one of public keys.

use transload_reference::printable;

use crate::der::NotDer;

/// How much of a label is shown, in characters.
const LONGEST_LABEL: usize = 60;

/// Why a file can't be used for public keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Larger than [`MAX_KEY_FILE`](crate::MAX_KEY_FILE).
    #[error("this file is larger than 1 MiB, too large for public keys")]
    TooLarge,
    /// Not text.
    #[error("this isn't a PEM file: it isn't text")]
    NotText,
    /// A PEM file has another form.
    #[error("line {line} {reason}")]
    Pem {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it, said after its number.
        reason: &'static str,
    },
    /// A block without an end.
    #[error(
        "the block \"{}\" has no end: the file is cut off",
        printable(label, LONGEST_LABEL)
    )]
    Unclosed {
        /// What the block says that it is.
        label: String,
    },
    /// More keys than are read.
    #[error("this file has more than {most} keys")]
    TooMany {
        /// How many are read.
        most: usize,
    },
    /// No PEM block is in it.
    #[error("there is no public key in this file")]
    Nothing,
    /// A private key, which belongs to whoever signs.
    #[error(
        "this is a private key (\"{}\"), and signatures are checked with the public one",
        printable(label, LONGEST_LABEL)
    )]
    Private {
        /// What the block says that it is.
        label: String,
    },
    /// A certificate.
    #[error("this is a certificate, and signatures are checked with a public key")]
    Certificate,
    /// An OpenSSH key.
    #[error("this is an OpenSSH key, and not a PEM file")]
    Ssh,
    /// Another block.
    #[error("this is a \"{}\", and not a public key", printable(label, LONGEST_LABEL))]
    Other {
        /// What the block says that it is.
        label: String,
    },
    /// The DER of a key isn't what it should be.
    #[error("this public key is damaged: it isn't the strict DER of a key")]
    Damaged,
    /// A key of another kind.
    #[error("{0} isn't supported")]
    Unsupported(&'static str),
    /// An RSA key that is too small or too large.
    #[error("this RSA key has {bits} bits: 2048 to 8192 are supported")]
    RsaSize {
        /// How many it has.
        bits: usize,
    },
    /// An RSA key whose numbers are no key's.
    #[error("this RSA key can't be used: its modulus or its exponent isn't one of a key")]
    RsaExponent,
}

impl KeyError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            KeyError::Private { .. } => {
                Some("`cosign public-key --key KEY` or `openssl pkey -in KEY -pubout` prints the public key")
            }
            KeyError::Certificate => Some(
                "`openssl x509 -in FILE -pubkey -noout` prints the public key; certificates of keyless signatures aren't checked",
            ),
            KeyError::Ssh => Some("`ssh-keygen -e -m PKCS8 -f FILE` prints an ECDSA or RSA key as PEM"),
            KeyError::Unsupported(_) | KeyError::RsaSize { .. } => {
                Some("ECDSA P-256 and P-384, Ed25519, and RSA of 2048 to 8192 bits are supported")
            }
            KeyError::Nothing | KeyError::NotText | KeyError::Other { .. } => {
                Some("a public key begins with -----BEGIN PUBLIC KEY-----, as in cosign.pub")
            }
            _ => None,
        }
    }

    /// What a block is that is no public key, by its label.
    pub(crate) fn of_label(label: &str) -> KeyError {
        let label = label.to_owned();
        match label.as_str() {
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => KeyError::Certificate,
            private if private.ends_with("PRIVATE KEY") => KeyError::Private { label },
            _ => KeyError::Other { label },
        }
    }

    /// What a file is that has no block.
    pub(crate) fn of_text(text: &str) -> KeyError {
        let is_ssh = ["ssh-", "ecdsa-sha2-", "sk-"]
            .iter()
            .any(|start| text.starts_with(start));
        if is_ssh { KeyError::Ssh } else { KeyError::Nothing }
    }
}

impl From<NotDer> for KeyError {
    fn from(_: NotDer) -> KeyError {
        KeyError::Damaged
    }
}
