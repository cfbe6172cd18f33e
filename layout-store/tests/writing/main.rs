//! What a store writes, and what it does when two write at once, when a writer dies, and when something is in the way.

#[path = "../common/mod.rs"]
mod common;
mod obstacles;
mod together;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, symlink};
use std::sync::Barrier;

use common::{blob, files, image, manifest_of, names, put, try_publish, writer};
use proptest::prelude::*;
use transload_layout_store::parts::Parts;
use transload_layout_store::{BlobWriter, Error, Store};
use transload_reference::{Digest, Identifier, RawManifest, Repository, Tag};

/// Writes an image of its own under a name.
fn publish(store: &Store, repository: &str, tag: &str) -> Result<RawManifest, Error> {
    let name = format!("{repository}:{tag}");
    let manifest = manifest_of(&put(store, name.as_bytes()), &[]);
    try_publish(store, &name, &manifest).map(|()| manifest)
}

#[test]
fn a_store_has_exactly_the_documented_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let first = publish(&store, "alpine", "3.19").unwrap();
    let second = publish(&store, "registry.example.com:5000/team/app", "v1").unwrap();
    store.sync_blobs().unwrap();
    let config = |manifest: &RawManifest| manifest.view().blobs().next().unwrap().digest.clone();
    let mut expected = vec![
        ".transload/lock".to_owned(),
        format!("blobs/{}", config(&first)),
        format!("blobs/{}", config(&second)),
        "docker.io/library/alpine/manifests/3.19".to_owned(),
        "docker.io/library/alpine/manifests/layout".to_owned(),
        format!("docker.io/library/alpine/manifests/{}", first.digest()),
        "registry-1.docker.io -> docker.io".to_owned(),
        "registry.example.com:5000/team/app/manifests/layout".to_owned(),
        format!("registry.example.com:5000/team/app/manifests/{}", second.digest()),
        "registry.example.com:5000/team/app/manifests/v1".to_owned(),
    ];
    expected.sort();
    assert_eq!(files(folder.path()), expected);
    let manifests = folder.path().join("docker.io/library/alpine/manifests");
    assert_eq!(fs::read(manifests.join("3.19")).unwrap(), first.bytes());
    assert_eq!(
        fs::read(manifests.join(first.digest().to_string())).unwrap(),
        first.bytes()
    );
    let layout = fs::read_to_string(manifests.join("layout")).unwrap();
    assert_eq!(layout, format!("{{\n  \"3.19\": \"{}\"\n}}", first.digest()));
}

#[test]
fn tagging_the_same_again_leaves_no_other_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    publish(&store, "hub.local/app", "v1").unwrap();
    let before = files(folder.path());
    publish(&store, "hub.local/app", "v1").unwrap();
    assert_eq!(files(folder.path()), before);
}

#[test]
fn kubekeys_own_folder_for_docker_hub_stays_in_use() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("registry-1.docker.io/library/old/manifests")).unwrap();
    let store = Store::create(folder.path()).unwrap();
    publish(&store, "alpine", "3.19").unwrap();
    assert!(
        folder
            .path()
            .join("registry-1.docker.io/library/alpine/manifests/3.19")
            .is_file()
    );
    assert!(!folder.path().join("docker.io").exists());
    assert_eq!(names(&store), ["docker.io/library/alpine:3.19"]);
}

#[test]
fn names_that_collide_with_the_format_come_back_or_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let mut kept = Vec::new();
    for (repository, tag) in [
        ("hub.local/a", "layout"),
        ("hub.local/a", "v1"),
        ("hub.local/manifests", "v1"),
        ("hub.local/a/manifests", "v1"),
        ("hub.local/a/manifests/manifests", "manifests"),
        ("hub.local/blobs", "blobs"),
        ("blobs/blobs", "v1"),
    ] {
        let place = store.check_place(&repository.parse().unwrap(), Some(&tag.parse().unwrap()));
        place.unwrap();
        publish(&store, repository, tag).unwrap();
        kept.push(format!("{}:{tag}", repository.parse::<Repository>().unwrap()));
    }
    kept.sort();
    let sorted = || {
        let mut names = names(&store);
        names.sort();
        names
    };
    assert_eq!(sorted(), kept);
    for (repository, tag) in [
        ("hub.local/a/manifests/layout", "v1"),
        ("hub.local/a/manifests/v1", "v1"),
        ("BLOBS/x", "v1"),
    ] {
        let place = store.check_place(&repository.parse().unwrap(), Some(&tag.parse().unwrap()));
        let error = publish(&store, repository, tag).unwrap_err();
        assert_eq!(place.unwrap_err().to_string(), error.to_string());
        assert!(matches!(error, Error::Collision { .. }), "{repository}: {error}");
        assert!(
            error.to_string().contains("has no place in the directory"),
            "{error}"
        );
    }
    assert_eq!(sorted(), kept, "a refusal loses nothing");

    publish(&store, "hub.local/c/manifests/layout", "v1").unwrap();
    let other: Repository = "hub.local/c".parse().unwrap();
    let error = store
        .check_place(&other, Some(&"v1".parse().unwrap()))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("c/manifests/layout is another repository's folder"),
        "{error}"
    );
    store.check_place(&other, None).unwrap();
}

