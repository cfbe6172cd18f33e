#![doc = include_str!("../README.md")]
//! # Where to look
//!
//! - Read: [`Archive::open`], or [`OpenOptions`] for a pipe, another folder for temporary files, or an end; then [`Archive::images`],
//!   [`Archive::manifest`], [`Archive::open_blob`].
//! - Write: [`Plan::new`] with the manifests, [`Plan::warnings`], then [`Writer::create`], [`Writer::write_blob`] and [`Writer::finish`], or
//!   [`Plan::write_to`] for a pipe.
//! - What one side lacks, in volumes that fit its media: [`bundle`].
//! - What changed between two layers: [`difference`].

mod archive;
mod blob;
mod blob_writer;
pub mod bundle;
mod combined;
pub mod difference;
mod docker;
mod docker_v1;
mod entries;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod header;
mod input;
mod layers;
mod listing;
mod names;
mod oci;
mod pax;
mod plan;
mod read_at;
mod room;
mod sieve;
mod unknown;
mod warning;
mod writer;
mod zstd;

pub use archive::{Archive, ArchivedImage, BlobPlace, Compression, Form, Layout, OpenOptions};
pub use blob::BlobReader;
pub use blob_writer::{BlobWriter, CommitError};
pub use error::Error;
pub use plan::{Plan, PlannedImage};
pub use sieve::{TakeBlobs, TakeBytes};
/// The crate whose types stand in this one's signatures.
pub use transload_reference as reference;
pub use warning::Warning;
pub use writer::{BlobWrite, CreateOptions, Writer};
