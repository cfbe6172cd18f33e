#![doc = include_str!("../README.md")]
//!
//! # An image's way
//! ```text
//! Job -> prepare (names to sources and destinations; nothing moves before all jobs pass)
//!     -> plan (an image's manifests, platforms chosen; reads no blob but a config) -> Queue
//!     -> executor (blobs once each, then manifests, children first, then the tag) -> ImageOutcome -> JobSummary
//! ```
//!
//! Nothing here prints, exits, parses YAML or knows how a job was written.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod blobs;
pub mod bundle;
mod bytes;
mod clients;
mod contents;
mod current_image;
mod ends;
#[cfg(test)]
mod engine_tests;
mod event;
mod executor;
mod fault;
mod followers;
mod gap;
mod globs;
mod image_task;
pub mod inventory;
pub mod job;
mod lock;
pub mod maintenance;
mod manifest_locks;
#[cfg(test)]
mod memory;
mod options;
mod outcome;
pub mod panics;
mod parallel_map;
pub mod place;
mod plan;
mod pool;
mod prepare;
mod preview;
mod projects;
mod queue;
mod ranges;
mod run;
mod shares;
mod space;
mod suggest;
mod tagging;
mod trust;
mod turns;
mod versions;
mod waiting;
mod worker_pool;

pub use bytes::Bytes;
pub use clients::{Located, client, locate, open};
pub use contents::{ImagePart, PartBlob};
pub use event::{Event, How, Observer, Observers, Unobserved};
pub use fault::{Fault, Side};
pub use options::{Options, pool};
pub use outcome::{
    Count, ImageOutcome, JobSummary, LeftReferrers, Link, Referrer, Route, Scheduled, Status, Tally,
};
pub use place::{DirectorySource, RegistrySource, Source};
pub use prepare::{Mapping, Problem};
pub use preview::{Disk, Host, ImagePreview, JobPreview, Login, Preview, preview};
pub use projects::Project;
pub use run::{Summary, THE_TASK, run, run_in_turns};
pub use trust::{TrustPolicy, TrustProgram, TrustRule};
pub use turns::{Turn, Turns};

pub(crate) use clients::Clients;
