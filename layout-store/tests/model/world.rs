//! The store and the model side by side.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use transload_layout_store::{BlobWriter, Flaw, Store, Verdict};
use transload_reference::{Digest, Identifier, Reference};

use crate::expected::{Found, Listed, Model, Side};
use crate::things::{
    BLOBS, Blob, CONTENT, DESCRIPTORS, IMAGES, Image, MADE, NAMES, TAG_NAMES, TAGS, with_children,
};
use crate::{Harm, Step};

/// Where files of nobody's may lie.
pub const STRAYS: [&str; 5] = [
    ".transload/.tmpStray",
    ".transload/tag-stray",
    ".transload/partial/notes",
    "blobs/notes.txt",
    "hub.local/a/manifests/README.md",
];

pub struct World {
    folder: TempDir,
    /// None for the moment between closing and opening.
    store: Option<Store>,
    elsewhere: Store,
    model: Model,
    strays: BTreeSet<PathBuf>,
    /// Images whose bringing was cut short.
    begun: Vec<(usize, usize, Image)>,
}

/// What bringing an image consists of, in its order.
enum Piece {
    Blob(Blob),
    Sync,
    Manifest(Image),
    Tag,
}

fn pieces(image: Image) -> Vec<Piece> {
    let images = with_children(image);
    let mut pieces: Vec<Piece> = Vec::new();
    pieces.extend(
        images
            .iter()
            .flat_map(|image| &MADE[*image].blobs)
            .map(|blob| Piece::Blob(*blob)),
    );
    pieces.push(Piece::Sync);
    pieces.extend(images.iter().map(|image| Piece::Manifest(*image)));
    pieces.push(Piece::Tag);
    pieces
}

impl World {
    pub fn new() -> World {
        // Thousands of flushes are for nothing on a folder in memory.
        let in_memory = tempfile::tempdir_in("/dev/shm");
        let folder = in_memory.or_else(|_| tempfile::tempdir()).unwrap();
        World {
            store: Some(Store::create(folder.path().join("here")).unwrap()),
            elsewhere: Store::create(folder.path().join("elsewhere")).unwrap(),
            folder,
            model: Model::default(),
            strays: BTreeSet::new(),
            begun: Vec::new(),
        }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn on(&self, side: Side) -> &Store {
        match side {
            Side::Here => self.store(),
            Side::Elsewhere => &self.elsewhere,
        }
    }

    pub fn take(&mut self, step: &Step) {
        match step {
            Step::WriteSome { blob, part, piece } => self.write_some(*blob, usize::from(*part), *piece),
            Step::Write { blob, piece } => self.write(*blob, *piece),
            Step::WriteWrong { blob, goes_on } => self.write_wrong(*blob, *goes_on),
            Step::WriteTooMuch { blob } => self.write_too_much(*blob),
            Step::Link { blob, harm } => self.link(*blob, *harm),
            Step::Publish {
                repository,
                tag,
                image,
                steps,
            } => {
                self.publish(*repository, *tag, *image, steps.unwrap_or(usize::MAX));
            }
            Step::Tag {
                repository,
                tag,
                image,
            } => self.tag(*repository, *tag, *image),
            Step::Prune { keep } => self.prune(*keep),
            Step::Reopen => self.reopen(),
            Step::HarmBlob { side, blob, harm } => self.harm(*side, *blob, *harm),
            Step::HarmManifest {
                repository,
                image,
                is_lost,
            } => self.harm_manifest(*repository, *image, *is_lost),
            Step::LeavePartial { blob, bytes } => {
                let path = self.partial_path(*blob);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
                self.model.partial.insert(*blob, bytes.clone());
            }
            Step::LeaveStray { place } => {
                let path = self.store().root().join(STRAYS[*place]);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, "nobody's").unwrap();
                self.strays.insert(path);
            }
            Step::Discard { blob } => {
                let aside = self
                    .store()
                    .repair()
                    .set_aside(&DESCRIPTORS[*blob].digest)
                    .unwrap();
                aside.discard().unwrap();
                self.model.unnamed(Side::Here, *blob);
            }
        }
    }

    fn partial_path(&self, blob: Blob) -> PathBuf {
        self.store()
            .root()
            .join(".transload/partial")
            .join(DESCRIPTORS[blob].digest.as_str())
    }

