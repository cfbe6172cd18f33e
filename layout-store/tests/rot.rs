//! What a store says of files that rotted.

mod common;

use std::fs;

use common::{image, index_of, names_of, publish, put, repository};
use transload_layout_store::{BlobFile, Flaw, Store, Verdict};
use transload_reference::{Descriptor, Digest, Identifier};

fn flaw(store: &Store, blob: &Descriptor) -> String {
    match store.verify_blob(blob, |_| true) {
        Verdict::Flawed(flaw) => flaw.to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn each_way_in_which_a_blob_can_be_wrong_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let blob = put(&store, &[7; 1_000_000]);
    let path = store.blob_path(&blob.digest);
    let mut read = 0;
    assert!(matches!(
        store.verify_blob(&blob, |bytes| {
            read += bytes;
            true
        }),
        Verdict::Whole
    ));
    assert_eq!(read, blob.size);
    assert!(matches!(store.verify_blob(&blob, |_| false), Verdict::Stopped));
    let mut rotten = fs::read(&path).unwrap();
    rotten[999_999] ^= 1;
    fs::write(&path, &rotten).unwrap();
    assert_eq!(flaw(&store, &blob), "doesn't match the digest in its name");
    drop(store.repair().set_aside(&blob.digest).unwrap());
    assert!(path.exists(), "it goes back");
    let aside = store.repair().set_aside(&blob.digest).unwrap();
    assert!(!path.exists());
    assert_eq!(store.partial_files().unwrap().len(), 1, "a kill leaves it there");
    aside.discard().unwrap();
    assert_eq!(store.partial_files().unwrap().len(), 0);
    store.repair().set_aside(&blob.digest).unwrap().discard().unwrap();
    fs::write(&path, &rotten[..10]).unwrap();
    assert_eq!(flaw(&store, &blob), "has 10 bytes where 1000000 are expected");
    fs::remove_file(&path).unwrap();
    assert!(matches!(
        store.verify_blob(&blob, |_| true),
        Verdict::Flawed(Flaw::Missing)
    ));
    fs::create_dir(&path).unwrap();
    assert!(
        flaw(&store, &blob).starts_with("can't be read: "),
        "{}",
        flaw(&store, &blob)
    );
}

#[test]
fn files_among_the_blobs_are_told_with_their_sizes() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    assert_eq!(store.partial_files().unwrap().len(), 0);
    let blob = put(&store, b"content");
    fs::write(folder.path().join("blobs/notes.txt"), b"x").unwrap();
    let Some(mut writer) = store
        .write_blob(&Descriptor {
            size: 9,
            ..blob.clone()
        })
        .unwrap()
    else {
        panic!("a blob of another size isn't there")
    };
    writer.write(b"con").unwrap();
    drop(writer);
    let told = |file: BlobFile| (file.digest, file.size);
    let blobs: Vec<_> = store.blob_files().unwrap().map(told).collect();
    assert_eq!(blobs, [(None, 1), (Some(blob.digest.clone()), 7)]);
    let partial: Vec<_> = store.partial_files().unwrap().map(told).collect();
    assert_eq!(partial, [(Some(blob.digest), 3)]);
}

