//! Checking a stream of bytes against the digest and size that it should have.

use std::io::{self, Read};

use crate::digest::Hasher;
use crate::{Descriptor, Digest};

/// Why bytes are not the content that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// More bytes came than the descriptor says.
    #[error("{digest}: more than the expected {expected} bytes")]
    TooLong {
        /// What was asked for.
        digest: Digest,
        /// The descriptor's size, in bytes.
        expected: u64,
    },
    /// Fewer bytes came than the descriptor says.
    #[error("{digest}: {got} bytes instead of {expected}")]
    TooShort {
        /// What was asked for.
        digest: Digest,
        /// The descriptor's size, in bytes.
        expected: u64,
        /// How many bytes came.
        got: u64,
    },
    /// The size is right and the content is not.
    #[error("content has digest {got} instead of {expected}")]
    Mismatch {
        /// What was asked for.
        expected: Digest,
        /// What came.
        got: Digest,
    },
}

impl VerifyError {
    /// True: a transfer may have been damaged on its way, so that another try can succeed.
    pub fn is_retryable(&self) -> bool {
        true
    }
}

/// Checks size and digest of bytes that come piece by piece.
#[derive(Debug, Clone)]
pub struct Verifier {
    expected: Digest,
    size: u64,
    seen: u64,
    hasher: Hasher,
}

impl Verifier {
    /// A verifier for content of `size` bytes whose digest is `digest`.
    pub fn new(digest: &Digest, size: u64) -> Verifier {
        Verifier {
            expected: digest.clone(),
            size,
            seen: 0,
            hasher: Hasher::new(digest.algorithm()),
        }
    }

    /// A verifier for what `descriptor` describes.
    pub fn of(descriptor: &Descriptor) -> Verifier {
        Verifier::new(&descriptor.digest, descriptor.size)
    }

    /// How many bytes were taken in.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The digest of the bytes that were taken in.
    pub fn so_far(&self) -> Digest {
        self.hasher.clone().finish()
    }

    /// Takes in the next bytes.
    ///
    /// # Errors
    /// [`VerifyError::TooLong`] as soon as there are more bytes than expected; those are not hashed.
    pub fn update(&mut self, bytes: &[u8]) -> Result<(), VerifyError> {
        let seen = self.seen.saturating_add(bytes.len() as u64);
        if seen > self.size {
            return Err(VerifyError::TooLong {
                digest: self.expected.clone(),
                expected: self.size,
            });
        }
        self.seen = seen;
        self.hasher.update(bytes);
        Ok(())
    }

    /// Judges the whole.
    ///
    /// # Errors
    /// [`VerifyError::TooShort`] or [`VerifyError::Mismatch`].
    pub fn finish(self) -> Result<(), VerifyError> {
        if self.seen < self.size {
            return Err(VerifyError::TooShort {
                digest: self.expected,
                expected: self.size,
                got: self.seen,
            });
        }
        let got = self.hasher.finish();
        if got != self.expected {
            return Err(VerifyError::Mismatch {
                expected: self.expected,
                got,
            });
        }
        Ok(())
    }
}

/// A reader that gives out another reader's bytes and fails where they turn out not to be what they should be.
///
/// The verdict comes with the last bytes, instead of them where they are wrong: whoever knows the size needn't read on. Errors are
/// [`io::ErrorKind::InvalidData`] and carry a [`VerifyError`].
#[derive(Debug)]
pub struct VerifyingReader<R> {
    inner: R,
    verifier: Verifier,
}

impl<R: Read> VerifyingReader<R> {
    /// Checks what `inner` gives from here on with `verifier`.
    pub fn new(inner: R, verifier: Verifier) -> Self {
        VerifyingReader { inner, verifier }
    }
}

impl<R: Read> Read for VerifyingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = self.inner.read(buffer)?;
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        self.verifier.update(&buffer[..count]).map_err(invalid)?;
        if count == 0 || self.verifier.seen == self.verifier.size {
            // Once whole, it is judged again at the end: that is one step of hashing, since nothing came in between.
            self.verifier.clone().finish().map_err(invalid)?;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn verify_in_chunks(
        content: &[u8],
        digest: &Digest,
        size: u64,
        cuts: &[usize],
    ) -> Result<(), VerifyError> {
        let mut verifier = Verifier::new(digest, size);
        let mut rest = content;
        for cut in cuts {
            let (chunk, tail) = rest.split_at((*cut).min(rest.len()));
            verifier.update(chunk)?;
            rest = tail;
        }
        verifier.update(rest)?;
        verifier.finish()
    }

    proptest! {
        #[test]
        fn any_chunking_of_a_body_verifies_alike(
            content in prop::collection::vec(any::<u8>(), 0..2000),
            cuts in prop::collection::vec(0usize..300, 0..20),
            flip in any::<prop::sample::Index>(),
        ) {
            let digest = Digest::of(&content);
            let size = content.len() as u64;
            prop_assert_eq!(verify_in_chunks(&content, &digest, size, &cuts), Ok(()));
            if !content.is_empty() {
                let mut damaged = content.clone();
                let at = flip.index(damaged.len());
                damaged[at] ^= 1;
                let damage_is_seen =
                    matches!(verify_in_chunks(&damaged, &digest, size, &cuts), Err(VerifyError::Mismatch { .. }));
                prop_assert!(damage_is_seen);
                let short = &content[1..];
                let shortness_is_seen =
                    matches!(verify_in_chunks(short, &digest, size, &cuts), Err(VerifyError::TooShort { .. }));
                prop_assert!(shortness_is_seen);
                let length_is_seen =
                    matches!(verify_in_chunks(&content, &digest, size - 1, &cuts), Err(VerifyError::TooLong { .. }));
                prop_assert!(length_is_seen);
            }
        }
    }

    #[test]
    fn a_verifying_reader_gives_no_last_byte_of_wrong_content() {
        let reader =
            |content: &'static [u8]| VerifyingReader::new(content, Verifier::new(&Digest::of(b"abc"), 3));
        let mut out = Vec::new();
        reader(b"abc").read_to_end(&mut out).unwrap();
        assert_eq!(out, b"abc");
        for (content, given) in [(&b"abd"[..], 2), (b"ab", 2), (b"abcd", 3)] {
            let mut reader = reader(content);
            let mut byte = [0];
            for _ in 0..given {
                assert_eq!(reader.read(&mut byte).unwrap(), 1);
            }
            let error = reader.read(&mut byte).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{content:?}");
        }
    }

    #[test]
    fn nothing_is_what_it_should_be_where_nothing_should_come() {
        let mut reader = VerifyingReader::new(&b""[..], Verifier::new(&Digest::of(b""), 0));
        assert_eq!(reader.read_to_end(&mut Vec::new()).unwrap(), 0);
    }
}
