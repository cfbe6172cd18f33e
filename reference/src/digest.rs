//! Content digests ([image specification, "Digests"]).
//!
//! [image specification, "Digests"]: https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;

use crate::{ParseError, ParseErrorKind};

/// A registered digest algorithm ([image specification, "Registered algorithms"]).
///
/// [image specification, "Registered algorithms"]: https://github.com/opencontainers/image-spec/blob/main/descriptor.md#registered-algorithms
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Algorithm {
    /// SHA-256, which everything uses.
    Sha256,
    /// SHA-512, which the specification allows.
    Sha512,
}

impl Algorithm {
    /// The name before the colon.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
        }
    }

    /// The length of the hexadecimal part, in characters.
    pub fn hex_len(self) -> usize {
        match self {
            Algorithm::Sha256 => 64,
            Algorithm::Sha512 => 128,
        }
    }
}

/// A validated content digest: `sha256:` and 64 lowercase hexadecimal digits, or `sha512:` and 128 ([image specification,
/// "Digests"]).
///
/// [image specification, "Digests"]: https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests
///
/// Since it is validated, it is safe as a file name and in a URL's path.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    text: Box<str>,
    algorithm: Algorithm,
}

impl Digest {
    /// The sha256 digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest::with(Algorithm::Sha256, bytes)
    }

    /// The digest of `bytes` by `algorithm`.
    pub fn with(algorithm: Algorithm, bytes: &[u8]) -> Digest {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The hexadecimal part, lowercase.
    pub fn hex(&self) -> &str {
        &self.text[self.algorithm.as_str().len() + 1..]
    }

    /// The whole, `algorithm:hex`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first 12 hexadecimal digits, for people's eyes.
    pub fn short(&self) -> &str {
        &self.hex()[..12]
    }
}

impl FromStr for Digest {
    type Err = ParseError;

    fn from_str(input: &str) -> Result<Self, ParseError> {
        let fail = |kind| ParseError::new("digest", input, kind);
        if input.is_empty() {
            return Err(fail(ParseErrorKind::Empty));
        }
        let (name, hex) = input
            .split_once(':')
            .ok_or_else(|| fail(ParseErrorKind::DigestForm))?;
        let algorithm = match name {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            _ => return Err(fail(ParseErrorKind::DigestAlgorithm)),
        };
        if hex.len() != algorithm.hex_len() {
            return Err(fail(ParseErrorKind::DigestLength));
        }
        if !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(fail(ParseErrorKind::DigestHex));
        }
        Ok(Digest {
            text: input.into(),
            algorithm,
        })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// SHA-256's step, in bytes.
const BLOCK: usize = 64;

/// How many bytes of each of two contents are hashed in turn: a processor works at both at once, as it sees so far ahead.
const TURN: usize = 2 * BLOCK;

/// Computes the digest of bytes that come piece by piece.
#[derive(Clone)]
pub struct Hasher {
    state: State,
    /// How many bytes were taken in behind the last whole block.
    beyond: usize,
}

#[derive(Clone)]
enum State {
    Sha256(sha2::Sha256),
    Sha512(Box<sha2::Sha512>),
}

impl Hasher {
    /// A hasher that has seen nothing yet.
    pub fn new(algorithm: Algorithm) -> Hasher {
        let state = match algorithm {
            Algorithm::Sha256 => State::Sha256(sha2::Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Box::default()),
        };
        Hasher { state, beyond: 0 }
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.beyond = (self.beyond + bytes.len() % BLOCK) % BLOCK;
        match &mut self.state {
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
        }
    }

    /// Takes in the next bytes of two contents, which takes less time than one after the other: where each step of SHA-256 needs the
    /// step's result before it, a processor idles, and the other content's step fills the gap.
    pub fn update_both(&mut self, bytes: &[u8], other: &mut Hasher, others: &[u8]) {
        // In whole blocks, nothing is copied.
        let (bytes, others) = (self.complete_block(bytes), other.complete_block(others));
        let (bytes, others) = match (&mut self.state, &mut other.state) {
            (State::Sha256(state), State::Sha256(other_state)) => {
                let common = bytes.len().min(others.len()) / TURN * TURN;
                let (both, rest) = bytes.split_at(common);
                let (others_both, others_rest) = others.split_at(common);
                in_turn(state, both, other_state, others_both);
                (rest, others_rest)
            }
            _ => (bytes, others),
        };
        self.update(bytes);
        other.update(others);
    }

    /// Takes in what completes a block, if there is as much. The bytes that are left.
    fn complete_block<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let missing = (BLOCK - self.beyond) % BLOCK;
        let (first, rest) = bytes.split_at(missing.min(bytes.len()));
        self.update(first);
        rest
    }

    /// The digest of all that was taken in.
    pub fn finish(self) -> Digest {
        match self.state {
            State::Sha256(state) => digest_from(Algorithm::Sha256, &state.finalize()),
            State::Sha512(state) => digest_from(Algorithm::Sha512, &state.finalize()),
        }
    }
}

/// Hashes whole turns of two contents.
fn in_turn(state: &mut sha2::Sha256, bytes: &[u8], other: &mut sha2::Sha256, others: &[u8]) {
    let (turns, _) = bytes.as_chunks::<TURN>();
    let (other_turns, _) = others.as_chunks::<TURN>();
    for (bytes, others) in turns.iter().zip(other_turns) {
        state.update(bytes);
        other.update(others);
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher")
    }
}

fn digest_from(algorithm: Algorithm, bytes: &[u8]) -> Digest {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(algorithm.as_str().len() + 1 + bytes.len() * 2);
    text.push_str(algorithm.as_str());
    text.push(':');
    for byte in bytes {
        text.push(char::from(HEX[usize::from(byte >> 4)]));
        text.push(char::from(HEX[usize::from(byte & 15)]));
    }
    Digest {
        text: text.into(),
        algorithm,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_digests_are_computed() {
        assert_eq!(
            Digest::of(b"").as_str(),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert!(
            Digest::with(Algorithm::Sha512, b"abc")
                .as_str()
                .starts_with("sha512:ddaf35a193617abacc417349ae204131")
        );
    }

    #[test]
    fn malformed_digests_are_refused_with_their_reason() {
        use ParseErrorKind::*;
        let f = |n| "f".repeat(n);
        let table = [
            (String::new(), Empty),
            ("sha256".into(), DigestForm),
            (format!("sha256:{}", f(63)), DigestLength),
            (format!("sha512:{}", f(64)), DigestLength),
            (format!("sha256:{}", "F".repeat(64)), DigestHex),
            (format!("sha256:{}/..", f(61)), DigestHex),
            (format!("SHA256:{}", f(64)), DigestAlgorithm),
            (format!("md5:{}", f(32)), DigestAlgorithm),
            (format!("sha256:{}é", f(62)), DigestHex),
        ];
        for (input, kind) in table {
            assert_eq!(input.parse::<Digest>().unwrap_err().kind(), &kind, "{input}");
        }
    }

    proptest! {
        #[test]
        fn digests_round_trip(bytes in prop::collection::vec(any::<u8>(), 0..100), long in any::<bool>()) {
            let algorithm = if long { Algorithm::Sha512 } else { Algorithm::Sha256 };
            let digest = Digest::with(algorithm, &bytes);
            prop_assert_eq!(&digest.to_string().parse::<Digest>().unwrap(), &digest);
            prop_assert_eq!(digest.hex().len(), algorithm.hex_len());
        }

        #[test]
        fn no_input_makes_the_parser_panic(input in ".*") {
            let _ = input.parse::<Digest>();
        }
    }
}