#[test]
fn a_writer_that_was_dropped_goes_on_where_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
    let store = Store::create(folder.path()).unwrap();
    let mut first = writer(&store, &content);
    first.write(&content[..300_000]).unwrap();
    drop(first);
    let mut second = writer(&Store::open(folder.path()).unwrap(), &content);
    assert_eq!(second.position(), 300_000);
    second.write(&content[300_000..]).unwrap();
    second.commit().unwrap();
    assert_eq!(fs::read(store.blob_path(&Digest::of(&content))).unwrap(), content);
    assert!(files(folder.path()).iter().all(|name| !name.contains("partial")));
}

#[test]
fn wrong_bytes_never_get_the_name_and_can_be_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let mut wrong = writer(&store, b"right");
    wrong.write(b"wrong").unwrap();
    let refused = wrong.commit().unwrap_err();
    assert!(
        refused.error.is_wrong_content() && refused.error.is_retryable(),
        "{refused}"
    );
    assert!(!store.has_blob(&blob(b"right")).unwrap());
    let mut again = refused.writer.unwrap();
    again.restart().unwrap();
    again.write(b"right").unwrap();
    again.commit().unwrap();
    assert!(store.has_blob(&blob(b"right")).unwrap());
}

#[test]
fn a_writer_takes_what_any_reader_gives() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let content = vec![7; 100_000];
    let mut whole = writer(&store, &content);
    assert_eq!(whole.write_from(&content[..]).unwrap(), 100_000);
    whole.commit().unwrap();
    assert!(store.has_blob(&blob(&content)).unwrap());
    let mut long = writer(&store, b"right");
    let refused = long.write_from(&b"right and more"[..]).unwrap_err();
    let refused: Error = refused.downcast().unwrap();
    assert!(refused.is_wrong_content(), "{refused}");
    struct Broken;
    impl io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::from(io::ErrorKind::ConnectionReset))
        }
    }
    let broken = long.write_from(Broken).unwrap_err();
    assert_eq!(broken.kind(), io::ErrorKind::ConnectionReset, "{broken}");
    // With `?`, a refused commit is an error like any other.
    let short = || -> Result<(), Error> { Ok(writer_of_another_try(&store).commit()?) };
    assert!(short().unwrap_err().is_wrong_content());
}

#[test]
fn more_bytes_than_announced_are_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let mut long = writer(&store, b"right");
    assert!(long.write(b"right and more").unwrap_err().is_wrong_content());
    let refused = writer_of_another_try(&store).commit().unwrap_err();
    assert!(refused.error.is_wrong_content(), "too few bytes: {refused}");
}

fn writer_of_another_try(store: &Store) -> BlobWriter {
    let mut short = writer(store, b"other content");
    short.write(b"other").unwrap();
    short
}

#[test]
fn a_partial_file_that_is_too_long_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    drop(writer(&store, b"right"));
    let partial = folder
        .path()
        .join(".transload/partial")
        .join(Digest::of(b"right").to_string());
    fs::write(&partial, b"far too long").unwrap();
    let mut again = writer(&store, b"right");
    assert_eq!(again.position(), 0);
    again.write(b"right").unwrap();
    again.commit().unwrap();
}

#[test]
fn a_file_of_the_wrong_size_is_no_blob_and_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    fs::write(store.blob_path(&Digest::of(b"right")), b"righ").unwrap();
    assert!(!store.has_blob(&blob(b"right")).unwrap());
    put(&store, b"right");
    assert_eq!(
        fs::read(store.blob_path(&Digest::of(b"right"))).unwrap(),
        b"right"
    );
}

