//! SSH signatures of files, as `ssh-keygen -Y sign` makes and `ssh-keygen -Y verify` checks them.
//!
//! - Sign: [`SshSigner::read`], [`SshSigner::sign`].
//! - Check: [`AllowedSigners::parse`], [`AllowedSigners::check`].
//!
//! A signature is for a namespace, so that one of a letter is none of a bundle. Keys are Ed25519, ECDSA with P-256 or P-384, and RSA of
//! 2048 to 8192 bits. Certificates and keys in security tokens (`sk-…`) aren't supported.

mod agent;
mod envelope;
mod error;
mod key;
mod signer;
mod signers;
mod wire;

pub use envelope::MAX_SSH_SIGNATURE;
pub use error::SshError;
pub use key::SshPublicKey;
pub use signer::{MAX_SSH_KEY, SshSigner};
pub use signers::{AllowedSigners, MAX_ALLOWED_SIGNERS, SignedBy};
