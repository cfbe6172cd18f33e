//! What became of images and tasks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use transload_archive::bundle::Holdings;
use transload_reference::{Digest, Platform, Tag};

use super::contents::ImagePart;
use super::event::How;
use super::fault::Fault;
use super::projects::Project;

/// An image and its two ends, as they are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The image, as it was written.
    pub image: String,
    /// What events call it, which no other image of its task is called: `image`, followed by its destination where it goes to several.
    pub label: String,
    /// Where it comes from.
    pub source: String,
    /// Where it goes.
    pub destination: String,
}

/// A task that a run has to do.
#[derive(Debug, Clone)]
pub struct Scheduled {
    /// Its name.
    pub job: String,
    /// Its images; none where an earlier task of the run fills the folder that they come from.
    pub routes: Option<Vec<Route>>,
}

/// What became of one image.
#[derive(Debug, Clone)]
pub struct ImageOutcome {
    /// The image, as it was written.
    pub image: String,
    /// What events call it: see [`Route::label`].
    pub label: String,
    /// Where it came from.
    pub source: String,
    /// Where it went.
    pub destination: String,
    /// What became of it.
    pub status: Status,
    /// Its digest at the source, once known.
    pub source_digest: Option<Digest>,
    /// Its digest at the destination, once known: another one where platforms were left out of an index.
    pub digest: Option<Digest>,
    /// The platforms that moved; empty for what has none.
    pub platforms: Vec<Platform>,
    /// The same, with the digests of their manifests.
    pub parts: Vec<(Platform, Digest)>,
    /// Its manifests with their blobs, once known.
    pub contents: Arc<[ImagePart]>,
    /// Things to look at: missing platforms, foreign layers that were left out.
    pub warnings: Vec<String>,
    /// Its referrers that came along: signatures, SBOMs and the like.
    pub referrers: Vec<Referrer>,
    /// Its referrers that didn't.
    pub left_referrers: LeftReferrers,
    /// What vouches for it at its source, such as `key ECDSA P-256 0123456789ab`; empty where nothing was to be checked.
    pub verified_by: Vec<String>,
    /// Blobs by how they got there.
    pub blobs: Tally,
    /// How often it was begun: more than once where a task's `retries` gave it another try.
    pub attempts: u32,
    /// When it was first begun.
    pub began: Option<SystemTime>,
    /// From its planning to its tag, further tries included.
    pub elapsed: Duration,
}

impl ImageOutcome {
    /// What became of an image of which nothing else is known.
    pub fn blank(route: Route, status: Status) -> ImageOutcome {
        ImageOutcome {
            image: route.image,
            label: route.label,
            source: route.source,
            destination: route.destination,
            status,
            source_digest: None,
            digest: None,
            platforms: Vec::new(),
            parts: Vec::new(),
            contents: Arc::default(),
            warnings: Vec::new(),
            referrers: Vec::new(),
            left_referrers: LeftReferrers::default(),
            verified_by: Vec::new(),
            blobs: Tally::default(),
            attempts: 0,
            began: None,
            elapsed: Duration::ZERO,
        }
    }
}

/// A referrer of an image: a signature, an SBOM or the like.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Referrer {
    /// Its manifest's digest.
    pub digest: Digest,
    /// Its artifact type, if it tells its subject.
    pub artifact_type: Option<String>,
    /// How it is found with what it refers to.
    pub link: Link,
}

/// How a referrer is found with what it refers to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Link {
    /// By the `subject` in its manifest, of this digest.
    Subject(Digest),
    /// By this tag of cosign's.
    Tag(Tag),
}

/// The numbers of an image's referrers that don't come along.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftReferrers {
    /// Those that nobody asked for, where the source tells them without a request.
    pub unasked: usize,
    /// Those of an index that was cut, and so has another digest.
    pub of_index: usize,
}

/// What became of an image.
#[derive(Debug, Clone)]
pub enum Status {
    /// It moved, wholly or in part.
    Copied,
    /// All of it was there.
    AlreadyThere,
    /// It was left out, and why.
    Skipped(String),
    /// It didn't move, and why.
    Failed(Fault),
    /// The run was stopped before its turn came.
    Interrupted,
}

