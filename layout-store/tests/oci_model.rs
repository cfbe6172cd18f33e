//! Random operations on an OCI layout, by this crate and by another program, against a simple model of names.

mod common;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use common::{blob, manifest_of, put};
use proptest::prelude::*;
use serde_json::{Value, json};
use transload_layout_store::{Format, OpenOptions, Store};
use transload_reference::{Descriptor, Digest, Identifier, RawManifest, Reference, Repository, Tag};

const REPOSITORIES: [&str; 3] = [
    "hub.local:5000/team/app",
    "docker.io/library/app",
    "localhost/layout",
];
const TAGS: [&str; 3] = ["v1", "v2", "latest"];
const IMAGES: usize = 4;

#[derive(Debug, Clone)]
enum Step {
    Publish {
        repository: usize,
        tag: Option<usize>,
        image: usize,
    },
    Untag {
        repository: usize,
        tag: usize,
    },
    DeleteTag {
        repository: usize,
        tag: usize,
    },
    DeleteImage {
        repository: usize,
        image: usize,
    },
    Prune {
        keep: u32,
    },
    /// Another program lists an image, by a full name or, in the last repository, by a bare tag.
    Foreign {
        repository: usize,
        tag: usize,
        image: usize,
    },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let (repository, tag, image) = (0..REPOSITORIES.len(), 0..TAGS.len(), 0..IMAGES);
    let place = (repository.clone(), tag.clone());
    prop_oneof![
        4 => (repository.clone(), proptest::option::of(tag.clone()), image.clone())
            .prop_map(|(repository, tag, image)| Step::Publish { repository, tag, image }),
        1 => place.clone().prop_map(|(repository, tag)| Step::Untag { repository, tag }),
        1 => place.prop_map(|(repository, tag)| Step::DeleteTag { repository, tag }),
        1 => (repository.clone(), image.clone())
            .prop_map(|(repository, image)| Step::DeleteImage { repository, image }),
        1 => any::<u32>().prop_map(|keep| Step::Prune { keep }),
        2 => (repository, tag, image)
            .prop_map(|(repository, tag, image)| Step::Foreign { repository, tag, image }),
        1 => Just(Step::Reopen),
    ]
}

/// An image's config, and its manifest.
fn made(image: usize) -> (Vec<u8>, RawManifest) {
    let config = format!("config {image}").into_bytes();
    let manifest = manifest_of(&blob(&config), &[]);
    (config, manifest)
}

fn repository(at: usize) -> Repository {
    REPOSITORIES[at].parse().unwrap()
}

fn tag(at: usize) -> Tag {
    TAGS[at].parse().unwrap()
}

fn name(at: usize, tag: Option<usize>, image: usize) -> Reference {
    let by_digest = tag.is_none().then(|| made(image).1.digest().clone());
    Reference::new(repository(at), tag.map(self::tag), by_digest)
}

/// Which image each name stands for.
#[derive(Debug, Default)]
struct Model {
    tagged: BTreeMap<(usize, usize), usize>,
    /// Those that a tag in their repository stands for, too, aren't told.
    by_digest: BTreeSet<(usize, usize)>,
}

impl Model {
    fn tag(&mut self, repository: usize, tag: usize, image: usize) {
        self.tagged.insert((repository, tag), image);
        self.by_digest.remove(&(repository, image));
    }

    fn keep(&mut self, repository: usize, image: usize) {
        if !self.is_tagged(repository, image) {
            self.by_digest.insert((repository, image));
        }
    }

    fn is_tagged(&self, repository: usize, image: usize) -> bool {
        let mut tagged = self.tagged.iter();
        tagged.any(|((at, _), tagged)| (*at, *tagged) == (repository, image))
    }

    fn names(&self) -> BTreeMap<Reference, usize> {
        let tagged = self.tagged.iter();
        let tagged = tagged.map(|((at, tag), image)| (name(*at, Some(*tag), *image), *image));
        let by_digest = self.by_digest.iter();
        let untagged = by_digest.filter(|(at, image)| !self.is_tagged(*at, *image));
        tagged
            .chain(untagged.map(|(at, image)| (name(*at, None, *image), *image)))
            .collect()
    }

    fn retain(&mut self, keep: impl Fn(&Reference) -> bool) {
        let gone: BTreeSet<(usize, usize)> = self
            .tagged
            .iter()
            .filter(|((at, tag), image)| !keep(&name(*at, Some(*tag), **image)))
            .map(|((at, _), image)| (*at, *image))
            .collect();
        let hidden: BTreeSet<(usize, usize)> = self
            .by_digest
            .iter()
            .copied()
            .filter(|(at, image)| self.is_tagged(*at, *image))
            .collect();
        self.by_digest.retain(|place| {
            let stays = hidden.contains(place) || keep(&name(place.0, None, place.1));
            stays && !gone.contains(place)
        });
        self.tagged
            .retain(|(at, tag), image| keep(&name(*at, Some(*tag), *image)));
    }
}

fn publish(store: &Store, at: usize, tag: Option<usize>, image: usize) {
    let (config, manifest) = made(image);
    put(store, &config);
    store.sync_blobs().unwrap();
    store.put_manifest(&repository(at), &manifest).unwrap();
    match tag {
        Some(tag) => store.tag(&repository(at), &self::tag(tag), manifest.digest()),
        None => store.keep(&repository(at), manifest.digest()),
    }
    .unwrap();
}

