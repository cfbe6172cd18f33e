//! Stores of every generation, written by hand after the format's description, are read.

use std::path::{Path, PathBuf};

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
        .iter()
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
            tags.iter().map(ToString::to_string).collect()
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
