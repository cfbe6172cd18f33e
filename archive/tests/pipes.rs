//! Large blobs of an archive that comes through a pipe, taken as they pass.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::rc::Rc;

use common::{Image, Tar, blob_name, index_json, layout};
use serde_json::json;
use transload_archive::{Archive, Error, OpenOptions, TakeBlobs, TakeBytes};
use transload_reference::{Digest, Manifest, MediaType};

mod common;

/// More than a manifest has.
const LARGE: usize = (8 << 20) + 1000;

type Taken = Rc<RefCell<BTreeMap<String, Vec<u8>>>>;

/// Takes all blobs, or fails as a full disk does.
#[derive(Default)]
struct Taker {
    taken: Taken,
    is_full: bool,
    wants_none: bool,
}

struct Bytes {
    digest: Digest,
    bytes: Vec<u8>,
    taken: Taken,
    is_full: bool,
}

impl TakeBlobs for Taker {
    fn take(&mut self, digest: &Digest, size: u64) -> io::Result<Option<Box<dyn TakeBytes>>> {
        assert!(size > 8 << 20);
        let bytes = Bytes {
            digest: digest.clone(),
            bytes: Vec::new(),
            taken: Rc::clone(&self.taken),
            is_full: self.is_full,
        };
        Ok((!self.wants_none).then(|| Box::new(bytes) as Box<dyn TakeBytes>))
    }
}

impl TakeBytes for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.is_full && self.bytes.len() > 1 << 20 {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                "no room at the taker's",
            ));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<bool> {
        if Digest::of(&self.bytes) != self.digest {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "other bytes came"));
        }
        self.taken
            .borrow_mut()
            .insert(self.digest.to_string(), self.bytes);
        Ok(true)
    }
}

/// Gives few bytes at a time, in odd numbers.
struct Slowly<'a>(&'a [u8]);

impl Read for Slowly<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(70_001);
        self.0.read(&mut buffer[..most])
    }
}

fn large(seed: u8) -> Vec<u8> {
    (0..LARGE)
        .map(|at| (at / 7) as u8 ^ (at % 251) as u8 ^ seed)
        .collect()
}

fn through_a_pipe(tar: &[u8], taker: &mut Taker) -> Result<Archive, Error> {
    OpenOptions::default().from_reader_with(Slowly(tar), taker)
}

/// Docker 25's order: blobs first, lists last.
fn docker_25(image: &Image) -> Tar {
    let text = index_json(&[(
        &image.manifest,
        &[("io.containerd.image.name", "docker.io/library/app:1")],
    )]);
    let tar = Tar::new().folder("blobs/").blob(image.manifest.bytes());
    let tar = image.blobs().fold(tar, |tar, blob| tar.blob(blob));
    let config = blob_name(&Digest::of(&image.config));
    let layers: Vec<String> = image
        .layers
        .iter()
        .map(|layer| blob_name(&Digest::of(layer)))
        .collect();
    let listed = json!([{"Config": config, "RepoTags": ["app:1"], "Layers": layers}]);
    tar.file("index.json", text)
        .file("manifest.json", listed.to_string())
        .file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#)
}

#[test]
fn large_blobs_are_taken_as_they_pass_and_all_else_is_read_as_ever() {
    let (first, second) = (large(1), large(2));
    let image = Image::new("amd64", &[&first, b"small", &second], MediaType::OCI_LAYER);
    let tar = docker_25(&image).end();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&tar).unwrap();
    for bytes in [tar.clone(), packed.finish().unwrap()] {
        let mut taker = Taker::default();
        let archive = through_a_pipe(&bytes, &mut taker).unwrap();
        let whole = OpenOptions::default().from_reader(tar.as_slice()).unwrap();
        assert_eq!(archive.images(), whole.images());
        let taken = taker.taken.borrow();
        for (layer, is_large) in image.layers.iter().zip([true, false, true]) {
            let digest = Digest::of(layer);
            assert_eq!(taken.get(digest.as_str()), is_large.then_some(layer));
            assert_eq!(archive.is_taken(&digest), is_large);
            assert_eq!(archive.blob_size(&digest).unwrap(), Some(layer.len() as u64));
            match archive.open_blob(&digest, ..) {
                Ok(_) => assert!(!is_large),
                Err(error) => {
                    assert!(is_large);
                    let told = format!(
                        "- can't be used: its entry \"{}\" has passed, and a pipe can't be read twice",
                        blob_name(&digest)
                    );
                    assert_eq!(error.to_string(), told);
                }
            }
        }
    }
}