#[test]
fn a_damaged_tag_map_hides_nothing_of_other_repositories_and_is_made_anew_from_its_tags_files() {
    let digest = Digest::of(b"other").to_string();
    let cases = [
        (r#"["v1", "v2"]"#.to_owned(), true),
        (r#"{"v1": "sha256:"#.to_owned(), true),
        (r#"{"v1": 1}"#.to_owned(), true),
        (r#"{"v1": "sha256:12"}"#.to_owned(), false),
        (format!(r#"{{"v1": "", "v2": "{digest}"}}"#), false),
    ];
    for (text, is_unreadable) in cases {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(folder.path()).unwrap();
        let (app, web) = (repository("hub.local/app"), repository("hub.local/web"));
        let one = publish(&store, "hub.local/app:v1", "one");
        publish(&store, "hub.local/web:v1", "web");
        let layout = folder.path().join("hub.local/app/manifests/layout");
        fs::write(&layout, &text).unwrap();
        let listing = store.listing().unwrap();
        let listed = names_of(&listing.images);
        assert!(listed.contains(&"hub.local/app:v1".to_owned()), "{text}");
        assert!(listed.contains(&"hub.local/web:v1".to_owned()), "{text}");
        let damage: Vec<_> = listing.damage.iter().map(|damage| &damage.path).collect();
        assert_eq!(damage, vec![&layout; usize::from(is_unreadable)], "{text}");
        assert_eq!(store.images().is_err(), is_unreadable, "{text}");
        let flaws = store.repair().check_tags(&app).unwrap();
        assert!(matches!(flaws[0].flaw, Flaw::Damaged(_)), "{text}: {flaws:?}");
        assert!(store.repair().check_tags(&web).unwrap().is_empty());

        store.repair().mend_tags(&app).unwrap();
        assert!(store.repair().check_tags(&app).unwrap().is_empty(), "{text}");
        let found = store
            .resolve(&app, &Identifier::Tag("v1".parse().unwrap()))
            .unwrap();
        assert_eq!(found.as_ref(), Some(one.digest()), "{text}");
        let kept = fs::read_to_string(layout.with_file_name("layout~")).unwrap();
        assert_eq!(kept, text);
        assert_eq!(store.images().unwrap().len(), listing.images.len(), "{text}");
    }
}

#[test]
fn a_tag_map_that_no_file_tells_anew_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let app = repository("hub.local/app");
    publish(&store, "hub.local/app:v1", "one");
    let manifests = folder.path().join("hub.local/app/manifests");
    fs::write(manifests.join("layout"), "[]").unwrap();
    fs::write(manifests.join("v1"), "{}").unwrap();
    let error = store.repair().mend_tags(&app).unwrap_err();
    assert!(error.to_string().contains("layout is damaged"), "{error}");
    assert_eq!(fs::read_to_string(manifests.join("layout")).unwrap(), "[]");
    assert!(!manifests.join("layout~").exists());
}

#[test]
fn a_tags_file_that_holds_something_else_than_the_tag_map_says_is_renewed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let app = repository("hub.local/app");
    let one = publish(&store, "hub.local/app:v1", "one");
    let two = publish(&store, "hub.local/app:v2", "two");
    let manifests = folder.path().join("hub.local/app/manifests");
    assert!(store.repair().renew_tag_files(&app).unwrap().is_empty());
    for held in [two.bytes(), b"{\"half a mani", b""] {
        fs::write(manifests.join("v1"), held).unwrap();
        let old = store.repair().renew_tag_files(&app).unwrap();
        let [file] = &old[..] else { panic!("{old:?}") };
        assert_eq!((&file.path, file.tag.as_str()), (&manifests.join("v1"), "v1"));
        assert!(file.failure.is_none(), "{file:?}");
        assert_eq!(fs::read(manifests.join("v1")).unwrap(), one.bytes());
        assert!(store.repair().renew_tag_files(&app).unwrap().is_empty());
    }

    // A tag that the oldest generation moved, which knows no tag map: what it stood for there isn't lost.
    let newer = manifests.join(two.digest().to_string());
    fs::write(manifests.join("v1"), two.bytes()).unwrap();
    fs::remove_file(&newer).unwrap();
    assert_eq!(store.repair().renew_tag_files(&app).unwrap().len(), 1);
    assert_eq!(fs::read(&newer).unwrap(), two.bytes());

    fs::write(manifests.join("v1"), two.bytes()).unwrap();
    fs::remove_file(manifests.join(one.digest().to_string())).unwrap();
    let old = store.repair().renew_tag_files(&app).unwrap();
    let failure = old[0].failure.as_deref().unwrap_or_default();
    assert!(failure.contains(one.digest().as_str()), "{failure}");
    assert_eq!(fs::read(manifests.join("v1")).unwrap(), two.bytes());
}

#[test]
fn what_was_left_out_of_an_index_is_told_from_what_was_lost() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let app = repository("hub.local/app");
    let other = Store::create(folder.path().join("other")).unwrap();
    let children = [image(&store, &app, "one"), image(&other, &app, "two")];
    let index = index_of(&children.each_ref());
    store.put_manifest(&app, &index).unwrap();
    store.tag(&app, &"v1".parse().unwrap(), index.digest()).unwrap();
    let left_out = store.left_out(&app, index.digest());
    assert_eq!(Vec::from_iter(left_out), [children[1].digest().clone()]);
    let garbage = |store: Store| {
        drop(store);
        let garbage = Store::open_exclusively(folder.path()).unwrap().garbage(|_| true);
        (Store::open(folder.path()).unwrap(), garbage)
    };
    let (store, needed) = garbage(store);
    assert!(needed.is_ok());

    // What is lost isn't left out, and what its image needs isn't known without it.
    let lost = store.manifest_path(&app, children[0].digest());
    fs::remove_file(&lost).unwrap();
    store.repair().mend_manifest(&app, &index).unwrap();
    assert_eq!(store.left_out(&app, index.digest()).len(), 1);
    let (store, needed) = garbage(store);
    let error = needed.unwrap_err();
    assert!(
        error.to_string().contains(children[0].digest().as_str()),
        "{error}"
    );

    // What is brought later was left out no more, and neither is anything of an image that is gone.
    store.put_manifest(&app, &children[0]).unwrap();
    store.put_manifest(&app, &children[1]).unwrap();
    store.put_manifest(&app, &index).unwrap();
    assert!(store.left_out(&app, index.digest()).is_empty());
    fs::remove_file(store.manifest_path(&app, children[1].digest())).unwrap();
    store.put_manifest(&app, &index).unwrap();
    assert_eq!(store.left_out(&app, index.digest()).len(), 1);
    drop(store);
    let mut exclusive = Store::open_exclusively(folder.path()).unwrap();
    exclusive.remove(&exclusive.garbage(|_| false).unwrap()).unwrap();
    assert!(!folder.path().join(".transload/sparse").exists());
}

#[test]
fn a_blob_is_whole_or_what_is_wrong_with_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    for size in [0, 1, 64, 262_144, 262_145, 700_000] {
        let blob = put(&store, &vec![7; size]);
        let path = store.blob_path(&blob.digest);
        let judge = || {
            let mut read = 0;
            let verdict = store.verify_blob(&blob, |bytes| {
                read += bytes;
                true
            });
            (format!("{verdict:?}"), read)
        };
        assert_eq!(judge(), ("Whole".to_owned(), blob.size), "{size}");
        if size > 0 {
            let mut rotten = vec![7; size];
            rotten[size - 1] ^= 1;
            fs::write(&path, rotten).unwrap();
            assert_eq!(judge(), ("Flawed(Corrupt)".to_owned(), blob.size), "{size}");
        }
        fs::write(&path, vec![7; size + 1]).unwrap();
        assert!(judge().0.starts_with("Flawed(WrongSize"), "{size}");
        fs::remove_file(&path).unwrap();
        assert_eq!(judge(), ("Flawed(Missing)".to_owned(), 0), "{size}");
    }
}

#[test]
fn a_look_at_a_blob_can_be_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let blob = put(&store, &[1; 600_000]);
    let mut read = 0;
    let verdict = store.verify_blob(&blob, |bytes| {
        read += bytes;
        false
    });
    assert!(matches!(verdict, Verdict::Stopped), "{verdict:?}");
    assert!(read > 0 && read < 600_000);
}
