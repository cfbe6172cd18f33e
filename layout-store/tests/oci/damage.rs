//! Layouts that are damaged or hostile.

use super::*;

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
    let long = " ".repeat(33 << 20);
    let many = format!(r#"{{"manifests":[{}{{}}]}}"#, "{},".repeat(500_000));
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
        (long.as_str(), "at most 33554432 are read"),
        (many.as_str(), "at most 400000 are read"),
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
            let app = repository("hub.local/app");
            let manifest = image(&store, &app, "one");
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
    let image = image(&store, &app, "two");
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
            assert!(store.write_blob(&blob(b"new")).is_err(), "{place}");
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
