//! The OCI image layout ([image specification, "Image Layout"]): manifests among the blobs, and `index.json`, which lists the images.
//!
//! [image specification, "Image Layout"]: https://github.com/opencontainers/image-spec/blob/main/image-layout.md

pub(crate) mod contents;
mod file;
pub(crate) mod index;
mod listing;
mod mend;
pub(crate) mod names;
mod prune;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use transload_reference::{
    Descriptor, Digest, RawManifest, Reference, ReferrerTag, ReferrersIndex, Repository, Tag,
};

use crate::directory::Directory;
use crate::file_cache::FileCache;
use crate::folders::{self, BLOBS, Kind, kind, manifest_at, read};
use crate::layout::{Layout, Manifests, Naming};
use crate::subjects::{Subjects, readable};
use crate::{Error, Format, durable, sparse};
use contents::Contents;
pub use names::local_repository;
use names::{Names, Said};

/// The file that makes a folder an OCI layout.
pub(crate) const MARK: &str = "oci-layout";
/// What it says. Any version that begins with `1.` is read.
const MARK_TEXT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
pub(crate) const INDEX: &str = "index.json";

/// A directory of this format.
#[derive(Debug)]
pub(crate) struct Oci {
    directory: Arc<Directory>,
    names: Names,
    contents: FileCache<Contents>,
    subjects: Subjects,
}

impl Oci {
    /// A directory whose images may be called as the caller says ([`OpenOptions::name`](crate::OpenOptions::name)).
    pub fn new(directory: Arc<Directory>, given: Option<Reference>) -> Result<Oci, Error> {
        Ok(Oci {
            names: Names::new(directory.root(), given)?,
            directory,
            contents: FileCache::default(),
            subjects: Subjects::default(),
        })
    }

    fn path(&self) -> PathBuf {
        self.directory.root().join(INDEX)
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.directory.blob_names.blob(self.directory.root(), digest)
    }

    fn found(&self, digest: &Digest) -> Result<Option<RawManifest>, Error> {
        let path = self.blob(digest);
        let folder = path.parent().unwrap_or(&path);
        if !folders::is_plain(self.directory.root(), folder)? {
            return Ok(None);
        }
        manifest_at(&path, digest)
    }

    /// The descriptor of a manifest that is to get a name.
    fn descriptor(&self, digest: &Digest) -> Result<Descriptor, Error> {
        match self.found(digest)? {
            Some(manifest) => Ok(manifest.referrer().unwrap_or_else(|| manifest.descriptor())),
            None => Err(Error::io("tagging", &self.blob(digest))(
                io::ErrorKind::NotFound.into(),
            )),
        }
    }

    fn write(&self, manifest: &RawManifest) -> Result<(), Error> {
        let path = self.blob(manifest.digest());
        let is_there = |bytes: Vec<u8>| bytes == manifest.bytes();
        if read(&path).ok().flatten().is_some_and(is_there) {
            self.directory.names.note();
            return Ok(());
        }
        let folder = path.parent().unwrap_or(&path);
        self.directory.make_folder(folder, &"the folder of blobs")?;
        if !manifest.view().children().is_empty() {
            // An index must not last longer than what it names.
            self.directory.sync_blobs()?;
        }
        self.directory
            .replace(&path, manifest.bytes(), manifest.digest())?;
        self.directory.names.note();
        Ok(())
    }

    /// Writes a list of referrers, and lets its tag stand for it. Returns whether anything changed.
    fn set_list(
        &self,
        contents: &mut Contents,
        name: &Reference,
        list: &ReferrersIndex,
    ) -> Result<bool, Error> {
        let list = list.to_manifest().map_err(|source| Error::Manifest {
            path: self.path(),
            source,
        })?;
        self.write(&list)?;
        self.directory.sync_blobs()?;
        let said = Said::that(name.repository(), name.tag());
        let set = contents.set(name, &list.descriptor(), &said);
        set.map_err(|error| json(&self.path(), error))
    }

    fn note(&self, index: &Digest) -> PathBuf {
        let notes = sparse::folder(self.directory.root());
        notes.join(self.directory.blob_names.own(index))
    }
}

/// What can't be written as JSON, which any text can.
fn json(path: &Path, error: serde_json::Error) -> Error {
    Error::damaged(path, error.to_string())
}

fn named(repository: &Repository, tag: &Tag) -> Reference {
    Reference::new(repository.clone(), Some(tag.clone()), None)
}

/// Whether an image of this name is the list of another one's referrers.
fn is_list(name: &Reference) -> bool {
    let tag = name.tag().and_then(ReferrerTag::parse);
    tag.is_some_and(|(kind, _)| kind == ReferrerTag::Index)
}

