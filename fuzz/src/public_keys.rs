//! Files of public keys.

use transload_reference::is_unprintable;
use transload_signature::PublicKeys;

/// What is read as keys has keys, each once, and none of them made an empty signature; what isn't is told.
pub fn check(input: &[u8]) {
    match PublicKeys::from_pem(input) {
        Ok(keys) => {
            assert!(keys.iter().count() > 0);
            for (at, key) in keys.iter().enumerate() {
                assert!(!keys.iter().skip(at + 1).any(|other| other.id() == key.id()));
                assert!(!key.verifies(input, b""));
            }
        }
        Err(error) => assert!(!error.to_string().contains(is_unprintable)),
    }
}
