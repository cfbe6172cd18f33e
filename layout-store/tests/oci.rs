//! Directories in the OCI image layout: what is written, what other programs wrote, and what is hostile.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use transload_layout_store::parts::Parts;
use transload_layout_store::{Format, OpenOptions, Store, Verdict};
use transload_reference::{
    Descriptor, Digest, Identifier, MediaType, RawManifest, Reference, ReferrerTag, ReferrersIndex,
    Repository,
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

fn put(store: &Store, content: &[u8]) -> Descriptor {
    let blob = Descriptor::new(MediaType::new("layer"), Digest::of(content), content.len() as u64);
    if let Some(mut writer) = store.write_blob(&blob).unwrap() {
        writer.write(content).unwrap();
        writer.commit().unwrap();
    }
    blob
}

fn repository(name: &str) -> Repository {
    name.parse().unwrap()
}

fn manifest_of(config: &Descriptor) -> RawManifest {
    let config = serde_json::to_string(config).unwrap();
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{config},"layers":[]}}"#,
        MediaType::OCI_MANIFEST
    );
    RawManifest::parse(text.into_bytes(), None).unwrap()
}

/// Writes an image that has a config of this content, without a name.
fn image(store: &Store, name: &str, content: &str) -> RawManifest {
    let manifest = manifest_of(&put(store, content.as_bytes()));
    store.put_manifest(&repository(name), &manifest).unwrap();
    manifest
}

fn index_of(children: &[&RawManifest]) -> RawManifest {
    let children: Vec<Descriptor> = children.iter().map(|child| child.descriptor()).collect();
    let text = json!({"schemaVersion": 2, "mediaType": MediaType::OCI_INDEX.as_str(), "manifests": children});
    RawManifest::parse(text.to_string().into_bytes(), None).unwrap()
}

fn publish(store: &Store, name: &str, content: &str) -> RawManifest {
    let name: Reference = name.parse().unwrap();
    let manifest = image(store, &name.repository().to_string(), content);
    store.sync_blobs().unwrap();
    match name.tag() {
        Some(tag) => store.tag(name.repository(), tag, manifest.digest()).unwrap(),
        None => store.keep(name.repository(), manifest.digest()).unwrap(),
    }
    manifest
}

fn names(store: &Store) -> Vec<String> {
    let images = store.images().unwrap();
    images.map(|image| image.reference.to_string()).collect()
}

