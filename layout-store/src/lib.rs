#![doc = include_str!("../README.md")]
//! # The formats
//!
//! [`OpenOptions::format`] chooses one for a new directory; what is there is recognised.
//!
//! ## KubeKey's
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
//! ## The OCI image layout
//!
//! ```text
//! images/
//! ├── blobs/sha256/<hex>                                  manifests, configs and layers, each once
//! ├── index.json                                          the images, each with its name
//! ├── oci-layout
//! └── .transload/                                         as above
//! ```
//!
//! No name has a colon, so that any filesystem takes it: exFAT and FAT too. Other tools may read and write the same directory.
//!
//! An image's name is in two annotations of its entry in `index.json`: `io.containerd.image.name` is the full name, and
//! `org.opencontainers.image.ref.name` the tag. An image without a tag has its full name with its digest, and no tag. What other tools write
//! is read as follows:
//!
//! | annotations | name |
//! | --- | --- |
//! | a full name (containerd, buildkit, docker) | that |
//! | `ref.name` is a full name (skopeo, podman) | that, with the tag `latest` if it has none |
//! | `ref.name` is a tag (umoci, oras, buildah) | the tag, in the repository below |
//! | none | the digest, in the repository below |
//!
//! Where no annotation has a repository, it is that of [`OpenOptions::name`], else `localhost/<name of the directory>`.
//! An entry that can't be used, and a name that stands for two images, are told as [`Damage`].
//!
//! # Where to look
//!
//! - Open: [`Store::open`], [`Store::create`]; [`OpenOptions`] where waits for other processes should be stoppable.
//! - The disk: [`disk`]; [`Store::cautions`] tells what it lacks.
//! - Read: [`Store::images`], [`Store::repositories`], [`Store::tags`], [`Store::resolve`], [`Store::manifest`], [`Store::open_blob`].
//! - Write, in this order: [`Store::write_blob`] (from another store with [`BlobWriter::reflink`], or [`Store::link_blob`]), [`Store::sync_blobs`],
//!   [`Store::put_manifest`] with children first, [`Store::tag`] or [`Store::keep`].
//! - Serve: [`Store::places`], [`Store::release`], [`Store::begin_upload`], [`Exclusive::remove_manifest`].
//! - What rotted: [`Store::listing`], [`Store::manifest`] and [`Store::verify_blob`] tell; [`Store::repair`] makes room for what is whole.
//! - Remove: [`Store::untag`]; [`Store::open_exclusively`] gives the right to [`Exclusive::delete`] images, and [`Exclusive::garbage`] is
//!   what no image needs that stays.

mod blob;
mod blob_names;
mod caution;
mod colons;
mod directory;
pub mod disk;
mod durable;
mod error;
mod file_cache;
mod folders;
mod format;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod images;
mod kubekey;
mod layout;
mod lease;
mod lock;
mod oci;
mod open;
mod part;
mod prune;
mod recognise;
pub mod repair;
mod share;
mod sparse;
mod store;
mod subjects;
mod upload;
mod verify;

pub use blob::{BlobWriter, CommitError};
pub use caution::Caution;
pub use error::Error;
pub use format::Format;
pub use images::{Damage, Disputed, Listing, StoredImage, part_leftovers};
pub use lease::{WAIT_IS_OVER, WAITING};
pub use oci::local_repository;
pub use open::OpenOptions;
pub use prune::{Exclusive, Garbage, Removed};
pub use store::Store;
/// The crate whose types stand in this one's signatures.
pub use transload_reference as reference;
pub use verify::{BlobFile, Flaw, Verdict};

/// Blobs whose digests are known only once all of their bytes are there: [`Store::begin_upload`](crate::Store::begin_upload).
pub mod uploads {
    pub use crate::upload::{NoUploadId, StoredUpload, Upload, UploadId};
}

/// Parts of a blob that come over several connections, before their turn.
pub mod parts {
    pub use crate::part::{PartWriter, Parts};
}
