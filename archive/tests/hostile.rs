//! Archives from somebody who means ill, or that were damaged on their way.

use std::fs::File;
use std::io::{Seek, Write};

use common::{Image, Tar, index_json, layout, written};
use proptest::prelude::*;
use tar::EntryType;
use transload_archive::{Archive, Error};
use transload_reference::{Digest, MAX_MANIFEST_SIZE};

mod common;

fn refused(bytes: &[u8]) -> String {
    let (_folder, path) = written("images.tar", bytes);
    let error = Archive::open(&path).unwrap_err();
    assert!(!error.is_retryable() && error.hint().is_some(), "{error:?}");
    let prefix = format!("{} ", path.display());
    let text = error.to_string();
    text.strip_prefix(&prefix)
        .unwrap_or_else(|| panic!("{text} doesn't begin with the path"))
        .to_owned()
}

fn good() -> Tar {
    let image = Image::of(b"layer");
    let tar = layout(&index_json(&[(&image.manifest, &[])])).blob(image.manifest.bytes());
    image.blobs().fold(tar, |tar, blob| tar.blob(blob))
}

#[test]
fn entries_that_no_archive_of_images_has_are_refused_by_name() {
    let device = |kind| good().header("dev/x", kind, 0, "");
    let table = [
        (
            good().file("/etc/passwd", "x"),
            "\"/etc/passwd\" has an absolute path",
        ),
        (
            good().file("a/../../b", "x"),
            "\"a/../../b\" has a path that may lead out of the archive (..)",
        ),
        (
            good().symlink("a/b", "../../etc"),
            "\"a/b\" is a link that leads out of the archive",
        ),
        (
            good().symlink("a", "/etc/passwd"),
            "\"a\" is a link that leads out of the archive",
        ),
        (
            good().hard_link("a", "../b"),
            "\"a\" is a link that leads out of the archive",
        ),
        (good().symlink("a", ""), "\"a\" is a link to nothing"),
        (
            device(EntryType::Char),
            "\"dev/x\" is a character device, which doesn't belong in an archive of images",
        ),
        (device(EntryType::Block), "\"dev/x\" is a block device"),
        (device(EntryType::Fifo), "\"dev/x\" is a named pipe"),
        (device(EntryType::GNUSparse), "\"dev/x\" is a sparse file"),
        (
            device(EntryType::new(b'M')),
            "\"dev/x\" is of the unknown type 'M'",
        ),
        (
            good()
                .header("x", EntryType::XHeader, 22, "")
                .content(b"22 GNU.sparse.major=1\n"),
            "\"x\" is the header of a sparse file",
        ),
        (
            good()
                .header("x", EntryType::XGlobalHeader, 10, "")
                .content(b"10 path=x\n"),
            "\"x\" gives all entries one name or size",
        ),
        (
            good().header("x", EntryType::XHeader, 4, "").content(b"what"),
            "\"x\" is a pax header with an invalid record",
        ),
        (good().file("index.json", "{}"), "\"index.json\" is there twice"),
        (
            good().file("./oci-layout", "{}"),
            "\"./oci-layout\" is there twice",
        ),
        (
            good().header("d/", EntryType::Directory, 5, "").content(b"12345"),
            "\"d/\" is a directory and says that it has 5 bytes",
        ),
        (
            good()
                .header("l", EntryType::Symlink, 5, "index.json")
                .content(b"12345"),
            "\"l\" is a link and says that it has 5 bytes",
        ),
        (
            good().file("\x1b[31mred", "").file("\x1b[31mred", ""),
            "\"\\u{1b}[31mred\" is there twice",
        ),
        (good().header("", EntryType::Regular, 0, ""), "\"\" has no name"),
    ];
    for (tar, expected) in table {
        let text = refused(&tar.end());
        assert!(
            text.starts_with(&format!("can't be used: its entry {expected}")),
            "{text}"
        );
    }
}

#[test]
fn sizes_that_lie_are_refused() {
    let size = |size| good().header("big", EntryType::Regular, size, "").end();
    for lie in [2000, 1 << 40, u64::MAX, u64::MAX - 600] {
        let text = refused(&size(lie));
        assert!(
            text.contains(&format!("\"big\" says that it has {lie} bytes, and 1024 follow")),
            "{text}"
        );
    }
    for field in [
        *b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe",
        *b"\x80\x00\x00\x01\0\0\0\0\0\0\0\0",
        *b"99999999999\0",
    ] {
        let tar = good().raw_header("big", "", |header| header.as_old_mut().size = field);
        let text = refused(&tar.end());
        assert!(text.contains("\"big\" has a size that"), "{text}");
    }
    let pax = good()
        .header("x", EntryType::XHeader, 23, "")
        .content(b"23 size=99999999999999\n")
        .file("big", "x");
    assert!(refused(&pax.end()).contains("\"big\" says that it has 99999999999999 bytes"));
}

#[test]
fn links_that_go_round_in_a_circle_are_told() {
    let listed = r#"[{"Config":"c","Layers":["a"]}]"#;
    let tar = Tar::new()
        .file("manifest.json", listed)
        .file("c", "{}")
        .symlink("a", "b")
        .hard_link("b", "a");
    assert!(
        refused(&tar.end()).contains("\"a\" is a link that leads to no file: the links go round in a circle")
    );
}

