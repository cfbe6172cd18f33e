//! Content digests ([image specification, "Digests"]).
//!
//! [image specification, "Digests"]: https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{ParseError, ParseErrorKind};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

mod hasher;

pub use hasher::Hasher;

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
    /// Shared, since each digest is held many times while its image is copied.
    text: Arc<str>,
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
