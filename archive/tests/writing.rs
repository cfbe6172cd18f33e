//! Archives as this crate writes them.

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

mod common;

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
fn an_archive_lists_its_images_for_oci_and_for_docker_and_has_each_blob_once() {
    let (images, blobs) = two_images();
    let plan = Plan::new(images.clone()).unwrap();
    let bytes = streamed(&plan, &blobs);
    let mut tar = tar::Archive::new(bytes.as_slice());
    let mut names = Vec::new();
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let header = entry.header();
        assert_eq!(
            (
                header.mode().unwrap(),
                header.mtime().unwrap(),
                header.uid().unwrap(),
                header.gid().unwrap()
            ),
            (0o644, 0, 0, 0)
        );
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        if name.starts_with("blobs/") {
            assert_eq!(name, blob_name(&Digest::of(&content)));
        }
        names.push(name);
    }
    assert_eq!(names[..3], ["oci-layout", "index.json", "manifest.json"]);
    assert!(
        names[3..].windows(2).all(|pair| pair[0] < pair[1]),
        "sorted, each once: {names:?}"
    );
    assert_eq!(names.len(), 3 + 4 + blobs.len(), "three manifests and an index");

    let index = json(&bytes, "index.json");
    let annotations = |at: usize| index["manifests"][at]["annotations"].clone();
    assert_eq!(
        annotations(0)["io.containerd.image.name"],
        "docker.io/library/alpine:latest"
    );
    assert_eq!(annotations(0)["org.opencontainers.image.ref.name"], "latest");
    assert_eq!(annotations(1)["io.containerd.image.name"], "quay.io/team/app:v1");
    assert_eq!(index["manifests"][0]["digest"], images[1].root.digest().as_str());

    let docker = json(&bytes, "manifest.json");
    assert_eq!(
        docker.as_array().unwrap().len(),
        2,
        "one for each image: amd64 of two platforms"
    );
    assert_eq!(
        docker[0]["RepoTags"],
        serde_json::json!(["docker.io/library/alpine:latest"])
    );
    assert_eq!(
        docker[0]["Layers"],
        serde_json::json!([blob_name(&Digest::of(b"base")), blob_name(&Digest::of(b"tool"))])
    );
    assert!(names.contains(&docker[1]["Config"].as_str().unwrap().to_owned()));
}

#[test]
fn names_of_one_image_share_an_entry_of_docker_and_a_name_by_digest_is_for_oci_alone() {
    let image = Image::of(b"layer");
    let digest = image.manifest.digest();
    let by_digest = format!("hub.local/app@{digest}");
    let both = format!("hub.local/app:3@{digest}");
    let names = ["hub.local/app:1", "other.local/app:1", &by_digest, &both];
    let plan = Plan::new(names.iter().map(|name| planned(name, &image)).collect()).unwrap();
    assert_eq!(
        plan.warnings(),
        [Warning::NamelessInDocker {
            image: reference(&by_digest)
        }]
    );
    let bytes = streamed(&plan, &blobs_of(&[&image]));
    let docker = json(&bytes, "manifest.json");
    assert_eq!(docker.as_array().unwrap().len(), 1);
    assert_eq!(
        docker[0]["RepoTags"],
        serde_json::json!(["hub.local/app:1", "hub.local/app:3", "other.local/app:1"])
    );
    let archive = OpenOptions::default().from_reader(bytes.as_slice()).unwrap();
    let read: Vec<String> = archive
        .images()
        .iter()
        .map(|image| image.reference.clone().unwrap().to_string())
        .collect();
    assert_eq!(
        read,
        [
            "hub.local/app:1",
            "hub.local/app:3",
            &by_digest,
            "other.local/app:1"
        ]
    );
}

