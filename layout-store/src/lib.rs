#![doc = include_str!("../README.md")]
//! # The format
//!
//! ```text
//! images/
//! ├── blobs/sha256:<hex>                                  configs and layers of all repositories, each once
//! ├── docker.io/library/alpine/manifests/
//! │   ├── layout                                          {"3.19": "sha256:<hex>"}
//! │   ├── sha256:<hex>                                    manifests and indexes, as they came
//! │   └── 3.19                                            the same bytes as its digest's: the oldest form, and a second record of the tag
//! ├── registry-1.docker.io -> docker.io                   KubeKey's name for Docker Hub
//! └── .transload/                                         partial blobs, the lock, and which platforms were left out
//! ```
//!
//! # Where to look
//!
//! - Open: [`Store::open`], [`Store::create`]; [`OpenOptions`] where waits for other processes should be stoppable.
//! - The disk: [`check_names`], [`free_space`], [`filesystem`]; [`Store::cautions`] tells what it lacks.
//! - Read: [`Store::images`], [`Store::tags`], [`Store::resolve`], [`Store::manifest`], [`Store::open_blob`].
//! - Write, in this order: [`Store::write_blob`] (from another store with [`BlobWriter::reflink`], or [`Store::link_blob`]), [`Store::sync_blobs`],
//!   [`Store::put_manifest`] with children first, [`Store::tag`].
//! - What rotted: [`Store::listing`], [`Store::check_tags`], [`Store::manifest`] and [`Store::verify_blob`] tell;
//!   [`Store::set_aside`] and [`Store::mend_tags`] make room for what is whole.
//! - Remove: [`Store::open_exclusively`] gives the right to, [`Exclusive::garbage`] is what no image needs that stays.

mod archive;
mod blob;
mod caution;
mod colons;
mod commit;
mod durable;
mod error;
mod folders;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod images;
mod layout;
mod lease;
mod manifest;
mod mend;
mod part;
mod prune;
mod share;
mod space;
mod sparse;
mod store;
mod tags;
mod verify;

pub use blob::{BlobWrite, BlobWriter};
pub use caution::Caution;
pub use colons::check_names;
pub use commit::CommitError;
pub use error::Error;
pub use images::{Damage, Disputed, Listing, StoredImage, part_leftovers};
pub use mend::{OldTagFile, SetAside, TagFlaw};
pub use part::{KeptPart, PartWriter, Parts};
pub use prune::{Exclusive, Garbage};
pub use space::{filesystem, free_space};
pub use store::{OpenOptions, Store};
/// The crate whose types stand in this one's signatures.
pub use transload_reference as reference;
pub use verify::{BlobFile, Flaw, Verdict};
