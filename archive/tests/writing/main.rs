//! Archives as this crate writes them.

#[path = "../common/mod.rs"]
mod common;
mod files;
mod listing;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use common::{Image, blob_name, index};
use proptest::prelude::*;
use serde_json::Value;
use transload_archive::{
    Archive, BlobPlace, BlobWrite, CreateOptions, Error, Layout, OpenOptions, Plan, PlannedImage, Warning,
    Writer,
};
use transload_reference::{Algorithm, Descriptor, Digest, MediaType, RawManifest, Reference};

type Blobs = HashMap<Digest, Vec<u8>>;

fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

fn planned(name: &str, image: &Image) -> PlannedImage {
    PlannedImage::new(reference(name), image.manifest.clone(), Vec::new())
}

fn blobs_of(images: &[&Image]) -> Blobs {
    let all = images.iter().flat_map(|image| image.blobs());
    all.map(|blob| (Digest::of(blob), blob.clone())).collect()
}

/// The archive as a stream.
fn streamed(plan: &Plan, blobs: &Blobs) -> Vec<u8> {
    let mut bytes = Vec::new();
    let open =
        |blob: &Descriptor| Ok(Box::new(io::Cursor::new(blobs[&blob.digest].clone())) as Box<dyn Read>);
    plan.write_to(&mut bytes, open).unwrap();
    assert_eq!(bytes.len() as u64, plan.size());
    bytes
}

fn write(writer: &Writer, blob: &Descriptor, blobs: &Blobs) {
    if let BlobWrite::Writer(mut writer) = writer.write_blob(blob).unwrap() {
        let from = writer.position() as usize;
        writer.write_from(&blobs[&blob.digest][from..]).unwrap();
        if let Err(refused) = writer.commit() {
            // What an earlier run left was damaged.
            let mut writer = refused.writer.expect("the file can be written");
            writer.write_from(&blobs[&blob.digest][..]).unwrap();
            writer.commit().unwrap();
        }
    }
}

fn write_all(path: &Path, plan: Plan, blobs: &Blobs) -> Result<(), Error> {
    let writer = Writer::create(path, plan)?;
    let wanted: Vec<Descriptor> = writer.plan().blobs().cloned().collect();
    for blob in wanted.iter().rev() {
        write(&writer, blob, blobs);
    }
    writer.finish()
}

/// Two images that share a layer, one of two platforms.
fn two_images() -> (Vec<PlannedImage>, Blobs) {
    let app = Image::new("amd64", &[b"base", &[7; 5000]], MediaType::OCI_LAYER);
    let tool = Image::new("amd64", &[b"base", b"tool"], MediaType::OCI_LAYER);
    let arm = Image::new("arm64", &[b"arm"], MediaType::OCI_LAYER);
    let both = index(&[("arm64", &arm), ("amd64", &tool)]);
    let images = vec![
        planned("quay.io/team/app:v1", &app),
        PlannedImage::new(
            reference("alpine"),
            both,
            vec![arm.manifest.clone(), tool.manifest.clone()],
        ),
    ];
    (images, blobs_of(&[&app, &tool, &arm]))
}

fn json(archive: &[u8], name: &str) -> Value {
    let mut tar = tar::Archive::new(archive);
    let entries = tar.entries().unwrap().map(Result::unwrap);
    let mut found = entries.filter(|entry| entry.path_bytes() == name.as_bytes());
    let mut text = String::new();
    found.next().unwrap().read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_order_of_images_and_blobs_changes_no_byte() {
    let (images, blobs) = two_images();
    let expected = streamed(&Plan::new(images.clone()).unwrap(), &blobs);
    let turned: Vec<PlannedImage> = images.into_iter().rev().collect();
    assert_eq!(streamed(&Plan::new(turned.clone()).unwrap(), &blobs), expected);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("images.tar");
    let writer = Writer::create(&path, Plan::new(turned).unwrap()).unwrap();
    let wanted: Vec<Descriptor> = writer.plan().blobs().cloned().collect();
    thread::scope(|scope| {
        for turn in 0..3 {
            let (writer, blobs, wanted) = (&writer, &blobs, &wanted);
            scope.spawn(move || {
                (0..wanted.len()).for_each(|at| write(writer, &wanted[(at + turn) % wanted.len()], blobs))
            });
        }
    });
    writer.finish().unwrap();
    assert!(fs::read(&path).unwrap() == expected, "the file is the stream");
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing else is left"
    );
}

