//! Names and identities of container images.
//!
//! This crate holds what every other part of an image mover agrees on: how an image is named ([`Reference`],
//! [`Repository`], [`Tag`]), how content is identified ([`Digest`], [`Descriptor`], [`MediaType`]), what a manifest says
//! ([`RawManifest`], [`Manifest`]) and how a stream of bytes is checked against what it should be ([`Verifier`]). It does no
//! input or output of its own.
//!
//! **Raw bytes rule.** A [`RawManifest`] keeps the bytes that came in; its [`Manifest`] is a read-only view of them, so that
//! moving an image never changes a digest.
//!
//! ```
//! use transload_reference::{Digest, RawManifest, Reference, Verifier};
//!
//! let image: Reference = "alpine:3.19".parse()?;
//! assert_eq!(image.to_string(), "docker.io/library/alpine:3.19");
//! assert_eq!(image.registry().api_host(), "registry-1.docker.io");
//!
//! let layer = b"the bytes of a layer";
//! let digest = Digest::of(layer);
//! let mut verifier = Verifier::new(&digest, layer.len() as u64);
//! for chunk in layer.chunks(7) {
//!     verifier.update(chunk)?;
//! }
//! verifier.finish()?;
//!
//! let raw = RawManifest::parse(br#"{"schemaVersion":2,"manifests":[]}"#.to_vec(), None)?;
//! assert_eq!(raw.media_type().as_str(), "application/vnd.oci.image.index.v1+json");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod descriptor;
mod digest;
mod error;
mod manifest;
mod media_type;
mod name;
mod platform;
mod reference;
mod text;
mod verify;

pub use descriptor::Descriptor;
pub use digest::{Algorithm, Digest, Hasher};
pub use error::{ParseError, ParseErrorKind};
pub use manifest::{
    ArtifactManifest, ImageManifest, Index, MAX_MANIFEST_ENTRIES, MAX_MANIFEST_SIZE, Manifest, ManifestError,
    RawManifest,
};
pub use media_type::{MediaKind, MediaType};
pub use name::{Registry, Repository, Tag};
pub use platform::Platform;
pub use reference::{Identifier, Reference};
pub use text::printable;
pub use verify::{Verifier, VerifyError, VerifyingReader};
