//! Putting something whole in the place of what is missing or damaged.

use std::fs;
use std::path::PathBuf;

use transload_reference::{Digest, RawManifest, Repository, Tag};

use crate::folders::{self, Kind, kind};
use crate::{Error, Flaw, Store};

/// Something that is wrong with what a repository's tags stand for.
#[derive(Debug)]
#[non_exhaustive]
pub struct TagFlaw {
    /// The file that tells what they stand for.
    pub path: PathBuf,
    /// What is wrong.
    pub flaw: Flaw,
}

/// A tag's file in KubeKey's format that held something else than `layout` says: KubeKey moves a tag in `layout` alone.
#[derive(Debug)]
#[non_exhaustive]
pub struct OldTagFile {
    /// The file.
    pub path: PathBuf,
    /// The tag.
    pub tag: Tag,
    /// Why it is still old; none where it holds now what `layout` says.
    pub failure: Option<String>,
}

/// A bad blob that is out of the way. Dropped, it goes back to its place, unless a good one is there now.
#[derive(Debug)]
pub struct SetAside {
    place: PathBuf,
    aside: Option<PathBuf>,
}

impl SetAside {
    /// Removes it for good.
    ///
    /// # Errors
    /// Where the filesystem refuses.
    pub fn discard(mut self) -> Result<(), Error> {
        match self.aside.take() {
            Some(aside) => fs::remove_file(&aside).map_err(Error::io("removing", &aside)),
            None => Ok(()),
        }
    }
}

impl Drop for SetAside {
    fn drop(&mut self) {
        let Some(aside) = self.aside.take() else { return };
        let result = match self.place.symlink_metadata() {
            Ok(_) => fs::remove_file(&aside),
            Err(_) => fs::rename(&aside, &self.place),
        };
        if let Err(error) = result {
            log::warn!("{} stays aside: {error}", aside.display());
        }
    }
}

/// Repairs a store ([`Store::repair`]).
#[derive(Debug, Clone, Copy)]
pub struct Repair<'a> {
    store: &'a Store,
}

impl<'a> Repair<'a> {
    pub(crate) fn new(store: &'a Store) -> Repair<'a> {
        Repair { store }
    }

    /// Takes a blob that isn't what its name says out of the way, so that a whole one can take its place. It isn't removed before
    /// that is there: what can't be read today may be readable on another machine.
    ///
    /// # Errors
    /// Where the filesystem refuses, or a folder is there.
    pub fn set_aside(&self, digest: &Digest) -> Result<SetAside, Error> {
        let store = self.store;
        let place = store.blob_path(digest);
        folders::check_plain(store.root(), place.parent().unwrap_or(store.root()))?;
        let aside = match kind(&place)? {
            Kind::Nothing => None,
            Kind::Folder => return Err(Error::damaged(&place, "it is a folder: move it away")),
            Kind::File(_) | Kind::Other => {
                let folder = folders::set_aside(store.root());
                store
                    .directory
                    .make_folder(&folder, &"the folder of damaged blobs")?;
                let aside = folder.join(store.directory.blob_names.own(digest));
                fs::rename(&place, &aside).map_err(Error::io("setting aside", &place))?;
                Some(aside)
            }
        };
        Ok(SetAside { place, aside })
    }

    /// Writes a manifest whose file was lost or damaged. What is missing of an index isn't taken for left out.
    ///
    /// # Errors
    /// As [`Store::put_manifest`].
    pub fn mend_manifest(&self, repository: &Repository, manifest: &RawManifest) -> Result<(), Error> {
        self.store.layout.mend_manifest(repository, manifest)
    }

    /// What is wrong with what a repository's tags stand for. A tag whose manifest is missing is told of by [`Store::manifest`].
    ///
    /// # Errors
    /// Where a folder of the repository can't be read.
    pub fn check_tags(&self, repository: &Repository) -> Result<Vec<TagFlaw>, Error> {
        self.store.layout.check_tags(repository)
    }

    /// Lets the files of tags hold what `layout` says, and returns those that didn't. A manifest that one held stays under its digest: KubeKey
    /// 4.0.3 writes the file alone.
    ///
    /// # Errors
    /// Where a folder of the repository can't be read. A `layout` that can't be read is told of by [`Repair::check_tags`].
    pub fn renew_tag_files(&self, repository: &Repository) -> Result<Vec<OldTagFile>, Error> {
        self.store.layout.renew_tag_files(repository)
    }

    /// Mends a repository's tag maps as far as its own files tell them: a damaged `layout` is made anew from the tags that have files (the
    /// damaged one stays as `layout~`).
    ///
    /// # Errors
    /// Where no file tells what a tag stood for, or the filesystem refuses.
    pub fn mend_tags(&self, repository: &Repository) -> Result<(), Error> {
        self.store.layout.mend_tags(repository)
    }
}