fn by_digest(repository: &Repository, digest: &Digest) -> Reference {
    Reference::new(repository.clone(), None, Some(digest.clone()))
}

impl Layout for Oci {
    fn format(&self) -> Format {
        Format::Oci
    }

    fn make(&self) -> Result<(), Error> {
        self.mark()?;
        let blobs = self.directory.root().join(BLOBS);
        self.directory.make_folder(&blobs, &"the folder of blobs")?;
        // Where there are blobs, it was lost, and an empty one would say that nothing needs them.
        if kind(&self.path())? == Kind::Nothing && !self.has_blobs()? {
            let _lock = self.directory.lock_tags()?;
            if kind(&self.path())? == Kind::Nothing {
                let bytes = self.empty()?.to_bytes(&self.path())?;
                self.directory.replace(&self.path(), &bytes, &INDEX)?;
                durable::sync(self.directory.root())?;
            }
        }
        Ok(())
    }

    fn scope<'a>(&self, _: &'a Repository) -> Option<&'a Repository> {
        None
    }
}

impl Manifests for Oci {
    fn manifest(&self, _: &Repository, digest: &Digest) -> Result<Option<RawManifest>, Error> {
        self.found(digest)
    }

    fn manifest_by_digest(&self, _: &Repository, digest: &Digest) -> Result<Option<RawManifest>, Error> {
        self.found(digest)
    }

    fn manifest_path(&self, _: &Repository, digest: &Digest) -> PathBuf {
        self.blob(digest)
    }

    /// Other programs note nothing: what an index of theirs names and isn't there was left out.
    fn left_out(&self, _: &Repository, index: &Digest) -> BTreeSet<Digest> {
        let note = self.note(index);
        if !matches!(kind(&note), Ok(Kind::Nothing)) {
            return sparse::left_out(&note);
        }
        let Ok(Some(manifest)) = self.found(index) else {
            return BTreeSet::new();
        };
        let children = manifest.view().children().iter().map(|child| &child.digest);
        children
            .filter(|child| matches!(kind(&self.blob(child)), Ok(Kind::Nothing)))
            .cloned()
            .collect()
    }

    fn put_manifest(&self, _: &Repository, manifest: &RawManifest) -> Result<(), Error> {
        if !manifest.view().children().is_empty() {
            let note = self.note(manifest.digest());
            sparse::note_left_out(&self.directory, &note, manifest, true, |child| {
                matches!(kind(&self.blob(child)), Ok(Kind::File(_)))
            })?;
        }
        self.write(manifest)
    }

    fn mend_manifest(&self, _: &Repository, manifest: &RawManifest) -> Result<(), Error> {
        self.write(manifest)
    }

    /// Looks at the listed images, and at what the indexes under referrers tags list, as regctl writes them: what refers to another image has an
    /// entry in either.
    fn subjects(&self, _: &Repository) -> Result<BTreeMap<Digest, Digest>, Error> {
        let mut subjects = BTreeMap::new();
        let contents = self.contents()?;
        let listed = contents.images();
        let mut waiting: Vec<(Digest, bool)> = listed
            .map(|(name, image)| (image.digest.clone(), is_list(name)))
            .collect();
        let mut seen = HashSet::new();
        while let Some((digest, is_list)) = waiting.pop() {
            self.directory.check_stop()?;
            if !is_list && !seen.insert(digest.clone()) {
                continue;
            }
            if is_list && let Some(list) = readable(self.found(&digest))? {
                let children = list.view().children().iter();
                waiting.extend(children.map(|child| (child.digest.clone(), false)));
            }
            let subject = self.subjects.of(&digest, || self.found(&digest))?;
            subjects.extend(subject.map(|subject| (digest, subject)));
        }
        Ok(subjects)
    }

    fn add_referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
        referrers: &[Descriptor],
    ) -> Result<(), Error> {
        for referrer in referrers {
            self.keep(repository, &referrer.digest)?;
        }
        let name = named(repository, &ReferrerTag::Index.of(subject));
        self.change(|contents| {
            let known = match contents.image(&name, &self.path())? {
                Some(image) => self.found(&image.digest)?,
                None => None,
            };
            let mut list = known.as_ref().and_then(ReferrersIndex::of).unwrap_or_default();
            let mut is_changed = false;
            for referrer in referrers {
                is_changed |= list.add(referrer.clone());
            }
            if !is_changed {
                return Ok(false);
            }
            self.set_list(contents, &name, &list)
        })
    }
}
