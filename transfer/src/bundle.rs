//! Bundles: what a place has, what of it a bundle carries, and whether a bundle is whole.

mod held;

pub(crate) use held::wanted;
pub use held::{base, holdings};
pub use transload_archive::bundle::{
    Bundle, BundleError, DOCUMENT, Flaw, Held, Holdings, MOST_HOLDINGS_BYTES, Spot, VolumeSize, Wanted,
};
