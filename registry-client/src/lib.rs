//! A blocking client for OCI Distribution registries.
//!
//! It pulls and pushes manifests and blobs ([distribution specification]) as the registries of the real world do it: anonymous, Basic and
//! Bearer authentication, credential files and helpers, private CAs and client certificates, plain HTTP where asked, redirects, rate
//! limits, retries, interrupted transfers that go on where they were. A [`Client`] is shared by all threads: they share
//! connections, tokens, and the pace that each registry is spoken to at.
//!
//! - Memory is bounded whatever a blob's size: blobs are streamed, documents have limits.
//! - Credentials go to the registry and the token server that it names, and to nobody else; they are in no error, no log and
//!   no `Debug`.
//! - An [`Error`] says what was done, where, what came back and, by [`Error::hint`], what to do.
//!
//! ```no_run
//! use std::sync::Arc;
//! use transload_reference::{Manifest, Reference};
//! use transload_registry_client::{Client, DefaultCredentials, HostRule};
//!
//! let mut rule = HostRule::new("hub.local");
//! rule.ca_file = Some("ca.pem".into());
//! let client = Client::builder()
//!     .hosts(vec![rule])
//!     .credentials(Arc::new(DefaultCredentials::new()))
//!     .build()?;
//!
//! let image: Reference = "hub.local/team/app:1.0".parse()?;
//! let manifest = client.manifest(image.repository(), &image.identifier())?;
//! if let Manifest::Image(image_manifest) = manifest.view() {
//!     for layer in &image_manifest.layers {
//!         let mut blob = client.open_blob(image.repository(), layer, 0)?;
//!         std::io::copy(&mut blob, &mut std::io::sink())?;
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [distribution specification]: https://github.com/opencontainers/distribution-spec/blob/main/spec.md

mod access;
mod answer;
mod auth;
mod blobs;
mod cancel;
mod challenge;
mod client;
mod config;
mod core;
mod credentials;
mod error;
mod failure;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod hint;
mod journal;
mod manifests;
mod notice;
mod proxy;
mod referrers;
mod request;
mod retry;
mod sample;
mod scope;
mod secret;
mod session;
mod tags;
mod target;
mod throttle;
mod tls;
mod token;
mod transport;
mod upload;
mod url;

pub use crate::core::Timeouts;
pub use access::{Access, Greeting};
pub use blobs::BlobReader;
pub use client::{Client, ClientBuilder};
pub use config::{Credential, HostRule};
pub use credentials::{
    CredentialError, CredentialOrigin, CredentialSource, DefaultCredentials, NoCredentials, exposure,
};
pub use error::{Error, ErrorKind, Network, Quota, Refusal};
pub use journal::{UploadEntry, UploadJournal};
pub use notice::{Notice, NoticeKind};
pub use retry::RetryPolicy;
pub use secret::Secret;
