//! The model: what a store holds, as far as its users can tell, in a few maps.

use std::collections::{BTreeMap, BTreeSet};

use crate::things::{Blob, CONTENT, Image, LAYOUT_TAG, MADE, REPOSITORIES, with_children};

/// A file's number: two names may be one file.
type File = usize;
/// A tag's number.
pub type Label = usize;

#[derive(Debug, Clone, Default)]
pub struct Model {
    /// Their bytes.
    files: Vec<Vec<u8>>,
    /// The store's blobs.
    blobs: BTreeMap<Blob, File>,
    /// The blobs of another store, from which some can be linked.
    elsewhere: BTreeMap<Blob, File>,
    /// What unfinished writers left.
    pub partial: BTreeMap<Blob, Vec<u8>>,
    repositories: [Tags; REPOSITORIES],
    /// Blobs and manifests that were harmed on purpose and not replaced since.
    pub harmed: BTreeSet<Blob>,
    harmed_manifests: BTreeSet<(usize, Image)>,
}

#[derive(Debug, Clone, Default)]
struct Tags {
    stands_for: BTreeMap<Label, Image>,
    by_digest: BTreeMap<Image, File>,
    by_tag: BTreeMap<Label, File>,
}

/// What is known of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    Whole,
    Nothing,
    Garbled,
}

/// An image as the store lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    pub repository: usize,
    /// None where only its digest names it.
    pub tag: Option<Label>,
    pub image: Image,
}

/// Which of the two stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Here,
    Elsewhere,
}

impl Model {
    fn new_file(&mut self, bytes: &[u8]) -> File {
        self.files.push(bytes.to_vec());
        self.files.len() - 1
    }

    fn on(&mut self, side: Side) -> &mut BTreeMap<Blob, File> {
        match side {
            Side::Here => &mut self.blobs,
            Side::Elsewhere => &mut self.elsewhere,
        }
    }

    /// The bytes under a blob's name.
    pub fn blob(&self, blob: Blob) -> Option<&[u8]> {
        self.blobs.get(&blob).map(|file| self.files[*file].as_slice())
    }

    /// Blobs whose names are taken.
    pub fn blobs(&self) -> impl Iterator<Item = (Blob, usize)> {
        self.blobs
            .iter()
            .map(|(blob, file)| (*blob, self.files[*file].len()))
    }

    /// Whether the store takes it for there: it has the right size.
    pub fn has_blob(&self, blob: Blob) -> bool {
        self.blob(blob)
            .is_some_and(|bytes| bytes.len() == CONTENT[blob].len())
    }

    pub fn is_whole(&self, blob: Blob) -> bool {
        self.blob(blob) == Some(CONTENT[blob].as_slice())
    }

    /// The blob got its name.
    pub fn written(&mut self, side: Side, blob: Blob) {
        let file = self.new_file(&CONTENT[blob]);
        self.on(side).insert(blob, file);
        if side == Side::Here {
            self.partial.remove(&blob);
            self.harmed.remove(&blob);
        }
    }

    /// The blob is linked from the other store, where it can be. Whether it is there then.
    pub fn link(&mut self, blob: Blob) -> bool {
        let Some(file) = self
            .elsewhere
            .get(&blob)
            .copied()
            .filter(|file| self.files[*file] == CONTENT[blob])
        else {
            return false;
        };
        self.blobs.insert(blob, file);
        self.harmed.remove(&blob);
        true
    }

    /// Somebody changes a file's bytes in place.
    pub fn changed(&mut self, side: Side, blob: Blob, bytes: Vec<u8>) {
        let file = self.on(side)[&blob];
        self.files[file] = bytes;
        if self.blobs.get(&blob) == Some(&file) {
            self.harmed.insert(blob);
        }
    }

    pub fn bytes_on(&mut self, side: Side, blob: Blob) -> Option<Vec<u8>> {
        let file = *self.on(side).get(&blob)?;
        Some(self.files[file].clone())
    }

    /// A blob's name goes.
    pub fn unnamed(&mut self, side: Side, blob: Blob) {
        if self.on(side).remove(&blob).is_some() && side == Side::Here {
            self.harmed.insert(blob);
        }
    }

    pub fn put(&mut self, repository: usize, image: Image) {
        if self.by_digest(repository, image) != Found::Whole {
            let file = self.new_file(MADE[image].manifest.bytes());
            self.repositories[repository].by_digest.insert(image, file);
        }
        self.harmed_manifests.remove(&(repository, image));
    }

    /// Whether the manifest is there whole, so that it can be tagged.
    pub fn can_tag(&self, repository: usize, image: Image) -> bool {
        self.by_digest(repository, image) == Found::Whole
    }

    pub fn tag(&mut self, repository: usize, tag: Label, image: Image) {
        let file = self.new_file(MADE[image].manifest.bytes());
        let tags = &mut self.repositories[repository];
        tags.stands_for.insert(tag, image);
        if tag != LAYOUT_TAG {
            tags.by_tag.insert(tag, file);
        }
    }

    pub fn stands_for(&self, repository: usize, tag: Label) -> Option<Image> {
        self.repositories[repository].stands_for.get(&tag).copied()
    }

    /// Somebody overwrites a manifest in place. Whether there is one.
    pub fn garble(&mut self, repository: usize, image: Image, bytes: &[u8]) -> bool {
        let Some(file) = self.repositories[repository].by_digest.get(&image) else {
            return false;
        };
        self.files[*file] = bytes.to_vec();
        self.harmed_manifests.insert((repository, image));
        true
    }

