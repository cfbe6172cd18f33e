//! Manifests: reading and writing.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use transload_reference::{Algorithm, Digest, RawManifest, Repository, Tag};

use super::KubeKey;
use super::folders::{self, DOCKER_HUB, DOCKER_HUB_API, LAYOUT};
use super::images::age;
use super::tag_map::TagMap;
use crate::folders::{Kind, is_plain, kind, manifest_at, read, state_of};
use crate::lock::lock;
use crate::{Error, durable, sparse};

impl KubeKey {
    /// What a tag stands for in that of the repository's folders which came to say so last. A folder that can't be read spoils nothing that
    /// another has.
    pub(super) fn newest_of(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, Error> {
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
        if let Some(digest) = self.tag_maps.read(folder)?.get(tag) {
            return Ok(Some(digest));
        }
        if tag.as_str() == LAYOUT {
            return Ok(None);
        }
        Ok(read(&folder.join(tag.as_str()))?.map(|bytes| Digest::of(&bytes)))
    }

    pub(super) fn manifest(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Option<RawManifest>, Error> {
        self.first_of(repository, |folder| self.manifest_in(folder, digest))
    }

    pub(super) fn manifest_by_digest(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Option<RawManifest>, Error> {
        self.first_of(repository, |folder| {
            manifest_at(&folder.join(digest.as_str()), digest)
        })
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

    pub(super) fn manifest_path(&self, repository: &Repository, digest: &Digest) -> PathBuf {
        let folders = folders::manifests(self.root(), repository).unwrap_or_default();
        let paths: Vec<PathBuf> = folders
            .into_iter()
            .map(|folder| folder.join(digest.to_string()))
            .collect();
        let there = paths.iter().find(|path| path.is_file()).or(paths.first());
        there.cloned().unwrap_or_else(|| self.root().to_owned())
    }

    pub(super) fn readable_folders(&self, repository: &Repository) -> Result<Vec<PathBuf>, Error> {
        let mut readable = Vec::new();
        for folder in folders::manifests(self.root(), repository)? {
            if is_plain(self.root(), &folder)? {
                readable.push(folder);
            }
        }
        Ok(readable)
    }

    fn manifest_in(&self, folder: &Path, digest: &Digest) -> Result<Option<RawManifest>, Error> {
        if let Some(manifest) = manifest_at(&folder.join(digest.as_str()), digest)? {
            return Ok(Some(manifest));
        }
        // The oldest generations have a tagged manifest only under its tag. Where there is a `layout`, it tells whose that is.
        let layout = self.tag_maps.read(folder)?;
        for tag in tag_files(folder)? {
            if layout.get(&tag).is_some_and(|tagged| tagged != *digest) {
                continue;
            }
            let path = folder.join(tag.as_str());
            if self.digest_of_tag_file(&path, digest.algorithm()).as_ref() != Some(digest) {
                continue;
            }
            if let Some(manifest) = manifest_at(&path, digest)? {
                return Ok(Some(manifest));
            }
        }
        Ok(None)
    }

    /// The digest of a tag's file, which is computed again only where the file has changed: an index may name thousands of manifests
    /// that aren't there, in a folder of thousands of tags. None where it can't be read, which is complained about once it is asked for.
    fn digest_of_tag_file(&self, path: &Path, algorithm: Algorithm) -> Option<Digest> {
        let state = state_of(path)?;
        if let Some((known, digest)) = lock(&self.tag_digests).get(path)
            && *known == state
            && digest.algorithm() == algorithm
        {
            return Some(digest.clone());
        }
        let digest = Digest::with(algorithm, &read(path).ok()??);
        lock(&self.tag_digests).insert(path.to_owned(), (state, digest.clone()));
        Some(digest)
    }

    pub(super) fn put_manifest(&self, repository: &Repository, manifest: &RawManifest) -> Result<(), Error> {
        sparse::note_left_out(
            &self.directory,
            &self.note(repository, manifest.digest()),
            manifest,
            false,
            |child| matches!(self.manifest(repository, child), Ok(Some(_))),
        )?;
        self.mend_manifest(repository, manifest)
    }

    pub(super) fn mend_manifest(&self, repository: &Repository, manifest: &RawManifest) -> Result<(), Error> {
        let folder = self.writable_folder(repository)?;
        let path = folder.join(manifest.digest().to_string());
        if read(&path)
            .ok()
            .flatten()
            .is_some_and(|bytes| bytes == manifest.bytes())
        {
            return Ok(());
        }
        if !manifest.view().children().is_empty() {
            // An index must not last longer than what it names.
            durable::sync(&folder)?;
        }
        self.directory.replace(&path, manifest.bytes(), repository)
    }

    pub(super) fn keep(&self, repository: &Repository, digest: &Digest) -> Result<(), Error> {
        let folder = self.writable_folder(repository)?;
        check_is_there(&folder, digest)?;
        durable::sync(&folder)
    }

    pub(super) fn tag_repository(
        &self,
        repository: &Repository,
        tags: &[(Tag, Digest)],
    ) -> Result<(), Error> {
        let folder = self.writable_folder(repository)?;
        for (_, digest) in tags {
            check_is_there(&folder, digest)?;
        }
        // What a tag stands for must last longer than the tag.
        durable::sync(&folder)?;
        let _lock = self.directory.lock_tags()?;
        let mut layout = TagMap::clone(&*self.tag_maps.read(&folder)?);
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

    pub(super) fn write_layout(
        &self,
        folder: &Path,
        layout: TagMap,
        repository: &Repository,
    ) -> Result<(), Error> {
        let path = folder.join(LAYOUT);
        self.directory
            .replace(&path, &layout.to_bytes(&path)?, repository)?;
        self.tag_maps.wrote(folder, layout);
        Ok(())
    }

    /// Writes the manifest under its tag, too, for the generation that reads those: into a file of its own, since KubeKey 4.0.3
    /// writes in place. Where the name is taken by a folder, or is the format's own, only `layout` has the tag: what reads the
    /// oldest generation alone can't have it.
    pub(super) fn name_by_tag(&self, folder: &Path, tag: &Tag, digest: &Digest) -> Result<(), Error> {
        let path = folder.join(tag.as_str());
        if tag.as_str() == LAYOUT || kind(&path)? == Kind::Folder {
            return Ok(());
        }
        let manifest_path = folder.join(digest.as_str());
        let manifest = manifest_at(&manifest_path, digest)?.ok_or_else(|| not_there(&manifest_path))?;
        let is_own = path.symlink_metadata().is_ok_and(|file| file.nlink() == 1);
        if is_own && read(&path)?.is_some_and(|bytes| bytes == manifest.bytes()) {
            return Ok(());
        }
        self.directory.replace(&path, manifest.bytes(), &tag)
    }

    fn writable_folder(&self, repository: &Repository) -> Result<PathBuf, Error> {
        let mut candidates = folders::manifests(self.root(), repository)?;
        let folder = candidates.swap_remove(0);
        self.directory.make_folder(&folder, repository)?;
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
}

/// Refuses to name a manifest that has no file.
fn check_is_there(folder: &Path, digest: &Digest) -> Result<(), Error> {
    let path = folder.join(digest.as_str());
    match kind(&path)? {
        Kind::File(_) => Ok(()),
        _ => Err(not_there(&path)),
    }
}

fn not_there(path: &Path) -> Error {
    Error::io("tagging", path)(io::ErrorKind::NotFound.into())
}

/// What a folder has under digests.
pub(super) fn named_by_digests(folder: &Path) -> Result<Vec<(Digest, PathBuf)>, Error> {
    let mut named = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("reading", folder))? {
        let entry = entry.map_err(Error::io("reading", folder))?;
        let digest = entry.file_name().to_str().and_then(|name| name.parse().ok());
        named.extend(digest.map(|digest| (digest, entry.path())));
    }
    Ok(named)
}

/// The tags that a folder of manifests has as files.
pub(super) fn tag_files(folder: &Path) -> Result<Vec<Tag>, Error> {
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
