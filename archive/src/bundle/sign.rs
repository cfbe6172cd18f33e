//! The signature of a bundle's sums: made last, and looked at before anything else.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use transload_reference::Digest;

use super::document::volume_name;
use super::read::read_bounded;
use super::sums::{self, SUMS};
use super::write::put;
use super::{Bundle, BundleError, DOCUMENT, script};
use crate::Error;

/// The signature of `SHA256SUMS`.
pub const SIGNATURE: &str = "SHA256SUMS.sig";

/// The most bytes of it that are read.
const MOST_BYTES: u64 = 64 << 10;

/// Signs bundles' sums. The caller chooses the keys: this crate knows none.
pub trait SumsSigner: fmt::Debug + Send + Sync {
    /// Returns a signature of the text of `SHA256SUMS`.
    ///
    /// # Errors
    /// Why it can't be signed.
    fn sign(&self, sums: &[u8]) -> Result<String, Unsigned>;

    /// Whether a signature of the text is its own.
    fn has_signed(&self, sums: &[u8], signature: &[u8]) -> bool;
}

/// Why something can't be signed, or a signature doesn't count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unsigned {
    /// The reason.
    pub reason: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Checks the text of `SHA256SUMS` and its signature.
pub type SumsCheck<'a> = &'a dyn Fn(&[u8], &[u8]) -> Result<(), Unsigned>;

/// Returns the sums of a folder, if their signature counts.
pub(super) fn trusted_sums(
    folder: &Path,
    check: SumsCheck<'_>,
) -> Result<BTreeMap<String, Digest>, BundleError> {
    let path = folder.join(SIGNATURE);
    let signature = match read_bounded(&path, MOST_BYTES) {
        Err(BundleError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Err(BundleError::NotSigned {
                path: folder.to_owned(),
            });
        }
        read => read?,
    };
    let sums_path = folder.join(SUMS);
    let text = read_bounded(&sums_path, sums::MOST_BYTES)?;
    check(&text, &signature).map_err(|source| BundleError::Untrusted { path, source })?;
    sums::parse(&text).map_err(|reason| BundleError::damaged(&sums_path, reason))
}

/// Signs the sums of a bundle that was just written.
pub(super) fn sign(folder: &Path, sums: &[u8], signer: &dyn SumsSigner) -> Result<(), BundleError> {
    let path = folder.join(SIGNATURE);
    let failed = |source| BundleError::Unsigned {
        path: path.clone(),
        source,
    };
    let signature = signer.sign(sums).map_err(failed)?;
    put(&path, signature.as_bytes())
}

/// Signs a bundle that an earlier run wrote, once every byte of it is checked. Nothing is done where it has this signer's signature.
pub(super) fn sign_later(
    folder: &Path,
    signer: &dyn SumsSigner,
    cancel: &AtomicBool,
) -> Result<(), BundleError> {
    let path = folder.join(SUMS);
    let text = read_bounded(&path, sums::MOST_BYTES)?;
    let is_signed = read_bounded(&folder.join(SIGNATURE), MOST_BYTES)
        .is_ok_and(|signature| signer.has_signed(&text, &signature));
    if is_signed {
        return Ok(());
    }
    let damaged = |reason: String| BundleError::damaged(&path, reason);
    let mut sums = sums::parse(&text).map_err(damaged)?;
    let bundle = Bundle::open(folder, &[])?;
    let flaws = bundle.check(cancel, &|_| ())?;
    if cancel.load(Ordering::Relaxed) {
        return Err(Error::Stopped { path }.into());
    }
    if let Some(flaw) = flaws.first() {
        return Err(BundleError::Flawed {
            flaw: flaw.to_string(),
        });
    }
    // What people run on the other side is ours.
    let files = script::files(!bundle.document.differences.is_empty());
    let files = files.map(|(name, text)| (name, Digest::of(text.as_bytes())));
    for (name, digest) in [(DOCUMENT, bundle.id().clone())].into_iter().chain(files) {
        if sums.remove(name) != Some(digest) {
            return Err(damaged(format!(
                "{name} differs from the one that transload writes"
            )));
        }
    }
    let count = u32::try_from(bundle.volumes()).unwrap_or(u32::MAX);
    (1..=count).for_each(|number| drop(sums.remove(&volume_name(number))));
    if let Some(name) = sums.keys().next() {
        return Err(damaged(format!(
            "it lists {name}, which isn't a file of the bundle"
        )));
    }
    sign(folder, &text, signer)
}
