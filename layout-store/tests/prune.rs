//! What pruning removes, what it keeps, and how it waits for others.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use transload_layout_store::{OpenOptions, Store};
use transload_reference::{Descriptor, Digest, MediaType, RawManifest, Repository};

fn put(store: &Store, content: &[u8]) -> Descriptor {
    let blob = Descriptor::new(MediaType::new("layer"), Digest::of(content), content.len() as u64);
    if let Some(mut writer) = store.write_blob(&blob).unwrap() {
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
    drop(store);
    let mut exclusive = Store::open_exclusively(folder.path()).unwrap();
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
    let Some(mut writer) = store
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
    let manifest = publish(&store, "hub.local/a", Some("v1"), b"layer");
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
        let manifest = publish(&puller, "hub.local/a", Some("v1"), b"layer");
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
        publish(
            &Store::create(folder.path()).unwrap(),
            "hub.local/a",
            Some("v1"),
            b"layer",
        );
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

/// An artifact about another manifest: in its `subject`, where it is `in_subject`.
fn publish_about(
    store: &Store,
    subject: &RawManifest,
    tag: Option<&str>,
    in_subject: bool,
    text: &str,
) -> RawManifest {
    let repository: Repository = "hub.local/a".parse().unwrap();
    let subject = serde_json::to_string(&subject.descriptor()).unwrap();
    let text = format!(
        r#"{{"schemaVersion":2,"config":{},"layers":[{}]{}}}"#,
        json(&put(store, b"{}")),
        json(&put(store, text.as_bytes())),
        if in_subject {
            format!(r#","subject":{subject}"#)
        } else {
            String::new()
        }
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

fn publish_index(store: &Store, tag: &str, children: &[&RawManifest]) -> RawManifest {
    let repository: Repository = "hub.local/a".parse().unwrap();
    let children: Vec<String> = children
        .iter()
        .map(|child| serde_json::to_string(&child.descriptor()).unwrap())
        .collect();
    let text = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, children.join(","));
    let index = RawManifest::parse(text.into_bytes(), Some(MediaType::OCI_INDEX.as_str())).unwrap();
    store.put_manifest(&repository, &index).unwrap();
    store
        .tag(&repository, &tag.parse().unwrap(), index.digest())
        .unwrap();
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
        let child = publish(&store, "hub.local/a", None, tag.as_bytes());
        let index = publish_index(&store, tag, &[&child]);
        let name = |what: &str| format!("{what} of {tag}");
        // By subject, without a tag and with one; and what refers to that.
        let sbom = publish_about(&store, &index, None, true, &name("sbom"));
        let scan = publish_about(
            &store,
            &sbom,
            Some(&name("scan").replace(' ', "-")),
            true,
            &name("scan"),
        );
        let about_index = store.referrers(&"hub.local/a".parse().unwrap(), index.digest());
        assert_eq!(about_index.unwrap(), [sbom.referrer().unwrap()]);
        // By cosign's tags, of the index and of its child; and a signature of one.
        let signature = publish_about(
            &store,
            &index,
            Some(&dashed(&index, ".sig")),
            false,
            &name("signature"),
        );
        let others = [
            publish_about(
                &store,
                &child,
                Some(&dashed(&child, ".att")),
                false,
                &name("attestation"),
            ),
            publish_about(
                &store,
                &child,
                Some(&dashed(&child, ".sbom")),
                false,
                &name("bill"),
            ),
            publish_about(
                &store,
                &signature,
                Some(&dashed(&signature, ".sig")),
                false,
                &name("signed"),
            ),
        ];
        // By the tag of a registry without referrers: an index of them.
        let listed = publish_about(&store, &child, None, false, &name("listed"));
        let referrers = publish_index(&store, &dashed(&child, ""), &[&listed]);
        let all = [child, index, sbom, scan, signature, listed, referrers];
        stays.extend(all.into_iter().chain(others).filter(|_| is_kept));
    }
    // These only look alike.
    publish(&store, "hub.local/a", Some("sha256-abc.sig"), b"short");
    publish(
        &store,
        "hub.local/a",
        Some(&dashed(&stays[0], ".other")),
        b"other",
    );
    publish(
        &store,
        "hub.local/b",
        Some(&dashed(&stays[0], ".sig")),
        b"elsewhere",
    );
    let before = names(&store);
    drop(store);

    let mut exclusive = Store::open_exclusively(folder.path()).unwrap();
    let garbage = exclusive
        .garbage(|image| image.to_string() == "hub.local/a:kept")
        .unwrap();
    exclusive.remove(&garbage).unwrap();
    let store = exclusive.store();
    let repository: Repository = "hub.local/a".parse().unwrap();
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
    let gone: Vec<String> = garbage
        .images
        .iter()
        .map(|image| image.reference.to_string())
        .collect();
    let mut all = [names(store), gone].concat();
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
    let image = publish(&store, "hub.local/a", Some("v1"), b"layer");
    let tag = format!("{}.sig", image.digest().as_str().replace(':', "-"));
    publish_about(&store, &image, Some(&tag), true, "signature");
    drop(store);
    let exclusive = Store::open_exclusively(folder.path()).unwrap();
    let garbage = exclusive
        .garbage(|image| image.tag().is_some_and(|tag| tag.as_str().ends_with(".sig")))
        .unwrap();
    let gone: Vec<String> = garbage
        .images
        .iter()
        .map(|image| image.reference.to_string())
        .collect();
    assert_eq!(gone, ["hub.local/a:v1"]);
    assert_eq!(garbage.manifests.len(), 1);
}

#[test]
fn a_manifest_whose_subject_cannot_be_believed_keeps_nothing_and_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let image = publish(&store, "hub.local/a", Some("v1"), b"layer");
    let forged = publish_about(&store, &image, None, true, "signature");
    let path = store.manifest_path(&"hub.local/a".parse().unwrap(), forged.digest());
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