fn files(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path.strip_prefix(root).unwrap().display().to_string()),
            }
        }
    }
    found.sort();
    found
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
        let digest = Digest::of(content);
        fs::write(self.root().join("blobs/sha256").join(digest.hex()), content).unwrap();
        Descriptor::new(MediaType::new("layer"), digest, content.len() as u64)
    }

    fn image(&self, content: &str) -> RawManifest {
        let manifest = manifest_of(&self.blob(content.as_bytes()));
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
    let mut writer = store.write_blob(&sha512).unwrap().unwrap();
    writer.write(b"config").unwrap();
    writer.commit().unwrap();
    let manifest = publish(&store, "hub.local:5000/team/app:v1", "config");
    let children = index_of(&[&manifest]);
    store
        .put_manifest(&repository("hub.local:5000/team/app"), &children)
        .unwrap();
    let mut dropped = store
        .write_blob(&Descriptor::new(MediaType::new("layer"), Digest::of(b"part"), 4))
        .unwrap()
        .unwrap();
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
fn every_tools_way_to_name_an_image_is_read() {
    let mut foreign = Foreign::new();
    let pinned = foreign.image("pinned");
    let nameless = foreign.image("nameless");
    let pinned_name = format!("quay.io/team/pinned@{}", pinned.digest());
    for (content, annotations) in [
        (
            "containerd",
            &[(FULL_NAME, "docker.io/library/alpine:3.19"), (REF_NAME, "3.19")][..],
        ),
        ("umoci", &[(REF_NAME, "v1")]),
        ("skopeo", &[(REF_NAME, "quay.io/team/app:v2")]),
        ("short", &[(REF_NAME, "busybox:1.36")]),
    ] {
        let image = foreign.image(content);
        foreign.list(&image, annotations);
    }
    foreign.list(&pinned, &[(FULL_NAME, &pinned_name)]);
    foreign.list(&nameless, &[]);
    let nameless_name = format!("localhost/app@{}", nameless.digest());
    let store = foreign.open();
    assert_eq!(
        names(&store),
        [
            "docker.io/library/alpine:3.19",
            "docker.io/library/busybox:1.36",
            nameless_name.as_str(),
            "localhost/app:v1",
            "quay.io/team/app:v2",
            pinned_name.as_str(),
        ]
    );
    // The caller's name.
    let store = options()
        .name("hub.local/mine:v9".parse().unwrap())
        .open(foreign.root())
        .unwrap();
    let found = names(&store);
    assert!(found.contains(&"hub.local/mine:v1".to_owned()), "{found:?}");
    assert!(found.contains(&"hub.local/mine:v9".to_owned()), "{found:?}");
    let tag: Identifier = "v9".parse::<transload_reference::Tag>().unwrap().into();
    let resolved = store.resolve(&repository("hub.local/mine"), &tag).unwrap();
    assert_eq!(resolved.as_ref(), Some(nameless.digest()));
}

#[test]
fn manifests_of_an_index_are_no_images_even_if_they_are_listed_beside_it() {
    let mut foreign = Foreign::new();
    let [amd64, arm64, alone] = ["amd64", "arm64", "alone"].map(|content| foreign.image(content));
    let inner = index_of(&[&arm64]);
    let outer = index_of(&[&amd64, &inner]);
    for index in [&inner, &outer] {
        foreign.blob(index.bytes());
    }
    foreign.list(&outer, &[(REF_NAME, "v1")]);
    for manifest in [&amd64, &arm64, &inner, &alone, &outer] {
        foreign.list(manifest, &[]);
    }
    let store = foreign.open();
    let alone_name = format!("localhost/app@{}", alone.digest());
    assert_eq!(names(&store), [alone_name.as_str(), "localhost/app:v1"]);
    drop(store);
    // They go with it, entries and all.
    let mut exclusive = Store::open_exclusively(foreign.root()).unwrap();
    let garbage = exclusive.garbage(|image| image.tag().is_none()).unwrap();
    assert_eq!((garbage.images.len(), garbage.manifests.len()), (1, 4));
    exclusive.remove(&garbage).unwrap();
    assert_eq!(names(exclusive.store()), [alone_name]);
    assert_eq!(index(&foreign.root())["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(exclusive.garbage(|_| true).unwrap(), Default::default());
    assert_eq!(
        fs::read_dir(foreign.root().join("blobs/sha256")).unwrap().count(),
        2
    );
}

#[test]
fn what_others_wrote_into_the_index_stays_as_it_is() {
    let mut foreign = Foreign::new();
    let [one, two] = ["one", "two"].map(|content| foreign.image(content));
    let entry = foreign.list(&one, &[(REF_NAME, "v1"), ("org.example.note", "kept")]);
    entry["org.example.field"] = json!({"deep": [1, 2.5, 12345678901234567890123_f64, null]});
    entry["platform"] = json!({"os": "linux", "architecture": "amd64", "os.features": ["x"]});
    foreign.list(&two, &[(REF_NAME, "v2")]);
    foreign.write();
    let mut text = index(&foreign.root());
    text["annotations"] = json!({"org.example.of": "the whole"});
    text["org.example.list"] = json!([[], {}]);
    fs::write(foreign.root().join("index.json"), text.to_string()).unwrap();
    let store = Store::open(foreign.root()).unwrap();

    publish(&store, "hub.local/new:v1", "new");
    let written = index(&foreign.root());
    for field in ["annotations", "org.example.list", "schemaVersion"] {
        assert_eq!(written[field], text[field]);
    }
    assert_eq!(written["manifests"][0], text["manifests"][0]);
    assert_eq!(written["manifests"][1], text["manifests"][1]);

    // A name that goes takes nothing else along.
    let app = repository("localhost/app");
    assert!(store.untag(&app, &"v1".parse().unwrap()).unwrap());
    let mut expected = text["manifests"][0].clone();
    let by_digest = format!("localhost/app@{}", one.digest());
    expected["annotations"] = json!({"org.example.note": "kept", FULL_NAME: by_digest});
    let written = index(&foreign.root());
    let entries = written["manifests"].as_array().unwrap();
    assert!(entries.contains(&expected), "{written}");
    // A tag that moves has a new entry.
    let three = publish(&store, "localhost/app:v2", "three");
    assert_eq!(
        index(&foreign.root())["manifests"][0],
        json!({
            "mediaType": three.media_type().as_str(),
            "digest": three.digest().as_str(),
            "size": three.size(),
            "annotations": {FULL_NAME: "localhost/app:v2", REF_NAME: "v2"},
        })
    );
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
fn what_a_foreign_index_lacks_was_left_out_and_what_ours_loses_was_lost() {
    let mut foreign = Foreign::new();
    let [here, there] = ["here", "there"].map(|content| foreign.image(content));
    let both = index_of(&[&here, &there]);
    foreign.blob(both.bytes());
    foreign.list(&both, &[(REF_NAME, "v1")]);
    fs::remove_file(foreign.root().join("blobs/sha256").join(there.digest().hex())).unwrap();
    let store = foreign.open();
    let app = repository("localhost/app");
    assert_eq!(
        store
            .left_out(&app, both.digest())
            .into_iter()
            .collect::<Vec<_>>(),
        [there.digest().clone()]
    );

    let (_folder, store) = new();
    let [one, two] = ["one", "two"].map(|content| image(&store, "hub.local/app", content));
    let both = index_of(&[&one, &two]);
    store.put_manifest(&app, &both).unwrap();
    fs::remove_file(store.manifest_path(&app, two.digest())).unwrap();
    assert!(store.left_out(&app, both.digest()).is_empty(), "it was lost");
    store.put_manifest(&app, &both).unwrap();
    assert_eq!(
        store.left_out(&app, both.digest()).len(),
        1,
        "now it is sparse by request"
    );
}

#[test]
fn referrers_are_listed_and_stay_with_their_subject() {
    let (folder, store) = new();
    let app = repository("hub.local/app");
    let subject = publish(&store, "hub.local/app:v1", "one");
    let other = publish(&store, "hub.local/app:v2", "two");
    let mut signatures = Vec::new();
    for of in [&subject, &other] {
        let config = serde_json::to_string(&put(&store, b"{}")).unwrap();
        let about = serde_json::to_string(&of.descriptor()).unwrap();
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","config":{config},"layers":[],"subject":{about}}}"#,
            MediaType::OCI_MANIFEST
        );
        let signature = RawManifest::parse(text.into_bytes(), None).unwrap();
        store.put_manifest(&app, &signature).unwrap();
        store.keep(&app, signature.digest()).unwrap();
        signatures.push(signature);
    }
    assert_eq!(store.images().unwrap().len(), 4);
    let referrers = store.referrers(&app, subject.digest()).unwrap();
    assert_eq!(referrers, [signatures[0].referrer().unwrap()]);
    assert_eq!(store.all_referrers(&app).unwrap().len(), 2);
    drop(store);
    let mut exclusive = Store::open_exclusively(folder.path().join("app")).unwrap();
    let garbage = exclusive
        .garbage(|image| image.to_string() == "hub.local/app:v1")
        .unwrap();
    exclusive.remove(&garbage).unwrap();
    let signature = format!("hub.local/app@{}", signatures[0].digest());
    assert_eq!(
        names(exclusive.store()),
        [signature, "hub.local/app:v1".to_owned()]
    );
    assert!(
        exclusive
            .store()
            .manifest(&app, subject.digest())
            .unwrap()
            .is_some()
    );
}

#[test]
fn referrers_are_found_in_the_index_under_the_referrers_tag() {
    let (_folder, store) = new();
    let app = repository("hub.local/app");
    let subject = publish(&store, "hub.local/app:v1", "one");
    let config = serde_json::to_string(&put(&store, b"{}")).unwrap();
    let about = serde_json::to_string(&subject.descriptor()).unwrap();
    let text = format!(
        r#"{{"schemaVersion":2,"artifactType":"application/x","config":{config},"layers":[],"subject":{about}}}"#
    );
    let signature = RawManifest::parse(text.into_bytes(), None).unwrap();
    store.put_manifest(&app, &signature).unwrap();
    assert_eq!(store.referrers(&app, subject.digest()).unwrap(), []);
    let referrer = signature.referrer().unwrap();
    let list: ReferrersIndex = [referrer.clone()].into_iter().collect();
    let list = list.to_manifest().unwrap();
    store.put_manifest(&app, &list).unwrap();
    let tag = ReferrerTag::Index.of(subject.digest());
    store.tag(&app, &tag, list.digest()).unwrap();
    assert_eq!(store.referrers(&app, subject.digest()).unwrap(), [referrer]);
}

#[test]
fn a_size_that_lies_is_told_and_mended() {
    let mut foreign = Foreign::new();
    let image = foreign.image("one");
    foreign.list(&image, &[(REF_NAME, "v1")])["size"] = json!(3);
    let store = foreign.open();
    let app = repository("localhost/app");
    let flaws = store.repair().check_tags(&app).unwrap();
    let text = flaws[0].flaw.to_string();
    assert!(
        text.contains("says 3 bytes of the manifest of localhost/app:v1"),
        "{text}"
    );
    store.repair().mend_tags(&app).unwrap();
    assert!(store.repair().check_tags(&app).unwrap().is_empty());
    assert_eq!(index(&foreign.root())["manifests"][0]["size"], image.size());
    assert_eq!(
        index(&foreign.root())["manifests"][0]["annotations"],
        json!({REF_NAME: "v1"})
    );
}

#[test]
fn entries_that_cannot_be_used_are_damage_and_hide_no_other_image() {
    let digest =
        |text: &str| json!({"mediaType": MediaType::OCI_MANIFEST.as_str(), "size": 1, "digest": text});
    let named = |mut entry: Value| {
        entry["annotations"] = json!({FULL_NAME: "hub.local/bad:v1", REF_NAME: "v1"});
        entry
    };
    let hex = "0".repeat(64);
    for bad in [
        named(digest("sha256:../../../../etc/passwd")),
        named(digest("/etc/passwd")),
        named(digest(&format!("md5:{hex}"))),
        named(digest(&format!(
            "sha256:{}",
            hex.to_uppercase().replace('0', "A")
        ))),
        named(digest("sha256:")),
        named(digest(&format!("sha256:{hex}/../x"))),
        named(json!({"mediaType": "x", "size": -1, "digest": format!("sha256:{hex}")})),
        named(json!({"size": 1})),
        json!([]),
        json!("text"),
        json!(null),
        json!({"annotations": {REF_NAME: ["v1"]}}),
    ] {
        let mut foreign = Foreign::new();
        let good = foreign.image("good");
        foreign.list(&good, &[(FULL_NAME, "hub.local/good:v1")]);
        foreign.entries.push(bad.clone());
        let store = foreign.open();
        let listing = store.listing().unwrap();
        assert_eq!(listing.images.len(), 1, "{bad}");
        assert_eq!(listing.damage.len(), 1, "{bad}");
        let damage = &listing.damage[0];
        let text = damage.error.to_string();
        assert!(text.contains("index.json is damaged: entry 2"), "{text}");
        if bad["annotations"][FULL_NAME].is_string() {
            assert!(text.contains("(hub.local/bad:v1)"), "{text}");
            assert_eq!(damage.repository, Some(repository("hub.local/bad")));
        }
        let error = store.images().unwrap_err();
        assert!(error.hint().is_some(), "{error}");
        // It stays where it is when something else is written.
        publish(&store, "hub.local/new:v1", "new");
        assert_eq!(index(&foreign.root())["manifests"][1], bad);
        drop(store);
        let exclusive = Store::open_exclusively(foreign.root()).unwrap();
        assert!(exclusive.garbage(|_| true).is_err(), "what it needs isn't known");
    }
}

#[test]
fn a_name_of_two_images_is_refused_by_name_and_both_are_listed_by_digest() {
    let mut foreign = Foreign::new();
    let [one, two, other] = ["one", "two", "other"].map(|content| foreign.image(content));
    foreign.list(&one, &[(FULL_NAME, "hub.local/app:v1")]);
    foreign.list(&two, &[(REF_NAME, "hub.local/app:v1")]);
    foreign.list(&other, &[(FULL_NAME, "hub.local/other:v1")]);
    foreign.list(&other, &[(FULL_NAME, "hub.local/other:v1"), ("again", "")]);
    let store = foreign.open();
    let listing = store.listing().unwrap();
    assert_eq!(listing.images.len(), 3);
    let text = listing.damage[0].error.to_string();
    assert!(
        text.contains("hub.local/app:v1 stands for several images: sha256:"),
        "{text}"
    );
    let app = repository("hub.local/app");
    let tag: Identifier = "v1".parse::<transload_reference::Tag>().unwrap().into();
    let error = store.resolve(&app, &tag).unwrap_err();
    assert!(error.to_string().contains("several images"), "{error}");
    assert!(
        store
            .resolve(&repository("hub.local/other"), &tag)
            .unwrap()
            .is_some()
    );
    assert!(
        store.repair().mend_tags(&app).is_err(),
        "which is meant, no file tells"
    );
    // Who knows it says so.
    store.tag(&app, &"v1".parse().unwrap(), two.digest()).unwrap();
    assert_eq!(store.resolve(&app, &tag).unwrap().as_ref(), Some(two.digest()));
    assert_eq!(names(&store), ["hub.local/app:v1", "hub.local/other:v1"]);
}

#[test]
fn an_index_that_makes_no_sense_is_damaged_and_stays() {
    let long = " ".repeat(9 << 20);
    let many = format!(r#"{{"manifests":[{}{{}}]}}"#, "{},".repeat(300_000));
    let deep = format!(
        r#"{{"manifests":[{}{}]}}"#,
        "[".repeat(1 << 20),
        "]".repeat(1 << 20)
    );
    let twice = r#"{"manifests":[],"manifests":[]}"#;
    for (text, reason) in [
        ("", "should list images"),
        ("[]", "an object"),
        ("{\"manifests\":{}}", "should list images"),
        ("{\"manifests\":[", "should list images"),
        (twice, "duplicate field"),
        (long.as_str(), "at most 8388608 are read"),
        (many.as_str(), "at most 200000 are read"),
        (deep.as_str(), "entry 1 can't be used"),
    ] {
        let foreign = Foreign::new();
        let path = foreign.root().join("index.json");
        fs::write(&path, text).unwrap();
        let ago = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(ago).unwrap();
        let store = Store::open(foreign.root()).unwrap();
        let error = store.images().unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
        assert!(error.to_string().len() < 600, "{error}");
        let listing = store.listing().unwrap();
        assert_eq!((listing.images.len(), listing.damage.len()), (0, 1));
        if !reason.starts_with("entry") {
            let manifest = image(&store, "hub.local/app", "one");
            let app = repository("hub.local/app");
            assert!(
                store
                    .tag(&app, &"v1".parse().unwrap(), manifest.digest())
                    .is_err()
            );
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
    // Gigabytes, which a disk image may hold in no room.
    let foreign = Foreign::new();
    let file = fs::File::options()
        .write(true)
        .open(foreign.root().join("index.json"))
        .unwrap();
    file.set_len(8 << 30).unwrap();
    let error = Store::open(foreign.root()).unwrap().images().unwrap_err();
    assert!(error.to_string().contains("it has 8589934592 bytes"), "{error}");

    let foreign = Foreign::new();
    foreign.image("one");
    fs::remove_file(foreign.root().join("index.json")).unwrap();
    let store = options().create(foreign.root()).unwrap();
    let app = repository("hub.local/app");
    let image = image(&store, "hub.local/app", "two");
    assert!(store.tag(&app, &"v1".parse().unwrap(), image.digest()).is_err());
    assert!(
        !foreign.root().join("index.json").exists(),
        "what it said isn't known"
    );
    let error = store.images().unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("index.json is damaged: it is missing"),
        "{error}"
    );
}

#[test]
fn links_in_a_layout_lead_nowhere() {
    let outside = tempfile::tempdir().unwrap();
    for place in ["blobs", "blobs/sha256", "index.json", "blob", "manifest"] {
        let mut foreign = Foreign::new();
        let image = foreign.image("one");
        foreign.list(&image, &[(FULL_NAME, "hub.local/app:v1")]);
        foreign.write();
        let config = image.view().blobs().next().unwrap().clone();
        let blobs = foreign.root().join("blobs/sha256");
        let path = match place {
            "blob" => blobs.join(config.digest.hex()),
            "manifest" => blobs.join(image.digest().hex()),
            place => foreign.root().join(place),
        };
        let target = outside.path().join(place.replace('/', "-"));
        fs::rename(&path, &target).unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        let before = files(outside.path());
        let store = Store::open(foreign.root()).unwrap();
        let app = repository("hub.local/app");
        let read = || {
            let _ = store.images()?;
            let manifest = store.manifest(&app, image.digest())?;
            let manifest = manifest.ok_or_else(|| std::io::Error::other("no manifest"));
            manifest.map_err(|error| transload_layout_store::Error::Damaged {
                path: PathBuf::new(),
                reason: error.to_string(),
            })?;
            store.open_blob(&config.digest).map(|_| ())
        };
        assert!(read().is_err(), "{place}");
        if place.starts_with("blobs") {
            let new = Descriptor::new(MediaType::new("layer"), Digest::of(b"new"), 3);
            assert!(store.write_blob(&new).is_err(), "{place}");
            assert!(store.check_place(&app, None).is_err() || place == "blobs/sha256");
        }
        if place == "index.json" {
            assert!(store.tag(&app, &"v2".parse().unwrap(), image.digest()).is_err());
        }
        assert_eq!(files(outside.path()), before, "{place}");
    }
}

#[test]
fn folders_are_recognised_and_not_mixed_up() {
    let (folder, store) = new();
    let root = store.root().to_owned();
    drop(store);
    assert_eq!(
        Store::create(&root).unwrap().format(),
        Format::Oci,
        "it stays what it is"
    );
    let error = OpenOptions::default()
        .format(Format::KubeKey)
        .open(&root)
        .unwrap_err();
    assert!(error.to_string().contains("it is an OCI image layout"), "{error}");
    let other = folder.path().join("other");
    assert_eq!(Store::create(&other).unwrap().format(), Format::KubeKey);
    for error in [
        options().open(&other).unwrap_err(),
        options().create(&other).unwrap_err(),
    ] {
        assert!(error.to_string().contains("KubeKey's format"), "{error}");
    }
    assert!(!other.join("index.json").exists());
    fs::remove_file(root.join("oci-layout")).unwrap();
    fs::create_dir_all(root.join("blobs/sha256")).unwrap();
    let error = Store::open(&root).unwrap_err();
    assert!(error.to_string().contains("has no file oci-layout"), "{error}");
    // What a process leaves that is killed at once, and what one makes that opens an empty folder.
    for left in [&[".transload"][..], &[".transload", "oci-layout"], &[]] {
        let begun = tempfile::tempdir().unwrap();
        for name in left {
            let path = begun.path().join(name);
            match *name {
                "oci-layout" => fs::write(path, r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap(),
                _ => fs::create_dir(path).unwrap(),
            }
        }
        let store = match left {
            [] => options().open(begun.path()).unwrap(),
            _ => options().create(begun.path()).unwrap(),
        };
        assert_eq!(store.images().unwrap().len(), 0);
        publish(&store, "hub.local/app:v1", "one");
        assert_eq!(names(&Store::open(begun.path()).unwrap()), ["hub.local/app:v1"]);
    }
    for version in ["{}", "", r#"{"imageLayoutVersion":"2.0.0"}"#, "[]"] {
        let foreign = Foreign::new();
        fs::write(foreign.root().join("oci-layout"), version).unwrap();
        let error = Store::open(foreign.root()).unwrap_err();
        assert!(error.to_string().contains("oci-layout"), "{error}");
    }
}

#[test]
fn blobs_go_on_where_they_ended_are_linked_and_set_aside_as_in_any_format() {
    let (folder, store) = new();
    let kubekey = Store::create(folder.path().join("kubekey")).unwrap();
    let content: Vec<u8> = (0..600_000_u32).map(|number| number as u8).collect();
    let blob = Descriptor::new(
        MediaType::new("layer"),
        Digest::of(&content),
        content.len() as u64,
    );

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
