//! Names that come and go: repositories, tags, images by digest alone.

mod common;

use common::{blob, image, index_of, names, repository};
use tempfile::TempDir;
use transload_layout_store::{Format, OpenOptions, Store};
use transload_reference::{Digest, Identifier, RawManifest, Repository};

const FORMATS: [Format; 2] = [Format::KubeKey, Format::Oci];

fn new(format: Format) -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = OpenOptions::default()
        .format(format)
        .create(folder.path())
        .unwrap();
    (folder, store)
}

fn tag(store: &Store, repository: &Repository, name: &str, manifest: &RawManifest) {
    store
        .tag(repository, &name.parse().unwrap(), manifest.digest())
        .unwrap();
}

fn app() -> Repository {
    repository("hub.local/team/app")
}

#[test]
fn repositories_are_told_once_each_and_sorted() {
    for format in FORMATS {
        let (_folder, store) = new(format);
        assert_eq!(store.repositories().unwrap().len(), 0);
        for name in ["hub.local/b", "docker.io/library/alpine", "hub.local/a"] {
            let repository = name.parse().unwrap();
            let manifest = image(&store, &repository, name);
            tag(&store, &repository, "v1", &manifest);
            tag(&store, &repository, "v2", &manifest);
        }
        let found: Vec<String> = store
            .repositories()
            .unwrap()
            .map(|repository| repository.to_string())
            .collect();
        assert_eq!(found, ["docker.io/library/alpine", "hub.local/a", "hub.local/b"]);
    }
}

#[test]
fn an_image_whose_tag_is_taken_away_stays_by_its_digest_if_it_has_no_other() {
    for format in FORMATS {
        let (_folder, store) = new(format);
        let manifest = image(&store, &app(), "one");
        tag(&store, &app(), "v1", &manifest);
        tag(&store, &app(), "v2", &manifest);
        assert!(store.untag(&app(), &"v1".parse().unwrap()).unwrap());
        assert!(!store.untag(&app(), &"v1".parse().unwrap()).unwrap());
        assert_eq!(names(&store), ["hub.local/team/app:v2"]);
        assert!(store.untag(&app(), &"v2".parse().unwrap()).unwrap());
        let by_digest = format!("hub.local/team/app@{}", manifest.digest());
        assert_eq!(names(&store), [by_digest.as_str()]);
        tag(&store, &app(), "v3", &manifest);
        assert_eq!(names(&store), ["hub.local/team/app:v3"]);
    }
}

#[test]
fn an_image_that_only_a_tags_file_has_stays_by_its_digest_too() {
    let (folder, store) = new(Format::KubeKey);
    let manifest = image(&store, &app(), "one");
    tag(&store, &app(), "v1", &manifest);
    let manifests = folder.path().join("hub.local/team/app/manifests");
    for file in ["layout", manifest.digest().as_str()] {
        std::fs::remove_file(manifests.join(file)).unwrap();
    }
    assert_eq!(names(&store), ["hub.local/team/app:v1"]);
    assert!(store.untag(&app(), &"v1".parse().unwrap()).unwrap());
    assert_eq!(
        names(&store),
        [format!("hub.local/team/app@{}", manifest.digest())]
    );
}

#[test]
fn an_image_without_a_tag_is_kept_by_its_digest_if_it_is_there() {
    for format in FORMATS {
        let (_folder, store) = new(format);
        let manifest = image(&store, &app(), "one");
        store.keep(&app(), manifest.digest()).unwrap();
        store.keep(&app(), manifest.digest()).unwrap();
        assert_eq!(
            names(&store),
            [format!("hub.local/team/app@{}", manifest.digest())]
        );
        assert!(store.keep(&app(), &Digest::of(b"another")).is_err());
    }
}

#[test]
fn a_deleted_image_goes_with_what_only_it_had_and_its_blobs_stay_for_pruning() {
    for format in FORMATS {
        let (folder, store) = new(format);
        let other = repository("hub.local/other");
        let [shared, own] = ["shared", "own"].map(|content| image(&store, &app(), content));
        let both = index_of(&[&shared, &own]);
        store.put_manifest(&app(), &both).unwrap();
        tag(&store, &app(), "both", &both);
        tag(&store, &app(), "shared", &shared);
        tag(&store, &app(), "again", &shared);
        let elsewhere = image(&store, &other, "own");
        tag(&store, &other, "v1", &elsewhere);
        drop(store);

        let mut exclusive = Store::open_exclusively(folder.path()).unwrap();
        let mut delete = |identifier: Identifier| exclusive.delete(&app(), &identifier).unwrap();
        assert!(!delete(
            "none".parse::<transload_reference::Tag>().unwrap().into()
        ));
        assert!(delete("both".parse::<transload_reference::Tag>().unwrap().into()));
        assert!(!delete(both.digest().clone().into()), "it is gone");
        let names = names(exclusive.store());
        assert_eq!(
            names,
            [
                "hub.local/other:v1",
                "hub.local/team/app:again",
                "hub.local/team/app:shared"
            ]
        );
        assert!(
            exclusive
                .store()
                .manifest(&other, own.digest())
                .unwrap()
                .is_some()
        );
        assert!(exclusive.garbage(|_| true).unwrap().images.is_empty());
        assert!(exclusive.delete(&app(), &shared.digest().clone().into()).unwrap());
        let store = exclusive.store();
        assert_eq!(store.tags(&app()).unwrap().len(), 0, "all its tags go");
        let blob = blob(b"shared");
        assert!(store.has_blob(&blob).unwrap());
        let garbage = exclusive.garbage(|_| true).unwrap();
        assert!(
            garbage
                .blobs
                .iter()
                .any(|file| file.digest.as_ref() == Some(&blob.digest))
        );
    }
}
