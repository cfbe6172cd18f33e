//! Directories in the OCI image layout: what is written, what other programs wrote, and what is hostile.

#[path = "../common/mod.rs"]
mod common;
mod damage;
mod foreign;
mod referrers;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::{about, blob, files, image, index_of, manifest_of, names, publish, put, repository, writer};
use serde_json::{Value, json};
use tempfile::TempDir;
use transload_layout_store::parts::Parts;
use transload_layout_store::{Format, OpenOptions, Store, Verdict};
use transload_reference::{
    Descriptor, Digest, Identifier, MediaType, RawManifest, ReferrerTag, ReferrersIndex,
};

const FULL_NAME: &str = "io.containerd.image.name";
const REF_NAME: &str = "org.opencontainers.image.ref.name";

fn options() -> OpenOptions {
    OpenOptions::default().format(Format::Oci)
}

fn new() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = options().create(folder.path().join("app")).unwrap();
    (folder, store)
}

fn index(root: &Path) -> Value {
    serde_json::from_slice(&fs::read(root.join("index.json")).unwrap()).unwrap()
}

/// A layout as another program wrote it: blobs, and an `index.json` of these entries.
struct Foreign {
    folder: TempDir,
    entries: Vec<Value>,
}

impl Foreign {
    fn new() -> Foreign {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("app");
        fs::create_dir_all(root.join("blobs/sha256")).unwrap();
        fs::write(root.join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#).unwrap();
        let foreign = Foreign {
            folder,
            entries: Vec::new(),
        };
        foreign.write();
        foreign
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("app")
    }

    fn blob(&self, content: &[u8]) -> Descriptor {
        let blob = blob(content);
        fs::write(self.root().join("blobs/sha256").join(blob.digest.hex()), content).unwrap();
        blob
    }

    fn image(&self, content: &str) -> RawManifest {
        let manifest = manifest_of(&self.blob(content.as_bytes()), &[]);
        self.blob(manifest.bytes());
        manifest
    }

    /// Lists a manifest with these annotations.
    fn list(&mut self, manifest: &RawManifest, annotations: &[(&str, &str)]) -> &mut Value {
        let mut entry = serde_json::to_value(manifest.descriptor()).unwrap();
        if !annotations.is_empty() {
            let annotations: BTreeMap<&str, &str> = annotations.iter().copied().collect();
            entry["annotations"] = json!(annotations);
        }
        self.entries.push(entry);
        self.entries.last_mut().unwrap()
    }

    fn write(&self) {
        let text = json!({"schemaVersion": 2, "manifests": self.entries});
        fs::write(self.root().join("index.json"), text.to_string()).unwrap();
    }

    fn open(&self) -> Store {
        self.write();
        Store::open(self.root()).unwrap()
    }
}

#[test]
fn a_layout_has_exactly_the_specified_files_and_none_with_a_colon() {
    let (_folder, store) = new();
    let config = put(&store, b"config");
    let sha512 = Descriptor {
        digest: Digest::with(transload_reference::Algorithm::Sha512, b"config"),
        ..config.clone()
    };
    let mut other = store.write_blob(&sha512).unwrap().unwrap();
    other.write(b"config").unwrap();
    other.commit().unwrap();
    let manifest = publish(&store, "hub.local:5000/team/app:v1", "config");
    let children = index_of(&[&manifest]);
    store
        .put_manifest(&repository("hub.local:5000/team/app"), &children)
        .unwrap();
    let mut dropped = writer(&store, b"part");
    dropped.write(b"pa").unwrap();
    let expected = [
        format!(".transload/partial/sha256-{}", Digest::of(b"part").hex()),
        ".transload/lock".to_owned(),
        format!(".transload/sparse/sha256-{}", children.digest().hex()),
        format!("blobs/sha256/{}", config.digest.hex()),
        format!("blobs/sha256/{}", manifest.digest().hex()),
        format!("blobs/sha256/{}", children.digest().hex()),
        format!("blobs/sha512/{}", sha512.digest.hex()),
        "index.json".to_owned(),
        "oci-layout".to_owned(),
    ];
    let (mut expected, found) = (expected.to_vec(), files(store.root()));
    expected.sort();
    assert_eq!(found, expected);
    assert!(found.iter().all(|name| !name.contains(':')), "{found:?}");
    assert_eq!(
        index(store.root()),
        json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [{
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": manifest.digest().as_str(),
                "size": manifest.size(),
                "annotations": {FULL_NAME: "hub.local:5000/team/app:v1", REF_NAME: "v1"},
            }],
        })
    );
    let mark = fs::read_to_string(store.root().join("oci-layout")).unwrap();
    assert_eq!(mark, r#"{"imageLayoutVersion":"1.0.0"}"#);
}