impl Status {
    /// What a fault makes of its image.
    pub(crate) fn of(fault: Fault) -> Status {
        if fault.is_interrupted() {
            Status::Interrupted
        } else {
            Status::Failed(fault)
        }
    }

    /// Whether the image is where it should be, or was left out by rule.
    pub fn is_success(&self) -> bool {
        matches!(self, Status::Copied | Status::AlreadyThere | Status::Skipped(_))
    }
}

/// Blobs and bytes by how they got where they should be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Blobs that moved, with the bytes that this run moved of them.
    pub moved: Count,
    /// Of the blobs that moved, those that an earlier run had begun, with the bytes that were there from it.
    pub resumed: Count,
    /// There before.
    pub present: Count,
    /// Mounted from another repository.
    pub mounted: Count,
    /// Linked on the filesystem.
    pub linked: Count,
    /// Copied without moving bytes: they share their blocks with the source's file.
    pub cloned: Count,
    /// Brought by another image of the run.
    pub shared: Count,
}

/// A number of blobs and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// How many blobs.
    pub blobs: usize,
    /// How many bytes.
    pub bytes: u64,
}

impl Count {
    /// Adds so many blobs of so many bytes together.
    pub fn add(&mut self, blobs: usize, bytes: u64) {
        self.blobs += blobs;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

impl Tally {
    /// Counts one blob of so many bytes, of which `kept` were there from an earlier run.
    pub fn count(&mut self, how: How, bytes: u64, kept: u64) {
        let count = match how {
            How::Moved => {
                if kept > 0 {
                    self.resumed.add(1, kept);
                }
                return self.moved.add(1, bytes.saturating_sub(kept));
            }
            How::Present => &mut self.present,
            How::Mounted => &mut self.mounted,
            How::Linked => &mut self.linked,
            How::Cloned => &mut self.cloned,
            How::Shared => &mut self.shared,
        };
        count.add(1, bytes);
    }

    /// Adds another tally to this one.
    pub fn add(&mut self, other: &Tally) {
        for (count, more) in [
            (&mut self.moved, other.moved),
            (&mut self.resumed, other.resumed),
            (&mut self.present, other.present),
            (&mut self.mounted, other.mounted),
            (&mut self.linked, other.linked),
            (&mut self.cloned, other.cloned),
            (&mut self.shared, other.shared),
        ] {
            count.add(more.blobs, more.bytes);
        }
    }
}

/// What became of a task.
#[derive(Debug, Clone)]
pub struct JobSummary {
    /// Its name.
    pub job: String,
    /// What became of its images, in the task's order.
    pub images: Vec<ImageOutcome>,
    /// Warnings that belong to no image: a pattern that matches nothing.
    pub warnings: Vec<String>,
    /// The projects that were created for them.
    pub projects: Vec<Project>,
    /// Bytes moved by where they came from.
    pub origins: BTreeMap<String, Count>,
    /// How many requests were sent to each token server, by its URL.
    pub token_requests: BTreeMap<String, u64>,
    /// What is neither in the bundle that its images come from nor at their destination, and the images that lack it.
    pub missing: Holdings,
    /// The file that takes an inventory of that.
    pub missing_file: Option<PathBuf>,
    /// The bundles that its images come from, by the digests of their lists.
    pub bundles: BTreeSet<Digest>,
    /// How long it took.
    pub elapsed: Duration,
    /// Whether its failures leave the exit status alone.
    pub ignore_errors: bool,
    /// Whether it takes all platforms of its images.
    pub takes_all_platforms: bool,
}

impl JobSummary {
    /// The images that failed or were interrupted.
    pub fn failures(&self) -> impl Iterator<Item = &ImageOutcome> {
        self.images.iter().filter(|image| !image.status.is_success())
    }

    /// All its images' blobs.
    pub fn tally(&self) -> Tally {
        let mut total = Tally::default();
        for image in &self.images {
            total.add(&image.blobs);
        }
        total
    }
}
