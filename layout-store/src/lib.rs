//! The directory that holds images: KubeKey's image directory.
//!
//! ```text
//! images/
//! ├── blobs/sha256:<hex>                                  configs and layers of all repositories, each once
//! ├── docker.io/library/alpine/manifests/
//! │   ├── layout                                          {"3.19": "sha256:<hex>"}
//! │   ├── sha256:<hex>                                    manifests and indexes, as they came
//! │   └── 3.19                                            the same file as its digest's, for old readers
//! ├── registry-1.docker.io -> docker.io                   KubeKey's name for Docker Hub
//! └── .transload/                                         partial blobs, the lock, and which platforms were left out
//! ```
//!
//! A [`Store`] reads every generation of the format and writes the newest. Blobs are verified while they are written, made
//! durable, and only then get their names; a writer that was killed goes on where its bytes end. Several threads and several
//! processes may write at once.
//!
//! [`Store::listing`], [`Store::check_tags`], [`Store::manifest`] and [`Store::verify_blob`] tell what rotted;
//! [`Store::set_aside`] and [`Store::mend_tags`] make room for what is whole. [`Store::exclusively`] gives the right to remove:
//! [`Exclusive::garbage`] is what no image needs that stays.
//!
//! ```
//! use transload_layout_store::{BlobWrite, Store};
//! use transload_reference::{Descriptor, Digest, MediaType, RawManifest, Repository};
//!
//! # let folder = tempfile::tempdir()?;
//! let store = Store::create(folder.path())?;
//! let config = Descriptor::new(MediaType::OCI_EMPTY, Digest::of(b"{}"), 2);
//! if let BlobWrite::Writer(mut writer) = store.write_blob(&config)? {
//!     writer.write(b"{}")?;
//!     writer.commit().map_err(|(error, _)| error)?;
//! }
//! store.sync_blobs()?;
//!
//! let text = format!(r#"{{"schemaVersion":2,"config":{},"layers":[]}}"#, serde_json::to_string(&config)?);
//! let manifest = RawManifest::parse(text.into_bytes(), None)?;
//! let repository: Repository = "hub.local/team/app".parse()?;
//! store.put_manifest(&repository, &manifest)?;
//! store.tag(&repository, &"v1".parse()?, manifest.digest())?;
//! assert_eq!(store.images()?[0].reference.to_string(), "hub.local/team/app:v1");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod blob;
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
mod space;
mod sparse;
mod store;
mod verify;

pub use blob::{BlobWrite, BlobWriter};
pub use error::Error;
pub use images::{Damage, Listing, StoredImage};
pub use lease::Exclusive;
pub use mend::{SetAside, TagFlaw};
pub use part::{KeptPart, PartWriter, Parts};
pub use prune::Garbage;
pub use space::free_space;
pub use store::{Opening, Store};
pub use verify::{BlobFile, Flaw, Verdict};
