//! A repository's tags.

use std::collections::BTreeSet;

use transload_reference::{Repository, Tag};

use crate::images::may_be_a_manifest;
use crate::manifest::{read, tag_files};
use crate::{Error, Store};

impl Store {
    /// The tags of a repository, sorted; none where the store has no such repository. [`Store::resolve`] tells what each stands for.
    ///
    /// ```
    /// # use transload_layout_store::Store;
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::create(folder.path())?;
    /// let tags = store.tags(&"docker.io/library/alpine".parse()?)?;
    /// assert!(tags.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Where a folder or a `layout` of the repository can't be read.
    pub fn tags(&self, repository: &Repository) -> Result<Vec<Tag>, Error> {
        let mut tags = BTreeSet::new();
        for folder in self.readable_folders(repository)? {
            tags.extend(self.layouts.read(&folder)?.iter().map(|(tag, _)| tag));
            for tag in tag_files(&folder)? {
                // What is no manifest is somebody's notes, as it is for [`Store::images`].
                if !tags.contains(&tag)
                    && let Ok(Some(bytes)) = read(&folder.join(tag.as_str()))
                    && may_be_a_manifest(&bytes)
                {
                    tags.insert(tag);
                }
            }
        }
        Ok(tags.into_iter().collect())
    }
}
