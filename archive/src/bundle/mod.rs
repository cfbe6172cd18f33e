//! Bundles: what one side lacks, as a folder of tars that fit the media which carry them.
//!
//! ```text
//! 2026-12/
//! ├── BUNDLE.json                every image, manifest and blob: its size, and its volume and offset, or that it is required there
//! ├── SHA256SUMS                 of every other file, as `sha256sum -c` reads it
//! ├── SHA256SUMS.sig             its signature, if it is signed
//! ├── README.txt, import.sh      for a machine with sh, tar, cat and sha256sum alone: an OCI layout comes out
//! └── vol-0001.tar …             OCI layouts in tars; the first has index.json, all manifests and the small blobs
//! ```
//!
//! The same images, base and size of volumes give the same bytes. Each volume begins with the digest of its `BUNDLE.json`, so that volumes of
//! two bundles aren't mixed up, and is a tar of its own. A blob that is larger than a volume is cut into parts that `cat` joins.
//!
//! - What a place has: [`Holdings`], a text of digests.
//! - Write: [`BundlePlan::new`] with the manifests and the base, then [`BundleOptions::create`], which goes on where a killed run was ended, and
//!   [`BundleWriter::write_blob`] and [`BundleWriter::finish`].
//! - Read: [`Bundle::open`] with the folders of its volumes, [`Bundle::images`], [`Bundle::manifest`], [`Bundle::find`], [`Bundle::open_blob`].
//! - Check: [`Bundle::check`].
//! - Layers may travel as [`Difference`]s to layers that the other side has, which the crate's module `difference` makes and applies. Such a
//!   bundle is of version 2.
//! - Sign and trust: [`BundleOptions::signer`], [`Bundle::open_signed`].

mod check;
mod document;
mod error;
mod holdings;
mod plan;
mod read;
mod script;
mod sign;
mod size;
mod sums;
mod volume;
mod volumes;
mod wanted;
mod write;

pub use check::{Flaw, Spot};
pub use error::BundleError;
pub use holdings::{Held, Holdings, MOST_HOLDINGS_BYTES};
pub use plan::BundlePlan;
#[cfg(feature = "fuzzing")]
pub(crate) use read::list_in;
pub use read::{Bundle, BundledBlob, BundledImage, Place};
pub use sign::{SIGNATURE, SumsCheck, SumsSigner, Unsigned};
pub use size::VolumeSize;
pub use wanted::{Difference, Wanted};
pub use write::{BundleOptions, BundleWriter};

/// The document that lists a bundle.
pub const DOCUMENT: &str = "BUNDLE.json";
