//! What other programs wrote into a layout.

use super::*;

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
    let [one, two] = ["one", "two"].map(|content| image(&store, &app, content));
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
