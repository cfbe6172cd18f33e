//! The kinds of places on a disk.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use transload_layout_store::OpenOptions;

use super::directory::Directory;
use super::{Sink, Source};
use crate::fault::Fault;

/// The directory: what a path stands for that nothing else is said of.
pub(crate) const DIRECTORY: &dyn Kind = &Directory;

/// Every kind of place on a disk: arguments, task files, messages and completions know those that are here.
const KINDS: &[&dyn Kind] = &[DIRECTORY];

/// How a kind of place is written.
#[derive(Debug)]
#[non_exhaustive]
pub struct Scheme {
    /// What stands before the path, such as `local://`.
    pub prefix: &'static str,
    /// What it stands for, for people: `a directory`.
    pub name: &'static str,
}

/// Returns how the kinds of places on a disk are written.
pub fn schemes() -> impl Iterator<Item = &'static Scheme> {
    KINDS.iter().map(|kind| kind.scheme())
}

/// A kind of place on a disk: how it is written, and how it is opened.
pub(crate) trait Kind: fmt::Debug + Send + Sync {
    /// How it is written.
    fn scheme(&self) -> &'static Scheme;

    /// Whether blobs may be linked from one place of this kind to another.
    fn links(&self) -> bool {
        false
    }

    /// Opens the place to read images from it.
    fn source(&self, path: &Path, options: &OpenOptions) -> Result<Arc<dyn Source>, Fault>;

    /// Opens the place to write images to it. It is made where it isn't there.
    fn sink(&self, path: &Path, options: &SinkOptions) -> Result<Arc<dyn Sink>, Fault>;

    /// Opens the place to see what would be written to it. It needn't be there.
    fn look(&self, path: &Path, options: &SinkOptions) -> Result<Arc<dyn Sink>, Fault>;

    /// Checks, before anything moves, that images can be read from it.
    fn check_source(&self, path: &Path, options: &OpenOptions) -> Result<(), Refusal>;

    /// Checks, before anything moves, that images can be written to it.
    fn check_sink(&self, path: &Path, options: &OpenOptions) -> Result<(), Refusal>;
}

/// Returns the kind that a text names by its scheme, and what follows that.
pub(crate) fn of_scheme(text: &str) -> Option<(&'static dyn Kind, &str)> {
    let mut kinds = KINDS.iter();
    kinds.find_map(|kind| Some((*kind, text.strip_prefix(kind.scheme().prefix)?)))
}

/// How images are written to a place.
#[derive(Debug, Clone)]
pub(crate) struct SinkOptions {
    /// How directories are opened.
    pub open: OpenOptions,
    /// Whether blobs are linked where they can be.
    pub link: bool,
    /// Whether what is there is looked at before it counts.
    pub check_existing: bool,
    /// Whether indexes are written of which only some manifests are there.
    pub writes_sparse: bool,
}

/// Why a place can't be used.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub message: String,
    pub hint: Option<String>,
    /// Whether the place is at fault, and not how it was asked for.
    pub failed: bool,
}

impl Refusal {
    /// What is wrong with the request.
    pub fn wrong(message: impl fmt::Display, hint: Option<String>) -> Refusal {
        Refusal {
            message: message.to_string(),
            hint,
            failed: false,
        }
    }

    /// What a place failed with. Where the run was stopped, nothing is known of the place.
    pub fn failed(fault: &Fault) -> Refusal {
        Refusal {
            message: fault.text(),
            hint: fault.hint().map(str::to_owned),
            failed: !fault.is_interrupted(),
        }
    }
}
