//! Whether an image is signed.

use std::fmt;

use transload_reference::{Digest, VerifyError, printable};

use crate::key::PublicKey;

/// How much of what a signature says is shown, in characters.
const LONGEST: usize = 200;

/// How many signatures that don't count a message tells of.
const MOST_TOLD: usize = 3;

/// A form of signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Form {
    /// cosign's simple signing: a JSON payload with its signature in the layer's annotation.
    SimpleSigning,
    /// A Sigstore bundle of an in-toto statement in a DSSE envelope.
    Statement,
    /// A Sigstore bundle of a signature of the manifest's bytes.
    Message,
}

/// A valid signature of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signed {
    /// The image's digest, which is signed.
    pub image: Digest,
    /// The key that signed it.
    pub key: PublicKey,
    /// The form of the signature.
    pub form: Form,
    /// The name under which the image was signed, where the signature has one. It isn't compared to the image's name: mirrors
    /// give images other names.
    pub identity: Option<String>,
}

/// Why a signature doesn't count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Larger than [`MAX_SIGNATURE_SIZE`](crate::MAX_SIGNATURE_SIZE).
    #[error("it has {size} bytes, and at most {} are read", crate::MAX_SIGNATURE_SIZE)]
    TooLarge {
        /// Its size in bytes.
        size: u64,
    },
    /// The blob isn't the one that its manifest names.
    #[error("its content doesn't match its manifest: {0}")]
    Content(VerifyError),
    /// The layer has no signature in its annotations, or an empty one.
    #[error("its layer has no annotation \"{}\"", crate::simple::SIGNATURE)]
    NoAnnotation,
    /// What should be base64 isn't.
    #[error("its {what} isn't base64")]
    Base64 {
        /// What.
        what: &'static str,
    },
    /// Not the JSON document that it should be, or one that can be read in two ways.
    #[error("its {what} can't be read: {}", printable(reason, LONGEST))]
    Json {
        /// Which document.
        what: &'static str,
        /// Why not.
        reason: String,
    },
    /// A document of another type.
    #[error("its {what} is \"{}\"", printable(found, LONGEST))]
    Type {
        /// What tells the type.
        what: &'static str,
        /// The type.
        found: String,
    },
    /// Another number of contents, or of signatures in an envelope, than one.
    #[error("it has {found} {what}, and must have one")]
    Number {
        /// Of what.
        what: &'static str,
        /// How many.
        found: usize,
    },
    /// None of the keys made it.
    #[error("none of the given keys made it")]
    OtherKey,
    /// It was made with a certificate (keyless signing), and none of the keys made it.
    #[error("it was made with a certificate (keyless), and certificates aren't checked")]
    Certificate,
    /// A key signed another image.
    #[error("it is a signature of another image, {}", printable(signed, LONGEST))]
    OtherImage {
        /// What is signed.
        signed: String,
    },
    /// A key signed a statement about the image that isn't a signature: a bill of materials, the result of a scan.
    #[error(
        "it is an attestation (\"{}\"), and not a signature of the image",
        printable(predicate, LONGEST)
    )]
    Attestation {
        /// The type of the statement.
        predicate: String,
    },
    /// The manifest is no image, so that a signature of its bytes isn't one of an image.
    #[error("it signs a document that is neither an image nor an index")]
    NoImage,
}

/// Why an image doesn't count as signed: nobody signed it, or each signature of it was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotSigned {
    /// The image's digest.
    pub image: Digest,
    /// The signatures that were found, by the digests of their blobs, and why each doesn't count.
    pub refused: Vec<(Digest, Refusal)>,
}

impl NotSigned {
    /// Of an image of which no signature was looked at yet.
    pub fn new(image: Digest) -> NotSigned {
        NotSigned {
            image,
            refused: Vec::new(),
        }
    }

    /// Notes why a signature doesn't count.
    pub fn refuse(&mut self, blob: Digest, why: Refusal) {
        self.refused.push((blob, why));
    }
}

impl fmt::Display for NotSigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.refused.as_slice() {
            [] => return write!(f, "{} has no signature", self.image),
            [(blob, why)] => {
                return write!(
                    f,
                    "{} has no valid signature: of {}, {why}",
                    self.image,
                    blob.short()
                );
            }
            several => write!(f, "{} has no valid signature among {}", self.image, several.len())?,
        }
        for (blob, why) in self.refused.iter().take(MOST_TOLD) {
            write!(f, "; of {}, {why}", blob.short())?;
        }
        match self.refused.len().saturating_sub(MOST_TOLD) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl std::error::Error for NotSigned {}
