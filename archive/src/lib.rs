#![doc = include_str!("../README.md")]

mod archive;
mod blob;
mod docker;
mod entries;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod input;
mod names;
mod oci;
mod pax;
mod read_at;
mod zstd;

pub use archive::{Archive, ArchivedImage, Compression, Form, Layout, OpenOptions};
pub use blob::BlobReader;
pub use error::Error;
/// The crate whose types stand in this one's signatures.
pub use transload_reference as reference;
