#![doc = include_str!("../README.md")]
//! # Where to look
//!
//! - How an image is named: [`Reference`], [`Repository`], [`Registry`], [`Tag`], [`Identifier`].
//! - How content is identified: [`Digest`], [`Descriptor`], [`MediaType`].
//! - What a manifest says: [`RawManifest`], [`Manifest`]; what it runs on: [`Platform`].
//! - What refers to a manifest: [`RawManifest::referrer`], [`ReferrersIndex`], [`ReferrerTag`].
//! - Whether bytes are what they should be: [`Verifier`], [`VerifyingReader`], [`Hasher`].
//! - How a text from elsewhere is shown: [`printable`].

mod descriptor;
mod digest;
mod error;
mod manifest;
mod media_type;
mod name;
mod platform;
mod reference;
mod referrers;
mod text;
mod verify;

pub use descriptor::Descriptor;
pub use digest::{Algorithm, Digest, Hasher};
pub use error::{ParseError, ParseErrorKind};
pub use manifest::{
    ArtifactManifest, ImageManifest, Index, MAX_IMAGE_LIST_ENTRIES, MAX_IMAGE_LIST_SIZE,
    MAX_MANIFEST_ENTRIES, MAX_MANIFEST_SIZE, Manifest, ManifestError, RawManifest,
};
pub use media_type::{MediaKind, MediaType};
pub use name::{Registry, Repository, Tag};
pub use platform::Platform;
pub use reference::{Identifier, Reference};
pub use referrers::{ReferrerTag, ReferrersIndex};
pub use text::{is_unprintable, printable};
pub use verify::{Verifier, VerifyError, VerifyingReader};
