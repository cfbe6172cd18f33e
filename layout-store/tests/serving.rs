//! What a server of a directory relies on: leases that rest, repositories by name, uploads, and removing one thing at once.

mod common;

use std::path::Path;

use common::{about, blob, index_of, manifest_of, repository};
use transload_layout_store::uploads::UploadId;
use transload_layout_store::{Error, Format, OpenOptions, Removed, Store};
use transload_reference::{Algorithm, Descriptor, Digest, RawManifest, Repository};

fn each_format(test: impl Fn(&Path, &Store)) {
    for format in [Format::KubeKey, Format::Oci] {
        let folder = tempfile::tempdir().unwrap();
        let store = OpenOptions::default()
            .format(format)
            .create(folder.path())
            .unwrap();
        test(folder.path(), &store);
    }
}

fn upload(store: &Store, content: &[u8]) -> Descriptor {
    let mut upload = store.begin_upload().unwrap();
    upload.write(content).unwrap();
    upload.commit(&Digest::of(content)).unwrap()
}

fn image(store: &Store, layer: &[u8]) -> RawManifest {
    manifest_of(&upload(store, b"{}"), &[upload(store, layer)])
}

#[test]
fn others_remove_images_while_a_store_rests() {
    each_format(|root, store| {
        let options = OpenOptions::default();
        assert!(options.try_open_exclusively(root).unwrap().is_none());
        store.release();
        let exclusive = options.try_open_exclusively(root).unwrap();
        assert!(exclusive.is_some());
        assert!(!store.try_renew().unwrap(), "somebody removes images");
        drop(exclusive);
        assert!(store.try_renew().unwrap());
        assert!(options.try_open_exclusively(root).unwrap().is_none());
    });
}

#[test]
fn folders_that_others_removed_while_a_store_rested_are_made_again() {
    each_format(|root, store| {
        let app = repository("hub.local/app");
        let manifest = image(store, b"layer");
        store.put_manifest(&app, &manifest).unwrap();
        store.keep(&app, manifest.digest()).unwrap();
        store.release();
        let mut exclusive = Store::open_exclusively(root).unwrap();
        let garbage = exclusive.garbage(|_| false).unwrap();
        exclusive.remove(&garbage).unwrap();
        drop(exclusive);
        assert!(store.try_renew().unwrap());
        let manifest = image(store, b"layer");
        store.put_manifest(&app, &manifest).unwrap();
        store
            .tag(&app, &"v1".parse().unwrap(), manifest.digest())
            .unwrap();
        assert_eq!(store.images().unwrap().len(), 1);
    });
}

#[test]
fn repositories_are_found_by_name_and_by_path() {
    each_format(|_, store| {
        let manifest = image(store, b"layer");
        let names = [
            "docker.io/library/app",
            "hub.local/library/app",
            "hub.local/team/app/part",
            "hub.local/team/app",
        ];
        for name in names {
            store.put_manifest(&repository(name), &manifest).unwrap();
            store
                .tag(&repository(name), &"v1".parse().unwrap(), manifest.digest())
                .unwrap();
        }
        let mut expected = names.map(repository);
        expected.sort();
        assert!(store.places().unwrap().into_iter().eq(expected));
        let of_path = store.places_of("library/app").unwrap();
        assert!(
            of_path
                .into_iter()
                .eq([repository("app"), repository("hub.local/library/app")])
        );
        assert!(store.places_of("team").unwrap().is_empty());
        assert!(store.has_place(&repository("hub.local/team/app/part")).unwrap());
        assert!(!store.has_place(&repository("hub.local/team")).unwrap());
    });
}

#[test]
fn an_upload_gets_its_name_once_its_bytes_have_the_digest() {
    each_format(|_, store| {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let digest = Digest::with(algorithm, b"onetwo");
            let mut first = store.begin_upload().unwrap();
            first.write(b"one").unwrap();
            let id = first.id().clone();
            assert!(
                matches!(store.resume_upload(&id), Err(Error::Io { .. })),
                "one writes at a time"
            );
            drop(first);
            assert!(store.open_blob(&digest).unwrap().is_none());
            let mut again = store.resume_upload(&id).unwrap().unwrap();
            assert_eq!(again.position(), 3);
            again.write(b"two").unwrap();
            let blob = again.commit(&digest).unwrap();
            assert!(store.check_blob(&blob).unwrap());
            assert!(store.uploads().unwrap().is_empty());
            assert_eq!(upload(store, b"onetwo").size, 6, "what is there is found");
        }
    });
}

#[test]
fn an_upload_of_other_bytes_gets_no_name_and_is_gone() {
    each_format(|_, store| {
        let mut upload = store.begin_upload().unwrap();
        let id = upload.id().clone();
        upload.write(b"other").unwrap();
        let error = upload.commit(&Digest::of(b"wanted")).unwrap_err();
        assert!(error.is_wrong_content());
        assert!(store.open_blob(&Digest::of(b"wanted")).unwrap().is_none());
        assert!(store.resume_upload(&id).unwrap().is_none());
    });
}

