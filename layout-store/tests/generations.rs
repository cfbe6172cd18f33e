//! Stores of every generation, written by hand after the format's description, are read.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use transload_layout_store::Store;
use transload_reference::{Identifier, Manifest, Repository};

const INDEX: &str = "sha256:303733a4714661bbe0a4507fef89ad7921364451ad2c06077d7d40c5bbd1ff71";
const IMAGE: &str = "sha256:d347d76e3463371d1468ae66c2703d63af8707a477ba770c835859644de6abd5";
const PINNED: &str = "sha256:8ccdbc1a22a0ff29c89435462b27eb2f67d80990d3103eeb4033dc5649133b58";

fn golden(generation: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/stores")
        .join(generation)
}

fn listed(generation: &str) -> Vec<String> {
    let images = Store::open(golden(generation)).unwrap().images().unwrap();
    images
        .map(|image| format!("{} {}", image.reference, image.digest))
        .collect()
}

#[test]
fn every_generation_lists_its_images() {
    let alpine = format!("docker.io/library/alpine:3.19 {INDEX}");
    let app = format!("registry.example.com:5000/team/app:v1 {IMAGE}");
    for generation in ["v4.0.0", "v4.0.4", "documented"] {
        assert_eq!(listed(generation), [alpine.clone(), app.clone()], "{generation}");
    }
    assert_eq!(
        listed("v4.0.5"),
        [alpine, format!("quay.io/team/pinned@{PINNED} {PINNED}"), app]
    );
}

#[test]
fn every_generation_tells_a_repositorys_tags() {
    for generation in ["v4.0.0", "v4.0.4", "v4.0.5", "documented"] {
        let store = Store::open(golden(generation)).unwrap();
        let tags = |repository: &str| -> Vec<String> {
            let tags = store.tags(&repository.parse().unwrap()).unwrap();
            tags.map(|tag| tag.to_string()).collect()
        };
        assert_eq!(tags("docker.io/library/alpine"), ["3.19"], "{generation}");
        assert_eq!(tags("registry.example.com:5000/team/app"), ["v1"], "{generation}");
        assert_eq!(
            tags("quay.io/team/pinned"),
            [""; 0],
            "{generation}: it has no tag"
        );
        assert_eq!(tags("quay.io/not/there"), [""; 0], "{generation}");
    }
}

#[test]
fn every_generation_gives_each_manifest_and_blob() {
    for generation in ["v4.0.0", "v4.0.4", "v4.0.5", "documented"] {
        let store = Store::open(golden(generation)).unwrap();
        let repository: Repository = "alpine".parse().unwrap();
        let tag = Identifier::Tag("3.19".parse().unwrap());
        let digest = store.resolve(&repository, &tag).unwrap().expect(generation);
        let index = store.manifest(&repository, &digest).unwrap().expect(generation);
        assert_eq!(index.view().children().len(), 2);
        for child in index.view().children() {
            let child = store
                .manifest(&repository, &child.digest)
                .unwrap()
                .expect(generation);
            assert!(matches!(child.view(), Manifest::Image(_)));
            for blob in child.view().blobs() {
                assert!(store.has_blob(blob).unwrap(), "{generation}: {}", blob.digest);
                assert_eq!(
                    store
                        .open_blob(&blob.digest)
                        .unwrap()
                        .unwrap()
                        .metadata()
                        .unwrap()
                        .len(),
                    blob.size
                );
            }
        }
        let by_digest = store
            .resolve(&repository, &Identifier::Digest(INDEX.parse().unwrap()))
            .unwrap();
        assert_eq!(by_digest, Some(digest), "{generation}");
    }
}

#[test]
fn what_isnt_there_is_none() {
    let store = Store::open(golden("v4.0.5")).unwrap();
    let repository: Repository = "alpine".parse().unwrap();
    assert_eq!(
        store
            .resolve(&repository, &Identifier::Tag("4".parse().unwrap()))
            .unwrap(),
        None
    );
    let absent = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
    assert!(store.manifest(&repository, &absent).unwrap().is_none());
    assert!(store.open_blob(&absent).unwrap().is_none());
    let other: Repository = "quay.io/no/such".parse().unwrap();
    assert_eq!(
        store
            .resolve(&other, &Identifier::Tag("v1".parse().unwrap()))
            .unwrap(),
        None
    );
}

