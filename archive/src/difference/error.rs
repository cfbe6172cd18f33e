//! What can go wrong with a difference.

use std::io;

/// Why a difference can't be applied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DifferenceError {
    /// The old layer can't be read.
    #[error("reading the old layer: {0}")]
    Read(#[source] io::Error),
    /// The old layer isn't one that a difference is made from.
    #[error("no difference is made from the old layer: {0}")]
    Unusable(&'static str),
    /// The difference is damaged, or from another layer.
    #[error("the difference can't be used: {0}")]
    Damaged(&'static str),
    /// The difference is of a version that this program doesn't know.
    #[error("the difference is of version {0}, and version 1 is known")]
    Version(u8),
    /// The new layer can't be written.
    #[error("writing the new layer: {0}")]
    Write(#[source] io::Error),
}
