//! Manifests: reading and writing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use transload_reference::{Algorithm, Descriptor, Digest, RawManifest, Repository, Tag};

use super::KubeKey;
use super::folders::{self, DOCKER_HUB, DOCKER_HUB_API, LAYOUT};
use crate::folders::{Kind, is_plain, kind, manifest_at, read, state_of};
use crate::layout::{Manifests, Naming};
use crate::lock::lock;
use crate::subjects::readable;
use crate::{Error, durable, sparse};

impl Manifests for KubeKey {
    fn manifest(&self, repository: &Repository, digest: &Digest) -> Result<Option<RawManifest>, Error> {
        self.first_of(repository, |folder| self.manifest_in(folder, digest))
    }

    fn manifest_by_digest(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Option<RawManifest>, Error> {
        self.first_of(repository, |folder| {
            manifest_at(&folder.join(digest.as_str()), digest)
        })
    }

    fn manifest_path(&self, repository: &Repository, digest: &Digest) -> PathBuf {
        let folders = folders::manifests(self.root(), repository).unwrap_or_default();
        let paths: Vec<PathBuf> = folders
            .into_iter()
            .map(|folder| folder.join(digest.to_string()))
            .collect();
        let there = paths.iter().find(|path| path.is_file()).or(paths.first());
        there.cloned().unwrap_or_else(|| self.root().to_owned())
    }

    fn left_out(&self, repository: &Repository, index: &Digest) -> BTreeSet<Digest> {
        sparse::left_out(&self.note(repository, index))
    }

    fn put_manifest(&self, repository: &Repository, manifest: &RawManifest) -> Result<(), Error> {
        sparse::note_left_out(
            &self.directory,
            &self.note(repository, manifest.digest()),
            manifest,
            false,
            |child| matches!(self.manifest(repository, child), Ok(Some(_))),
        )?;
        self.mend_manifest(repository, manifest)
    }

    fn mend_manifest(&self, repository: &Repository, manifest: &RawManifest) -> Result<(), Error> {
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

    fn subjects(&self, repository: &Repository) -> Result<BTreeMap<Digest, Digest>, Error> {
        let mut subjects = BTreeMap::new();
        for folder in self.readable_folders(repository)? {
            for (digest, path) in named_by_digests(&folder)? {
                self.directory.check_stop()?;
                let subject = self.subjects.of(&digest, || manifest_at(&path, &digest))?;
                subjects.extend(subject.map(|subject| (digest, subject)));
            }
            // The oldest generations have a manifest only under its tag.
            for tag in tag_files(&folder)? {
                self.directory.check_stop()?;
                let bytes = readable(read(&folder.join(tag.as_str())))?;
                let manifest = bytes.and_then(|bytes| RawManifest::parse(bytes, None).ok());
                subjects.extend(manifest.and_then(|manifest| {
                    let subject = manifest.view().subject()?.digest.clone();
                    Some((manifest.digest().clone(), subject))
                }));
            }
        }
        Ok(subjects)
    }

    /// They are found by their subjects.
    fn add_referrers(
        &self,
        repository: &Repository,
        _: &Digest,
        referrers: &[Descriptor],
    ) -> Result<(), Error> {
        referrers
            .iter()
            .try_for_each(|referrer| self.keep(repository, &referrer.digest))
    }
}

impl KubeKey {
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

    pub(super) fn writable_folder(&self, repository: &Repository) -> Result<PathBuf, Error> {
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
