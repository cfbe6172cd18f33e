//! skopeo as the judge: it reads what transload wrote, and transload moves what it wrote.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use transload_reference::{Digest, MediaType};
use transload_test_support::RealRegistry;
use transload_test_support::image::{Document, Family, Image, ImageBuilder, samples, tar};
use transload_test_support::real::{Auth, Tls, skopeo};

use super::help::*;

/// Copies with skopeo, all platforms.
fn skopeo_copy(from: (&str, &[OsString]), to: (&str, &[OsString]), options: &[&str]) {
    let mut args: Vec<OsString> = vec!["--all".into()];
    args.extend(options.iter().map(Into::into));
    args.extend_from_slice(from.1);
    args.extend_from_slice(to.1);
    args.extend([from.0.into(), to.0.into()]);
    skopeo::copy(&args);
}

/// Checks that a folder that skopeo wrote has an image and nothing else, all by the digests that are the files' names.
#[track_caller]
fn assert_folder_holds(folder: &Path, image: &Image) {
    let mut expected: Vec<String> = vec!["manifest.json".to_owned(), "version".to_owned()];
    let children = image
        .manifests
        .iter()
        .filter(|document| document.digest != *image.digest());
    expected.extend(children.map(|child| format!("{}.manifest.json", child.digest.hex())));
    expected.extend(image.blobs.iter().map(|(blob, _)| blob.digest.hex().to_owned()));
    expected.sort();
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder that skopeo wrote") {
        let entry = entry.expect("a readable folder");
        let name = entry.file_name().into_string().expect("digests are text");
        let bytes = fs::read(entry.path()).expect("a readable file");
        let digest = Digest::of(&bytes);
        match name.as_str() {
            "manifest.json" => assert!(bytes == image.root.bytes, "the root has other bytes"),
            "version" => {}
            name => assert_eq!(name.strip_suffix(".manifest.json").unwrap_or(name), digest.hex()),
        }
        found.push(name);
    }
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn skopeo_reads_back_what_was_pushed_byte_for_byte() {
    for shape in [
        PLAIN,
        CLIENT_CERTIFICATE,
        TOKENS,
        shape(Tls::Server, Auth::Htpasswd),
    ] {
        let (from, to, folder) = (Site::with_images(PLAIN, "team/app"), Site::start(shape), folder());
        let dir = format!("local://{}", text(folder.path().join("images")));
        let auths = json!([from.entry(), to.entry()]);
        let pull = json!({"manifests": from.references("team/app"), "dest": dir, "auths": auths});
        task(&pull).run().expect_code(0);
        let push = json!({"src": dir, "dest": to.host(), "auths": auths});
        task(&push).run().expect_code(0);
        for ((tag, image), name) in images().iter().zip(to.references("team/app")) {
            let reference = format!("docker://{name}");
            assert!(
                skopeo::inspect_raw(&reference, &to.access()) == image.root.bytes,
                "{name}"
            );
            let read = folder.path().join(tag);
            let by_skopeo = format!("dir:{}", text(&read));
            skopeo_copy((&reference, &to.access().options("src-")), (&by_skopeo, &[]), &[]);
            assert_folder_holds(&read, image);
        }
    }
}

/// What a registry has under a reference: the root first, then all manifests and blobs that it leads to.
struct Content {
    manifests: Vec<Document>,
    blobs: Vec<(String, Vec<u8>)>,
}

impl Content {
    fn of(registry: &RealRegistry, repository: &str, tag: &str) -> Content {
        let root = registry.manifest(repository, tag);
        let mut content = Content {
            manifests: vec![root.unwrap_or_else(|| panic!("{repository} has no {tag}"))],
            blobs: Vec::new(),
        };
        let mut at = 0;
        while let Some(manifest) = content.manifests.get(at) {
            let json: Value = serde_json::from_slice(&manifest.bytes).expect("a manifest is JSON");
            let digests = |parts: &Value| -> Vec<String> {
                let parts = parts.as_array().cloned().unwrap_or_default();
                let digest = |part: &Value| part["digest"].as_str().map(str::to_owned);
                parts.iter().filter_map(digest).collect()
            };
            for child in digests(&json["manifests"]) {
                content.manifests.extend(registry.manifest(repository, &child));
            }
            for blob in [digests(&json["layers"]), digests(&json!([json["config"]]))].concat() {
                let bytes = registry.blob(repository, &blob);
                content
                    .blobs
                    .push((blob, bytes.expect("a blob that a manifest names")));
            }
            at += 1;
        }
        content
    }