    /// A writer that has what the model says, if the blob isn't there.
    fn writer(&mut self, blob: Blob) -> Option<BlobWriter> {
        let size = CONTENT[blob].len();
        match self.store().write_blob(&DESCRIPTORS[blob]).unwrap() {
            None => {
                assert!(self.model.has_blob(blob));
                None
            }
            Some(writer) => {
                assert!(!self.model.has_blob(blob));
                let kept = self.model.partial.entry(blob).or_default();
                // More than the whole can't be its beginning.
                if kept.len() > size {
                    kept.clear();
                }
                assert_eq!(
                    writer.position(),
                    kept.len() as u64,
                    "it goes on where the last one ended"
                );
                Some(writer)
            }
        }
    }

    fn feed(&mut self, writer: &mut BlobWriter, blob: Blob, bytes: &[u8], piece: usize) {
        for bytes in bytes.chunks(piece) {
            writer.write(bytes).unwrap();
        }
        self.model.partial.entry(blob).or_default().extend(bytes);
    }

    fn write_some(&mut self, blob: Blob, part: usize, piece: usize) {
        if let Some(mut writer) = self.writer(blob) {
            let missing = &CONTENT[blob][self.model.partial[&blob].len()..];
            let taken = missing.len() * part / 256;
            self.feed(&mut writer, blob, &missing[..taken], piece);
        }
    }

    fn write(&mut self, blob: Blob, piece: usize) {
        let Some(mut writer) = self.writer(blob) else {
            return;
        };
        let missing = &CONTENT[blob][self.model.partial[&blob].len()..];
        self.feed(&mut writer, blob, missing, piece);
        self.commit(writer, blob, true);
    }

    /// Commits what the model says was written; where that is wrong, begins anew if it `goes_on`.
    fn commit(&mut self, writer: BlobWriter, blob: Blob, goes_on: bool) {
        let is_right = self.model.partial[&blob] == CONTENT[blob];
        match writer.commit() {
            Ok(()) => assert!(is_right, "wrong bytes got the name"),
            Err(refused) => {
                assert!(!is_right && refused.error.is_wrong_content(), "{refused}");
                let mut writer = *refused.writer.expect("it can begin anew");
                if !goes_on {
                    return;
                }
                writer.restart().unwrap();
                writer.write(&CONTENT[blob]).unwrap();
                writer.commit().unwrap();
            }
        }
        self.model.written(Side::Here, blob);
    }

    fn link(&mut self, blob: Blob, harm: Option<Harm>) {
        if let Some(mut writer) = self.elsewhere.write_blob(&DESCRIPTORS[blob]).unwrap() {
            writer.write(&CONTENT[blob]).unwrap();
            writer.commit().unwrap();
            self.model.written(Side::Elsewhere, blob);
        }
        if let Some(harm) = harm {
            self.harm(Side::Elsewhere, blob, harm);
        }
        let linked = self
            .store()
            .link_blob(&self.elsewhere, &DESCRIPTORS[blob], |_| true);
        assert_eq!(
            linked.unwrap(),
            self.model.link(blob),
            "only what is whole is linked"
        );
    }

    fn write_wrong(&mut self, blob: Blob, goes_on: bool) {
        let Some(mut writer) = self.writer(blob) else {
            return;
        };
        let missing = CONTENT[blob].len() - self.model.partial[&blob].len();
        self.feed(&mut writer, blob, &vec![0xee; missing], 1_000);
        self.commit(writer, blob, goes_on);
    }

    fn write_too_much(&mut self, blob: Blob) {
        let Some(mut writer) = self.writer(blob) else {
            return;
        };
        let missing = CONTENT[blob].len() - self.model.partial[&blob].len();
        let error = writer.write(&vec![0xee; missing + 1]).unwrap_err();
        assert!(error.is_wrong_content(), "{error}");
    }

    /// Brings an image as the program does: blobs, their names made durable, manifests with children first, the tag. After so
    /// many of these steps it crashes, in the middle of one.
    fn publish(&mut self, repository: usize, tag: usize, image: Image, steps: usize) {
        for (at, piece) in pieces(image).into_iter().enumerate() {
            if at == steps {
                if let Piece::Blob(blob) = piece {
                    self.write_some(blob, 128, 1_000);
                }
                self.begun.push((repository, tag, image));
                return self.reopen();
            }
            match piece {
                Piece::Blob(blob) => self.write(blob, 7_777),
                Piece::Sync => self.store().sync_blobs().unwrap(),
                Piece::Manifest(image) => {
                    self.store()
                        .put_manifest(&NAMES[repository], &MADE[image].manifest)
                        .unwrap();
                    self.model.put(repository, image);
                }
                Piece::Tag => {
                    self.tag(repository, tag, image);
                }
            }
        }
        assert_eq!(self.model.stands_for(repository, tag), Some(image));
    }

