//! Removing one manifest.

use std::collections::HashSet;

use transload_reference::{Digest, Reference, ReferrersIndex, Repository};

use super::contents::Contents;
use super::{Oci, is_list};
use crate::folders;
use crate::prune::has_part;
use crate::subjects::readable;
use crate::{Error, Removed};

impl Oci {
    /// A manifest is a blob of the whole layout: its file goes with the last name that needs it. A list of referrers needs none of them.
    pub(super) fn remove_manifest(&self, repository: &Repository, digest: &Digest) -> Result<Removed, Error> {
        if self.found(digest)?.is_none() {
            return Ok(Removed::Missing);
        }
        let mut is_needed_elsewhere = false;
        for (name, image) in self.contents()?.images() {
            if image.digest == *digest {
                is_needed_elsewhere |= name.repository() != repository;
            } else if self.reaches(&image.digest, digest)? {
                if name.repository() == repository && is_list(name) {
                    continue;
                }
                if name.repository() == repository {
                    return Ok(Removed::Needed);
                }
                is_needed_elsewhere = true;
            }
        }
        self.change(|contents| {
            let names: Vec<_> = contents
                .images()
                .filter(|(name, image)| name.repository() == repository && image.digest == *digest)
                .map(|(name, _)| name.clone())
                .collect();
            for name in &names {
                contents.take(name);
            }
            Ok(self.unlist(contents, repository, digest)? || !names.is_empty())
        })?;
        if !is_needed_elsewhere {
            folders::remove(&self.blob(digest))?;
            folders::remove(&self.note(digest))?;
        }
        Ok(Removed::Done)
    }

    /// Takes a manifest out of a repository's lists of referrers. Returns whether one had it.
    fn unlist(
        &self,
        contents: &mut Contents,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<bool, Error> {
        let lists = contents.images();
        let lists = lists.filter(|(name, _)| name.repository() == repository && is_list(name));
        let lists: Vec<(Reference, Digest)> = lists
            .map(|(name, list)| (name.clone(), list.digest.clone()))
            .collect();
        let mut is_changed = false;
        for (name, list) in lists {
            let list = readable(self.found(&list))?;
            let Some(list) = list
                .as_ref()
                .and_then(ReferrersIndex::of)
                .filter(|list| list.has(digest))
            else {
                continue;
            };
            let others = list.referrers().iter().filter(|other| other.digest != *digest);
            let others: ReferrersIndex = others.cloned().collect();
            if others.referrers().is_empty() {
                contents.take(&name);
                is_changed = true;
            } else {
                is_changed |= self.set_list(contents, &name, &others)?;
            }
        }
        Ok(is_changed)
    }

    /// Whether an index has a manifest among its parts, on whichever level.
    fn reaches(&self, index: &Digest, digest: &Digest) -> Result<bool, Error> {
        let mut waiting = vec![index.clone()];
        let mut seen = HashSet::new();
        while let Some(next) = waiting.pop() {
            if !seen.insert(next.clone()) {
                continue;
            }
            if let Some(manifest) = self.found(&next)? {
                if has_part(&manifest, digest) {
                    return Ok(true);
                }
                let children = manifest.view().children().iter();
                waiting.extend(children.map(|child| child.digest.clone()));
            }
        }
        Ok(false)
    }
}