    /// Somebody removes a manifest's first name. Whether it had one.
    pub fn lose(&mut self, repository: usize, image: Image) -> bool {
        let had_it = self.repositories[repository].by_digest.remove(&image).is_some();
        if had_it {
            self.harmed_manifests.insert((repository, image));
        }
        had_it
    }

    fn is_manifest(&self, file: File, image: Image) -> bool {
        self.files[file] == MADE[image].manifest.bytes()
    }

    fn by_digest(&self, repository: usize, image: Image) -> Found {
        match self.repositories[repository].by_digest.get(&image) {
            None => Found::Nothing,
            Some(file) if self.is_manifest(*file, image) => Found::Whole,
            Some(_) => Found::Garbled,
        }
    }

    /// What the store finds of a manifest: without its own name, it is looked for under the tags that stand for it.
    pub fn manifest(&self, repository: usize, image: Image) -> Found {
        let tags = &self.repositories[repository];
        let has_second_name = || {
            let mut labels = tags
                .by_tag
                .iter()
                .filter(|(tag, _)| tags.stands_for[tag] == image);
            labels.any(|(_, file)| self.is_manifest(*file, image))
        };
        match self.by_digest(repository, image) {
            Found::Nothing if has_second_name() => Found::Whole,
            found => found,
        }
    }

    /// All images: each tag, and each manifest that neither a tag nor another manifest stands for.
    pub fn images(&self) -> BTreeSet<Listed> {
        let mut images = BTreeSet::new();
        for (repository, tags) in self.repositories.iter().enumerate() {
            let tagged = tags.stands_for.iter().map(|(tag, image)| (Some(*tag), *image));
            let mut named: BTreeSet<Image> = tags.stands_for.values().copied().collect();
            let files = tags.by_digest.values().chain(tags.by_tag.values());
            for file in files {
                let read = MADE
                    .iter()
                    .find(|made| made.manifest.bytes() == self.files[*file]);
                named.extend(read.iter().flat_map(|made| &made.children));
            }
            let untagged = tags
                .by_digest
                .keys()
                .filter(|image| !named.contains(image))
                .map(|image| (None, *image));
            images.extend(tagged.chain(untagged).map(|(tag, image)| Listed {
                repository,
                tag,
                image,
            }));
        }
        images
    }

    /// Removes all images but some, and what only they need. None where that can't be told, and then nothing goes.
    pub fn prune(&mut self, keep: impl Fn(&Listed) -> bool) -> Option<()> {
        let (kept, gone): (Vec<Listed>, Vec<Listed>) =
            self.images().into_iter().partition(|image| keep(image));
        let mut manifests: BTreeSet<(usize, Image)> = BTreeSet::new();
        let mut blobs: BTreeSet<Blob> = BTreeSet::new();
        for root in &kept {
            if self.manifest(root.repository, root.image) != Found::Whole {
                return None;
            }
            let mut waiting = vec![root.image];
            while let Some(image) = waiting.pop() {
                match self.manifest(root.repository, image) {
                    Found::Garbled => return None,
                    Found::Nothing => {}
                    Found::Whole => {
                        blobs.extend(&MADE[image].blobs);
                        waiting.extend(&MADE[image].children);
                    }
                }
                manifests.insert((root.repository, image));
            }
        }
        for image in gone {
            if let Some(tag) = image.tag {
                let tags = &mut self.repositories[image.repository];
                tags.stands_for.remove(&tag);
                tags.by_tag.remove(&tag);
            }
        }
        for (repository, tags) in self.repositories.iter_mut().enumerate() {
            tags.by_digest
                .retain(|image, _| manifests.contains(&(repository, *image)));
        }
        self.blobs.retain(|blob, _| blobs.contains(blob));
        self.partial.clear();
        Some(())
    }

    /// What every tag needs is there and whole, but for what was harmed on purpose. Below a harmed manifest, nothing is promised.
    pub fn keeps_its_promise(&self) {
        for listed in self.images().into_iter().filter(|listed| listed.tag.is_some()) {
            let mut waiting = vec![listed.image];
            while let Some(image) = waiting.pop() {
                if self.harmed_manifests.contains(&(listed.repository, image)) {
                    continue;
                }
                assert_eq!(
                    self.manifest(listed.repository, image),
                    Found::Whole,
                    "{listed:?} needs {image}"
                );
                for blob in &MADE[image].blobs {
                    assert!(
                        self.is_whole(*blob) || self.harmed.contains(blob),
                        "{listed:?} needs the blob {blob}"
                    );
                }
                waiting.extend(&MADE[image].children);
            }
        }
    }

    /// What has to be brought again so that everything that a tag stands for is whole: each tag's image, once.
    pub fn tagged(&self) -> Vec<(usize, Label, Image)> {
        let each = self.images().into_iter();
        each.filter_map(|listed| Some((listed.repository, listed.tag?, listed.image)))
            .collect()
    }

    /// Whether an image is in a repository with all below it, whole.
    pub fn is_complete(&self, repository: usize, image: Image) -> bool {
        with_children(image).into_iter().all(|part| {
            self.manifest(repository, part) == Found::Whole
                && MADE[part].blobs.iter().all(|blob| self.is_whole(*blob))
        })
    }
}