    fn tag(&mut self, repository: usize, tag: usize, image: Image) {
        let digest = MADE[image].manifest.digest();
        let tagged = self.store().tag(&NAMES[repository], &TAG_NAMES[tag], digest);
        if self.model.can_tag(repository, image) {
            tagged.unwrap();
            self.model.tag(repository, tag, image);
        } else {
            assert!(tagged.is_err(), "there is nothing to tag");
        }
    }

    fn prune(&mut self, keep: u16) {
        let keeps = |image: &Listed| {
            let bit = image.tag.map_or(15, |tag| image.repository * TAGS + tag);
            keep >> bit & 1 == 1
        };
        self.store = None;
        let mut exclusive = Store::open_exclusively(self.folder.path().join("here")).unwrap();
        let garbage = exclusive.garbage(|reference| keeps(&listed(reference, reference.digest())));
        let mut expected = self.model.images();
        expected.retain(|image| !keeps(image));
        match self.model.prune(keeps) {
            None => assert!(garbage.is_err(), "what a damaged image needs isn't known"),
            Some(()) => {
                let garbage = garbage.unwrap();
                let images = garbage.images.iter();
                let images: BTreeSet<Listed> = images
                    .map(|image| listed(&image.reference, Some(&image.digest)))
                    .collect();
                assert_eq!(images, expected);
                exclusive.remove(&garbage).unwrap();
            }
        }
        drop(exclusive);
        self.reopen();
    }

    fn reopen(&mut self) {
        self.store = None;
        self.store = Some(Store::open(self.folder.path().join("here")).unwrap());
    }

    fn harm(&mut self, side: Side, blob: Blob, harm: Harm) {
        let Some(mut bytes) = self.model.bytes_on(side, blob) else {
            return;
        };
        let path = self.on(side).blob_path(&DESCRIPTORS[blob].digest);
        match harm {
            Harm::Remove => {
                fs::remove_file(path).unwrap();
                return self.model.unnamed(side, blob);
            }
            Harm::Flip => bytes.last_mut().into_iter().for_each(|byte| *byte ^= 1),
            Harm::Shorten => bytes.truncate(bytes.len() / 2),
            Harm::Lengthen => bytes.push(0),
        }
        overwrite(&path, &bytes);
        self.model.changed(side, blob, bytes);
    }

    fn harm_manifest(&mut self, repository: usize, image: Image, is_lost: bool) {
        const GARBLED: &[u8] = b"rotten";
        let path = self
            .store()
            .manifest_path(&NAMES[repository], MADE[image].manifest.digest());
        if is_lost {
            if self.model.lose(repository, image) {
                fs::remove_file(path).unwrap();
            }
        } else if self.model.garble(repository, image, GARBLED) {
            overwrite(&path, GARBLED);
        }
    }

    /// Whether the store says of everything what the model says.
    pub fn check(&self) {
        self.check_blobs();
        self.check_manifests();
        self.check_leftovers();
        self.model.keeps_its_promise();
    }

    fn check_blobs(&self) {
        let store = self.store();
        for blob in 0..BLOBS {
            let descriptor = &DESCRIPTORS[blob];
            assert_eq!(store.has_blob(descriptor).unwrap(), self.model.has_blob(blob));
            let expected = self.model.blob(blob);
            match store.verify_blob(descriptor, |_| true) {
                Verdict::Whole => assert!(self.model.is_whole(blob), "{blob} isn't whole"),
                Verdict::Flawed(Flaw::Missing) => assert_eq!(expected, None),
                Verdict::Flawed(Flaw::WrongSize { found, .. }) => {
                    assert_eq!(expected.map(|bytes| bytes.len() as u64), Some(found));
                }
                Verdict::Flawed(Flaw::Corrupt) => {
                    assert!(!self.model.is_whole(blob) && self.model.has_blob(blob))
                }
                other => panic!("{blob}: {other:?}"),
            }
            assert!(expected.is_none() || self.model.is_whole(blob) || self.model.harmed.contains(&blob));
        }
    }

