use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use transload_layout_store::Store;
use transload_reference::{Digest, Identifier};
use transload_test_support::image::{Family, Image, ImageBuilder, noise};

use super::raw::Raw;

/// How many bytes of a body the server takes at a time, at most.
const CHUNK: usize = 256 * 1024;

/// Asserts that every blob holds what its name says.
fn assert_sound(directory: &Path) {
    for file in Store::open(directory).unwrap().blob_files().unwrap() {
        let digest = file
            .digest
            .unwrap_or_else(|| panic!("{} is no blob", file.path.display()));
        let bytes = std::fs::read(&file.path).unwrap();
        assert_eq!(Digest::with(digest.algorithm(), &bytes), digest);
    }
}

/// How many bytes an upload has, as the server tells.
fn position(served: &Raw, location: &str) -> usize {
    let status = served.ask(&format!("GET {location}"), b"");
    match status.header("Range") {
        "0-0" => 0,
        range => range[2..].parse::<usize>().unwrap() + 1,
    }
}

#[test]
fn an_upload_goes_on_after_its_server_was_killed_at_any_byte_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("images");
    for (seed, sent) in [0, 1, CHUNK, 2 * CHUNK + 1, 1_499_999].into_iter().enumerate() {
        let content = noise(seed as u64, 1_500_000);
        let digest = Digest::of(&content);
        let served = Raw::start(&directory);
        let location = served
            .ask("POST /v2/app/blobs/uploads/", b"")
            .header("Location")
            .to_owned();
        let stream = served.send(&format!("PATCH {location}"), content.len(), &content[..sent]);
        while position(&served, &location) < sent / CHUNK * CHUNK {
            thread::yield_now();
        }
        served.kill();
        drop(stream);
        assert_sound(&directory);
        let served = Raw::start(&directory);
        let kept = position(&served, &location);
        assert!(kept <= sent && kept >= sent / CHUNK * CHUNK, "{kept} of {sent}");
        let last = content.len() - 1;
        let patch = format!("PATCH {location}\nContent-Range: {kept}-{last}");
        assert_eq!(served.ask(&patch, &content[kept..]).status(), 202);
        assert_eq!(
            served
                .ask(&format!("PUT {location}?digest={digest}"), b"")
                .status(),
            201
        );
        assert!(served.ask(&format!("GET /v2/app/blobs/{digest}"), b"").body == content);
        served.kill();
    }
    assert_sound(&directory);
    assert_eq!(Store::open(&directory).unwrap().uploads().unwrap(), []);
}

#[test]
fn a_blob_in_one_request_gets_no_name_if_the_server_is_killed_before_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let content = noise(1, 3 * CHUNK);
    let digest = Digest::of(&content);
    let served = Raw::start(folder.path());
    let request = format!("POST /v2/app/blobs/uploads/?digest={digest}");
    let stream = served.send(&request, content.len(), &content[..2 * CHUNK]);
    let store = Store::open(folder.path()).unwrap();
    let has_some = || store.uploads().unwrap().iter().any(|upload| upload.size > 0);
    while !has_some() {
        thread::yield_now();
    }
    served.kill();
    drop(stream);
    assert_sound(folder.path());
    assert!(store.open_blob(&digest).unwrap().is_none());
    drop(store);
    let served = Raw::start(folder.path());
    assert_eq!(served.ask(&request, &content).status(), 201);
    assert!(served.ask(&format!("GET /v2/app/blobs/{digest}"), b"").body == content);
}

#[test]
fn every_tag_leads_to_a_whole_image_after_its_server_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let images: Vec<Image> = (0..8)
        .map(|seed| ImageBuilder::new(Family::Oci).noise_layer(seed, 50_000).build())
        .collect();
    let tagged = Mutex::new(Vec::new());
    for round in 0..4 {
        let served = Raw::start(folder.path());
        let answered = AtomicUsize::new(0);
        thread::scope(|scope| {
            let pushed = scope.spawn(|| {
                for (number, image) in images.iter().enumerate() {
                    let tag = format!("r{round}-{number}");
                    push(&served, &tag, image, &answered);
                    tagged.lock().unwrap().push(tag);
                }
            });
            // Each round is cut at another request.
            while answered.load(Ordering::SeqCst) < 4 + 3 * round {
                thread::yield_now();
            }
            served.signal("KILL");
            assert!(pushed.join().is_err(), "it was cut off");
        });
        drop(served);
        assert_sound(folder.path());
        let store = Store::open(folder.path()).unwrap();
        for image in store.images().unwrap() {
            let name = image.reference.repository();
            let manifest = store
                .manifest(name, &image.digest)
                .unwrap()
                .expect("a tag has its manifest");
            for blob in manifest.view().blobs() {
                assert!(store.has_blob(blob).unwrap(), "{}", image.reference);
            }
            if let Some(tag) = image.reference.tag() {
                let resolved = store.resolve(name, &Identifier::Tag(tag.clone())).unwrap();
                assert_eq!(resolved, Some(image.digest.clone()));
            }
        }
        let repository = "hub.local/team/app".parse().unwrap();
        let tags: Vec<String> = store
            .tags(&repository)
            .unwrap()
            .map(|tag| tag.to_string())
            .collect();
        for tag in tagged.lock().unwrap().iter() {
            assert!(
                tags.contains(tag),
                "{tag} was answered, and is in none of {tags:?}"
            );
        }
    }
}

/// Pushes an image. Panics where the server is gone.
fn push(served: &Raw, tag: &str, image: &Image, answered: &AtomicUsize) {
    for (descriptor, bytes) in &image.blobs {
        let request = format!("POST /v2/team/app/blobs/uploads/?digest={}", descriptor.digest);
        assert_eq!(served.ask(&request, bytes).status(), 201);
        answered.fetch_add(1, Ordering::SeqCst);
    }
    let request = format!(
        "PUT /v2/team/app/manifests/{tag}\nContent-Type: {}",
        image.root.media_type
    );
    assert_eq!(served.ask(&request, &image.root.bytes).status(), 201);
    answered.fetch_add(1, Ordering::SeqCst);
}
