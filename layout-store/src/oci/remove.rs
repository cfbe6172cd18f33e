//! Removing one manifest.

use std::collections::HashSet;

use transload_reference::{Digest, Repository};

use super::Oci;
use crate::folders;
use crate::prune::has_part;
use crate::{Error, Removed};

impl Oci {
    /// A manifest is a blob of the whole layout: its file goes with the last name that needs it.
    pub(super) fn remove_manifest(&self, repository: &Repository, digest: &Digest) -> Result<Removed, Error> {
        if self.found(digest)?.is_none() {
            return Ok(Removed::Missing);
        }
        let mut is_needed_elsewhere = false;
        for (name, image) in self.contents()?.images() {
            if image.digest == *digest {
                is_needed_elsewhere |= name.repository() != repository;
            } else if self.reaches(&image.digest, digest)? {
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
            Ok(!names.is_empty())
        })?;
        if !is_needed_elsewhere {
            folders::remove(&self.blob(digest))?;
            folders::remove(&self.note(digest))?;
        }
        Ok(Removed::Done)
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