#[test]
fn a_tags_file_is_its_own_so_that_writing_in_place_spares_the_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = publish(&Store::create(folder.path()).unwrap(), "hub.local/app", "v1").unwrap();
    let repository = "hub.local/app".parse().unwrap();
    let tag_file = folder.path().join("hub.local/app/manifests/v1");
    let digest_file = Store::open(folder.path())
        .unwrap()
        .manifest_path(&repository, manifest.digest());
    assert_eq!(fs::read(&tag_file).unwrap(), manifest.bytes());
    fs::write(&tag_file, "{}").unwrap();
    let store = Store::open(folder.path()).unwrap();
    let found = store.manifest(&repository, manifest.digest()).unwrap();
    assert_eq!(found.unwrap().bytes(), manifest.bytes());

    // Earlier versions made a link. The next tagging makes it a file of its own.
    fs::remove_file(&tag_file).unwrap();
    fs::hard_link(&digest_file, &tag_file).unwrap();
    assert!(store.repair().check_tags(&repository).unwrap().is_empty());
    store
        .tag(&repository, &"v1".parse().unwrap(), manifest.digest())
        .unwrap();
    fs::write(&tag_file, "{}").unwrap();
    assert!(store.manifest(&repository, manifest.digest()).unwrap().is_some());
    assert_eq!(store.repair().renew_tag_files(&repository).unwrap().len(), 1);
    assert_eq!(fs::read(&tag_file).unwrap(), manifest.bytes());
}

#[test]
fn a_manifest_that_is_not_what_its_name_says_gets_no_tag() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let manifest = publish(&store, "hub.local/app", "v1").unwrap();
    let repository = "hub.local/app".parse().unwrap();
    let path = store.manifest_path(&repository, manifest.digest());
    let mut bytes = manifest.bytes().to_vec();
    bytes.push(b' ');
    fs::write(&path, bytes).unwrap();
    let tagged = store.tag(&repository, &"v2".parse().unwrap(), manifest.digest());
    assert!(
        tagged
            .unwrap_err()
            .to_string()
            .contains(manifest.digest().as_str())
    );
    assert!(!folder.path().join("hub.local/app/manifests/v2").exists());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_chunking_with_any_interruptions_commits_the_same(
        content in proptest::collection::vec(any::<u8>(), 0..3000),
        cuts in proptest::collection::vec((0usize..3000, any::<bool>()), 0..6),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(folder.path()).unwrap();
        let mut cuts: Vec<(usize, bool)> = cuts.into_iter().map(|(at, stop)| (at.min(content.len()), stop)).collect();
        cuts.sort();
        cuts.push((content.len(), false));
        let mut writer = writer(&store, &content);
        let mut at = 0;
        for (next, stop) in cuts {
            writer.write(&content[at..next]).unwrap();
            at = next;
            if stop {
                drop(writer);
                writer = common::writer(&store, &content);
                prop_assert_eq!(writer.position(), at as u64);
            }
        }
        writer.commit().unwrap();
        prop_assert_eq!(fs::read(store.blob_path(&Digest::of(&content))).unwrap(), content);
    }

    #[test]
    fn tags_stand_for_what_was_tagged_last(operations in proptest::collection::vec((0usize..3, 0usize..4, 0usize..5), 1..20)) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(folder.path()).unwrap();
        let mut model = std::collections::BTreeMap::new();
        for (repository, tag, content) in operations {
            let repository: Repository = ["alpine", "hub.local/a", "hub.local/a/manifests"][repository].parse().unwrap();
            let tag: Tag = ["v1", "layout", "manifest", "latest"][tag].parse().unwrap();
            let manifest = image(&store, &repository, &content.to_string());
            store.tag(&repository, &tag, manifest.digest()).unwrap();
            model.insert((repository, tag), manifest.digest().clone());
        }
        for ((repository, tag), digest) in &model {
            let found = store.resolve(repository, &Identifier::Tag(tag.clone())).unwrap();
            prop_assert_eq!(found.as_ref(), Some(digest));
        }
        let tagged = store.images().unwrap().filter(|image| image.reference.tag().is_some()).count();
        prop_assert_eq!(tagged, model.len());
    }
}