    fn check_manifests(&self) {
        let store = self.store();
        let images: BTreeSet<Listed> = store
            .images()
            .unwrap()
            .map(|image| listed(&image.reference, Some(&image.digest)))
            .collect();
        assert_eq!(images, self.model.images());
        for (repository, name) in NAMES.iter().enumerate() {
            for (tag, tag_name) in TAG_NAMES.iter().enumerate() {
                let found = store.resolve(name, &Identifier::Tag(tag_name.clone())).unwrap();
                let expected = self.model.stands_for(repository, tag);
                assert_eq!(
                    found.as_ref(),
                    expected.map(|image| MADE[image].manifest.digest())
                );
            }
            for image in 0..IMAGES {
                let made = &MADE[image].manifest;
                let found = match store.manifest(name, made.digest()) {
                    Ok(Some(manifest)) => {
                        assert_eq!(manifest.bytes(), made.bytes());
                        Found::Whole
                    }
                    Ok(None) => Found::Nothing,
                    Err(_) => Found::Garbled,
                };
                assert_eq!(found, self.model.manifest(repository, image), "{image} in {name}");
            }
        }
    }

    /// Partial files are those that writers left; nothing else is left anywhere.
    fn check_leftovers(&self) {
        let store = self.store();
        let files = |files: Vec<transload_layout_store::BlobFile>| -> BTreeSet<(String, u64)> {
            let named = files
                .into_iter()
                .filter_map(|file| Some((file.digest?.to_string(), file.size)));
            named.collect()
        };
        let digest = |blob: Blob| DESCRIPTORS[blob].digest.to_string();
        let partial = self
            .model
            .partial
            .iter()
            .map(|(blob, bytes)| (digest(*blob), bytes.len() as u64));
        assert_eq!(files(store.partial_files().unwrap().collect()), partial.collect());
        let blobs = self.model.blobs().map(|(blob, size)| (digest(blob), size as u64));
        assert_eq!(files(store.blob_files().unwrap().collect()), blobs.collect());
        let own = store.root().join(".transload");
        for entry in fs::read_dir(&own).unwrap() {
            let path = entry.unwrap().path();
            let is_empty = || fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_none());
            let is_known = ["lock", "partial", "sparse"]
                .iter()
                .any(|name| path == own.join(name))
                || path == own.join("aside") && is_empty()
                || self.strays.contains(&path);
            assert!(is_known, "{} was left behind", path.display());
        }
        assert!(
            self.strays.iter().all(|stray| stray.is_file()),
            "nobody's files aren't the store's to remove"
        );
    }

    /// The same again after the crashes: every image that was begun is done.
    pub fn finish_what_was_begun(&mut self) {
        for (repository, tag, image) in std::mem::take(&mut self.begun) {
            self.publish(repository, tag, image, usize::MAX);
            self.check();
        }
    }

    /// What is bad is found, thrown away and brought again, and then all is well.
    pub fn repair(&mut self) {
        for blob in 0..BLOBS {
            if let Verdict::Flawed(_) = self.store().verify_blob(&DESCRIPTORS[blob], |_| true) {
                self.take(&Step::Discard { blob });
            }
        }
        for (repository, tag, image) in self.model.tagged() {
            self.publish(repository, tag, image, usize::MAX);
        }
        self.check();
        for (repository, _, image) in self.model.tagged() {
            assert!(self.model.is_complete(repository, image));
        }
    }
}

/// Writes into the file that is there, whatever other names it has.
fn overwrite(path: &Path, bytes: &[u8]) {
    let mut file = File::options().write(true).truncate(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

/// The model's word for an image. Its digest isn't known where only the name is at hand.
fn listed(reference: &Reference, digest: Option<&Digest>) -> Listed {
    let image = digest.and_then(|digest| (0..IMAGES).find(|image| MADE[*image].manifest.digest() == digest));
    Listed {
        repository: NAMES
            .iter()
            .position(|name| name == reference.repository())
            .unwrap(),
        tag: reference
            .tag()
            .map(|tag| TAG_NAMES.iter().position(|name| name == tag).unwrap()),
        image: image.unwrap_or_default(),
    }
}
