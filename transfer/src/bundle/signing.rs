//! Who signs bundles, and who has signed them.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use transload_archive::bundle::{Bundle, BundleError, SumsSigner, Unsigned};
use transload_signature::ssh::{AllowedSigners, SignedBy, SshError, SshSigner};

/// What signatures of bundles are for: the namespace of `ssh-keygen -Y`.
pub const NAMESPACE: &str = "transload-bundle";

/// Signs the sums of bundles with an SSH key.
#[derive(Debug)]
pub(crate) struct BundleSigner(pub Arc<SshSigner>);

impl SumsSigner for BundleSigner {
    fn sign(&self, sums: &[u8]) -> Result<String, Unsigned> {
        self.0.sign(NAMESPACE, sums).map_err(unsigned)
    }

    fn has_signed(&self, sums: &[u8], signature: &[u8]) -> bool {
        self.0.has_signed(NAMESPACE, sums, signature)
    }
}

fn unsigned(error: SshError) -> Unsigned {
    Unsigned {
        hint: error.hint().map(str::to_owned),
        reason: error.to_string(),
    }
}

/// Opens a bundle, and tells who signed it. Where there are signers, it has to be signed by one of them.
pub(crate) fn open(
    folder: &Path,
    volumes: &[PathBuf],
    signers: Option<&AllowedSigners>,
) -> Result<(Bundle, Option<SignedBy>), BundleError> {
    let Some(signers) = signers else {
        return Ok((Bundle::open(folder, volumes)?, None));
    };
    // The bundle itself is looked at before those that complete it.
    let signed = OnceCell::new();
    let check = |sums: &[u8], signature: &[u8]| {
        let by = signers.check(NAMESPACE, sums, signature, SystemTime::now());
        let _ = signed.set(by.map_err(unsigned)?);
        Ok(())
    };
    let bundle = Bundle::open_signed(folder, volumes, &check)?;
    Ok((bundle, signed.into_inner()))
}
