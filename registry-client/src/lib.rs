#![doc = include_str!("../README.md")]
//! # Where to look
//!
//! A [`Client`] is shared by all threads, which share connections, tokens, and the pace that each registry is spoken to at.
//! [`ClientBuilder`] has the settings of all registries, a [`HostRule`] those of one.
//!
//! - Look: [`Client::resolve`], [`Client::tags`], [`Client::referrers`], [`Client::find_manifest`], [`Client::has_blob`],
//!   [`Client::ping`].
//! - Pull: [`Client::manifest`], [`Client::open_blob`], [`Client::read_blob`] for small ones, [`Client::open_blob_part`].
//! - Push: [`Client::push_blob`], [`Client::mount_blob`], [`Client::push_manifest`]; [`Client::copy_blob`] does what is cheapest.
//! - Prepare a Harbor: [`Client::is_harbor`], [`Client::has_project`], [`Client::create_project`].
//! - Who to be: [`Credential`] in a rule, or a [`CredentialSource`] such as [`DefaultCredentials`].
//! - What went wrong: an [`Error`] says what was done, where, what came back and, by [`Error::hint`] or `{:#}`, what to do.
//!
//! Credentials go to the registry and the token server that it names, and to nobody else; they are in no error, no log and no
//! `Debug`.
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
mod login;
mod manifests;
mod network;
mod notice;
mod operation;
mod origin;
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
mod tags;
mod throttle;
mod tls;
mod token;
mod token_store;
mod transport;
mod tries;
mod upload;
mod url;
mod whole;

pub use crate::core::Timeouts;
pub use access::{Access, Greeting};
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
/// The crate whose types stand in this one's signatures.
pub use transload_reference as reference;
