//! What happens during a transfer, told as it happens.

use std::sync::Arc;

use transload_reference::{Descriptor, Digest};
use transload_registry_client::Notice;

use super::contents::ImagePart;
use super::outcome::{ImageOutcome, JobSummary, Route, Scheduled};
use super::projects::Project;

/// Something that happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The run begins.
    RunStarted {
        /// All that it has to do, in its order.
        tasks: &'a [Scheduled],
    },
    /// A task's turn has come, and its images are known. [`Event::JobStarted`] follows.
    TaskReached {
        /// Its number in the run, from 0.
        number: usize,
        /// Its images.
        routes: &'a [Route],
    },
    /// A task begins.
    JobStarted {
        /// Its name.
        job: &'a str,
        /// How many images it has.
        images: usize,
    },
    /// A project was created at a Harbor that images go to.
    ProjectCreated {
        /// The project.
        project: &'a Project,
    },
    /// An image was resolved, and what it consists of is known.
    ImagePlanned {
        /// The image, as it was written.
        image: &'a str,
        /// How many blobs it has.
        blobs: usize,
        /// How many bytes of them no image planned before has.
        new_bytes: u64,
        /// Its manifests with their blobs.
        parts: &'a Arc<[ImagePart]>,
    },
    /// So many of a bundle's layers were compared with those of the other side.
    LayersCompared {
        /// How many by now.
        compared: usize,
        /// How many there are.
        layers: usize,
    },
    /// All of them were compared.
    DifferencesMade {
        /// How many travel as differences.
        layers: usize,
        /// The differences' bytes.
        bytes: u64,
        /// The bytes of these layers.
        whole_bytes: u64,
    },
    /// A blob's bytes begin to move. `offset` bytes were there already, from an earlier try.
    BlobStarted {
        /// The image that it moves for.
        image: &'a str,
        /// The blob.
        blob: &'a Descriptor,
        /// How many bytes were there already.
        offset: u64,
    },
    /// So many bytes of a blob have arrived. Calls from several threads may cross: the largest number counts, until the blob is begun
    /// anew.
    BlobProgress {
        /// The image that it moves for.
        image: &'a str,
        /// The blob.
        digest: &'a Digest,
        /// How many of its bytes are there.
        position: u64,
    },
    /// A blob is at the destination.
    BlobFinished {
        /// The image that it moved for.
        image: &'a str,
        /// The blob.
        blob: &'a Descriptor,
        /// How it got there.
        how: How,
    },
    /// A blob could not be moved.
    BlobFailed {
        /// The image that it should have moved for.
        image: &'a str,
        /// The blob.
        digest: &'a Digest,
    },
    /// All of an image is at the destination, or it failed.
    ImageFinished {
        /// What became of it.
        outcome: &'a ImageOutcome,
    },
    /// An image that was taken as there is looked at again: its registry has lost blobs. [`Event::ImageFinished`] follows once more.
    ImageReopened {
        /// The image, as it was written.
        image: &'a str,
    },
    /// A request is tried again, a transfer goes on where it was cut, or a registry asks for patience: the work goes on.
    Trouble {
        /// The image that the request was for, where it was for one.
        image: Option<&'a str>,
        /// What happened.
        notice: &'a Notice,
    },
    /// Something else that a watching person wants to know.
    Notice {
        /// What.
        text: &'a str,
    },
    /// Something that a person should look at.
    Warning {
        /// What.
        text: &'a str,
    },
    /// A task isn't done, since an earlier one ended as it did.
    JobSkipped {
        /// Its number in the run, from 0.
        number: usize,
        /// Its name.
        job: &'a str,
        /// Why, as in "nothing failed in its block".
        reason: &'a str,
    },
    /// A task is done.
    JobFinished {
        /// Its number in the run, from 0.
        number: usize,
        /// What became of it.
        summary: &'a JobSummary,
    },
}

/// How a blob got where it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum How {
    /// Its bytes moved.
    Moved,
    /// It was there before.
    Present,
    /// The registry took it from another of its repositories.
    Mounted,
    /// The filesystem gave it a second name.
    Linked,
    /// The filesystem let it share the blocks of the file that it was copied from.
    Cloned,
    /// Another image of this run brought it.
    Shared,
}

/// Someone who is told what happens. Calls come from many threads at once.
pub trait Observer: Send + Sync {
    /// Takes note of an event.
    fn event(&self, event: &Event<'_>);
}

/// Several observers, told one after another.
pub struct Observers(pub Vec<Arc<dyn Observer>>);

impl Observer for Observers {
    fn event(&self, event: &Event<'_>) {
        for observer in &self.0 {
            observer.event(event);
        }
    }
}

/// An observer that looks away.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn event(&self, _: &Event<'_>) {}
}
