//! Manifests: reading and writing.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, PoisonError};

use transload_reference::{
    Algorithm, Digest, Identifier, MAX_MANIFEST_SIZE, ManifestError, RawManifest, Repository, Tag,
};

use crate::folders::{self, DOCKER_HUB, DOCKER_HUB_API, Kind, LAYOUT, OWN, TEMPORARY, kind};
use crate::images::age;
use crate::layout::Layout;
use crate::lease::{self, Share};
use crate::store::state_of;
use crate::{Error, Store, durable};

impl Store {
    /// What a tag or a digest of a repository stands for; none if there is no such thing. Tags are looked up in `layout`, then as
    /// the files that old generations have.
    ///
    /// # Errors
    /// Where a file can't be read.
    pub fn resolve(&self, repository: &Repository, identifier: &Identifier) -> Result<Option<Digest>, Error> {
        match identifier {
            Identifier::Digest(digest) => Ok(self
                .manifest(repository, digest)?
                .map(|manifest| manifest.digest().clone())),
            Identifier::Tag(tag) => self.newest_of(repository, tag),
        }
    }

    /// What a tag stands for in that of the repository's folders which came to say so last. A folder that can't be read spoils nothing that
    /// another has.
    fn newest_of(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, Error> {
        let (mut newest, mut failure) = (None::<(PathBuf, Digest)>, None);
        for folder in self.readable_folders(repository)? {
            let digest = match self.tagged(&folder, tag) {
                Ok(Some(digest)) => digest,
                Ok(None) => continue,
                Err(error) => {
                    failure = failure.or(Some(error));
                    continue;
                }
            };
            let Some((other_folder, other)) = &newest else {
                newest = Some((folder, digest));
                continue;
            };
            if digest != *other {
                let is_newer = age(&folder, tag, &digest) > age(other_folder, tag, other);
                let (last, older) = if is_newer {
                    (&digest, other)
                } else {
                    (other, &digest)
                };
                log::warn!(
                    "{repository}:{tag} is {last}, which came last; another folder of the directory says {older}"
                );
                if is_newer {
                    newest = Some((folder, digest));
                }
            }
        }
        match newest {
            Some((_, digest)) => Ok(Some(digest)),
            None => failure.map_or(Ok(None), Err),
        }
    }

    /// What a tag stands for in a folder of manifests.
    fn tagged(&self, folder: &Path, tag: &Tag) -> Result<Option<Digest>, Error> {
        if let Some(digest) = self.layouts.read(folder)?.get(tag) {
            return Ok(Some(digest));
        }
        if tag.as_str() == LAYOUT {
            return Ok(None);
        }
        Ok(read(&folder.join(tag.as_str()))?.map(|bytes| Digest::of(&bytes)))
    }

    /// A manifest of a repository, verified; none if there is no such thing.
    ///
    /// # Errors
    /// Where the file can't be read or holds something else.
    pub fn manifest(&self, repository: &Repository, digest: &Digest) -> Result<Option<RawManifest>, Error> {
        self.first_of(repository, |folder| self.manifest_in(folder, digest))
    }

    /// A manifest that has a file of its own, verified. One of the oldest generation, which has it only under a tag, isn't looked for: that
    /// would take a look at all tags.
    ///
    /// # Errors
    /// Where the file can't be read or holds something else.
    pub fn manifest_by_digest(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Option<RawManifest>, Error> {
        self.first_of(repository, |folder| own_file(folder, digest))
    }

    /// What is found in the first of the repository's folders that has it. A folder that can't be read spoils nothing that
    /// another has.
    fn first_of<T>(
        &self,
        repository: &Repository,
        find: impl Fn(&Path) -> Result<Option<T>, Error>,
    ) -> Result<Option<T>, Error> {
        let mut failure = None;
        for folder in self.readable_folders(repository)? {
            match find(&folder) {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => {}
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(None), Err)
    }

    /// Where a manifest is or would be.
    pub fn manifest_path(&self, repository: &Repository, digest: &Digest) -> PathBuf {
        let folders = folders::manifests(self.root(), repository).unwrap_or_default();
        let paths: Vec<PathBuf> = folders
            .into_iter()
            .map(|folder| folder.join(digest.to_string()))
            .collect();
        let there = paths.iter().find(|path| path.is_file()).or(paths.first());
        there.cloned().unwrap_or_else(|| self.root().to_owned())
    }

    pub(crate) fn readable_folders(&self, repository: &Repository) -> Result<Vec<PathBuf>, Error> {
        let mut readable = Vec::new();
        for folder in folders::manifests(self.root(), repository)? {
            if folders::is_plain(self.root(), &folder)? {
                readable.push(folder);
            }
        }
        Ok(readable)
    }

    fn manifest_in(&self, folder: &Path, digest: &Digest) -> Result<Option<RawManifest>, Error> {
        if let Some(manifest) = own_file(folder, digest)? {
            return Ok(Some(manifest));
        }
        // The oldest generations have a tagged manifest only under its tag. Where there is a `layout`, it tells whose that is.
        let layout = self.layouts.read(folder)?;
        for tag in tag_files(folder)? {
            if layout.get(&tag).is_some_and(|tagged| tagged != *digest) {
                continue;
            }
            let path = folder.join(tag.as_str());
            if self.digest_of_tag_file(&path, digest.algorithm()).as_ref() != Some(digest) {
                continue;
            }
            if let Some(bytes) = read(&path)? {
                let parsed = RawManifest::verified(bytes, None, digest);
                return parsed
                    .map(Some)
                    .map_err(|source| Error::Manifest { path, source });
            }
        }
        Ok(None)
    }

    /// The digest of a tag's file, which is computed again only where the file has changed: an index may name thousands of manifests
    /// that aren't there, in a folder of thousands of tags. None where it can't be read, which is complained about once it is asked for.
    fn digest_of_tag_file(&self, path: &Path, algorithm: Algorithm) -> Option<Digest> {
        let state = state_of(path)?;
        let lock = || self.tag_digests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, digest)) = lock().get(path)
            && *known == state
            && digest.algorithm() == algorithm
        {
            return Some(digest.clone());
        }
        let digest = Digest::with(algorithm, &read(path).ok()??);
        lock().insert(path.to_owned(), (state, digest.clone()));
        Some(digest)
    }

    /// Writes a manifest, byte for byte, under its digest. Its blobs and its own manifests should be there before: those of an index
    /// that aren't are taken for left out.
    ///
    /// # Errors
    /// Where the folder can't be written, or the name's place is taken.
    pub fn put_manifest(&self, repository: &Repository, manifest: &RawManifest) -> Result<(), Error> {
        self.note_left_out(repository, manifest)?;
        self.mend_manifest(repository, manifest)
    }

    /// Writes a manifest whose file was lost or damaged. What is missing of an index isn't taken for left out.
    ///
    /// # Errors
    /// As [`Store::put_manifest`].
    pub fn mend_manifest(&self, repository: &Repository, manifest: &RawManifest) -> Result<(), Error> {
        let folder = self.writable_folder(repository)?;
        let path = folder.join(manifest.digest().to_string());
        if read(&path)
            .ok()
            .flatten()
            .is_some_and(|bytes| bytes == manifest.bytes())
        {
            return Ok(());
        }
        self.replace(&path, manifest.bytes(), repository)
    }

    /// Makes the names of a repository's manifests durable: those that another manifest names, before it is written; and that one.
    ///
    /// # Errors
    /// Where the filesystem refuses.
    pub fn sync_manifests(&self, repository: &Repository) -> Result<(), Error> {
        durable::sync(&self.writable_folder(repository)?)
    }

    /// Lets a tag stand for a manifest that is there. Where many tags of a repository are written, [`Store::tag_all`] writes its tag map once.
    ///
    /// # Errors
    /// As [`Store::tag_all`].
    pub fn tag(&self, repository: &Repository, tag: &Tag, digest: &Digest) -> Result<(), Error> {
        self.tag_all(repository, &[(tag.clone(), digest.clone())])
    }

    /// Lets tags of a repository stand for manifests that are there, all in one change of its tag map, which is durable then.
    ///
    /// # Errors
    /// Where a manifest isn't there, the folder can't be written, or its `layout` can't be read or would grow too large: no tag is changed then.
    /// Where a tag's file can't be written: `layout`, which counts, has the tags then.
    pub fn tag_all(&self, repository: &Repository, tags: &[(Tag, Digest)]) -> Result<(), Error> {
        let folder = self.writable_folder(repository)?;
        for (_, digest) in tags {
            let path = folder.join(digest.to_string());
            if !matches!(kind(&path)?, Kind::File(_)) {
                let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
                return Err(Error::io("tagging", &path)(missing));
            }
        }
        // What a tag stands for must last longer than the tag.
        durable::sync(&folder)?;
        let _lock = self.lock_layouts()?;
        let mut layout = Layout::clone(&*self.layouts.read(&folder)?);
        let mut is_changed = false;
        for (tag, digest) in tags {
            is_changed |= layout.set(tag, digest);
        }
        if is_changed {
            self.write_layout(&folder, layout, repository)?;
        }
        for (tag, digest) in tags {
            self.name_by_tag(&folder, tag, digest)?;
        }
        durable::sync(&folder)
    }

    pub(crate) fn write_layout(
        &self,
        folder: &Path,
        layout: Layout,
        repository: &Repository,
    ) -> Result<(), Error> {
        let path = folder.join(LAYOUT);
        self.replace(&path, &layout.to_bytes(&path)?, repository)?;
        self.layouts.wrote(folder, layout);
        Ok(())
    }

    /// Writes the manifest under its tag, too, for the generation that reads those: into a file of its own, since KubeKey 4.0.3
    /// writes in place. Where the name is taken by a folder, or is the format's own, only `layout` has the tag: what reads the
    /// oldest generation alone can't have it.
    pub(crate) fn name_by_tag(&self, folder: &Path, tag: &Tag, digest: &Digest) -> Result<(), Error> {
        let path = folder.join(tag.as_str());
        if tag.as_str() == LAYOUT || kind(&path)? == Kind::Folder {
            return Ok(());
        }
        let manifest = folder.join(digest.to_string());
        let bytes = read(&manifest)?.unwrap_or_default();
        let verified = RawManifest::verified(bytes, None, digest);
        let manifest = verified.map_err(|source| Error::Manifest {
            path: manifest,
            source,
        })?;
        let is_own = path.symlink_metadata().is_ok_and(|file| file.nlink() == 1);
        if is_own && read(&path)?.is_some_and(|bytes| bytes == manifest.bytes()) {
            return Ok(());
        }
        self.replace(&path, manifest.bytes(), &tag)
    }

    fn writable_folder(&self, repository: &Repository) -> Result<PathBuf, Error> {
        let mut candidates = folders::manifests(self.root(), repository)?;
        let folder = candidates.swap_remove(0);
        self.make_folder(&folder, repository)?;
        if repository.registry().is_docker_hub() {
            self.name_docker_hub()?;
        }
        Ok(folder)
    }

    /// Lets KubeKey find Docker Hub's images under the name that it uses.
    fn name_docker_hub(&self) -> Result<(), Error> {
        let link = self.root().join(DOCKER_HUB_API);
        if kind(&link)? == Kind::Nothing
            && let Err(error) = std::os::unix::fs::symlink(DOCKER_HUB, &link)
            && error.kind() != std::io::ErrorKind::AlreadyExists
        {
            log::debug!("{}: no symbolic link: {error}", link.display());
        }
        Ok(())
    }

    pub(crate) fn own_folder(&self) -> Result<PathBuf, Error> {
        let own = self.root().join(OWN);
        self.make_folder(&own, &"the folder of temporary files")?;
        Ok(own)
    }

    /// Writes a whole file durably, or leaves what was there.
    pub(crate) fn replace(
        &self,
        path: &Path,
        bytes: &[u8],
        name: &dyn std::fmt::Display,
    ) -> Result<(), Error> {
        if kind(path)? == Kind::Folder {
            return Err(Error::Collision {
                name: name.to_string(),
                path: path.to_owned(),
                taken_by: "another repository's folder",
            });
        }
        let own = self.own_folder()?;
        let write = || {
            let mut file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(&own)?;
            file.write_all(bytes)?;
            folders::open_to_readers(file.as_file())?;
            durable::flush(file.as_file(), &self.cautions)?;
            file.persist(path).map_err(|error| error.error)
        };
        write().map(|_| ()).map_err(Error::io("writing", path))
    }

    /// Locks the tag maps of the store against other threads and processes, until the lock is dropped.
    pub(crate) fn lock_layouts(&self) -> Result<LayoutLock<'_>, Error> {
        let thread = self.tagging.lock().unwrap_or_else(PoisonError::into_inner);
        self.own_folder()?;
        let path = folders::layout_lock(self.root());
        let file = lease::open(&path)?;
        self.lock(&file, &path, Share::Alone, "another process tags an image")?;
        Ok(LayoutLock {
            _process: file,
            _thread: thread,
        })
    }
}

