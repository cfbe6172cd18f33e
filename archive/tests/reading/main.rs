//! Archives as other programs write them.

#[path = "../common/mod.rs"]
mod common;
mod docker;
mod unpacking;

use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use common::{Image, Tar, index, index_json, layout, written};
use serde_json::{Value, json};
use tar::EntryType;
use transload_archive::{Archive, ArchivedImage, Compression, Error, Layout, OpenOptions};
use transload_reference::{Digest, Manifest, MediaType, RawManifest};

const FULL: &str = "io.containerd.image.name";
const TAG: &str = "org.opencontainers.image.ref.name";

fn open(tar: Tar) -> Result<Archive, Error> {
    let (_folder, path) = written("images.tar", &tar.end());
    Archive::open(path)
}

fn names(archive: &Archive) -> Vec<Option<String>> {
    let name = |image: &ArchivedImage| image.reference.as_ref().map(ToString::to_string);
    archive.images().iter().map(name).collect()
}

fn blob(archive: &Archive, digest: &Digest) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut reader = archive.open_blob(digest, ..).unwrap().expect("the blob is there");
    reader.read_to_end(&mut bytes).unwrap();
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

#[test]
fn an_oci_archive_gives_its_names_manifests_and_blobs() {
    let (amd, arm) = (
        Image::of(b"amd"),
        Image::new("arm64", &[b"arm"], MediaType::OCI_LAYER),
    );
    let both = index(&[("amd64", &amd), ("arm64", &arm)]);
    let text = index_json(&[
        (&both, &[(FULL, "docker.io/library/alpine:3.19"), (TAG, "3.19")]),
        (&amd.manifest, &[(TAG, "quay.io/team/app:v1")]),
        (&arm.manifest, &[(TAG, "v2")]),
        (&amd.manifest, &[]),
        (&arm.manifest, &[(FULL, "quay.io/team/app:v1"), (TAG, "v2")]),
    ]);
    let mut tar = layout(&text)
        .folder("blobs/")
        .folder("blobs/sha256/")
        .blob(both.bytes());
    for image in [&amd, &arm] {
        tar = tar.blob(image.manifest.bytes());
        tar = image.blobs().fold(tar, |tar, blob| tar.blob(blob));
    }
    let archive = open(tar).unwrap();
    assert_eq!(
        (archive.form().layout, archive.form().compression),
        (Layout::Oci, Compression::None)
    );
    assert_eq!(archive.form().to_string(), "an OCI archive");
    let full = |name: &str| Some(name.to_owned());
    assert_eq!(
        names(&archive),
        [
            full("docker.io/library/alpine:3.19"),
            full("quay.io/team/app:v1"),
            None,
            None,
            full("quay.io/team/app:v2")
        ],
        "a bare tag holds beside a full name with another one"
    );
    assert_eq!(
        archive.images()[2].name.as_deref(),
        Some("v2"),
        "a tag alone names no repository"
    );
    let root = &archive.images()[0].root;
    assert_eq!((&root.digest, root.size), (both.digest(), both.size()));
    assert_eq!(archive.images()[0].made_from, None);
    let found = archive.manifest(both.digest()).unwrap().unwrap();
    assert_eq!(found.bytes(), both.bytes());
    for child in found.view().children() {
        let child = archive.manifest(&child.digest).unwrap().unwrap();
        for part in child.view().blobs() {
            assert_eq!(archive.blob_size(&part.digest).unwrap(), Some(part.size));
            assert_eq!(Digest::of(&blob(&archive, &part.digest)), part.digest);
        }
    }
    let missing = Digest::of(b"missing");
    assert!(
        archive.manifest(&missing).unwrap().is_none() && archive.open_blob(&missing, ..).unwrap().is_none()
    );
}

#[test]
fn a_range_of_a_blob_is_read_and_ends_with_the_blob() {
    let image = Image::of(b"0123456789");
    let tar = layout(&index_json(&[])).blob(&image.layers[0]).blob(b"behind it");
    let archive = open(tar).unwrap();
    let digest = Digest::of(b"0123456789");
    let read = |range: (std::ops::Bound<u64>, std::ops::Bound<u64>)| {
        let mut text = String::new();
        archive
            .open_blob(&digest, range)
            .unwrap()
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        text
    };
    use std::ops::Bound::{Excluded, Included, Unbounded};
    assert_eq!(read((Included(2), Excluded(5))), "234");
    assert_eq!(read((Included(8), Included(20))), "89");
    assert_eq!(read((Included(u64::MAX), Unbounded)), "");
    assert_eq!(read((Excluded(8), Unbounded)), "9");
    let mut reader = archive.open_blob(&digest, 1..9).unwrap().unwrap();
    assert_eq!(reader.size(), 8);
    reader.seek(SeekFrom::End(-2)).unwrap();
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "78");
    assert!(reader.seek(SeekFrom::Current(-100)).is_err());
}

