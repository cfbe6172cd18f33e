//! Mending: bad files out of the way of good ones, and tag maps as their tags' files tell them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use transload_reference::{Digest, Manifest, RawManifest, Repository, Tag, printable};

use crate::folders::{self, BLOBS, Kind, LAYOUT, kind};
use crate::layout::Layout;
use crate::manifest::{read, tag_files};
use crate::verify::check_plain;
use crate::{Error, Flaw, Store, durable};

/// Added to the name of a damaged `layout` that another took the place of. No tag and no digest ends so.
const KEPT: &str = "layout~";

/// How many characters of a strange entry are shown.
const LONGEST_ENTRY: usize = 200;

/// Something that is wrong with a repository's tag map.
#[derive(Debug)]
#[non_exhaustive]
pub struct TagFlaw {
    /// The file `layout`.
    pub path: PathBuf,
    /// What is wrong.
    pub flaw: Flaw,
}

/// A tag's file that held something else than `layout` says: KubeKey moves a tag in `layout` alone.
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

impl Store {
    /// Takes a blob that isn't what its name says out of the way, so that a whole one can take its place. It isn't removed before
    /// that is there: what can't be read today may be readable on another machine.
    ///
    /// # Errors
    /// Where the filesystem refuses, or a folder is there.
    pub fn set_aside(&self, digest: &Digest) -> Result<SetAside, Error> {
        let place = self.blob_path(digest);
        check_plain(self.root(), &self.root().join(BLOBS))?;
        let aside = match kind(&place)? {
            Kind::Nothing => None,
            Kind::Folder => return Err(Error::damaged(&place, "it is a folder: move it away")),
            Kind::File(_) | Kind::Other => {
                let folder = folders::set_aside(self.root());
                self.make_folder(&folder, &"the folder of damaged blobs")?;
                let aside = folder.join(digest.to_string());
                fs::rename(&place, &aside).map_err(Error::io("setting aside", &place))?;
                Some(aside)
            }
        };
        Ok(SetAside { place, aside })
    }

    /// What is wrong with a repository's tag maps. A tag whose manifest is missing is told of by [`Store::manifest`].
    ///
    /// # Errors
    /// Where a folder of the repository can't be read.
    pub fn check_tags(&self, repository: &Repository) -> Result<Vec<TagFlaw>, Error> {
        let mut flaws = Vec::new();
        for folder in self.readable_folders(repository)? {
            let path = folder.join(LAYOUT);
            let layout = self.layouts.read(&folder).unwrap_or_else(|error| {
                flaws.push(TagFlaw {
                    path: path.clone(),
                    flaw: Flaw::Damaged(error.reason()),
                });
                Arc::default()
            });
            if let Some(reason) = strange_entries(&layout) {
                let flaw = Flaw::Damaged(reason);
                flaws.push(TagFlaw { path, flaw });
            }
        }
        Ok(flaws)
    }

    /// Lets the files of tags hold what `layout` says, and returns those that didn't. A manifest that one held stays under its digest: KubeKey
    /// 4.0.3 writes the file alone.
    ///
    /// # Errors
    /// Where a folder of the repository can't be read. A `layout` that can't be read is told of by [`Store::check_tags`].
    pub fn renew_tag_files(&self, repository: &Repository) -> Result<Vec<OldTagFile>, Error> {
        let mut old = Vec::new();
        for folder in self.readable_folders(repository)? {
            let Ok(layout) = self.layouts.read(&folder) else {
                continue;
            };
            let found = disagreeing(&folder, &layout)?;
            if found.is_empty() {
                continue;
            }
            let failure = match self.renew_in(&folder, repository) {
                Ok(renewed) => {
                    old.extend(renewed);
                    continue;
                }
                Err(error) => error.to_string(),
            };
            old.extend(found.into_iter().map(|(tag, _)| OldTagFile {
                path: folder.join(tag.as_str()),
                tag,
                failure: Some(failure.clone()),
            }));
        }
        Ok(old)
    }

