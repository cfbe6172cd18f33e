//! What pruning removes, what it keeps, and how it waits for others.

use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use transload_layout_store::{BlobWrite, Store};
use transload_reference::{Descriptor, Digest, MediaType, RawManifest, Repository};

fn put(store: &Store, content: &[u8]) -> Descriptor {
    let blob = Descriptor::new(MediaType::new("layer"), Digest::of(content), content.len() as u64);
    if let BlobWrite::Writer(mut writer) = store.write_blob(&blob).unwrap() {
        writer.write(content).unwrap();
        writer.commit().unwrap();
    }
    blob
}

fn json(blob: &Descriptor) -> String {
    serde_json::to_string(blob).unwrap()
}

/// An image of a config of its own and a layer; `tag` may be none.
fn publish(store: &Store, repository: &str, tag: Option<&str>, layer: &[u8]) -> RawManifest {
    let repository: Repository = repository.parse().unwrap();
    let config = put(store, format!("{repository} {tag:?}").as_bytes());
    let text = format!(
        r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#,
        json(&config),
        json(&put(store, layer))
    );
    let manifest = RawManifest::parse(text.into_bytes(), None).unwrap();
    store.put_manifest(&repository, &manifest).unwrap();
    if let Some(tag) = tag {
        store
            .tag(&repository, &tag.parse().unwrap(), manifest.digest())
            .unwrap();
    }
    manifest
}

fn names(store: &Store) -> Vec<String> {
    let mut names: Vec<String> = store
        .images()
        .unwrap()
        .iter()
        .map(|image| image.reference.to_string())
        .collect();
    names.sort();
    names
}

fn files(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() && !path.is_symlink() {
                true => folders.push(path),
                false => found.push(path.strip_prefix(root).unwrap().display().to_string()),
            }
        }
    }
    found.sort();
    found
}

#[test]
fn what_only_removed_images_needed_goes_and_all_else_stays() {
    let (folder, expected) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Store::create(folder.path()).unwrap();
    for store in [&store, &Store::create(expected.path()).unwrap()] {
        publish(store, "hub.local/a", Some("v1"), b"shared");
        publish(store, "alpine", Some("3"), b"alpine");
        publish(store, "hub.local/pinned", None, b"pinned");
    }
    publish(&store, "hub.local/a", Some("v2"), b"own");
    publish(&store, "hub.local/deep/er/b", Some("v1"), b"shared");
    fs::write(folder.path().join("blobs/notes.txt"), b"mine").unwrap();
    fs::write(expected.path().join("blobs/notes.txt"), b"mine").unwrap();
    let exclusive = store.exclusively().unwrap();
    let keep = ["hub.local/a:v1", "docker.io/library/alpine:3"];
    let garbage = exclusive
        .garbage(|image| keep.contains(&image.to_string().as_str()) || image.tag().is_none())
        .unwrap();
    let gone: Vec<String> = garbage
        .images
        .iter()
        .map(|image| image.reference.to_string())
        .collect();
    assert_eq!(gone, ["hub.local/a:v2", "hub.local/deep/er/b:v1"]);
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
    publish(&store, "hub.local/a", Some("layout"), b"one");
    publish(&store, "hub.local/a", None, b"two");
    let BlobWrite::Writer(mut writer) = store
        .write_blob(&Descriptor::new(
            MediaType::new("layer"),
            Digest::of(b"partial"),
            7,
        ))
        .unwrap()
    else {
        panic!("it isn't there")
    };
    writer.write(b"part").unwrap();
    drop(writer);
    let exclusive = store.exclusively().unwrap();
    let garbage = exclusive.garbage(|_| false).unwrap();
    assert_eq!(garbage.partial.len(), 1);
    exclusive.remove(&garbage).unwrap();
    assert_eq!(names(&store), Vec::<String>::new());
    assert_eq!(files(folder.path()), [".transload/lock"]);
}

#[test]
fn an_image_that_stays_and_cannot_be_read_stops_it_before_anything_goes() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let manifest = publish(&store, "hub.local/a", Some("v1"), b"layer");
    let path = folder
        .path()
        .join("hub.local/a/manifests")
        .join(manifest.digest().to_string());
    fs::write(path, b"{}").unwrap();
    let exclusive = store.exclusively().unwrap();
    let error = exclusive.garbage(|_| true).unwrap_err();
    assert!(error.to_string().contains(manifest.digest().as_str()), "{error}");
}

#[test]
fn pruning_waits_for_who_uses_the_store_and_they_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let pruner = Store::create(folder.path()).unwrap();
    let puller = Store::create(folder.path()).unwrap();
    let (tell, told) = mpsc::channel();
    std::thread::scope(|scope| {
        let pruning = scope.spawn(|| {
            let exclusive = pruner.exclusively().unwrap();
            tell.send("pruning").unwrap();
            exclusive.remove(&exclusive.garbage(|_| true).unwrap()).unwrap();
        });
        assert!(
            told.recv_timeout(Duration::from_millis(200)).is_err(),
            "someone uses the store"
        );
        // A blob that nothing names yet is safe as long as its writer is there.
        let manifest = publish(&puller, "hub.local/a", Some("v1"), b"layer");
        drop(puller);
        assert_eq!(told.recv_timeout(Duration::from_secs(20)), Ok("pruning"));
        pruning.join().unwrap();
        assert!(manifest.view().blobs().all(|blob| pruner.has_blob(blob).unwrap()));
    });
    let exclusive = pruner.exclusively().unwrap();
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
