#![doc = include_str!("../README.md")]
//! # Overview
//!
//! All threads share a [`Client`] with its connections, tokens and limits. [`ClientBuilder`] has the settings for all registries, a
//! [`HostRule`] those for one.
//!
//! - Look up: [`Client::resolve`], [`Client::tags`], [`Client::referrers`], [`Client::find_manifest`], [`Client::has_blob`],
//!   [`Client::ping`].
//! - Pull: [`Client::manifest`], [`Client::open_blob`], [`Client::read_blob`] for small ones, [`Client::open_blob_part`].
//! - Push: [`Client::push_blob`], [`Client::mount_blob`], [`Client::push_manifest`]; [`Client::copy_blob`] chooses.
//! - Prepare a Harbor: [`Client::is_harbor`], [`Client::has_project`], [`Client::create_project`].
//! - Authentication: [`Credential`] in a rule, or a [`CredentialSource`] such as [`DefaultCredentials`].
//! - Errors: an [`Error`] names operation, repository, cause and URL; [`Error::hint`] or `{:#}` says what to do.
//!
//! Credentials go to the registry and its token server alone. They appear in no error, log or `Debug`.
//!
//! ```no_run
//! use transload_registry_client::{Client, Credential, HostRule};
//!
//! let mut rule = HostRule::new("hub.local/team");
//! rule.credential = Some(Credential::new("robot", std::env::var("PASSWORD")?));
//! rule.ca_file = Some("ca.pem".into());
//! let client = Client::builder().hosts(vec![rule]).build()?;
//! for tag in client.tags(&"hub.local/team/app".parse()?)? {
//!     println!("{tag}");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access;
mod answer;
mod auth;
mod blob_reader;
mod blobs;
mod builder;
mod cancel;
mod challenge;
mod claims;
mod client;
mod config;
mod core;
mod credentials;
mod error;
mod error_body;
mod examine;
mod exchange;
mod expected;
mod failure;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod health;
mod hint;
mod identity;
mod journal;
mod limit;
mod login;
mod manifests;
mod network;
mod notice;
mod operation;
mod origin;
mod pages;
mod payload;
mod projects;
mod proxy;
mod rate;
mod reason;
mod referrers;
mod refusal;
mod request;
mod resolve;
mod retry;
mod sample;
mod scope;
mod secret;
mod secure;
mod self_signed;
mod session;
mod shared;
mod throttle;
mod tls;
mod token;
mod token_store;
mod transport;
mod tries;
mod upload;
mod url;
mod whole_blob;

pub use crate::core::Timeouts;
pub use access::{Access, LoginCheck};
pub use blob_reader::BlobReader;
pub use builder::ClientBuilder;
pub use client::Client;
pub use config::{Credential, HostRule};
pub use credentials::{
    CredentialError, CredentialOrigin, CredentialSource, DefaultCredentials, Forgotten, NoCredentials,
    exposure, planted,
};
pub use error::{Error, ErrorKind};
pub use examine::{Fact, Topic, Verdict};
pub use expected::Need;
pub use journal::{UploadEntry, UploadJournal};
pub use manifests::Lookup;
pub use network::Network;
pub use notice::{Notice, NoticeKind};
pub use projects::Visibility;
pub use reason::{Extent, Reason, project_of};
pub use refusal::{Quota, Refusal};
pub use retry::RetryPolicy;
pub use secret::Secret;
/// The crate whose types this crate's signatures use.
pub use transload_reference as reference;