    fn renew_in(&self, folder: &Path, repository: &Repository) -> Result<Vec<OldTagFile>, Error> {
        let _lock = self.lock_layouts()?;
        let layout = Layout::read(folder)?;
        let mut renewed = Vec::new();
        for (tag, digest) in disagreeing(folder, &layout)? {
            let path = folder.join(tag.as_str());
            let renew = || {
                if let Some(manifest) = manifest_of(&path) {
                    self.mend_manifest(repository, &manifest)?;
                }
                self.name_by_tag(folder, &tag, &digest)
            };
            let failure = renew().err().map(|error| error.to_string());
            renewed.push(OldTagFile { path, tag, failure });
        }
        durable::sync(folder)?;
        Ok(renewed)
    }

    /// Mends a repository's tag maps as far as its own files tell them: a damaged `layout` is made anew from the tags that have files (the
    /// damaged one stays as `layout~`).
    ///
    /// # Errors
    /// Where no file tells what a tag stood for, or the filesystem refuses.
    pub fn mend_tags(&self, repository: &Repository) -> Result<(), Error> {
        let _lock = self.lock_layouts()?;
        for folder in self.readable_folders(repository)? {
            self.mend_layout(&folder, repository)?;
            durable::sync(&folder)?;
        }
        Ok(())
    }

    fn mend_layout(&self, folder: &Path, repository: &Repository) -> Result<(), Error> {
        let path = folder.join(LAYOUT);
        let (mut layout, damage) = match Layout::read(folder) {
            Ok(layout) => match strange_entries(&layout) {
                None => return Ok(()),
                Some(reason) => (layout, Error::damaged(&path, reason)),
            },
            Err(error) => (Layout::default(), error),
        };
        let told = self.tell_by_files(folder, &mut layout, repository)?;
        // An entry that no file tells better stays as it is, for somebody to read.
        if !told || strange_entries(&layout).is_some() {
            return Err(damage);
        }
        fs::rename(&path, folder.join(KEPT)).map_err(Error::io("renaming", &path))?;
        self.write_layout(folder, layout, repository)
    }

    /// Lets tags that have files, and that `layout` tells nothing of, stand for what is in them. Whether there were some.
    fn tell_by_files(
        &self,
        folder: &Path,
        layout: &mut Layout,
        repository: &Repository,
    ) -> Result<bool, Error> {
        let mut told = false;
        for tag in tag_files(folder)? {
            let Some(manifest) = manifest_of(&folder.join(tag.as_str())) else {
                continue;
            };
            if layout.get(&tag).is_none() {
                self.mend_manifest(repository, &manifest)?;
                layout.set(&tag, manifest.digest());
                told = true;
            }
        }
        Ok(told)
    }
}

/// What a tag's file holds, if it is a manifest and not what could be anything.
fn manifest_of(path: &Path) -> Option<RawManifest> {
    let manifest = RawManifest::parse(read(path).ok()??, None).ok()?;
    (!matches!(manifest.view(), Manifest::Opaque)).then_some(manifest)
}

/// What is wrong with single entries of a tag map: all of them are damage, the first is shown.
fn strange_entries(layout: &Layout) -> Option<String> {
    let mut strange = layout.strange();
    let (tag, digest) = strange.next()?;
    let entry = printable(&format!("\"{tag}\": \"{digest}\""), LONGEST_ENTRY).into_owned();
    Some(match strange.count() {
        0 => format!("{entry} is no tag and digest"),
        more => format!("{entry} and {more} more entries are no tags and digests"),
    })
}

/// The tags whose files hold something else than `layout` lets them stand for, with what that is.
fn disagreeing(folder: &Path, layout: &Layout) -> Result<Vec<(Tag, Digest)>, Error> {
    let mut found = Vec::new();
    for tag in tag_files(folder)? {
        let Some(digest) = layout.get(&tag) else { continue };
        let path = folder.join(tag.as_str());
        // What is wrong with the manifest itself is told of there.
        if folders::is_same_file(&path, &folder.join(digest.to_string()))? {
            continue;
        }
        let agrees = match read(&path) {
            Ok(Some(bytes)) => Digest::with(digest.algorithm(), &bytes) == digest,
            Ok(None) => continue,
            Err(_) => false,
        };
        if !agrees {
            found.push((tag, digest));
        }
    }
    found.sort();
    Ok(found)
}