#[test]
fn what_a_program_cannot_do_with_an_archive_is_told() {
    let (amd, arm) = (
        Image::of(b"amd"),
        Image::new("arm64", &[b"arm"], MediaType::OCI_LAYER_ZSTD),
    );
    let windows = Image::of(b"windows");
    let artifact = RawManifest::parse(
        format!(
            r#"{{"schemaVersion":2,"config":{},"layers":[]}}"#,
            serde_json::to_string(&Descriptor::new(MediaType::OCI_EMPTY, Digest::of(b"{}"), 2)).unwrap()
        )
        .into_bytes(),
        Some("application/vnd.oci.image.manifest.v1+json"),
    )
    .unwrap();
    let warnings = |image: PlannedImage| -> Vec<String> {
        Plan::new(vec![image])
            .unwrap()
            .warnings()
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    let name = || reference("hub.local/x:1");
    let both = index(&[("arm64", &arm), ("amd64", &amd)]);
    let all = vec![arm.manifest.clone(), amd.manifest.clone()];
    assert_eq!(warnings(planned("x:1", &amd)), [""; 0]);
    assert_eq!(
        warnings(PlannedImage::new(name(), both.clone(), all)),
        ["hub.local/x:1: docker load takes linux/amd64 alone, not linux/arm64"]
    );
    assert_eq!(
        warnings(PlannedImage::new(
            name(),
            both.clone(),
            vec![arm.manifest.clone()]
        )),
        [
            "hub.local/x:1: the archive lacks 1 of the manifests that its index names; older containerd refuses such an index",
            "hub.local/x:1: its layers are packed with zstd, which Docker loads from version 23 on",
        ]
    );
    let not_for_docker = ["hub.local/x:1: docker load skips it, since Docker on Linux can't run it"];
    assert_eq!(
        warnings(PlannedImage::new(name(), artifact, Vec::new())),
        not_for_docker
    );
    let text = String::from_utf8(index(&[("amd64", &windows)]).bytes().to_vec())
        .unwrap()
        .replace("linux", "windows");
    let only_windows = RawManifest::parse(text.into_bytes(), None).unwrap();
    assert_eq!(
        warnings(PlannedImage::new(
            name(),
            only_windows,
            vec![windows.manifest.clone()]
        )),
        not_for_docker
    );
    let foreign = serde_json::json!({"mediaType": MediaType::DOCKER_FOREIGN_LAYER.as_str(), "digest": Digest::of(b"far"), "size": 3, "urls": ["https://far.example/x"]});
    let mut text: Value = serde_json::from_slice(amd.manifest.bytes()).unwrap();
    text["layers"].as_array_mut().unwrap().push(foreign);
    let with_foreign = RawManifest::parse(text.to_string().into_bytes(), None).unwrap();
    let plan = Plan::new(vec![PlannedImage::new(name(), with_foreign, Vec::new())]).unwrap();
    assert_eq!(plan.blobs().count(), 2, "a foreign layer isn't brought");
    assert_eq!(plan.warnings(), [Warning::NotForDocker { image: name() }]);
}

#[test]
fn a_list_that_is_longer_than_podman_reads_is_told() {
    let layers: Vec<Vec<u8>> = (0..14_000_u32).map(|at| at.to_be_bytes().to_vec()).collect();
    let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
    let plan = Plan::new(vec![planned(
        "app:1",
        &Image::new("amd64", &layers, MediaType::OCI_LAYER),
    )])
    .unwrap();
    let [warning @ Warning::LongList { .. }] = plan.warnings() else {
        panic!("{:?}", plan.warnings())
    };
    assert!(
        warning
            .to_string()
            .ends_with("podman and skopeo read at most 1048576: write the images into several archives")
    );
}

#[test]
fn a_signature_that_is_below_no_root_is_listed_without_a_name() {
    let image = Image::of(b"layer");
    let mut text: Value = serde_json::from_slice(Image::of(b"signature").manifest.bytes()).unwrap();
    text["subject"] = serde_json::to_value(image.manifest.descriptor()).unwrap();
    text["artifactType"] = "application/x.signature".into();
    let signature = RawManifest::parse(text.to_string().into_bytes(), None).unwrap();
    let plan = Plan::new(vec![PlannedImage::new(
        reference("hub.local/app:1"),
        image.manifest.clone(),
        vec![signature.clone()],
    )])
    .unwrap();
    let bytes = streamed(&plan, &blobs_of(&[&image, &Image::of(b"signature")]));
    let index = json(&bytes, "index.json");
    assert_eq!(index["manifests"][1]["digest"], signature.digest().as_str());
    assert_eq!(index["manifests"][1]["artifactType"], "application/x.signature");
    assert_eq!(index["manifests"][1]["annotations"], Value::Null);
    let archive = OpenOptions::default().from_reader(bytes.as_slice()).unwrap();
    assert_eq!(
        archive.manifest(signature.digest()).unwrap().unwrap().bytes(),
        signature.bytes()
    );
    let referrers = archive.referrers(image.manifest.digest());
    assert_eq!(referrers, [signature.referrer().unwrap()]);
    assert_eq!(archive.referrers(signature.digest()), []);
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
fn a_blob_that_is_wrong_doesnt_count_and_the_right_one_does() {
    let image = Image::of(b"layer");
    let blobs = blobs_of(&[&image]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("images.tar");
    let writer = Writer::create(&path, Plan::new(vec![planned("app:1", &image)]).unwrap()).unwrap();
    let layer = Descriptor::new(MediaType::OCI_LAYER, Digest::of(b"layer"), 5);
    let begin = || match writer.write_blob(&layer).unwrap() {
        BlobWrite::Writer(writer) => writer,
        BlobWrite::Present => panic!("it isn't there"),
    };
    let mut blob = begin();
    assert!(blob.write(b"too long").unwrap_err().is_wrong_content());
    drop(blob);
    let mut blob = begin();
    blob.write(b"lay").unwrap();
    let short = blob.commit().unwrap_err();
    assert!(short.error.is_wrong_content());
    let mut blob = short.writer.unwrap();
    assert_eq!(blob.position(), 0, "it begins anew");
    blob.write(b"wrong").unwrap();
    drop(blob.commit().unwrap_err());
    let mut blob = begin();
    assert_eq!(blob.position(), 0, "nothing wrong is kept");
    blob.write(b"la").unwrap();
    drop(blob);
    let mut blob = begin();
    assert_eq!(blob.position(), 2, "it goes on behind what is there");
    blob.write(b"x").unwrap();
    blob.restart().unwrap();
    blob.write(b"layer").unwrap();
    blob.commit().unwrap();
    assert!(matches!(writer.write_blob(&layer).unwrap(), BlobWrite::Present));
    let other = Descriptor::new(MediaType::OCI_LAYER, Digest::of(b"layer"), 6);
    assert!(matches!(
        writer.write_blob(&other).unwrap_err(),
        Error::NotPlanned { size: 6, .. }
    ));
    assert!(matches!(
        writer.write_blob(&image.manifest.descriptor()).unwrap(),
        BlobWrite::Present
    ));
    let config = Digest::of(&image.config);
    let error = writer.finish().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{} isn't whole: {config} is missing", path.display())
    );
    assert!(!path.exists());
    drop(writer);
    write_all(&path, Plan::new(vec![planned("app:1", &image)]).unwrap(), &blobs).unwrap();
    assert_eq!(Archive::open(&path).unwrap().form().layout, Layout::Oci);
}

#[test]
fn a_second_writer_is_refused_and_a_later_one_is_not() {
    let image = Image::of(b"layer");
    let plan = || Plan::new(vec![planned("app:1", &image)]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("images.tar");
    let first = Writer::create(&path, plan()).unwrap();
    let error = Writer::create(&path, plan()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{}.partial is being written by another process", path.display())
    );
    drop(first);
    write_all(&path, plan(), &blobs_of(&[&image])).unwrap();
    write_all(&path, plan(), &blobs_of(&[&image])).unwrap();
    for other in [folder.path(), Path::new("/dev/null")] {
        assert!(
            Writer::create(other, plan())
                .unwrap_err()
                .to_string()
                .ends_with("something there isn't a regular file")
        );
    }
}

#[test]
fn a_partial_file_that_is_a_link_isnt_written_through() {
    let image = Image::of(b"layer");
    let plan = || Plan::new(vec![planned("app:1", &image)]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("images.tar");
    let (partial, other) = (
        folder.path().join("images.tar.partial"),
        folder.path().join("other"),
    );
    fs::write(&other, "precious").unwrap();
    std::os::unix::fs::symlink(&other, &partial).unwrap();
    assert!(Writer::create(&path, plan()).is_err());
    fs::remove_file(&partial).unwrap();
    fs::hard_link(&other, &partial).unwrap();
    write_all(&path, plan(), &blobs_of(&[&image])).unwrap();
    assert_eq!(fs::read(&other).unwrap(), b"precious");
}

#[test]
fn another_plan_begins_anew() {
    let (image, other) = (Image::of(b"layer"), Image::of(b"other"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("images.tar");
    let writer = Writer::create(&path, Plan::new(vec![planned("app:1", &image)]).unwrap()).unwrap();
    for blob in writer.plan().blobs().cloned().collect::<Vec<_>>() {
        write(&writer, &blob, &blobs_of(&[&image]));
    }
    drop(writer);
    let plan = || Plan::new(vec![planned("app:1", &other)]).unwrap();
    write_all(&path, plan(), &blobs_of(&[&other])).unwrap();
    assert!(fs::read(&path).unwrap() == streamed(&plan(), &blobs_of(&[&other])));
}

#[test]
fn what_an_earlier_run_left_is_hashed_before_it_counts() {
    let (images, blobs) = two_images();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("images.tar");
    let partial = folder.path().join("images.tar.partial");
    let plan = || Plan::new(images.clone()).unwrap();
    let large = Descriptor::new(MediaType::OCI_LAYER, Digest::of(&[7; 5000]), 5000);
    for damage in [false, true] {
        let writer = Writer::create(&path, plan()).unwrap();
        write(&writer, &large, &blobs);
        drop(writer);
        if damage {
            let bytes = fs::read(&partial).unwrap();
            let at = bytes.windows(100).position(|window| window == [7; 100]).unwrap();
            File::options()
                .write(true)
                .open(&partial)
                .unwrap()
                .write_all_at(b"rot", at as u64 + 50)
                .unwrap();
        }
        let stopped = CreateOptions::default().cancel_flag(Arc::new(AtomicBool::new(true)));
        assert!(
            stopped
                .create(&path, plan())
                .unwrap()
                .write_blob(&large)
                .unwrap_err()
                .is_stopped()
        );
        let writer = Writer::create(&path, plan()).unwrap();
        let is_present = matches!(writer.write_blob(&large).unwrap(), BlobWrite::Present);
        assert_eq!(is_present, !damage);
    }
    write_all(&path, plan(), &blobs).unwrap();
    assert!(fs::read(&path).unwrap() == streamed(&plan(), &blobs));
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