#[test]
fn parts_that_came_before_their_turn_are_taken_in_order_and_survive_their_writer() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    // In hundreds of 4 KiB: a blob of less than 256 KiB has no parts.
    const UNIT: usize = 4096;
    let content: Vec<u8> = (0..100_u8).flat_map(|byte| [byte; UNIT]).collect();
    let of = |range: Range<usize>| &content[range.start * UNIT..range.end * UNIT];
    let at = |start: usize| (start * UNIT) as u64;
    let blob = blob(&content);
    let mut first = writer(&store, &content);
    first.write(of(0..20)).unwrap();
    for range in [40..60, 60..70, 90..100] {
        Parts::of(&first)
            .begin(at(range.start))
            .unwrap()
            .write(of(range))
            .unwrap();
    }
    assert!(Parts::of(&first).begin(at(40)).is_err(), "somebody is at it");
    assert_eq!(store.bytes_to_write(&blob).unwrap(), at(40));
    drop(first);

    // What leads elsewhere, or is of no use, is taken away.
    let partial = folder.path().join(".transload/partial");
    let name = |start| partial.join(format!("{}+{}", blob.digest, at(start)));
    symlink("/etc/passwd", name(75)).unwrap();
    fs::write(name(80), b"").unwrap();
    fs::write(name(95), of(0..10)).unwrap();
    let mut second = writer(&store, &content);
    let kept: Vec<(u64, u64)> = Parts::kept(&second)
        .unwrap()
        .iter()
        .map(|part| (part.start, part.end - part.start))
        .collect();
    assert_eq!(
        kept,
        [(40, 20), (60, 10), (90, 10)].map(|(start, length)| (at(start), at(length)))
    );
    assert!(
        Parts::absorb(&mut second, at(40), |_| true).is_err(),
        "it doesn't follow yet"
    );
    second.write(of(20..45)).unwrap();
    // A part of which some is there already gives the rest.
    Parts::absorb(&mut second, at(40), |_| true).unwrap();
    Parts::absorb(&mut second, at(60), |_| true).unwrap();
    assert_eq!(second.position(), at(70));
    second.write(of(70..90)).unwrap();
    Parts::absorb(&mut second, at(90), |_| true).unwrap();
    second.commit().unwrap();
    assert!(store.has_blob(&blob).unwrap());
    assert_eq!(fs::read_dir(&partial).unwrap().count(), 0);
}

#[test]
fn a_small_blob_has_no_parts() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let writer = writer(&store, b"small");
    assert!(Parts::of(&writer).begin(2).is_err());
    assert!(Parts::kept(&writer).unwrap().is_empty());
}

#[test]
fn many_tags_of_a_repository_are_one_change_of_its_tag_map_all_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let manifest = publish(&store, "hub.local/app", "v0").unwrap();
    let repository: Repository = "hub.local/app".parse().unwrap();
    let tags = |count: usize, digest: &Digest| -> BTreeMap<Repository, Vec<(Tag, Digest)>> {
        let tags = (0..count).map(|number| format!("v{number}").parse().unwrap());
        BTreeMap::from([(
            repository.clone(),
            tags.map(|tag| (tag, digest.clone())).collect(),
        )])
    };
    store.tag_all(&tags(5000, manifest.digest())).unwrap();
    assert_eq!(store.tags(&repository).unwrap().len(), 5000);
    let layout = folder.path().join("hub.local/app/manifests/layout");
    let before = fs::read(&layout).unwrap();

    // Nothing is written where nothing changes, nor where a manifest isn't there or the map would be too large to be read back.
    let inode = fs::metadata(&layout).unwrap().ino();
    store.tag_all(&tags(5000, manifest.digest())).unwrap();
    assert_eq!(fs::metadata(&layout).unwrap().ino(), inode);
    let mut with_a_missing_one = tags(2, manifest.digest());
    let missing = ("v9999".parse().unwrap(), Digest::of(b"missing"));
    with_a_missing_one.get_mut(&repository).unwrap().push(missing);
    assert!(store.tag_all(&with_a_missing_one).is_err());
    let error = store.tag_all(&tags(120_000, manifest.digest())).unwrap_err();
    assert!(
        matches!(error, Error::TooManyTags { tags: 120_000, .. }),
        "{error}"
    );
    assert_eq!(fs::read(&layout).unwrap(), before);
    assert_eq!(store.tags(&repository).unwrap().len(), 5000);
}
