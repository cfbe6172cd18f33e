//! Places that hold images: what they are called, and the two traits that the planner and the executor see of them.
//!
//! A kind of place on a disk is a module here and a line in the table of `kind.rs`. Registries are the other kind: their images' names say where they are.

mod archive;
mod bundle;
mod directory;
mod kind;
mod local;
mod opener;
mod registry;
mod shared;
mod sink;
mod source;
mod spool;
mod straight;
mod tagged;
mod temporary;
mod to_be;

pub use directory::DirectorySource;
pub use kind::{Scheme, schemes};
pub use registry::RegistrySource;
pub use source::{Absent, Offers, OpenBase, Source};

pub(crate) use archive::PIPE;
pub(crate) use directory::DirectorySink;
pub(crate) use kind::{Kind, Refusal, SinkOptions, of_scheme};
pub(crate) use local::{LOCAL, has_archive_name};
pub(crate) use opener::Opener;
pub(crate) use registry::{AllLosses, Losses, RegistrySink};
pub(crate) use shared::SharedSource;
pub(crate) use sink::{Bring, CHUNK, Expected, PlannedImage, Presence, Published, Sink};
pub(crate) use source::{FRESH_STARTS, Stoppable, config_of, is_damage, read_fault};
pub(crate) use straight::Straight;
pub(crate) use temporary::{FilePart, temporary_fault, temporary_file};
pub(crate) use to_be::ToBe;

#[cfg(test)]
pub(crate) use directory::fill;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use transload_archive::bundle::{Bundle, BundleError};
use transload_layout_store::{StoredImage, local_repository};
use transload_reference::{Reference, Registry, Repository};
use transload_signature::ssh::{AllowedSigners, SignedBy};

use crate::fault::{Fault, Side};

/// A place that holds images.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// On a disk.
    Local(LocalPlace),
    /// A registry.
    Registry(Registry),
}

impl Place {
    /// The path, if it is on a disk.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Place::Local(local) => Some(local.path()),
            Place::Registry(_) => None,
        }
    }

    /// The registry, if it is one.
    pub fn registry(&self) -> Option<&Registry> {
        match self {
            Place::Local(_) => None,
            Place::Registry(registry) => Some(registry),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Local(local) => local.fmt(f),
            Place::Registry(registry) => registry.fmt(f),
        }
    }
}

/// A place on a disk. It is displayed as its path.
#[derive(Debug, Clone)]
pub struct LocalPlace {
    kind: &'static dyn Kind,
    path: PathBuf,
    /// The name of images in it that have none.
    name: Option<Reference>,
    /// Further folders that have volumes of it, where it is a bundle.
    volumes: Vec<PathBuf>,
    /// Who may have signed it, where it is a bundle; anybody and nobody where nothing is said.
    signers: Option<Arc<AllowedSigners>>,
}

impl LocalPlace {
    /// Returns the place of this kind at a path.
    pub(crate) fn new(kind: &'static dyn Kind, path: &Path) -> LocalPlace {
        // Components drop a slash at the end and doubled ones, so that one folder has one name.
        LocalPlace {
            kind,
            path: path.components().collect(),
            name: None,
            volumes: Vec::new(),
            signers: None,
        }
    }

    /// Returns the place with further folders that have volumes of it, where it is a bundle.
    #[must_use]
    pub fn with_volumes(self, volumes: Vec<PathBuf>) -> LocalPlace {
        LocalPlace { volumes, ..self }
    }

    /// Returns the place, which one of these has to have signed: it is a bundle, and nothing is read from it before its signature.
    #[must_use]
    pub fn with_signers(self, signers: Option<Arc<AllowedSigners>>) -> LocalPlace {
        LocalPlace { signers, ..self }
    }

    /// Opens the bundle that it is, and tells who signed it if somebody has to.
    ///
    /// # Errors
    /// Where it can't be read, or isn't signed as it has to be.
    pub fn open_bundle(&self) -> Result<(Bundle, Option<SignedBy>), BundleError> {
        crate::bundle::open(&self.path, &self.volumes, self.signers.as_deref())
    }