/// The right to change tag maps. The lock on disk is let go of first.
pub(crate) struct LayoutLock<'a> {
    _process: File,
    _thread: MutexGuard<'a, ()>,
}

/// The manifest that a folder has under its digest, verified.
fn own_file(folder: &Path, digest: &Digest) -> Result<Option<RawManifest>, Error> {
    let path = folder.join(digest.to_string());
    let Some(bytes) = read(&path)? else {
        return Ok(None);
    };
    let verified = RawManifest::verified(bytes, None, digest);
    verified
        .map(Some)
        .map_err(|source| Error::Manifest { path, source })
}

/// The tags that a folder of manifests has as files.
pub(crate) fn tag_files(folder: &Path) -> Result<Vec<Tag>, Error> {
    let mut tags = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("reading", folder))? {
        let entry = entry.map_err(Error::io("reading", folder))?;
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if let Some(name) = entry.file_name().to_str()
            && is_file
            && name != LAYOUT
            && let Ok(tag) = name.parse()
        {
            tags.push(tag);
        }
    }
    Ok(tags)
}

/// A small file's bytes; none if there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match kind(path)? {
        Kind::Nothing | Kind::Folder => Ok(None),
        Kind::Other => Err(Error::damaged(path, "it is no file")),
        Kind::File(size) if size > MAX_MANIFEST_SIZE => Err(Error::Manifest {
            path: path.to_owned(),
            source: ManifestError::TooLarge { size },
        }),
        Kind::File(size) => {
            let file = File::open(path).map_err(Error::io("opening", path))?;
            let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
            file.take(MAX_MANIFEST_SIZE)
                .read_to_end(&mut bytes)
                .map_err(Error::io("reading", path))?;
            Ok(Some(bytes))
        }
    }
}
