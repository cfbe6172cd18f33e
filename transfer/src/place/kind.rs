//! The kinds of places on a disk.

use std::fmt;
use std::sync::Arc;

use super::archive::{DOCKER_ARCHIVE, OCI_ARCHIVE, STREAM};
use super::bundle::BUNDLE;
use super::directory::OCI;
use super::local::LOCAL;
use super::{LocalPlace, Opener, Sink, Source};
use crate::bundle::BundleChoice;
use crate::fault::{Fault, Side};
use crate::job::{Bundling, IndexMode, Job};

/// Every kind of place on a disk: arguments, task files, messages and completions know those that are here.
const KINDS: &[&dyn Kind] = &[LOCAL, OCI, OCI_ARCHIVE, DOCKER_ARCHIVE, STREAM, BUNDLE];

/// How a kind of place is written.
#[derive(Debug)]
#[non_exhaustive]
pub struct Scheme {
    /// What stands before the path, such as `local://`.
    pub prefix: &'static str,
    /// What it stands for, for people: `a directory`.
    pub name: &'static str,
    /// How one is written, such as `oci:DIR[:NAME]`.
    pub form: &'static str,
    /// An example of one.
    pub example: &'static str,
    /// What is said of it in help and documents.
    pub about: &'static str,
    /// Whether the name of an image in it may follow the path, behind a colon.
    pub takes_name: bool,
}

/// Returns how the kinds of places on a disk are written.
pub fn schemes() -> impl Iterator<Item = &'static Scheme> {
    KINDS.iter().map(|kind| kind.scheme())
}

/// A kind of place on a disk: how it is written, and how it is opened.
pub(crate) trait Kind: fmt::Debug + Send + Sync {
    /// How it is written.
    fn scheme(&self) -> &Scheme;

    /// Whether blobs may be linked from one place of this kind to another.
    fn links(&self) -> bool {
        false
    }

    /// Opens the place to read images from it.
    fn source(&self, place: &LocalPlace, opener: &Opener) -> Result<Arc<dyn Source>, Fault>;

    /// Opens the place to write images to it. It is made where it isn't there.
    fn sink(&self, place: &LocalPlace, options: &SinkOptions) -> Result<Arc<dyn Sink>, Fault>;

    /// Opens the place to see what would be written to it. It needn't be there.
    fn look(&self, place: &LocalPlace, options: &SinkOptions) -> Result<Arc<dyn Sink>, Fault>;

    /// Checks, before anything moves, that images can be read from it.
    fn check_source(&self, place: &LocalPlace, opener: &Opener) -> Result<(), Refusal>;

    /// Checks, before anything moves, that images can be written to it.
    fn check_sink(&self, place: &LocalPlace, opener: &Opener) -> Result<(), Refusal>;
}

/// Returns the kind that a text names by its scheme, and what follows that.
pub(crate) fn of_scheme(text: &str) -> Option<(&'static dyn Kind, &str)> {
    let mut kinds = KINDS.iter();
    kinds.find_map(|kind| {
        let prefix = kind.scheme().prefix;
        let rest = text.strip_prefix(prefix)?;
        // `oci://` stands before a registry, `oci:5000` is one, and `-` stands alone.
        let port = rest.split('/').next().unwrap_or_default();
        let is_port = !port.is_empty() && port.bytes().all(|letter| letter.is_ascii_digit());
        let is_other = match prefix.ends_with(':') {
            true => rest.starts_with("//") || is_port,
            false => !prefix.ends_with('/') && !rest.is_empty(),
        };
        (!is_other).then_some((*kind, rest))
    })
}

/// How images are written to a place.
#[derive(Clone)]
pub(crate) struct SinkOptions {
    /// What opens places.
    pub opener: Opener,
    /// Whether blobs are linked where they can be.
    pub link: bool,
    /// Whether what is there is looked at before it counts.
    pub check_existing: bool,
    /// Whether indexes are written of which only some manifests are there.
    pub writes_sparse: bool,
    /// How bundles are written.
    pub bundling: Bundling,
    /// What a bundle carries.
    pub choice: Arc<BundleChoice>,
}

impl SinkOptions {
    /// As a job says.
    pub fn of(job: &Job, opener: Opener, choice: Arc<BundleChoice>) -> SinkOptions {
        SinkOptions {
            opener,
            link: job.link,
            check_existing: job.check_existing,
            writes_sparse: job.index == IndexMode::Original,
            bundling: job.bundling.clone(),
            choice,
        }
    }
}

/// Why a place can't be used.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub message: String,
    pub hint: Option<String>,
    /// Whether the place is at fault, and not how it was asked for.
    pub failed: bool,
    /// The side that is at fault, where it isn't the one that was looked at.
    pub side: Option<Side>,
}

impl Refusal {
    /// What is wrong with the request.
    pub fn wrong(message: impl fmt::Display, hint: Option<String>) -> Refusal {
        Refusal {
            message: message.to_string(),
            hint,
            failed: false,
            side: None,
        }
    }

    /// The same as the fault of whoever reads from the place.
    pub fn into_fault(self) -> Fault {
        Fault::refused(Some(Side::Source), self.message).maybe_hint(self.hint)
    }

    /// What a place failed with. Where the run was stopped, nothing is known of the place.
    pub fn failed(fault: &Fault) -> Refusal {
        Refusal {
            message: fault.text(),
            hint: fault.hint().map(str::to_owned),
            failed: !fault.is_interrupted(),
            side: fault.side(),
        }
    }
}