#[test]
fn unfinished_uploads_are_leftovers() {
    each_format(|root, store| {
        let mut upload = store.begin_upload().unwrap();
        upload.write(b"half").unwrap();
        drop(upload);
        store.release();
        let mut exclusive = Store::open_exclusively(root).unwrap();
        let garbage = exclusive.garbage(|_| true).unwrap();
        assert_eq!(garbage.bytes(), 4);
        exclusive.remove(&garbage).unwrap();
        assert!(exclusive.store().uploads().unwrap().is_empty());
    });
}

#[test]
fn no_path_is_an_uploads_name() {
    for text in [
        "",
        "../../../../../../../../../etc/pw",
        "a",
        "aaaaaaaaaaaaaaaa/aaaaaaaaaaaaaaa",
    ] {
        assert!(text.parse::<UploadId>().is_err(), "{text}");
    }
}

#[test]
fn a_manifest_is_removed_with_its_names_unless_an_index_needs_it() {
    each_format(|root, store| {
        let (app, other) = (repository("hub.local/app"), repository("hub.local/other"));
        let manifest = image(store, b"layer");
        let index = index_of(&[&manifest]);
        for manifest in [&manifest, &index] {
            store.put_manifest(&app, manifest).unwrap();
        }
        store.put_manifest(&other, &manifest).unwrap();
        for (repository, tag, manifest) in [
            (&app, "index", &index),
            (&app, "v1", &manifest),
            (&other, "v1", &manifest),
        ] {
            store
                .tag(repository, &tag.parse().unwrap(), manifest.digest())
                .unwrap();
        }
        store.release();
        let mut exclusive = Store::open_exclusively(root).unwrap();
        let unknown = Digest::of(b"unknown");
        assert_eq!(
            exclusive.remove_manifest(&app, &unknown).unwrap(),
            Removed::Missing
        );
        assert_eq!(
            exclusive.remove_manifest(&app, manifest.digest()).unwrap(),
            Removed::Needed
        );
        assert_eq!(
            exclusive.remove_manifest(&app, index.digest()).unwrap(),
            Removed::Done
        );
        assert_eq!(
            exclusive.remove_manifest(&app, manifest.digest()).unwrap(),
            Removed::Done
        );
        let images: Vec<_> = exclusive.store().images().unwrap().collect();
        assert_eq!(images.len(), 1, "{images:?}");
        assert!(
            exclusive
                .store()
                .manifest(&other, manifest.digest())
                .unwrap()
                .is_some()
        );
        assert_eq!(
            exclusive.remove_blob(&Digest::of(b"layer")).unwrap(),
            Removed::Needed
        );
        assert_eq!(
            exclusive.remove_manifest(&other, manifest.digest()).unwrap(),
            Removed::Done
        );
        assert_eq!(
            exclusive.remove_blob(&Digest::of(b"layer")).unwrap(),
            Removed::Done
        );
        assert_eq!(
            exclusive.remove_blob(&Digest::of(b"layer")).unwrap(),
            Removed::Missing
        );
        assert!(exclusive.store().images().unwrap().next().is_none());
    });
}

#[test]
fn what_refers_to_another_image_is_removed_alone() {
    each_format(|root, store| {
        let app = repository("hub.local/app");
        let manifest = image(store, b"layer");
        let signature = about(&manifest, &blob(b"{}"), &[]);
        for manifest in [&manifest, &signature] {
            store.put_manifest(&app, manifest).unwrap();
            store.keep(&app, manifest.digest()).unwrap();
        }
        store.release();
        let mut exclusive = Store::open_exclusively(root).unwrap();
        assert_eq!(
            exclusive.remove_manifest(&app, signature.digest()).unwrap(),
            Removed::Done
        );
        assert!(
            exclusive
                .store()
                .manifest(&app, signature.digest())
                .unwrap()
                .is_none()
        );
        assert!(
            exclusive
                .store()
                .manifest(&app, manifest.digest())
                .unwrap()
                .is_some()
        );
    });
}

#[test]
fn an_image_that_is_called_as_another_formats_folder_spoils_no_store() {
    each_format(|root, store| {
        let manifest = image(store, b"layer");
        // Which registry a name is in, its client says.
        let strange = Repository::new("docker".parse().unwrap(), "registry/v2").unwrap();
        store.put_manifest(&strange, &manifest).unwrap();
        store
            .tag(&strange, &"v1".parse().unwrap(), manifest.digest())
            .unwrap();
        assert_eq!(Store::open(root).unwrap().images().unwrap().len(), 1);
    });
}