/// Writes a folder of manifests as KubeKey does, with one tag, so many seconds ago.
fn kubekeys(root: &Path, repository: &str, tag: &str, manifest: &str, ago: u64) {
    let folder = root.join(repository).join("manifests");
    fs::create_dir_all(&folder).unwrap();
    let (app, pinned) = ("registry.example.com:5000/team/app", "quay.io/team/pinned");
    let source = if manifest == IMAGE { app } else { pinned };
    let source = golden("v4.0.5").join(source).join("manifests");
    fs::copy(source.join(manifest), folder.join(manifest)).unwrap();
    fs::write(folder.join("layout"), format!(r#"{{"{tag}": "{manifest}"}}"#)).unwrap();
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 - ago);
    for name in [manifest, "layout"] {
        let file = File::options().write(true).open(folder.join(name)).unwrap();
        file.set_modified(at).unwrap();
    }
}

#[test]
fn of_docker_hubs_two_folders_the_newer_tag_counts_and_the_older_image_is_listed_by_its_digest() {
    for (ago, newer, older) in [
        ([900, 100], PINNED, IMAGE),
        ([100, 900], IMAGE, PINNED),
        ([100, 100], IMAGE, PINNED),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("blobs")).unwrap();
        kubekeys(folder.path(), "docker.io/library/app", "v1", IMAGE, ago[0]);
        kubekeys(
            folder.path(),
            "registry-1.docker.io/library/app",
            "v1",
            PINNED,
            ago[1],
        );
        kubekeys(
            folder.path(),
            "registry-1.docker.io/library/other",
            "v1",
            PINNED,
            1,
        );
        let store = Store::open(folder.path()).unwrap();
        let repository: Repository = "app".parse().unwrap();
        let found = store
            .resolve(&repository, &Identifier::Tag("v1".parse().unwrap()))
            .unwrap();
        assert_eq!(found.unwrap().as_str(), newer, "{ago:?}");
        let listing = store.listing().unwrap();
        let images: Vec<String> = listing
            .images
            .iter()
            .map(|image| format!("{} {}", image.reference, image.digest))
            .collect();
        let expected = [
            format!("docker.io/library/app@{older} {older}"),
            format!("docker.io/library/app:v1 {newer}"),
            format!("docker.io/library/other:v1 {PINNED}"),
        ];
        assert_eq!(images, expected, "{ago:?}");
        let [disputed] = &listing.disputed[..] else {
            panic!("{:?}", listing.disputed)
        };
        assert_eq!((disputed.newer.as_str(), disputed.older.as_str()), (newer, older));
        let is_second = disputed
            .folder
            .starts_with(folder.path().join("registry-1.docker.io"));
        assert_eq!(is_second, older == PINNED);
    }
}

#[test]
fn what_kubekey_pulled_by_a_short_name_is_docker_hubs() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("blobs")).unwrap();
    kubekeys(folder.path(), "kubesphere/ks-apiserver", "v4.1.3", IMAGE, 9);
    let store = Store::open(folder.path()).unwrap();
    let images = store.images().unwrap();
    let names: Vec<String> = images.map(|image| image.reference.to_string()).collect();
    assert_eq!(names, ["docker.io/kubesphere/ks-apiserver:v4.1.3"]);
    let repository: Repository = "kubesphere/ks-apiserver".parse().unwrap();
    assert_eq!(store.tags(&repository).unwrap().len(), 1);
    let tag = Identifier::Tag("v4.1.3".parse().unwrap());
    let digest = store.resolve(&repository, &tag).unwrap().unwrap();
    assert_eq!(digest.as_str(), IMAGE);
    let manifest = store.manifest(&repository, &digest).unwrap().unwrap();

    // What comes later goes where Docker Hub's images are, and counts.
    let later = "v5".parse().unwrap();
    store.put_manifest(&repository, &manifest).unwrap();
    store.tag(&repository, &later, &digest).unwrap();
    assert!(
        folder
            .path()
            .join("docker.io/kubesphere/ks-apiserver/manifests/v5")
            .is_file()
    );
    assert_eq!(store.tags(&repository).unwrap().len(), 2);
    drop(store);
    let mut exclusive = Store::open_exclusively(folder.path()).unwrap();
    exclusive.remove(&exclusive.garbage(|_| false).unwrap()).unwrap();
    assert_eq!(exclusive.store().images().unwrap().len(), 0);
    assert!(!folder.path().join("kubesphere").exists());
}
