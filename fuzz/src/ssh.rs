//! SSH signatures, lists of signers and keys.

use std::sync::LazyLock;
use std::time::SystemTime;

use transload_reference::is_unprintable;
use transload_signature::ssh::{AllowedSigners, SshSigner};

/// A key whose private half is nobody's business: nothing that libFuzzer makes up is signed by it.
const SIGNERS: &[u8] =
    b"* ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea\n";

static WORLD: LazyLock<AllowedSigners> = LazyLock::new(|| AllowedSigners::parse(SIGNERS).expect("a list"));

/// Nothing is signed by the one signer, every refusal can be shown, and a key that is read signs what it has signed then.
pub fn check(input: &[u8]) {
    let now = SystemTime::UNIX_EPOCH;
    match WORLD.check("namespace", b"message", input, now) {
        Ok(by) => panic!("nobody has signed this: {by}"),
        Err(why) => assert!(!why.to_string().contains(is_unprintable)),
    }
    match AllowedSigners::parse(input) {
        Ok(signers) => assert!(signers.check("namespace", b"message", input, now).is_err()),
        Err(why) => assert!(!why.to_string().contains(is_unprintable)),
    }
    match SshSigner::read(input, None) {
        Ok(signer) => {
            if let Ok(signature) = signer.sign("namespace", b"message") {
                assert!(signer.has_signed("namespace", b"message", signature.as_bytes()));
                assert!(!signer.has_signed("namespace", b"other", signature.as_bytes()));
            }
        }
        Err(why) => assert!(!why.to_string().contains(is_unprintable)),
    }
}