/// Writes as skopeo and umoci do, in place.
fn write_foreign(root: &Path, at: usize, tag: usize, image: usize) {
    let (config, manifest) = made(image);
    let blobs = root.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    for bytes in [config.as_slice(), manifest.bytes()] {
        fs::write(blobs.join(Digest::of(bytes).hex()), bytes).unwrap();
    }
    let path = root.join("index.json");
    let mut index: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let ref_name = match at + 1 == REPOSITORIES.len() {
        true => TAGS[tag].to_owned(),
        false => format!("{}:{}", REPOSITORIES[at], TAGS[tag]),
    };
    let mut entry = serde_json::to_value(manifest.descriptor()).unwrap();
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": ref_name});
    index["manifests"].as_array_mut().unwrap().push(entry);
    fs::write(&path, index.to_string()).unwrap();
}

fn assert_same(store: &Store, model: &Model) {
    let expected = model.names();
    let images: BTreeMap<Reference, Digest> = store
        .images()
        .unwrap()
        .map(|image| (image.reference, image.digest))
        .collect();
    let digests = expected.iter();
    let digests = digests.map(|(name, image)| (name.clone(), made(*image).1.digest().clone()));
    assert_eq!(images, digests.collect());
    for at in 0..REPOSITORIES.len() {
        let tags: BTreeSet<Tag> = store.tags(&repository(at)).unwrap().collect();
        let expected = model.tagged.keys().filter(|(of, _)| *of == at);
        assert_eq!(tags, expected.map(|(_, tag)| self::tag(*tag)).collect());
        for tag in 0..TAGS.len() {
            let found = store
                .resolve(&repository(at), &Identifier::Tag(self::tag(tag)))
                .unwrap();
            let expected = model.tagged.get(&(at, tag));
            assert_eq!(found, expected.map(|image| made(*image).1.digest().clone()));
        }
    }
    let index: Value = serde_json::from_slice(&fs::read(store.root().join("index.json")).unwrap()).unwrap();
    for entry in index["manifests"].as_array().unwrap() {
        let entry: Descriptor = serde_json::from_value(entry.clone()).unwrap();
        assert!(store.has_blob(&entry).unwrap(), "what is listed is there");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn names_stand_for_what_was_said_last_whoever_said_it(steps in proptest::collection::vec(step(), 1..24)) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("layout");
        let open = || OpenOptions::default().format(Format::Oci).create(&root).unwrap();
        let mut store = Some(open());
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Publish { repository, tag, image } => {
                    publish(store.as_ref().unwrap(), repository, tag, image);
                    match tag {
                        Some(tag) => model.tag(repository, tag, image),
                        None => model.keep(repository, image),
                    }
                }
                Step::Untag { repository: at, tag } => {
                    let was_there = store.as_ref().unwrap().untag(&repository(at), &self::tag(tag)).unwrap();
                    let image = model.tagged.remove(&(at, tag));
                    assert_eq!(was_there, image.is_some());
                    if let Some(image) = image {
                        model.keep(at, image);
                    }
                }
                Step::DeleteTag { repository: at, tag } => {
                    store = None;
                    let mut exclusive = Store::open_exclusively(&root).unwrap();
                    let deleted = exclusive.delete(&repository(at), &Identifier::Tag(self::tag(tag))).unwrap();
                    let image = model.tagged.remove(&(at, tag));
                    assert_eq!(deleted, image.is_some());
                    model.by_digest.retain(|place| Some(*place) != image.map(|image| (at, image)));
                }
                Step::DeleteImage { repository: at, image } => {
                    store = None;
                    let mut exclusive = Store::open_exclusively(&root).unwrap();
                    let digest = made(image).1.digest().clone();
                    let deleted = exclusive.delete(&repository(at), &Identifier::Digest(digest)).unwrap();
                    let before = model.names().len();
                    model.tagged.retain(|(of, _), tagged| (*of, *tagged) != (at, image));
                    model.by_digest.remove(&(at, image));
                    assert_eq!(deleted, model.names().len() < before);
                }
                Step::Prune { keep } => {
                    store = None;
                    let kept: BTreeSet<Reference> = model
                        .names()
                        .into_keys()
                        .enumerate()
                        .filter(|(at, _)| keep >> at & 1 == 1)
                        .map(|(_, name)| name)
                        .collect();
                    let mut exclusive = Store::open_exclusively(&root).unwrap();
                    let garbage = exclusive.garbage(|name| kept.contains(name)).unwrap();
                    exclusive.remove(&garbage).unwrap();
                    model.retain(|name| kept.contains(name));
                    let images: BTreeSet<usize> = model.names().into_values().collect();
                    assert_eq!(exclusive.store().blob_files().unwrap().len(), 2 * images.len());
                }
                Step::Foreign { repository, tag, image } => {
                    if let Entry::Vacant(place) = model.tagged.entry((repository, tag)) {
                        write_foreign(&root, repository, tag, image);
                        place.insert(image);
                    }
                }
                Step::Reopen => store = None,
            }
            let store = store.get_or_insert_with(open);
            assert_same(store, &model);
        }
    }
}
