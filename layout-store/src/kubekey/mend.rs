//! Mending tag maps, as their tags' files tell them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use transload_reference::{Digest, Manifest, RawManifest, Repository, Tag, printable};

use super::KubeKey;
use super::folders::LAYOUT;
use super::manifests::tag_files;
use super::tag_map::TagMap;
use crate::folders::{self, read};
use crate::layout::{Manifests, Mending};
use crate::repair::{OldTagFile, TagFlaw};
use crate::{Error, Flaw, durable};

/// Added to the name of a damaged `layout` that another took the place of. No tag and no digest ends so.
const KEPT: &str = "layout~";

/// How many characters of a strange entry are shown.
const LONGEST_ENTRY: usize = 200;

impl Mending for KubeKey {
    fn check_tags(&self, repository: &Repository) -> Result<Vec<TagFlaw>, Error> {
        let mut flaws = Vec::new();
        for folder in self.readable_folders(repository)? {
            let path = folder.join(LAYOUT);
            let layout = self.tag_maps.read(&folder).unwrap_or_else(|error| {
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

    fn renew_tag_files(&self, repository: &Repository) -> Result<Vec<OldTagFile>, Error> {
        let mut old = Vec::new();
        for folder in self.readable_folders(repository)? {
            let Ok(layout) = self.tag_maps.read(&folder) else {
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

    fn mend_tags(&self, repository: &Repository) -> Result<(), Error> {
        let _lock = self.directory.lock_tags()?;
        for folder in self.readable_folders(repository)? {
            self.mend_layout(&folder, repository)?;
            durable::sync(&folder)?;
        }
        Ok(())
    }
}

impl KubeKey {
    fn renew_in(&self, folder: &Path, repository: &Repository) -> Result<Vec<OldTagFile>, Error> {
        let _lock = self.directory.lock_tags()?;
        let layout = TagMap::read(folder)?;
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

    fn mend_layout(&self, folder: &Path, repository: &Repository) -> Result<(), Error> {
        let path = folder.join(LAYOUT);
        let (mut layout, damage) = match TagMap::read(folder) {
            Ok(layout) => match strange_entries(&layout) {
                None => return Ok(()),
                Some(reason) => (layout, Error::damaged(&path, reason)),
            },
            Err(error) => (TagMap::default(), error),
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
        layout: &mut TagMap,
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
pub(super) fn manifest_of(path: &Path) -> Option<RawManifest> {
    let manifest = RawManifest::parse(read(path).ok()??, None).ok()?;
    (!matches!(manifest.view(), Manifest::Opaque)).then_some(manifest)
}

/// What is wrong with single entries of a tag map: all of them are damage, the first is shown.
fn strange_entries(layout: &TagMap) -> Option<String> {
    let mut strange = layout.strange();
    let (tag, digest) = strange.next()?;
    let entry = printable(&format!("\"{tag}\": \"{digest}\""), LONGEST_ENTRY).into_owned();
    Some(match strange.count() {
        0 => format!("{entry} isn't a tag with a digest"),
        more => format!("{entry} and {more} more entries aren't tags with digests"),
    })
}

/// The tags whose files hold something else than `layout` lets them stand for, with what that is.
fn disagreeing(folder: &Path, layout: &TagMap) -> Result<Vec<(Tag, Digest)>, Error> {
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
