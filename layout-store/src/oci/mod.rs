//! The OCI image layout ([image specification, "Image Layout"]): manifests among the blobs, and `index.json`, which lists the images.
//!
//! [image specification, "Image Layout"]: https://github.com/opencontainers/image-spec/blob/main/image-layout.md

pub(crate) mod contents;
mod file;
pub(crate) mod index;
mod listing;
pub(crate) mod names;
mod remove;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use transload_reference::{
    Descriptor, Digest, RawManifest, Reference, ReferrerTag, ReferrersIndex, Repository, Tag,
};

use crate::directory::Directory;
use crate::file_cache::FileCache;
use crate::folders::{self, BLOBS, Kind, kind, manifest_at, read};
use crate::layout::Layout;
use crate::repair::{OldTagFile, TagFlaw};
use crate::subjects::{Subjects, readable};
use crate::{Error, Flaw, Format, Listing, Removed, StoredImage, sparse};
use contents::Contents;
use index::Entry;
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
        self.make()
    }

    fn scope<'a>(&self, _: &'a Repository) -> Option<&'a Repository> {
        None
    }

    fn listing(&self) -> Result<Listing, Error> {
        self.listing()
    }

    fn places(&self) -> Result<BTreeSet<Repository>, Error> {
        Ok(self.contents()?.repositories())
    }

    fn places_of(&self, path: &str) -> Result<BTreeSet<Repository>, Error> {
        Ok(self.contents()?.repositories_of(path))
    }

    fn has_place(&self, repository: &Repository) -> Result<bool, Error> {
        Ok(self.contents()?.has_repository(repository))
    }

    fn tags(&self, repository: &Repository) -> Result<BTreeSet<Tag>, Error> {
        Ok(self.contents()?.tags(repository))
    }

    fn tagged(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, Error> {
        let contents = self.contents()?;
        let image = contents.image(&named(repository, tag), &self.path())?;
        Ok(image.map(|image| image.digest.clone()))
    }

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

    fn check_place(&self, repository: &Repository, _: Option<&Tag>) -> Result<(), Error> {
        let blobs = self.directory.root().join(BLOBS);
        if kind(&blobs)? != Kind::Nothing {
            folders::check_folder(&blobs, repository)?;
        }
        match kind(&self.path())? {
            Kind::Nothing | Kind::File(_) => Ok(()),
            Kind::Folder | Kind::Other => Err(Error::damaged(&self.path(), "it isn't a regular file")),
        }
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

    fn keep(&self, repository: &Repository, digest: &Digest) -> Result<(), Error> {
        let manifest = self.descriptor(digest)?;
        self.directory.sync_blobs()?;
        let said = Said::that(repository, None);
        self.change(|contents| {
            if contents.lists(repository, digest) {
                return Ok(false);
            }
            let entry = Entry::new(manifest.clone(), &said).map_err(|error| json(&self.path(), error))?;
            contents.add(by_digest(repository, digest), entry);
            Ok(true)
        })
    }

    fn tag_all(&self, tags: &BTreeMap<Repository, Vec<(Tag, Digest)>>) -> Result<(), Error> {
        let tags = || {
            let all = tags.iter();
            all.flat_map(|(repository, tags)| std::iter::repeat(repository).zip(tags))
        };
        let mut manifests = HashMap::new();
        for (_, (_, digest)) in tags() {
            if !manifests.contains_key(digest) {
                manifests.insert(digest, self.descriptor(digest)?);
            }
        }
        // What a tag stands for must last longer than the tag.
        self.directory.sync_blobs()?;
        self.change(|contents| {
            let mut is_changed = false;
            for (repository, (tag, digest)) in tags() {
                let (name, said) = (named(repository, tag), Said::that(repository, Some(tag)));
                let set = contents.set(&name, &manifests[digest], &said);
                is_changed |= set.map_err(|error| json(&self.path(), error))?;
            }
            Ok(is_changed)
        })
    }

    fn untag(&self, repository: &Repository, tag: &Tag) -> Result<bool, Error> {
        let name = named(repository, tag);
        let said = Said::that(repository, None);
        if self
            .contents()?
            .image(&name, &self.path())
            .is_ok_and(|image| image.is_none())
        {
            return Ok(false);
        }
        self.change(|contents| {
            for (_, entry) in contents.take(&name) {
                let Ok(image) = &entry.image else { continue };
                if !contents.lists(repository, &image.digest) {
                    let by_digest = by_digest(repository, &image.digest);
                    let entry = entry.renamed(&said, &image.digest);
                    contents.add(by_digest, entry.map_err(|error| json(&self.path(), error))?);
                }
            }
            Ok(true)
        })?;
        Ok(true)
    }

    fn mend_manifest(&self, _: &Repository, manifest: &RawManifest) -> Result<(), Error> {
        self.write(manifest)
    }

    fn check_tags(&self, repository: &Repository) -> Result<Vec<TagFlaw>, Error> {
        let reasons = self.reasons(repository)?.into_iter();
        let flaw = |reason| TagFlaw {
            path: self.path(),
            flaw: Flaw::Damaged(reason),
        };
        Ok(reasons.map(flaw).collect())
    }

    fn renew_tag_files(&self, _: &Repository) -> Result<Vec<OldTagFile>, Error> {
        Ok(Vec::new())
    }

    /// Corrects sizes. What an entry stands for that can't be used, or that has another's name, no file tells.
    fn mend_tags(&self, repository: &Repository) -> Result<(), Error> {
        let descriptor = |digest: &Digest| Some(self.found(digest).ok()??.descriptor());
        self.change(|contents| {
            let corrected = contents.correct(repository, descriptor);
            corrected.map_err(|error| json(&self.path(), error))
        })?;
        match self.reasons(repository)?.into_iter().next() {
            Some(reason) => Err(Error::damaged(&self.path(), reason)),
            None => Ok(()),
        }
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

    /// Manifests are blobs, and those that aren't listed are told as such.
    fn unreached(&self, _: &Repository, reached: &HashSet<Digest>) -> Result<Vec<PathBuf>, Error> {
        let contents = self.contents()?;
        let listed: BTreeSet<&Digest> = contents.images().map(|(_, image)| &image.digest).collect();
        let unreached = listed.into_iter().filter(|digest| !reached.contains(digest));
        Ok(unreached.map(|digest| self.blob(digest)).collect())
    }

    fn forget_images(&self, images: &[StoredImage]) -> Result<(), Error> {
        if images.is_empty() {
            return Ok(());
        }
        self.change(|contents| {
            for image in images {
                contents.take(&image.reference);
                // It would come to light as an image by itself.
                contents.take(&image.reference.by_digest(&image.digest));
            }
            Ok(true)
        })
    }

    /// Removes their entries first: some are no images, but parts of one.
    fn remove_manifests(&self, manifests: &[(Repository, PathBuf)]) -> Result<(), Error> {
        if manifests.is_empty() {
            return Ok(());
        }
        let paths: HashSet<&Path> = manifests.iter().map(|(_, path)| path.as_path()).collect();
        self.change(
            |contents| Ok(contents.drop_those(|digest| paths.contains(self.blob(digest).as_path()))),
        )?;
        for path in paths {
            self.directory.check_stop()?;
            folders::remove(path)?;
        }
        Ok(())
    }

    fn remove_manifest(&self, repository: &Repository, digest: &Digest) -> Result<Removed, Error> {
        self.remove_manifest(repository, digest)
    }

    /// Removes the notes of indexes that are gone.
    fn tidy(&self, _: &BTreeSet<&Repository>) {
        let notes = sparse::folder(self.directory.root());
        for note in notes.read_dir().into_iter().flatten().flatten() {
            let name = note.file_name();
            let index = name
                .to_str()
                .and_then(|name| self.directory.blob_names.digest_of_own(name));
            if index.is_some_and(|index| matches!(kind(&self.blob(&index)), Ok(Kind::Nothing)))
                && let Err(error) = folders::remove(&note.path())
            {
                log::debug!("{error}");
            }
        }
    }
}
