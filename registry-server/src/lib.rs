#![doc = include_str!("../README.md")]

mod access;
mod content;
mod error;
mod front;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod lock;
mod names;
mod problem;
mod query;
mod range;
mod registry;
mod route;
mod server;
#[cfg(test)]
mod tests;
mod tls;

pub use content::{ArchiveContent, Blob, Content, ContentError, DirectoryContent};
pub use error::Error;
pub use registry::{Registry, WriteOptions};
pub use server::{Handle, Options, Server};
pub use tls::TlsFiles;
/// The crates whose types stand in this one's signatures.
pub use {
    transload_archive as archive, transload_layout_store as layout_store, transload_reference as reference,
};