#[test]
fn documents_of_gigabytes_are_refused_unread() {
    let listed = Tar::new().file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    for (name, before) in [("index.json", listed), ("manifest.json", Tar::new())] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vast.tar");
        let mut file = File::create(&path).unwrap();
        let size = 20_u64 << 30;
        file.write_all(&before.header(name, EntryType::Regular, size, "").open_end())
            .unwrap();
        let end = file.stream_position().unwrap() + size;
        file.set_len(end + 1024).unwrap();
        let error = Archive::open(&path).unwrap_err().to_string();
        assert!(
            error.contains(&format!("\"{name}\" has {size} bytes; at most")),
            "{error}"
        );
    }
}

#[test]
fn extension_headers_of_megabytes_are_refused_unread() {
    for kind in [
        EntryType::GNULongName,
        EntryType::GNULongLink,
        EntryType::XHeader,
        EntryType::XGlobalHeader,
    ] {
        let tar = good()
            .header("x", kind, 2 << 20, "")
            .content(&vec![b'x'; 2 << 20]);
        assert!(refused(&tar.end()).contains("is an extension header of 2097152 bytes"));
    }
}

#[test]
fn names_that_are_told_twice_are_refused() {
    let long = |tar: Tar| tar.header("L", EntryType::GNULongName, 2, "").content(b"x\0");
    assert!(refused(&long(long(good())).file("y", "").end()).contains("has a second long name"));
    let pax = |tar: Tar| {
        tar.header("x", EntryType::XHeader, 10, "")
            .content(b"10 path=z\n")
    };
    assert!(refused(&long(pax(good())).file("y", "").end()).contains("has a second long name"));
    assert!(refused(&pax(pax(good())).file("y", "").end()).contains("two pax headers"));
    assert!(refused(&long(good()).end()).contains("after an extension header without an entry"));
}

#[test]
fn an_index_of_another_kind_or_version_is_refused() {
    let table = [
        (
            Tar::new()
                .file("oci-layout", r#"{"imageLayoutVersion":"2.0.0"}"#)
                .file("index.json", "{}"),
            "\"oci-layout\" says that it is an image layout of version \"2.0.0\"",
        ),
        (
            Tar::new().file("oci-layout", "what").file("index.json", "{}"),
            "\"oci-layout\" can't be read",
        ),
        (layout("what"), "\"index.json\" can't be read"),
        (
            layout(r#"{"schemaVersion":2,"config":{"digest":"sha256:x","size":1},"layers":[]}"#),
            "\"index.json\" can't be read",
        ),
    ];
    for (tar, expected) in table {
        let text = refused(&tar.end());
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn a_list_of_images_may_be_larger_than_a_manifest() {
    let image = Image::of(b"layer");
    let names: Vec<String> = (0..50_000)
        .map(|number| format!("registry.example.com/team/application-{number}:v1.2.3"))
        .collect();
    let keys: Vec<[(&str, &str); 1]> = names
        .iter()
        .map(|name| [("io.containerd.image.name", name.as_str())])
        .collect();
    let entries: Vec<_> = keys
        .iter()
        .map(|keys| (&image.manifest, keys.as_slice()))
        .collect();
    let listed = index_json(&entries);
    assert!(listed.len() as u64 > MAX_MANIFEST_SIZE);
    let (_folder, path) = written("images.tar", &layout(&listed).blob(image.manifest.bytes()).end());
    let archive = Archive::open(path).unwrap();
    assert_eq!(archive.images().len(), names.len());
}

#[test]
fn a_manifest_with_another_digest_is_refused_and_a_blob_can_be_verified() {
    let image = Image::of(b"layer");
    let tar = layout(&index_json(&[(&image.manifest, &[])]))
        .file(&common::blob_name(image.manifest.digest()), "{}");
    let (_folder, path) = written("images.tar", &tar.end());
    let error = Archive::open(path)
        .unwrap()
        .manifest(image.manifest.digest())
        .unwrap_err();
    assert!(matches!(error, Error::Manifest { .. }), "{error}");
    assert!(error.to_string().contains(image.manifest.digest().hex()));
}

#[test]
fn an_archive_that_shrinks_while_it_is_read_is_an_error() {
    let (_folder, path) = written("images.tar", &good().end());
    let archive = Archive::open(&path).unwrap();
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(100)
        .unwrap();
    let mut reader = archive.open_blob(&Digest::of(b"layer"), ..).unwrap().unwrap();
    let error = std::io::copy(&mut reader, &mut std::io::sink()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}

#[test]
fn an_archive_that_was_cut_off_anywhere_is_refused() {
    let bytes = good().end();
    // The last block isn't needed: one that is zero ends a tar.
    for end in (0..bytes.len() - 512)
        .step_by(128)
        .chain(bytes.len() - 515..bytes.len() - 512)
    {
        refused(&bytes[..end]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn damage_is_refused_or_harmless(at in any::<prop::sample::Index>(), bytes in prop::collection::vec(any::<u8>(), 1..20)) {
        let mut damaged = good().end();
        let at = at.index(damaged.len() - bytes.len());
        damaged[at..at + bytes.len()].copy_from_slice(&bytes);
        let (_folder, path) = written("images.tar", &damaged);
        if let Ok(archive) = Archive::open(&path) {
            for image in archive.images() {
                if let Ok(Some(manifest)) = archive.manifest(&image.root.digest) {
                    prop_assert_eq!(manifest.digest(), &image.root.digest);
                }
            }
        }
    }
}
