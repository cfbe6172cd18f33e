//! What a store says of files that rotted.

use std::fs;

use transload_layout_store::{BlobWrite, Flaw, Store, Verdict};
use transload_reference::{Descriptor, Digest, MediaType};

fn put(store: &Store, content: &[u8]) -> Descriptor {
    let blob = Descriptor::new(MediaType::new("layer"), Digest::of(content), content.len() as u64);
    if let BlobWrite::Writer(mut writer) = store.write_blob(&blob).unwrap() {
        writer.write(content).unwrap();
        writer.commit().unwrap();
    }
    blob
}

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
    assert_eq!(flaw(&store, &blob), "holds other bytes than its name says");
    store.discard_blob(&blob.digest).unwrap();
    store.discard_blob(&blob.digest).unwrap();
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
    assert_eq!(store.partial_files().unwrap(), []);
    let blob = put(&store, b"content");
    fs::write(folder.path().join("blobs/notes.txt"), b"x").unwrap();
    let BlobWrite::Writer(mut writer) = store
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
    let told = |files: Vec<transload_layout_store::BlobFile>| -> Vec<(Option<Digest>, u64)> {
        files.into_iter().map(|file| (file.digest, file.size)).collect()
    };
    assert_eq!(
        told(store.blob_files().unwrap()),
        [(None, 1), (Some(blob.digest.clone()), 7)]
    );
    assert_eq!(told(store.partial_files().unwrap()), [(Some(blob.digest), 3)]);
}
