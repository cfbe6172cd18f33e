//! What one task asks for, with every name, pattern, platform and template already checked.
//!
//! A [`Job`] comes from a task file or from the command line; nothing in it needs the network or a disk. Which image goes
//! where is worked out by the transfer, since a store's images are only known once it is open.

mod bundling;
mod earlier;
mod endpoint;
mod endpoint_error;
mod glob;
mod image;
mod pasted;
mod pins;
mod referrers;
mod shard;
mod target;
mod transport;

pub use bundling::Bundling;
pub use earlier::Earlier;
pub use endpoint::{Endpoint, LINK_HINT, LOCAL, Location, NO_LINK, OCI, PlaceTemplate};
pub use endpoint_error::EndpointError;
pub use glob::{EntryError, ImageEntry, TagGlob};
pub use image::ImageName;
pub use pins::Pins;
pub use referrers::{Referrers, ReferrersError};
pub use shard::Shard;
pub use target::Target;

use std::path::PathBuf;
use std::sync::Arc;

use transload_policy::{ImagePattern, Mode, PlatformSet, Renaming, Single};
use transload_registry_client::{HostRule, Visibility};

use crate::trust::TrustPolicy;

/// One task: which images go from where to where, and how.
#[derive(Debug, Clone)]
pub struct Job {
    /// The task's name, or the command's.
    pub name: String,
    /// The images. None given, and no glob either: all that the source store holds, or the one image that the source names.
    pub images: Vec<ImageName>,
    /// Globs for tags, which stand for more images: those that the source has when the task is prepared.
    pub globs: Vec<TagGlob>,
    /// Whether all that the source store holds includes images that a tag of their repository stood for before it was moved.
    pub untagged: bool,
    /// How a bundle is written, if the destination is one.
    pub bundling: Bundling,
    /// The file that takes an inventory of what the source lacks and the destination hasn't got.
    pub missing: Option<PathBuf>,
    /// Which of the images: all where there is none.
    pub pattern: Option<ImagePattern>,
    /// Which platforms of each image.
    pub platforms: PlatformSet,
    /// What happens where a platform is missing.
    pub mode: Mode,
    /// Whether an image of one platform has to be of all platforms asked for.
    pub single: Single,
    /// What becomes of an index of which only some platforms move.
    pub index: IndexMode,
    /// Which referrers of the images come along.
    pub referrers: Referrers,
    /// Whether blobs are linked between directories, where they can be, and not copied.
    pub link: bool,
    /// Whether what the destination has is looked at before it counts.
    pub check_existing: bool,
    /// What each image must fulfil before anything of it moves: all of these.
    pub trust: Vec<Arc<TrustPolicy>>,
    /// Whether projects that the destination, a Harbor, lacks are created, and who may pull from them.
    pub create_projects: Option<Visibility>,
    /// Where the images come from: each image's own registry where there is none.
    pub source: Option<Endpoint>,
    /// Where they go.
    pub destination: Endpoint,
    /// Where they go besides: each image goes to all of its destinations, and a remote source is read once for them.
    pub also_to: Vec<Endpoint>,
    /// How their names change before the destination is asked where they go.
    pub renaming: Renaming,
    /// Credentials and transport settings by host.
    pub hosts: Vec<HostRule>,
    /// Whether hosts that no rule covers are spoken to without checking their certificates.
    pub skip_tls_verify: bool,
    /// How often images that failed are tried again once the others are done.
    pub retries: u32,
    /// Whether failed images leave the exit status alone.
    pub ignore_errors: bool,
    /// What the images have to be: anything where there is none.
    pub pins: Option<Arc<dyn Pins>>,
    /// What an earlier run left to do: all where there is none.
    pub earlier: Option<Earlier>,
    /// Which part of the images, where several runs share them: all where there is none.
    pub shard: Option<Shard>,
    /// Whether what the job asks for is known only when its turn comes: until then it has a name and nothing else.
    pub is_late: bool,
    /// Whether the job runs only where another one failed, and may write what that one should have written.
    pub is_fallback: bool,
}

impl Job {
    /// A job with everything but its destination at the default.
    pub fn new(name: impl Into<String>, destination: Endpoint) -> Job {
        Job {
            name: name.into(),
            images: Vec::new(),
            globs: Vec::new(),
            untagged: false,
            bundling: Bundling::default(),
            missing: None,
            pattern: None,
            platforms: PlatformSet::All,
            mode: Mode::Strict,
            single: Single::Refuse,
            index: IndexMode::Filtered,
            referrers: Referrers::None,
            link: false,
            check_existing: false,
            trust: Vec::new(),
            create_projects: None,
            source: None,
            destination,
            also_to: Vec::new(),
            renaming: Renaming::default(),
            hosts: Vec::new(),
            skip_tls_verify: false,
            retries: 0,
            ignore_errors: false,
            pins: None,
            earlier: None,
            shard: None,
            is_late: false,
            is_fallback: false,
        }
    }

    /// Returns where its images go: the first destination, then the others.
    pub fn destinations(&self) -> impl Iterator<Item = &Endpoint> {
        std::iter::once(&self.destination).chain(&self.also_to)
    }

    /// Returns how many destinations it has.
    pub(crate) fn destination_count(&self) -> usize {
        1 + self.also_to.len()
    }

    /// Whether it moves all that its source has, whatever that turns out to be.
    pub(crate) fn wants_all(&self) -> bool {
        self.images.is_empty()
            && self.globs.is_empty()
            && self.pattern.is_none()
            && matches!(self.platforms, PlatformSet::All)
            && self.pins.is_none()
            && self.earlier.is_none()
            && self.shard.is_none()
    }
}

/// What becomes of an index of which only some platforms move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IndexMode {
    /// It is cut down to what moves, which gives it another digest.
    #[default]
    Filtered,
    /// It stays as it is, digest and all, and some of what it names isn't there ("sparse").
    Original,
}
