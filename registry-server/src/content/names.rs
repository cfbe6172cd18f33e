//! The names of a place that doesn't change while it is served.

use std::collections::{BTreeMap, BTreeSet};

use transload_reference::{Digest, Reference, Repository, Tag};

/// Repositories with what their tags stand for.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<Repository, BTreeMap<Tag, Digest>>);

impl Names {
    /// Takes an image's name. Of two images with one name the first counts, as it does for those who load it by name.
    pub fn insert(&mut self, name: &Reference, digest: &Digest) {
        let tags = self.0.entry(name.repository().clone()).or_default();
        if let Some(tag) = name.tag() {
            tags.entry(tag.clone()).or_insert_with(|| digest.clone());
        }
    }

    pub fn repositories(&self) -> BTreeSet<Repository> {
        self.0.keys().cloned().collect()
    }

    pub fn repositories_of(&self, path: &str) -> BTreeSet<Repository> {
        let own = self.0.keys();
        own.filter(|repository| repository.path() == path)
            .cloned()
            .collect()
    }

    pub fn has(&self, repository: &Repository) -> bool {
        self.0.contains_key(repository)
    }

    pub fn tags(&self, repository: &Repository) -> BTreeSet<Tag> {
        let tags = self.0.get(repository).into_iter();
        tags.flat_map(BTreeMap::keys).cloned().collect()
    }

    pub fn resolve(&self, repository: &Repository, tag: &Tag) -> Option<Digest> {
        let tags = self.0.get(repository);
        tags.and_then(|tags| tags.get(tag)).cloned()
    }
}
