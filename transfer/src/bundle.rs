//! Bundles: what a place has, what of it a bundle carries, and whether a bundle is whole.

mod delta;
mod held;
mod signing;

pub(crate) use delta::{Base, Differences};
pub(crate) use held::{BundleChoice, choice};
pub use held::{base, holdings};

pub use signing::NAMESPACE;
pub(crate) use signing::{BundleSigner, open};
pub use transload_archive::bundle::{
    Bundle, BundleError, DOCUMENT, Flaw, Held, Holdings, MOST_HOLDINGS_BYTES, Place, Spot, VolumeSize, Wanted,
};
