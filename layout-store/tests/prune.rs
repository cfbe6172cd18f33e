//! What pruning removes, what it keeps, and how it waits for others.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use common::{about, files, index_of, manifest_of, names, names_of, put, repository, try_publish, writer};
use transload_layout_store::{OpenOptions, Store};
use transload_reference::RawManifest;

/// An image of a config of its own and a layer.
fn publish(store: &Store, name: &str, layer: &[u8]) -> RawManifest {
    let manifest = manifest_of(&put(store, name.as_bytes()), &[put(store, layer)]);
    try_publish(store, name, &manifest).unwrap();
    manifest
}

#[test]
fn what_only_removed_images_needed_goes_and_all_else_stays() {
    let (folder, expected) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Store::create(folder.path()).unwrap();
    for store in [&store, &Store::create(expected.path()).unwrap()] {
        publish(store, "hub.local/a:v1", b"shared");
        publish(store, "alpine:3", b"alpine");
        publish(store, "hub.local/pinned", b"pinned");
    }
    publish(&store, "hub.local/a:v2", b"own");
    publish(&store, "hub.local/deep/er/b:v1", b"shared");
    fs::write(folder.path().join("blobs/notes.txt"), b"mine").unwrap();
    fs::write(expected.path().join("blobs/notes.txt"), b"mine").unwrap();
    drop(store);
    let mut exclusive = Store::open_exclusively(folder.path()).unwrap();
    let keep = ["hub.local/a:v1", "docker.io/library/alpine:3"];
    let garbage = exclusive
        .garbage(|image| keep.contains(&image.to_string().as_str()) || image.tag().is_none())
        .unwrap();
    assert_eq!(
        names_of(&garbage.images),
        ["hub.local/a:v2", "hub.local/deep/er/b:v1"]
    );
    assert_eq!((garbage.manifests.len(), garbage.blobs.len()), (2, 3));
    let before = files(folder.path());
    assert!(before.len() > files(expected.path()).len());
    exclusive.remove(&garbage).unwrap();
    assert_eq!(files(folder.path()), files(expected.path()));
    assert!(!folder.path().join("hub.local/deep").exists(), "empty folders go");
    assert_eq!(exclusive.garbage(|_| true).unwrap(), Default::default());
}

#[test]
fn everything_can_go() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    publish(&store, "hub.local/a:layout", b"one");
    publish(&store, "hub.local/a", b"two");
    writer(&store, b"partial").write(b"part").unwrap();
    drop(store);
    let mut exclusive = Store::open_exclusively(folder.path()).unwrap();
    let garbage = exclusive.garbage(|_| false).unwrap();
    assert_eq!(garbage.partial.len(), 1);
    exclusive.remove(&garbage).unwrap();
    assert_eq!(names(exclusive.store()), Vec::<String>::new());
    assert_eq!(files(folder.path()), [".transload/lock"]);
}

#[test]
fn an_image_that_stays_and_cannot_be_read_stops_it_before_anything_goes() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let manifest = publish(&store, "hub.local/a:v1", b"layer");
    let path = folder
        .path()
        .join("hub.local/a/manifests")
        .join(manifest.digest().to_string());
    fs::write(path, b"{}").unwrap();
    drop(store);
    let exclusive = Store::open_exclusively(folder.path()).unwrap();
    let error = exclusive.garbage(|_| true).unwrap_err();
    assert!(error.to_string().contains(manifest.digest().as_str()), "{error}");
}

