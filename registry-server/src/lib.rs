#![doc = include_str!("../README.md")]

mod content;
mod http;
mod names;
mod problem;
mod query;
mod range;
mod registry;
mod route;

pub use content::{ArchiveContent, Blob, Content, ContentError, DirectoryContent};
pub use registry::{Registry, WriteOptions};
/// The crates whose types stand in this one's signatures.
pub use {
    transload_archive as archive, transload_layout_store as layout_store, transload_reference as reference,
};