    /// Whether it is a bundle, which is there or is to be written.
    pub fn is_bundle(&self) -> bool {
        self.scheme().prefix == bundle::BUNDLE.scheme().prefix || bundle::is_one(self)
    }

    /// Returns the place with a name for images in it that have none.
    pub(crate) fn with_name(self, name: Reference) -> LocalPlace {
        LocalPlace {
            name: Some(name),
            ..self
        }
    }

    /// Returns the bundle in a folder.
    pub(crate) fn bundle(path: &Path) -> LocalPlace {
        LocalPlace::new(bundle::BUNDLE, path)
    }

    /// Returns the directory at a path.
    pub fn directory(path: &Path) -> LocalPlace {
        LocalPlace::new(LOCAL, path)
    }

    /// Returns how its kind is written.
    pub fn scheme(&self) -> &'static Scheme {
        self.kind.scheme()
    }

    /// Whether it is standard input or output.
    pub fn is_stream(&self) -> bool {
        self.scheme().prefix == PIPE
    }

    /// Returns what kind of place it is.
    pub(crate) fn kind(&self) -> &'static dyn Kind {
        self.kind
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the repository of images in it that have no name: `localhost/<name of the file or directory>`.
    pub(crate) fn local_repository(&self) -> Result<Repository, transload_layout_store::Error> {
        let mut path = self.path.clone();
        while has_archive_name(&path) {
            path.set_extension("");
        }
        local_repository(&path)
    }

    /// Returns the name of images in it that have none, if it is given.
    pub(crate) fn name(&self) -> Option<&Reference> {
        self.name.as_ref()
    }

    /// Opens the place to see what it holds. Waits for other processes, and what takes long, end once `cancel` is set.
    ///
    /// # Errors
    /// Where nothing is there, or something else.
    pub fn open(&self, cancel: &Arc<AtomicBool>) -> Result<Arc<dyn Source>, Fault> {
        let opener = Opener::new(cancel);
        let checked = self.kind.check_source(self, &opener);
        checked.map_err(|refusal| {
            if cancel.load(Ordering::Relaxed) {
                return Fault::interrupted();
            }
            refusal.into_fault()
        })?;
        self.kind.source(self, &opener)
    }

    /// Returns the path from the root on, so that a place is known again that is written in another way.
    pub(crate) fn whole_path(&self) -> PathBuf {
        std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone())
    }
}

/// The image of a place that a tag alone stands for, where the name has the place's own repository: the only one with that tag, whatever
/// its repository is.
pub(crate) fn by_tag_alone(
    place: &LocalPlace,
    name: &Reference,
    images: impl FnOnce() -> Result<Vec<StoredImage>, Fault>,
) -> Result<Option<StoredImage>, Fault> {
    let is_own = place
        .local_repository()
        .is_ok_and(|own| own == *name.repository());
    let Some(tag) = name.tag().filter(|_| is_own) else {
        return Ok(None);
    };
    let images = images()?;
    let mut found = images.iter().filter(|image| image.reference.tag() == Some(tag));
    match (found.next(), found.next()) {
        (Some(first), Some(second)) => {
            let message = format!("{place} has several images with the tag {tag}");
            let hint = format!("give its whole name: {} or {}", first.reference, second.reference);
            Err(Fault::refused(Some(Side::Source), message).with_hint(hint))
        }
        (found, _) => Ok(found.cloned()),
    }
}

/// One path has one place: whoever writes to it in two ways writes to one file or folder.
impl PartialEq for LocalPlace {
    fn eq(&self, other: &LocalPlace) -> bool {
        self.whole_path() == other.whole_path()
    }
}

impl Eq for LocalPlace {}

impl Hash for LocalPlace {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.whole_path().hash(state);
    }
}

impl fmt::Display for LocalPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}
