//! Why a key, a signature or a list of signers of SSH can't be used.

use transload_reference::printable;

use super::wire::NotWire;

/// How much of what a file says is shown, in characters.
const LONGEST: usize = 100;

/// Why something of SSH can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SshError {
    /// A file is larger than any of its kind.
    #[error("this {what} has more than {most} bytes")]
    TooLarge {
        /// What it should be.
        what: &'static str,
        /// How many bytes are read.
        most: usize,
    },
    /// A file isn't what it should be.
    #[error("it isn't a valid {0}")]
    Damaged(&'static str),
    /// A key of a kind that can't be used.
    #[error("keys of type {} aren't supported", printable(.0, LONGEST))]
    KeyType(String),
    /// A private key can't sign by itself.
    #[error("this RSA key can sign through ssh-agent alone")]
    RsaFile,
    /// A private key in another form than OpenSSH's.
    #[error("this private key isn't in OpenSSH's form")]
    OtherForm,
    /// The private key isn't in the file, or a passphrase keeps it, and there is no agent.
    #[error("this {0}, and SSH_AUTH_SOCK names no ssh-agent")]
    NoAgent(&'static str),
    /// The agent didn't sign.
    #[error("ssh-agent didn't sign: {0}")]
    Agent(String),
    /// A line of a list of signers is wrong.
    #[error("line {line}: {reason}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A list of signers is empty.
    #[error("it names no signer")]
    NoSigner,
    /// A signature of something else than what is asked for.
    #[error(
        "the signature is for \"{}\", and not for \"{expected}\"",
        printable(found, LONGEST)
    )]
    Namespace {
        /// What it is for.
        found: String,
        /// What it should be for.
        expected: String,
    },
    /// A signature's hash isn't supported.
    #[error("signatures with the hash {} aren't supported", printable(.0, LONGEST))]
    Hash(String),
    /// A signature's algorithm isn't one for its key.
    #[error(
        "signatures of type {} aren't supported for a key of type {key}",
        printable(found, LONGEST)
    )]
    Algorithm {
        /// The signature's algorithm.
        found: String,
        /// The type of the key.
        key: &'static str,
    },
    /// Nobody who is trusted has this key.
    #[error("{0} signed it, and no signer has this key")]
    Unknown(String),
    /// The key's owner isn't trusted with this, or not now.
    #[error("{} signed it, whose key {reason}", printable(signer, LONGEST))]
    NotNow {
        /// Who.
        signer: String,
        /// Why not.
        reason: String,
    },
    /// The key didn't make this signature of these bytes.
    #[error("the signature doesn't match: the file was changed, or another file was signed")]
    Invalid,
}

impl SshError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            SshError::KeyType(_) => "ssh-ed25519, ecdsa-sha2-nistp256, ecdsa-sha2-nistp384 and ssh-rsa are",
            SshError::RsaFile => {
                "`ssh-add KEY` gives it to the agent; or `ssh-keygen -t ed25519` makes a key"
            }
            SshError::OtherForm => "`ssh-keygen -p -f KEY` writes it in that form",
            SshError::NoAgent(_) => "start it and give it the key: eval $(ssh-agent) && ssh-add KEY",
            SshError::Agent(_) => "`ssh-add -L` shows the keys that it has; `ssh-add KEY` adds one",
            SshError::NoSigner | SshError::Line { .. } => {
                "a line has a name and a public key, as in: alice@example.com ssh-ed25519 AAAA…"
            }
            _ => return None,
        })
    }

    /// What is damaged.
    pub(super) fn damaged(what: &'static str) -> impl Fn(NotWire) -> SshError {
        move |NotWire| SshError::Damaged(what)
    }
}