    fn media_types(&self) -> Vec<MediaType> {
        let manifests = self.manifests.iter();
        manifests.map(|manifest| manifest.media_type.clone()).collect()
    }
}

/// The media types of a list of four images.
fn list(family: Family) -> Vec<MediaType> {
    let single = family.manifest();
    [
        family.index(),
        single.clone(),
        single.clone(),
        single.clone(),
        single,
    ]
    .into()
}

#[test]
fn what_skopeo_wrote_is_pulled_and_pushed_on_unchanged() {
    let (first, second, folder) = (Site::start(PLAIN), Site::start(PRIVATE_CA), folder());
    let [(_, docker), (_, oci)] = images();
    let uncompressed = ImageBuilder::new(Family::Oci)
        .blob_layer("application/vnd.oci.image.layer.v1.tar", &tar(&[("name", b"x")]))
        .build();
    let table: [(&str, &Image, &[&str], Vec<MediaType>); 5] = [
        ("docker", &docker, &[], list(Family::Docker)),
        ("oci", &oci, &[], list(Family::Oci)),
        // These skopeo writes in words of its own.
        ("docker-as-oci", &docker, &["--format", "oci"], list(Family::Oci)),
        ("oci-as-docker", &oci, &["--format", "v2s2"], list(Family::Docker)),
        (
            "compressed",
            &uncompressed,
            &["--dest-compress-format", "zstd"],
            vec![MediaType::OCI_MANIFEST],
        ),
    ];
    for (tag, image, options, types) in &table {
        let dir = folder.path().join(tag);
        write_folder(&dir, image);
        let reference = format!("docker://{}/by/skopeo:{tag}", first.host());
        let by_skopeo = format!("dir:{}", text(&dir));
        skopeo_copy(
            (&by_skopeo, &[]),
            (&reference, &first.access().options("dest-")),
            options,
        );
        let written = Content::of(&first, "by/skopeo", tag);
        assert_eq!(&written.media_types(), types, "{tag}");
        let root = String::from_utf8_lossy(&written.manifests[0].bytes).into_owned();
        assert_eq!(root.contains("tar+zstd"), *tag == "compressed", "{root}");
    }

    let dir = format!("local://{}", text(folder.path().join("images")));
    let names: Vec<String> = table
        .iter()
        .map(|(tag, ..)| format!("{}/by/skopeo:{tag}", first.host()))
        .collect();
    let auths = json!([first.entry(), second.entry()]);
    for image in [
        json!({"manifests": names, "dest": dir, "auths": auths}),
        json!({"src": dir, "dest": format!("{}/pushed", second.host()), "auths": auths}),
        json!({"manifests": names, "dest": format!("{}/copied", second.host()), "auths": auths}),
    ] {
        task(&image).run().expect_code(0);
    }
    for (tag, ..) in &table {
        let written = Content::of(&first, "by/skopeo", tag);
        for way in ["pushed", "copied"] {
            let moved = Content::of(&second, &format!("{way}/by/skopeo"), tag);
            assert_eq!(moved.manifests, written.manifests, "{way} {tag}");
            assert!(moved.blobs == written.blobs, "{way} {tag}: other blobs");
        }
    }
}

/// Writes an image as a folder of skopeo's.
fn write_folder(dir: &Path, image: &Image) {
    let put =
        |name: &str, bytes: &[u8]| fs::write(dir.join(name), bytes).expect("a writable temporary folder");
    fs::create_dir(dir).expect("a writable temporary folder");
    put("version", b"Directory Transport Version: 1.1\n");
    put("manifest.json", &image.root.bytes);
    for child in &image.manifests {
        put(&format!("{}.manifest.json", child.digest.hex()), &child.bytes);
    }
    for (blob, bytes) in &image.blobs {
        put(blob.digest.hex(), bytes);
    }
}

#[test]
fn skopeo_reads_an_index_that_was_cut_down() {
    let (from, to) = (Site::with_images(PLAIN, "team/app"), Site::start(PLAIN));
    let folder = folder();
    let image = json!({
        "manifests": from.references("team/app"),
        "platform": ["linux/amd64"],
        "dest": to.host(),
    });
    task(&image).run().expect_code(0);
    for (tag, family, seed) in [("docker", Family::Docker, 1), ("oci", Family::Oci, 2)] {
        let expected = samples::index_of(family, &["linux/amd64"], seed);
        let reference = format!("docker://{}/team/app:{tag}", to.host());
        let read = folder.path().join(tag);
        let by_skopeo = format!("dir:{}", text(&read));
        skopeo_copy((&reference, &to.access().options("src-")), (&by_skopeo, &[]), &[]);
        assert_folder_holds(&read, &expected);
    }
}