#[test]
fn what_was_written_is_found_again_by_every_way_of_reading() {
    let (_folder, store) = new();
    let v1 = publish(&store, "hub.local/team/app:v1", "one");
    publish(&store, "quay.io/team/app:v1", "two");
    let pinned = publish(&store, "hub.local/pinned", "three");
    drop(store);
    let store = Store::open(_folder.path().join("app")).unwrap();
    assert_eq!(store.format(), Format::Oci);
    let by_digest = format!("hub.local/pinned@{}", pinned.digest());
    assert_eq!(
        names(&store),
        [by_digest.as_str(), "hub.local/team/app:v1", "quay.io/team/app:v1"],
        "two tags of one name in different repositories don't collide"
    );
    let app = repository("hub.local/team/app");
    let tags: Vec<String> = store.tags(&app).unwrap().map(|tag| tag.to_string()).collect();
    assert_eq!(tags, ["v1"]);
    let tag: Identifier = "v1".parse::<transload_reference::Tag>().unwrap().into();
    assert_eq!(store.resolve(&app, &tag).unwrap().as_ref(), Some(v1.digest()));
    let digest: Identifier = pinned.digest().clone().into();
    let found = store.resolve(&repository("hub.local/pinned"), &digest).unwrap();
    assert_eq!(found.as_ref(), Some(pinned.digest()));
    let found = store.manifest(&app, v1.digest()).unwrap().unwrap();
    assert_eq!(found.bytes(), v1.bytes());
    assert_eq!(
        store.manifest(&app, &Digest::of(b"none")).unwrap().map(|_| ()),
        None
    );
    let blob = found.view().blobs().next().unwrap();
    assert!(store.open_blob(&blob.digest).unwrap().is_some());
    assert!(matches!(store.verify_blob(blob, |_| true), Verdict::Whole));
}

#[test]
fn tagging_the_same_again_changes_no_byte() {
    let (_folder, store) = new();
    for name in ["hub.local/a:v1", "hub.local/b"] {
        publish(&store, name, "one");
    }
    let before = fs::read(store.root().join("index.json")).unwrap();
    for name in ["hub.local/a:v1", "hub.local/b"] {
        publish(&store, name, "one");
    }
    assert_eq!(fs::read(store.root().join("index.json")).unwrap(), before);
}

#[test]
fn many_writers_lose_no_name() {
    let (folder, store) = new();
    drop(store);
    let root = folder.path().join("app");
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let root = &root;
            scope.spawn(move || {
                let store = Store::open(root).unwrap();
                for number in 0..10 {
                    publish(
                        &store,
                        &format!("hub.local/w{writer}:v{number}"),
                        &format!("{writer} {number}"),
                    );
                }
            });
        }
    });
    assert_eq!(Store::open(&root).unwrap().images().unwrap().len(), 40);
}

#[test]
fn blobs_go_on_where_they_ended_are_linked_and_set_aside_as_in_any_format() {
    let (folder, store) = new();
    let kubekey = Store::create(folder.path().join("kubekey")).unwrap();
    let content: Vec<u8> = (0..600_000_u32).map(|number| number as u8).collect();
    let blob = blob(&content);

    // Some bytes, and a part that came before its turn.
    let mut writer = store.write_blob(&blob).unwrap().unwrap();
    writer.write(&content[..100_000]).unwrap();
    let mut part = Parts::of(&writer).begin(300_000).unwrap();
    part.write(&content[300_000..]).unwrap();
    drop((writer, part));
    assert_eq!(store.partial_files().unwrap().len(), 2);
    assert_eq!(store.bytes_to_write(&blob).unwrap(), 200_000);
    let mut writer = store.write_blob(&blob).unwrap().unwrap();
    assert_eq!(writer.position(), 100_000);
    assert_eq!(Parts::kept(&writer).unwrap().first(), Some(&(300_000..600_000)));
    writer.write(&content[100_000..300_000]).unwrap();
    Parts::absorb(&mut writer, 300_000, |_| true).unwrap();
    writer.commit().unwrap();
    assert!(store.check_blob(&blob).unwrap());
    assert_eq!(store.partial_files().unwrap().len(), 0);

    // To and fro between the formats.
    assert!(kubekey.link_blob(&store, &blob, |_| true).unwrap());
    assert!(kubekey.check_blob(&blob).unwrap());
    store.repair().set_aside(&blob.digest).unwrap().discard().unwrap();
    assert!(!store.has_blob(&blob).unwrap());
    assert!(store.link_blob(&kubekey, &blob, |_| true).unwrap());
    drop(store.repair().set_aside(&blob.digest).unwrap());
    assert!(store.has_blob(&blob).unwrap(), "it goes back");
    let files: Vec<_> = store.blob_files().unwrap().collect();
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].digest.as_ref(), Some(&blob.digest));
    assert_eq!(files[0].path, store.blob_path(&blob.digest));
}
