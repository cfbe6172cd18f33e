//! The images of an OCI layout by their names, and how names come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use transload_reference::{Descriptor, Digest, Reference, Registry, Repository, Tag, printable};

use super::index::{Entry, Image, Index};
use super::names::{Names, Said};
use crate::Error;

/// How many characters are shown of what is wrong with an entry.
const LONGEST_REASON: usize = 200;

/// What `index.json` says, by names.
#[derive(Debug, Clone)]
pub(crate) struct Contents {
    /// All but the entries.
    index: Index,
    /// The entries in their order; none where one was taken out.
    rows: Vec<Option<Row>>,
    /// Sorted, so that a repository's names follow each other.
    by_name: BTreeMap<Reference, Vec<usize>>,
    /// The registries of all names that there are or were.
    registries: BTreeSet<Registry>,
}

/// An entry with its image's name; without one, it can't be used.
#[derive(Debug, Clone)]
struct Row {
    entry: Entry,
    name: Option<Reference>,
}

impl Contents {
    pub fn new(mut index: Index, names: &Names) -> Contents {
        let entries = std::mem::take(&mut index.entries);
        let usable: Vec<(&Said, &Digest)> = entries
            .iter()
            .filter_map(|entry| entry.image.as_ref().ok())
            .map(|image| (&image.said, &image.digest))
            .collect();
        let mut names = names.of(&usable).into_iter();
        let mut contents = Contents {
            index,
            rows: Vec::with_capacity(entries.len()),
            by_name: BTreeMap::new(),
            registries: BTreeSet::new(),
        };
        for entry in entries {
            let name = entry.image.as_ref().ok().and_then(|_| names.next());
            contents.push(entry, name);
        }
        contents
    }

    fn push(&mut self, entry: Entry, name: Option<Reference>) {
        if let Some(name) = &name {
            if !self.registries.contains(name.registry()) {
                self.registries.insert(name.registry().clone());
            }
            self.by_name
                .entry(name.clone())
                .or_default()
                .push(self.rows.len());
        }
        self.rows.push(Some(Row { entry, name }));
    }

    /// The bytes of the file at `path`.
    pub fn to_bytes(&self, path: &Path) -> Result<Vec<u8>, Error> {
        let rows = self.rows.iter().flatten();
        let mut index = self.index.clone();
        index.entries = rows.map(|row| row.entry.clone()).collect();
        index.to_bytes(path)
    }

    /// All images with their names, in the order of their entries.
    pub fn images(&self) -> impl Iterator<Item = (&Reference, &Image)> {
        let rows = self.rows.iter().flatten();
        rows.filter_map(|row| Some((row.name.as_ref()?, row.entry.image.as_ref().ok()?)))
    }

    /// What is wrong with entries, each with the repository that it is in, if it says so: those that can't be used, and names that stand for
    /// several images.
    pub fn flaws(&self, names: &Names) -> Vec<(Option<Repository>, String)> {
        let mut flaws = Vec::new();
        for (at, row) in self.rows.iter().enumerate() {
            let Some(Err(reason)) = row.as_ref().map(|row| &row.entry.image) else {
                continue;
            };
            let said = row.as_ref().map(|row| row.entry.said()).unwrap_or_default();
            let name = match (&said.repository, &said.tag) {
                (Some(repository), Some(tag)) => format!(" ({repository}:{tag})"),
                (None, Some(tag)) => format!(" ({tag})"),
                _ => String::new(),
            };
            let reason = printable(reason, LONGEST_REASON);
            let is_named = said != Said::default();
            let repository = said
                .repository
                .or_else(|| is_named.then(|| names.unnamed().clone()));
            flaws.push((
                repository,
                format!("entry {}{name} can't be used: {reason}", at + 1),
            ));
        }
        let ambiguous = self.by_name.keys().filter(|name| self.digests(name).len() > 1);
        flaws.extend(ambiguous.map(|name| {
            let reason = self.ambiguity(name);
            (Some(name.repository().clone()), reason)
        }));
        flaws
    }

    /// The image of this name.
    ///
    /// # Errors
    /// Where several have it: `path` is the file.
    pub fn image(&self, name: &Reference, path: &Path) -> Result<Option<&Image>, Error> {
        if self.digests(name).len() > 1 {
            return Err(Error::damaged(path, self.ambiguity(name)));
        }
        Ok(self.of(name).next())
    }

    fn of(&self, name: &Reference) -> impl Iterator<Item = &Image> {
        let places = self.by_name.get(name).into_iter().flatten();
        places.filter_map(|at| self.rows[*at].as_ref()?.entry.image.as_ref().ok())
    }

    fn digests(&self, name: &Reference) -> BTreeSet<&Digest> {
        self.of(name).map(|image| &image.digest).collect()
    }

