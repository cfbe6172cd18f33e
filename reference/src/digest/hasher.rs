//! The digest of bytes that come piece by piece.

use std::fmt;

use sha2::Digest as _;

use super::{Algorithm, Digest, digest_from};

/// Computes the digest of bytes that come piece by piece.
#[derive(Clone)]
pub struct Hasher(State);

#[derive(Clone)]
enum State {
    Sha256(sha2::Sha256),
    Sha512(Box<sha2::Sha512>),
}

impl Hasher {
    /// A hasher that has seen nothing yet.
    pub fn new(algorithm: Algorithm) -> Hasher {
        Hasher(match algorithm {
            Algorithm::Sha256 => State::Sha256(sha2::Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Box::default()),
        })
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
        }
    }

    /// Names what computes SHA-256 on this machine's processor, as is found out now.
    pub fn sha256_implementation() -> &'static str {
        // The features that the crate `sha2` asks for.
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        if std::arch::is_x86_feature_detected!("sha") && std::arch::is_x86_feature_detected!("sse4.1") {
            return "x86 SHA instructions";
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("sha2") {
            return "ARMv8 SHA-2 instructions";
        }
        "portable code"
    }

    /// The digest of all that was taken in.
    pub fn finish(self) -> Digest {
        match self.0 {
            State::Sha256(state) => digest_from(Algorithm::Sha256, &state.finalize()),
            State::Sha512(state) => digest_from(Algorithm::Sha512, &state.finalize()),
        }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher")
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_implementation_of_sha256_is_the_one_for_the_flags_that_the_system_tells_of() {
        let told = std::fs::read_to_string("/proc/cpuinfo").expect("Linux tells of processors");
        let has = |flag: &str| told.split_whitespace().any(|word| word == flag);
        let expected = match std::env::consts::ARCH {
            "x86" | "x86_64" if has("sha_ni") && has("sse4_1") => "x86 SHA instructions",
            "aarch64" if has("sha2") => "ARMv8 SHA-2 instructions",
            _ => "portable code",
        };
        assert_eq!(Hasher::sha256_implementation(), expected);
    }
}