#[test]
fn plans_that_contradict_themselves_are_refused() {
    let image = Image::of(b"layer");
    let twice = Plan::new(vec![
        planned("app:1", &image),
        planned("docker.io/library/app:1", &image),
    ])
    .unwrap_err();
    assert_eq!(twice.to_string(), "docker.io/library/app:1 is planned twice");
    let lying = String::from_utf8(Image::of(b"other").manifest.bytes().to_vec()).unwrap();
    let lying = lying
        .replace(Digest::of(b"other").as_str(), Digest::of(b"layer").as_str())
        .replace(r#""size":5}]"#, r#""size":6}]"#);
    let lying = RawManifest::parse(lying.into_bytes(), None).unwrap();
    let both = vec![
        planned("app:1", &image),
        PlannedImage::new(reference("app:2"), lying.clone(), Vec::new()),
    ];
    assert!(matches!(Plan::new(both).unwrap_err(), Error::SizesDiffer { .. }));
    let vast = String::from_utf8(lying.bytes().to_vec())
        .unwrap()
        .replace(r#""size":6}]"#, &format!(r#""size":{}}}]"#, u64::MAX));
    let vast = RawManifest::parse(vast.into_bytes(), None).unwrap();
    assert!(matches!(
        Plan::new(vec![PlannedImage::new(reference("app:1"), vast, Vec::new())]).unwrap_err(),
        Error::PlanTooLarge { .. }
    ));
}

#[test]
fn a_stream_ends_at_a_blob_that_is_wrong() {
    let image = Image::of(b"layer");
    let plan = Plan::new(vec![planned("app:1", &image)]).unwrap();
    for wrong in [&b"wrong"[..], b"lay", b"layers"] {
        let mut out = Vec::new();
        let open = |blob: &Descriptor| {
            let bytes = if blob.size == 5 {
                wrong.to_vec()
            } else {
                image.config.clone()
            };
            Ok(Box::new(io::Cursor::new(bytes)) as Box<dyn Read>)
        };
        assert!(plan.write_to(&mut out, open).unwrap_err().is_wrong_content());
        assert!(
            OpenOptions::default().from_reader(out.as_slice()).is_err(),
            "nobody takes it for an archive"
        );
    }
    let error = plan
        .write_to(io::sink(), |_| Err(io::Error::other("gone")))
        .unwrap_err();
    assert!(
        error.to_string().ends_with(": gone") && matches!(error, Error::Source { .. }),
        "{error}"
    );
}

#[test]
fn a_blob_with_a_sha512_digest_is_written_and_read() {
    let long = Digest::with(Algorithm::Sha512, b"long");
    let config = Descriptor::new(MediaType::OCI_EMPTY, Digest::of(b"{}"), 2);
    let layer = Descriptor::new(MediaType::OCI_LAYER, long.clone(), 4);
    let text = serde_json::json!({"schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST.as_str(), "config": config, "layers": [layer]});
    let manifest = RawManifest::parse(text.to_string().into_bytes(), None).unwrap();
    let plan = || {
        Plan::new(vec![PlannedImage::new(
            reference("app:1"),
            manifest.clone(),
            Vec::new(),
        )])
        .unwrap()
    };
    let blobs = HashMap::from([
        (config.digest.clone(), b"{}".to_vec()),
        (long.clone(), b"long".to_vec()),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("images.tar");
    write_all(&path, plan(), &blobs).unwrap();
    assert!(fs::read(&path).unwrap() == streamed(&plan(), &blobs));
    let mut read = String::new();
    let blob = Archive::open(&path).unwrap().open_blob(&long, ..).unwrap();
    blob.unwrap().read_to_string(&mut read).unwrap();
    assert_eq!(read, "long");
}

/// An image of random layers; small ones and empty ones are shared.
fn any_image() -> impl Strategy<Value = Image> {
    let layer = prop_oneof![
        Just(Vec::new()),
        Just(vec![1; 512]),
        prop::collection::vec(any::<u8>(), 0..1500),
    ];
    let layers = prop::collection::vec(layer, 0..4);
    (layers, prop_oneof!["amd64", "arm64"]).prop_map(|(layers, architecture)| {
        let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
        Image::new(&architecture, &layers, MediaType::OCI_LAYER)
    })
}

fn plan_of(images: &[Image]) -> Plan {
    let mut planned: Vec<PlannedImage> = images
        .iter()
        .enumerate()
        .map(|(at, image)| planned(&format!("hub.local/app:{at}"), image))
        .collect();
    if let [first, second, ..] = images {
        let both = index(&[("amd64", first), ("arm64", second)]);
        let manifests = vec![first.manifest.clone(), second.manifest.clone()];
        planned.push(PlannedImage::new(reference("hub.local/both:1"), both, manifests));
    }
    Plan::new(planned).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(images in prop::collection::vec(any_image(), 1..4)) {
        let blobs = blobs_of(&images.iter().collect::<Vec<_>>());
        let bytes = streamed(&plan_of(&images), &blobs);
        let archive = OpenOptions::default().from_reader(bytes.as_slice()).unwrap();
        for (at, image) in images.iter().enumerate() {
            let name = reference(&format!("hub.local/app:{at}"));
            let found = archive.images().iter().find(|found| found.reference.as_ref() == Some(&name)).unwrap();
            prop_assert_eq!(&found.root.digest, image.manifest.digest());
            let manifest = archive.manifest(&found.root.digest).unwrap().unwrap();
            prop_assert_eq!(manifest.bytes(), image.manifest.bytes());
        }
        for (digest, expected) in &blobs {
            let mut read = Vec::new();
            archive.open_blob(digest, ..).unwrap().unwrap().read_to_end(&mut read).unwrap();
            prop_assert_eq!(&read, expected);
        }
    }

    /// A run is killed at any point of its work, with blobs half written, and its file may lose bytes as in a power cut.
    #[test]
    fn a_killed_run_goes_on_to_the_same_bytes(
        images in prop::collection::vec(any_image(), 1..4),
        kills in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<bool>()), 0..4),
    ) {
        let blobs = blobs_of(&images.iter().collect::<Vec<_>>());
        let expected = streamed(&plan_of(&images), &blobs);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("images.tar");
        for (whole, half, cut, is_power_cut) in kills {
            let writer = Writer::create(&path, plan_of(&images)).unwrap();
            let wanted: Vec<Descriptor> = writer.plan().blobs().cloned().collect();
            let (whole, half) = (whole.get(&wanted), half.get(&wanted));
            write(&writer, whole, &blobs);
            if let BlobWrite::Writer(mut writer) = writer.write_blob(half).unwrap() {
                let rest = &blobs[&half.digest][writer.position() as usize..];
                writer.write(&rest[..cut.index(rest.len() + 1)]).unwrap();
            }
            drop(writer);
            if is_power_cut {
                let partial = File::options().write(true).open(folder.path().join("images.tar.partial")).unwrap();
                let length = partial.metadata().unwrap().len();
                partial.write_all_at(&[0; 700], cut.index(length as usize) as u64).unwrap();
            }
        }
        write_all(&path, plan_of(&images), &blobs).unwrap();
        prop_assert!(fs::read(&path).unwrap() == expected);
    }
}

#[test]
fn a_blobs_place_leads_to_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("images.tar");
    let (images, blobs) = two_images();
    write_all(&path, Plan::new(images).unwrap(), &blobs).unwrap();
    let archive = Archive::open(&path).unwrap();
    for (digest, expected) in &blobs {
        let Some(BlobPlace::File { file, offset, size }) = archive.blob_place(digest).unwrap() else {
            panic!("{digest} is in the file");
        };
        let mut bytes = vec![0; usize::try_from(size).unwrap()];
        file.read_exact_at(&mut bytes, offset).unwrap();
        assert_eq!(&bytes, expected);
    }
    assert!(archive.blob_place(&Digest::of(b"none")).unwrap().is_none());
}