    fn ambiguity(&self, name: &Reference) -> String {
        let digests: Vec<String> = self.digests(name).into_iter().map(Digest::to_string).collect();
        format!("{name} stands for several images: {}", digests.join(", "))
    }

    /// The tags of a repository.
    pub fn tags(&self, repository: &Repository) -> BTreeSet<Tag> {
        self.names(repository)
            .filter_map(|name| name.tag().cloned())
            .collect()
    }

    /// The names in a repository.
    fn names(&self, repository: &Repository) -> impl Iterator<Item = &Reference> {
        let first = Reference::new(repository.clone(), None, None);
        let names = self.by_name.range(first..).map(|(name, _)| name);
        names.take_while(move |name| name.repository() == repository)
    }

    /// The repositories of all images.
    pub fn repositories(&self) -> BTreeSet<Repository> {
        let mut repositories = BTreeSet::new();
        let mut last = None;
        for name in self.by_name.keys() {
            if last.replace(name.repository()) != Some(name.repository()) {
                repositories.insert(name.repository().clone());
            }
        }
        repositories
    }

    /// The repositories of this path, in whichever registry.
    pub fn repositories_of(&self, path: &str) -> BTreeSet<Repository> {
        let registries = self.registries.iter().cloned();
        let possible = registries.filter_map(|registry| Repository::new(registry, path).ok());
        // Docker Hub's may get another path.
        let own = possible.filter(|own| own.path() == path && self.has_repository(own));
        own.collect()
    }

    /// Whether an image of this repository is listed.
    pub fn has_repository(&self, repository: &Repository) -> bool {
        self.names(repository).next().is_some()
    }

    /// Whether an image of this digest is listed in a repository, by whatever name.
    pub fn lists(&self, repository: &Repository, digest: &Digest) -> bool {
        let mut images = self.names(repository).flat_map(|name| self.of(name));
        images.any(|image| image.digest == *digest)
    }

    /// Lets a name stand for a manifest. An entry that has it already keeps all else that it says. Returns whether anything changed.
    pub fn set(&mut self, name: &Reference, manifest: &Descriptor, said: &Said) -> serde_json::Result<bool> {
        let mut taken = self.take(name);
        let by_digest = name.by_digest(&manifest.digest);
        taken.extend(self.take(&by_digest));
        let same = |(_, entry): &(usize, Entry)| {
            let image = entry.image.as_ref().ok();
            image.is_some_and(|image| image.digest == manifest.digest)
        };
        let wanted = Entry::new(manifest.clone(), said)?;
        let (entry, is_changed) = match taken.iter().position(same) {
            Some(at) if taken[at].1.says_the_same(&wanted) => (taken[at].1.clone(), taken.len() > 1),
            Some(at) => (
                taken[at].1.renamed(said, &manifest.digest)?.corrected(manifest)?,
                true,
            ),
            None => (wanted, true),
        };
        match taken.iter().map(|(at, _)| *at).min() {
            Some(at) => {
                self.by_name.insert(name.clone(), vec![at]);
                self.rows[at] = Some(Row {
                    entry,
                    name: Some(name.clone()),
                });
            }
            None => self.push(entry, Some(name.clone())),
        }
        Ok(is_changed)
    }

    /// Takes out the entries of a name, with their places.
    pub fn take(&mut self, name: &Reference) -> Vec<(usize, Entry)> {
        let places = self.by_name.remove(name).unwrap_or_default();
        let taken = places.into_iter();
        taken
            .filter_map(|at| Some((at, self.rows[at].take()?.entry)))
            .collect()
    }

    /// Takes out the entries of these digests. Returns whether there were some.
    pub fn drop_those(&mut self, goes: impl Fn(&Digest) -> bool) -> bool {
        let mut is_changed = false;
        for row in &mut self.rows {
            let image = row.as_ref().and_then(|row| row.entry.image.as_ref().ok());
            if image.is_some_and(|image| goes(&image.digest)) {
                *row = None;
                is_changed = true;
            }
        }
        is_changed
    }

    /// Adds an entry of this name.
    pub fn add(&mut self, name: Reference, entry: Entry) {
        self.push(entry, Some(name));
    }

    /// Gives each entry of a repository the size and media type that its manifest has, where those can be told. Returns whether any had
    /// others.
    pub fn correct(
        &mut self,
        repository: &Repository,
        manifest: impl Fn(&Digest) -> Option<Descriptor>,
    ) -> serde_json::Result<bool> {
        let mut is_changed = false;
        for row in self.rows.iter_mut().flatten() {
            let (Some(name), Ok(image)) = (&row.name, &row.entry.image) else {
                continue;
            };
            if name.repository() == repository
                && let Some(manifest) = manifest(&image.digest)
                && manifest.size != image.size
            {
                row.entry = row.entry.corrected(&manifest)?;
                is_changed = true;
            }
        }
        Ok(is_changed)
    }
}
