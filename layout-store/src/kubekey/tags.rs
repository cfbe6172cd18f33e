//! A repository's tags.

use std::collections::BTreeSet;

use transload_reference::{Repository, Tag};

use super::KubeKey;
use super::images::may_be_a_manifest;
use super::manifests::tag_files;
use super::mend::manifest_of;
use crate::Error;
use crate::folders::read;

impl KubeKey {
    pub(super) fn tags(&self, repository: &Repository) -> Result<BTreeSet<Tag>, Error> {
        let mut tags = BTreeSet::new();
        for folder in self.readable_folders(repository)? {
            tags.extend(self.tag_maps.read(&folder)?.iter().map(|(tag, _)| tag));
            for tag in tag_files(&folder)? {
                // What is no manifest is somebody's notes, as it is for a listing.
                if !tags.contains(&tag)
                    && let Ok(Some(bytes)) = read(&folder.join(tag.as_str()))
                    && may_be_a_manifest(&bytes)
                {
                    tags.insert(tag);
                }
            }
        }
        Ok(tags)
    }

    pub(super) fn untag(&self, repository: &Repository, tag: &Tag) -> Result<bool, Error> {
        let _lock = self.directory.lock_tags()?;
        for folder in self.readable_folders(repository)? {
            // The oldest generation has a tagged manifest under its tag alone.
            if let Some(manifest) = manifest_of(&folder.join(tag.as_str())) {
                self.mend_manifest(repository, &manifest)?;
            }
        }
        self.remove_tags(repository, &[tag])
    }
}