#[test]
fn an_oci_archive_without_names_takes_those_of_its_manifest_json() {
    let image = Image::of(b"layer");
    let listed = json!([{"Config": common::blob_name(&Digest::of(&image.config)), "RepoTags": ["app:1", "hub.local/app:2"], "Layers": []}]);
    let tar = layout(&index_json(&[(&image.manifest, &[])]))
        .file("manifest.json", listed.to_string())
        .blob(image.manifest.bytes());
    let archive = open(tar).unwrap();
    assert_eq!(archive.form().layout, Layout::Oci);
    let full = |name: &str| Some(name.to_owned());
    assert_eq!(
        names(&archive),
        [full("docker.io/library/app:1"), full("hub.local/app:2")]
    );
    assert_eq!(archive.images()[0].root.digest, *image.manifest.digest());
}

#[test]
fn a_file_that_is_no_archive_of_images_is_told_for_what_it_is() {
    let text_tar = Tar::new()
        .file("a.txt", "")
        .folder("b/")
        .file("c.txt", "")
        .file("d.txt", "");
    let exported = Tar::new()
        .file(".dockerenv", "")
        .header("dev/console", EntryType::Char, 0, "");
    let in_folder = Tar::new()
        .folder("images/")
        .file("images/oci-layout", "{}")
        .file("images/index.json", "{}");
    let long = "x".repeat(1000);
    let odd = Tar::new()
        .header("L", EntryType::GNULongName, 1000, "")
        .content(long.as_bytes())
        .file("", "")
        .file("\x1b[31m", "");
    for (bytes, expected) in [
        (b"PK\x03\x04".to_vec(), "it is a zip file"),
        (gzip(b"hello"), "it is a gzip file that holds no tar"),
        (zstd(b"hello"), "it is a zstd file that holds no tar"),
        (
            text_tar.end(),
            "it is a tar without index.json and manifest.json, whose first entries are \"a.txt\", \"b/\", \"c.txt\"",
        ),
        (
            exported.end(),
            "it is a tar of a container's files, as docker export writes it: docker save writes images",
        ),
        (
            gzip(&in_folder.end()),
            "it is a tar with gzip of a folder \"images\", in which an archive's files are: pack what is in the folder, without it",
        ),
        (
            odd.end(),
            &format!(
                "it is a tar without index.json and manifest.json, whose first entries are \"{}…{}\", \"\\u{{1b}}[31m\"",
                "x".repeat(90),
                "x".repeat(30)
            ),
        ),
        (gzip(&Tar::new().end()), "it is a tar with gzip without entries"),
    ] {
        let (_folder, path) = written("file", &bytes);
        let error = Archive::open(&path).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!(
                "{} isn't an archive of images: {expected}",
                path.display()
            )),
            "{error}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let error = Archive::open(folder.path()).unwrap_err().to_string();
    assert!(error.ends_with("it is a directory"), "{error}");
    assert!(
        Archive::open(folder.path().join("none"))
            .unwrap_err()
            .to_string()
            .starts_with("opening ")
    );
}

#[test]
fn long_names_and_sizes_of_both_extensions_are_read() {
    let name = format!("{}/layer.tar", "x".repeat(150));
    let image = Image::of(b"layer");
    let listed = json!([{"Config": "c", "RepoTags": null, "Layers": [name]}]).to_string();
    let gnu = Tar::new()
        .header("././@LongLink", EntryType::GNULongName, name.len() as u64 + 1, "")
        .content(format!("{name}\0").as_bytes())
        .file("cut off", "layer");
    let body = format!(" path=./{name}\n");
    let length = (body.len() + 3).to_string();
    let records = format!("{length}{body}10 size=5\n");
    let pax = Tar::new()
        .header("pax_global_header", EntryType::XGlobalHeader, 20, "")
        .content(b"20 comment=a commit\n")
        .header("PaxHeaders/x", EntryType::XHeader, records.len() as u64, "")
        .content(records.as_bytes())
        .header("cut off", EntryType::Regular, 0, "")
        .content(b"layer");
    let link = Tar::new()
        .header("././@LongLink", EntryType::GNULongLink, name.len() as u64, "")
        .content(name.as_bytes())
        .symlink("link", "cut off");
    let link = link
        .header("././@LongLink", EntryType::GNULongName, name.len() as u64, "")
        .content(name.as_bytes())
        .file("cut off", "layer");
    for tar in [gnu, pax, link] {
        let archive = open(tar.file("c", &image.config).file("manifest.json", &listed)).unwrap();
        assert_eq!(archive.images()[0].root.digest, *image.manifest.digest());
    }
}