#[test]
fn what_the_taker_does_not_want_is_kept() {
    let layer = large(3);
    let image = Image::of(&layer);
    let mut taker = Taker {
        wants_none: true,
        ..Taker::default()
    };
    let archive = through_a_pipe(&docker_25(&image).end(), &mut taker).unwrap();
    let mut bytes = Vec::new();
    let mut reader = archive.open_blob(&Digest::of(&layer), ..).unwrap().unwrap();
    reader.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, layer);
}

#[test]
fn a_manifest_that_is_made_of_taken_layers_is_the_one_of_the_whole_archive() {
    // Docker's list alone, with layers where OCI layouts have them: their digests and media types come from what passed.
    let mut gzip = large(5);
    gzip[..3].copy_from_slice(b"\x1f\x8b\x08");
    let image = Image::new("amd64", &[&large(4), &gzip], MediaType::OCI_LAYER);
    let config = blob_name(&Digest::of(&image.config));
    let layers: Vec<String> = image
        .layers
        .iter()
        .map(|layer| blob_name(&Digest::of(layer)))
        .collect();
    let listed = json!([{"Config": config, "RepoTags": ["app:1"], "Layers": layers}]).to_string();
    let tar = image
        .blobs()
        .fold(Tar::new(), |tar, blob| tar.blob(blob))
        .file("manifest.json", listed)
        .end();
    let mut taker = Taker::default();
    let archive = through_a_pipe(&tar, &mut taker).unwrap();
    let whole = OpenOptions::default().from_reader(tar.as_slice()).unwrap();
    assert_eq!(taker.taken.borrow().len(), 2);
    assert_eq!(archive.images(), whole.images());
    let root = &archive.images()[0].root.digest;
    let made = archive.manifest(root).unwrap().unwrap();
    let Manifest::Image(made) = made.view() else {
        panic!("a manifest of an image is made");
    };
    let types: Vec<&MediaType> = made.layers.iter().map(|layer| &layer.media_type).collect();
    assert_eq!(types, [&MediaType::OCI_LAYER, &MediaType::OCI_LAYER_GZIP]);
}

#[test]
fn behind_a_header_out_of_the_ordinary_everything_is_kept() {
    let layer = large(6);
    let image = Image::of(&layer);
    let text = index_json(&[(
        &image.manifest,
        &[("io.containerd.image.name", "docker.io/library/app:1")],
    )]);
    let tar = layout(&text)
        .header("pax", tar::EntryType::XHeader, 13, "")
        .content(b"13 mtime=1.5\n");
    let tar = tar.blob(image.manifest.bytes());
    let tar = image.blobs().fold(tar, |tar, blob| tar.blob(blob)).end();
    let mut taker = Taker::default();
    let archive = through_a_pipe(&tar, &mut taker);
    assert!(taker.taken.borrow().is_empty());
    assert!(!archive.unwrap().is_taken(&Digest::of(&layer)));
}

#[test]
fn wrong_bytes_a_full_disk_and_a_cut_pipe_are_told_apart() {
    let layer = large(7);
    let image = Image::of(&layer);
    let tar = docker_25(&image).end();
    let name = blob_name(&Digest::of(&layer));

    let mut damaged = tar.clone();
    let start = damaged
        .windows(64)
        .position(|window| window == &layer[..64])
        .unwrap();
    damaged[start + LARGE - 1] ^= 1;
    let error = through_a_pipe(&damaged, &mut Taker::default()).unwrap_err();
    let told = format!("- can't be used: its entry \"{name}\" is damaged: other bytes came");
    assert_eq!(error.to_string(), told);

    let mut full = Taker {
        is_full: true,
        ..Taker::default()
    };
    let error = through_a_pipe(&tar, &mut full).unwrap_err();
    assert_eq!(error.to_string(), "no room at the taker's");
    assert!(matches!(error, Error::Taker { .. }));

    let mut taker = Taker::default();
    let error = through_a_pipe(&tar[..start + LARGE / 2], &mut taker).unwrap_err();
    assert!(error.to_string().contains("the archive was cut off"), "{error}");
    assert!(taker.taken.borrow().is_empty());
}
