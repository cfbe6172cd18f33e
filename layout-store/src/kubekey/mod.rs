//! KubeKey's format: blobs together, and a folder of manifests and tags for each repository.

mod folders;
mod images;
mod manifests;
mod mend;
mod names;
mod places;
mod prune;
pub(crate) mod tag_map;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use transload_reference::{Digest, Repository};

use crate::directory::Directory;
use crate::folders::{BLOBS, FileState};
use crate::layout::Layout;
use crate::subjects::Subjects;
use crate::{Error, Format, sparse};
use tag_map::TagMaps;

pub(crate) use folders::{LAYOUT, MANIFESTS};

/// A directory of this format.
#[derive(Debug)]
pub(crate) struct KubeKey {
    directory: Arc<Directory>,
    /// The tag maps as they were when they were last read or written.
    tag_maps: TagMaps,
    /// The digests of tags' files as they were when they were last read.
    tag_digests: Mutex<HashMap<PathBuf, (FileState, Digest)>>,
    subjects: Subjects,
}

impl KubeKey {
    pub fn new(directory: Arc<Directory>) -> KubeKey {
        KubeKey {
            directory,
            tag_maps: TagMaps::default(),
            tag_digests: Mutex::default(),
            subjects: Subjects::default(),
        }
    }

    fn root(&self) -> &Path {
        self.directory.root()
    }

    /// Where it is noted what was left out of an index.
    fn note(&self, repository: &Repository, index: &Digest) -> PathBuf {
        self.notes(repository).join(index.as_str())
    }

    fn notes(&self, repository: &Repository) -> PathBuf {
        let mut path = sparse::folder(self.root());
        path.push(repository.registry().as_str());
        path.extend(repository.path().split('/'));
        path
    }
}

impl Layout for KubeKey {
    fn format(&self) -> Format {
        Format::KubeKey
    }

    fn make(&self) -> Result<(), Error> {
        let blobs = self.root().join(BLOBS);
        self.directory.make_folder(&blobs, &"the folder of blobs")
    }

    fn scope<'a>(&self, repository: &'a Repository) -> Option<&'a Repository> {
        Some(repository)
    }
}