#[test]
fn pruning_waits_for_who_uses_the_store_and_they_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let puller = Store::create(folder.path()).unwrap();
    let (tell, told) = mpsc::channel();
    std::thread::scope(|scope| {
        let pruning = scope.spawn(|| {
            let mut exclusive = Store::open_exclusively(folder.path()).unwrap();
            tell.send("pruning").unwrap();
            let garbage = exclusive.garbage(|_| true).unwrap();
            exclusive.remove(&garbage).unwrap();
            exclusive
        });
        assert!(
            told.recv_timeout(Duration::from_millis(200)).is_err(),
            "someone uses the store"
        );
        // A blob that nothing names yet is safe as long as its writer is there.
        let manifest = publish(&puller, "hub.local/a:v1", b"layer");
        drop(puller);
        assert_eq!(told.recv_timeout(Duration::from_secs(20)), Ok("pruning"));
        let exclusive = pruning.join().unwrap();
        let store = exclusive.store();
        assert!(manifest.view().blobs().all(|blob| store.has_blob(blob).unwrap()));
    });
    let exclusive = Store::open_exclusively(folder.path()).unwrap();
    std::thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        scope.spawn(move || tell.send(Store::open(folder.path()).is_ok()));
        assert!(
            told.recv_timeout(Duration::from_millis(200)).is_err(),
            "someone prunes"
        );
        drop(exclusive);
        assert_eq!(told.recv_timeout(Duration::from_secs(20)), Ok(true));
    });
}

/// An opening that doesn't wait.
fn at_once() -> OpenOptions {
    OpenOptions::default().cancel_flag(Arc::new(AtomicBool::new(true)))
}

#[test]
fn a_directory_that_another_program_made_is_not_pruned_under_whoever_has_it_open() {
    for is_writable in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        publish(&Store::create(folder.path()).unwrap(), "hub.local/a:v1", b"layer");
        fs::remove_dir_all(folder.path().join(".transload")).unwrap();
        let mode = if is_writable { 0o755 } else { 0o555 };
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
        let before = files(folder.path());
        let reader = Store::open(folder.path()).unwrap();
        let refused = at_once().open_exclusively(folder.path()).unwrap_err();
        assert!(refused.is_stopped(), "{refused}");
        let other = at_once().open(folder.path());
        assert!(other.is_ok(), "readers don't exclude each other");
        drop((reader, other));
        let exclusive = at_once().open_exclusively(folder.path()).unwrap();
        assert!(at_once().open(folder.path()).unwrap_err().is_stopped());
        assert!(
            at_once()
                .open_exclusively(folder.path())
                .unwrap_err()
                .is_stopped()
        );
        drop(exclusive);
        assert_eq!(files(folder.path()), before, "looking at it writes nothing");
    }
}

#[test]
fn a_wait_for_the_store_that_is_given_up_takes_no_lease_from_anybody() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    // Two who want it alone are refused, and whoever has it open keeps it.
    for _ in 0..2 {
        assert!(
            at_once()
                .open_exclusively(folder.path())
                .unwrap_err()
                .is_stopped()
        );
    }
    assert!(
        at_once()
            .open_exclusively(folder.path())
            .unwrap_err()
            .is_stopped()
    );
    drop(store);
    assert!(at_once().open_exclusively(folder.path()).is_ok());
}

const APP: &str = "hub.local/a";

fn tagged(tag: &str) -> String {
    format!("{APP}:{tag}")
}

/// An artifact about another manifest, by its `subject`.
fn publish_about(store: &Store, subject: &RawManifest, name: &str, text: &str) -> RawManifest {
    let manifest = about(subject, &put(store, b"{}"), &[put(store, text.as_bytes())]);
    try_publish(store, name, &manifest).unwrap();
    manifest
}

fn publish_index(store: &Store, tag: &str, children: &[&RawManifest]) -> RawManifest {
    let index = index_of(children);
    try_publish(store, &tagged(tag), &index).unwrap();
    index
}

#[test]
fn what_refers_to_something_that_stays_stays_and_what_refers_to_the_rest_goes() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let dashed = |manifest: &RawManifest, ending: &str| {
        format!("{}{ending}", manifest.digest().as_str().replace(':', "-"))
    };
    let mut stays = Vec::new();
    for (tag, is_kept) in [("kept", true), ("gone", false)] {
        let child = publish(&store, "hub.local/a", tag.as_bytes());
        let index = publish_index(&store, tag, &[&child]);
        let name = |what: &str| format!("{what} of {tag}");
        // By subject, without a tag and with one; and what refers to that.
        let sbom = publish_about(&store, &index, APP, &name("sbom"));
        let scan = publish_about(
            &store,
            &sbom,
            &tagged(&name("scan").replace(' ', "-")),
            &name("scan"),
        );
        let about_index = store.referrers(&repository(APP), index.digest());
        assert_eq!(about_index.unwrap(), [sbom.referrer().unwrap()]);
        // By cosign's tags, of the index and of its child; and a signature of one.
        let signature = publish(
            &store,
            &tagged(&dashed(&index, ".sig")),
            name("signature").as_bytes(),
        );
        let others = [
            publish(
                &store,
                &tagged(&dashed(&child, ".att")),
                name("attestation").as_bytes(),
            ),
            publish(&store, &tagged(&dashed(&child, ".sbom")), name("bill").as_bytes()),
            publish(
                &store,
                &tagged(&dashed(&signature, ".sig")),
                name("signed").as_bytes(),
            ),
        ];
        // By the tag of a registry without referrers: an index of them.
        let listed = publish(&store, APP, name("listed").as_bytes());
        let referrers = publish_index(&store, &dashed(&child, ""), &[&listed]);
        let all = [child, index, sbom, scan, signature, listed, referrers];
        stays.extend(all.into_iter().chain(others).filter(|_| is_kept));
    }
    // These only look alike.
    publish(&store, "hub.local/a:sha256-abc.sig", b"short");
    publish(
        &store,
        &format!("hub.local/a:{}", dashed(&stays[0], ".other")),
        b"other",
    );
    publish(
        &store,
        &format!("hub.local/b:{}", dashed(&stays[0], ".sig")),
        b"elsewhere",
    );
    let mut before = names(&store);
    before.sort();
    drop(store);

    let mut exclusive = Store::open_exclusively(folder.path()).unwrap();
    let garbage = exclusive
        .garbage(|image| image.to_string() == "hub.local/a:kept")
        .unwrap();
    exclusive.remove(&garbage).unwrap();
    let store = exclusive.store();
    let repository = repository(APP);
    for manifest in &stays {
        assert!(store.manifest(&repository, manifest.digest()).unwrap().is_some());
        assert!(manifest.view().blobs().all(|blob| store.has_blob(blob).unwrap()));
    }
    let left = fs::read_dir(folder.path().join("hub.local/a/manifests")).unwrap();
    let left = left.filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_str()
            .unwrap()
            .contains(':')
    });
    assert_eq!(left.count(), stays.len());
    let mut all = [names(store), names_of(&garbage.images)].concat();
    all.sort();
    assert_eq!(all, before, "what is told to go is what goes");
    assert!(!folder.path().join("hub.local/b").exists());
    assert_eq!(
        exclusive
            .garbage(|image| image.to_string() == "hub.local/a:kept")
            .unwrap(),
        Default::default()
    );
}

#[test]
fn a_signature_that_stays_keeps_nothing_of_what_it_is_about() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let image = publish(&store, "hub.local/a:v1", b"layer");
    let tag = format!("{}.sig", image.digest().as_str().replace(':', "-"));
    publish_about(&store, &image, &tagged(&tag), "signature");
    drop(store);
    let exclusive = Store::open_exclusively(folder.path()).unwrap();
    let garbage = exclusive
        .garbage(|image| image.tag().is_some_and(|tag| tag.as_str().ends_with(".sig")))
        .unwrap();
    assert_eq!(names_of(&garbage.images), ["hub.local/a:v1"]);
    assert_eq!(garbage.manifests.len(), 1);
}

#[test]
fn a_manifest_whose_subject_cannot_be_believed_keeps_nothing_and_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let image = publish(&store, "hub.local/a:v1", b"layer");
    let forged = publish_about(&store, &image, APP, "signature");
    let path = store.manifest_path(&repository(APP), forged.digest());
    fs::write(
        &path,
        String::from_utf8_lossy(forged.bytes()).replace("layers", "Layers"),
    )
    .unwrap();
    drop(store);
    let exclusive = Store::open_exclusively(folder.path()).unwrap();
    let garbage = exclusive.garbage(|image| image.tag().is_some()).unwrap();
    assert_eq!(
        garbage
            .manifests
            .iter()
            .map(|(_, path)| path.clone())
            .collect::<Vec<_>>(),
        [path]
    );
}
