use transload_archive::{BlobWrite, OpenOptions as ArchiveOptions, Plan, PlannedImage, Writer};
use transload_layout_store::{Format, OpenOptions};
use transload_reference::{Digest, RawManifest};
use transload_test_support::image::{Family, ImageBuilder, samples};

use super::*;
use crate::{ArchiveContent, ContentError};

#[test]
fn an_image_is_pulled_by_tag_and_digest() {
    let image = samples::multi_platform(Family::Docker, 1);
    for format in FORMATS {
        let (_folder, registry) = serving(format, &[("quay.io/team/app:v1", &image)]);
        assert_eq!(
            get(&registry, "/v2/").header("Docker-Distribution-Api-Version"),
            "registry/2.0"
        );
        let root = get(&registry, "/v2/quay.io/team/app/manifests/v1");
        assert_eq!((root.status, &root.body), (200, &image.root.bytes));
        assert_eq!(root.header("Content-Type"), image.root.media_type.as_str());
        assert_eq!(root.header("Docker-Content-Digest"), image.digest().as_str());
        for document in &image.manifests {
            let target = format!("/v2/quay.io/team/app/manifests/{}", document.digest);
            assert_eq!(get(&registry, &target).body, document.bytes);
        }
        for (descriptor, bytes) in &image.blobs {
            let answer = get(
                &registry,
                &format!("/v2/quay.io/team/app/blobs/{}", descriptor.digest),
            );
            assert_eq!((answer.status, &answer.body), (200, bytes));
            assert_eq!(answer.header("ETag"), format!("\"{}\"", descriptor.digest));
        }
        let known = format!("\"{}\"", image.digest());
        let answer = get_with(
            &registry,
            "/v2/quay.io/team/app/manifests/v1",
            &[("If-None-Match", &known)],
        );
        assert_eq!(answer.status, 304);
    }
}

#[test]
fn a_manifest_is_served_as_it_is_stored_whatever_is_accepted() {
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    let (_folder, registry) = serving(Format::KubeKey, &[("quay.io/team/app:v1", &image)]);
    for accept in [
        "*/*",
        "application/vnd.docker.distribution.manifest.v2+json",
        "text/html",
        "",
    ] {
        let answer = get_with(
            &registry,
            "/v2/quay.io/team/app/manifests/v1",
            &[("Accept", accept)],
        );
        assert_eq!(
            (answer.status, &answer.body),
            (200, &image.root.bytes),
            "{accept}"
        );
    }
}

#[test]
fn what_is_missing_is_told_by_its_code() {
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    for format in FORMATS {
        let (_folder, registry) = serving(format, &[("quay.io/team/app:v1", &image)]);
        let none = Digest::of(b"none");
        for (target, code) in [
            ("/v2/quay.io/team/app/manifests/v2".to_owned(), "MANIFEST_UNKNOWN"),
            (
                format!("/v2/quay.io/team/app/manifests/{none}"),
                "MANIFEST_UNKNOWN",
            ),
            (format!("/v2/quay.io/team/app/blobs/{none}"), "BLOB_UNKNOWN"),
            ("/v2/quay.io/team/none/manifests/v1".to_owned(), "NAME_UNKNOWN"),
            ("/v2/quay.io/team/none/tags/list".to_owned(), "NAME_UNKNOWN"),
        ] {
            let answer = get(&registry, &target);
            assert_eq!((answer.status, answer.code().as_str()), (404, code), "{target}");
        }
    }
}

#[test]
fn parts_of_blobs_large_and_small_are_served() {
    let image = ImageBuilder::new(Family::Oci)
        .noise_layer(1, 400 * 1024)
        .noise_layer(2, 1000)
        .build();
    let (_folder, registry) = serving(Format::KubeKey, &[("quay.io/team/app:v1", &image)]);
    for (descriptor, bytes) in &image.blobs {
        let target = format!("/v2/quay.io/team/app/blobs/{}", descriptor.digest);
        let size = bytes.len();
        let etag = format!("\"{}\"", descriptor.digest);
        let part = get_with(
            &registry,
            &target,
            &[("Range", "bytes=10-19"), ("If-Range", &etag)],
        );
        assert_eq!((part.status, part.body.as_slice()), (206, &bytes[10..20]));
        assert_eq!(part.header("Content-Range"), format!("bytes 10-19/{size}"));
        let rest = get_with(&registry, &target, &[("Range", "bytes=-5")]);
        assert_eq!((rest.status, rest.body.as_slice()), (206, &bytes[size - 5..]));
        let beyond = get_with(&registry, &target, &[("Range", "bytes=9999999-")]);
        assert_eq!(beyond.status, 416);
        assert_eq!(beyond.header("Content-Range"), format!("bytes */{size}"));
        for other in ["\"other\"", "Wed, 21 Oct 2015 07:28:00 GMT"] {
            let whole = get_with(
                &registry,
                &target,
                &[("Range", "bytes=10-19"), ("If-Range", other)],
            );
            assert_eq!((whole.status, whole.body.len()), (200, size), "{other}");
        }
    }
}

#[test]
fn a_name_is_found_as_each_client_asks_for_it() {
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    let other = samples::single(Family::Oci, "linux/arm64", 2);
    for format in FORMATS {
        let (_folder, registry) = serving(
            format,
            &[
                ("docker.io/library/alpine:3", &image),
                ("quay.io/library/alpine:3", &other),
                ("registry.k8s.io/pause:3", &image),
                ("hub.local:8443/team/app:3", &image),
                ("node1:5000/team/own:3", &image),
                ("docker.io/team/own:3", &other),
            ],
        );
        for (target, expected) in [
            ("/v2/library/alpine/manifests/3?ns=docker.io", Some(&image)),
            ("/v2/library/alpine/manifests/3?ns=quay.io", Some(&other)),
            ("/v2/library/alpine/manifests/3?ns=registry.k8s.io", None),
            ("/v2/library/alpine/manifests/3", Some(&image)),
            ("/v2/alpine/manifests/3", Some(&image)),
            ("/v2/quay.io/library/alpine/manifests/3", Some(&other)),
            ("/v2/docker.io/alpine/manifests/3", Some(&image)),
            ("/v2/pause/manifests/3", Some(&image)),
            ("/v2/pause/manifests/3?ns=quay.io", None),
            ("/v2/team/app/manifests/3", Some(&image)),
            ("/v2/hub.local:8443/team/app/manifests/3", Some(&image)),
            ("/v2/team/own/manifests/3", Some(&image)),
            ("/v2/team/none/manifests/3", None),
        ] {
            let answer = get(&registry, target);
            match expected {
                Some(image) => assert_eq!(
                    answer.header("Docker-Content-Digest"),
                    image.digest().as_str(),
                    "{target}"
                ),
                None => assert_eq!(
                    (answer.status, answer.code().as_str()),
                    (404, "NAME_UNKNOWN"),
                    "{target}"
                ),
            }
        }
    }
}

#[test]
fn an_ambiguous_or_unknown_name_is_told_candidates() {
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    let (_folder, registry) = serving(
        Format::KubeKey,
        &[("quay.io/team/app:1", &image), ("ghcr.io/team/app:1", &image)],
    );
    for target in [
        "/v2/team/app/manifests/1",
        "/v2/other/app/manifests/1",
        "/v2/team/app/manifests/1?ns=docker.io",
    ] {
        let answer = get(&registry, target);
        assert_eq!(answer.status, 404);
        assert!(
            answer.text().contains("ghcr.io/team/app, quay.io/team/app"),
            "{}",
            answer.text()
        );
    }
}

#[test]
fn lists_come_page_by_page_with_a_link() {
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    let names: Vec<String> = (0..5).map(|tag| format!("quay.io/team/app:v{tag}")).collect();
    let mut images: Vec<(&str, &Image)> = names.iter().map(|name| (name.as_str(), &image)).collect();
    images.push(("docker.io/library/alpine:3", &image));
    for format in FORMATS {
        let (_folder, registry) = serving(format, &images);
        let (mut target, mut tags) = ("/v2/team/app/tags/list?n=2&ns=quay.io".to_owned(), Vec::new());
        loop {
            let answer = get(&registry, &target);
            tags.extend(answer.json()["tags"].as_array().unwrap().clone());
            let Some(link) = answer.headers.get("Link") else {
                break;
            };
            target = link
                .strip_prefix('<')
                .unwrap()
                .strip_suffix(">; rel=\"next\"")
                .unwrap()
                .to_owned();
        }
        assert_eq!(tags, ["v0", "v1", "v2", "v3", "v4"]);
        let all = get(&registry, "/v2/_catalog").json();
        assert_eq!(
            all["repositories"],
            serde_json::json!(["docker.io/library/alpine", "quay.io/team/app"])
        );
        let first = get(&registry, "/v2/_catalog?n=1");
        assert_eq!(
            first.header("Link"),
            "</v2/_catalog?n=1&last=docker.io/library/alpine>; rel=\"next\""
        );
        assert_eq!(
            get(&registry, "/v2/quay.io/team/app/tags/list?n=0").json()["tags"],
            serde_json::json!([])
        );
        assert_eq!(get(&registry, "/v2/quay.io/team/app/tags/list?n=x").status, 400);
    }
}

#[test]
fn referrers_are_listed_and_filtered() {
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    let artifact = samples::artifact(&image);
    for format in FORMATS {
        let folder = tempfile::tempdir().unwrap();
        fill(folder.path(), format, &[("quay.io/team/app:v1", &image)]);
        let store = OpenOptions::default().create(folder.path()).unwrap();
        store_image(
            &store,
            &format!("quay.io/team/app@{}", artifact.digest()),
            &artifact,
        );
        drop(store);
        let content = DirectoryContent::open(folder.path(), OpenOptions::default()).unwrap();
        let registry = Registry::new(vec![Box::new(content)]);
        let target = format!("/v2/quay.io/team/app/referrers/{}", image.digest());
        let answer = get(&registry, &target);
        assert_eq!(
            answer.header("Content-Type"),
            "application/vnd.oci.image.index.v1+json"
        );
        let listed = &answer.json()["manifests"];
        assert_eq!(listed[0]["digest"], artifact.digest().as_str());
        let artifact_type = listed[0]["artifactType"].as_str().unwrap().to_owned();
        for (wanted, count) in [(artifact_type.as_str(), 1), ("application/none", 0)] {
            let answer = get(&registry, &format!("{target}?artifactType={wanted}"));
            assert_eq!(answer.header("OCI-Filters-Applied"), "artifactType");
            assert_eq!(answer.json()["manifests"].as_array().unwrap().len(), count);
        }
        for nothing in [
            format!("/v2/quay.io/team/app/referrers/{}", Digest::of(b"none")),
            format!("/v2/quay.io/team/none/referrers/{}", image.digest()),
        ] {
            let answer = get(&registry, &nothing);
            assert_eq!(
                (answer.status, &answer.json()["manifests"]),
                (200, &serde_json::json!([]))
            );
        }
    }
}

#[test]
fn what_comes_into_a_directory_is_seen_at_once() {
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    for format in FORMATS {
        let (folder, registry) = serving(format, &[]);
        assert_eq!(get(&registry, "/v2/quay.io/team/app/manifests/v1").status, 404);
        fill(folder.path(), format, &[("quay.io/team/app:v1", &image)]);
        assert_eq!(get(&registry, "/v2/quay.io/team/app/manifests/v1").status, 200);
    }
}

#[test]
fn images_are_pruned_while_they_are_served_and_requests_wait_for_it() {
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    for format in FORMATS {
        let (folder, registry) = serving(format, &[("quay.io/team/app:v1", &image)]);
        assert_eq!(get(&registry, "/v2/quay.io/team/app/manifests/v1").status, 200);
        let mut exclusive = Store::open_exclusively(folder.path()).unwrap();
        let (asked, answered) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| asked.send(get(&registry, "/v2/quay.io/team/app/manifests/v1").status));
            let garbage = exclusive.garbage(|_| false).unwrap();
            exclusive.remove(&garbage).unwrap();
            assert!(answered.try_recv().is_err(), "it waits");
            drop(exclusive);
            assert_eq!(answered.recv(), Ok(404));
        });
    }
}

#[test]
fn a_request_that_pruning_keeps_waiting_too_long_is_told_to_come_again() {
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), Format::KubeKey, &[("quay.io/team/app:v1", &image)]);
    let content = DirectoryContent::impatient(folder.path(), OpenOptions::default());
    let registry = Registry::new(vec![Box::new(content)]);
    let exclusive = Store::open_exclusively(folder.path()).unwrap();
    let answer = get(&registry, "/v2/quay.io/team/app/manifests/v1");
    assert_eq!((answer.status, answer.header("Retry-After")), (503, "2"));
    drop(exclusive);
    assert_eq!(get(&registry, "/v2/quay.io/team/app/manifests/v1").status, 200);
}

#[test]
fn damaged_bytes_are_not_served_under_a_digest() {
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    let (folder, registry) = serving(Format::Oci, &[("quay.io/team/app:v1", &image)]);
    for digest in [image.digest(), &image.blobs[0].0.digest] {
        let path = folder.path().join("blobs/sha256").join(digest.hex());
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[0] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    for target in [
        "/v2/quay.io/team/app/manifests/v1".to_owned(),
        format!("/v2/quay.io/team/app/manifests/{}", image.digest()),
        format!("/v2/quay.io/team/app/blobs/{}", image.blobs[0].0.digest),
    ] {
        let answer = get(&registry, &target);
        assert_eq!(answer.status, 500, "{target}");
        assert!(
            !answer.text().contains(folder.path().to_str().unwrap()),
            "paths are for the log"
        );
    }
}

/// Writes an archive of images.
fn archive(path: &Path, images: &[(&str, &Image)]) {
    let planned = images.iter().map(|(name, image)| {
        let parse = |bytes: &[u8]| RawManifest::parse(bytes.to_vec(), None).unwrap();
        let children = &image.manifests[..image.manifests.len() - 1];
        let children = children.iter().map(|document| parse(&document.bytes)).collect();
        PlannedImage::new(name.parse().unwrap(), parse(&image.root.bytes), children)
    });
    let writer = Writer::create(path, Plan::new(planned.collect()).unwrap()).unwrap();
    for (descriptor, bytes) in images.iter().flat_map(|(_, image)| &image.blobs) {
        if let BlobWrite::Writer(mut blob) = writer.write_blob(descriptor).unwrap() {
            blob.write_from(&bytes[..]).unwrap();
            blob.commit().unwrap();
        }
    }
    writer.finish().unwrap();
}

#[test]
fn several_places_are_one_registry_and_the_first_counts() {
    let (old, new) = (
        samples::single(Family::Oci, "linux/amd64", 1),
        samples::multi_platform(Family::Oci, 2),
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("images.tar");
    archive(
        &path,
        &[("quay.io/team/app:v1", &old), ("quay.io/team/app:v2", &new)],
    );
    let directory = folder.path().join("images");
    fill(&directory, Format::KubeKey, &[("quay.io/team/app:v1", &new)]);
    let registry = Registry::new(vec![
        Box::new(DirectoryContent::open(&directory, OpenOptions::default()).unwrap()),
        Box::new(ArchiveContent::open(&path, &ArchiveOptions::default()).unwrap()),
    ]);
    let tags = get(&registry, "/v2/quay.io/team/app/tags/list").json();
    assert_eq!(tags["tags"], serde_json::json!(["v1", "v2"]));
    for tag in ["v1", "v2"] {
        let answer = get(&registry, &format!("/v2/team/app/manifests/{tag}"));
        assert_eq!(
            answer.header("Docker-Content-Digest"),
            new.digest().as_str(),
            "{tag}"
        );
    }
    let by_digest = get(&registry, &format!("/v2/team/app/manifests/{}", old.digest()));
    assert_eq!(by_digest.body, old.root.bytes);
    for (descriptor, bytes) in old.blobs.iter().chain(&new.blobs) {
        let target = format!("/v2/team/app/blobs/{}", descriptor.digest);
        assert_eq!(&get(&registry, &target).body, bytes);
        if bytes.len() > 3 {
            let part = get_with(&registry, &target, &[("Range", "bytes=1-2")]);
            assert_eq!((part.status, part.body.as_slice()), (206, &bytes[1..3]));
        }
    }
}

#[test]
fn a_place_that_is_no_place_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let none = folder.path().join("none");
    let error = DirectoryContent::open(&none, OpenOptions::default()).unwrap_err();
    assert!(matches!(error, ContentError::Store(_)));
    let error = ArchiveContent::open(&none, &ArchiveOptions::default()).unwrap_err();
    assert!(matches!(error, ContentError::Archive(_)));
}

#[test]
fn a_read_only_registry_takes_nothing() {
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    let (_folder, registry) = serving(Format::KubeKey, &[("quay.io/team/app:v1", &image)]);
    for (method, target) in [
        (Method::Post, "/v2/quay.io/team/app/blobs/uploads/".to_owned()),
        (Method::Put, "/v2/quay.io/team/app/manifests/v1".to_owned()),
        (Method::Delete, "/v2/quay.io/team/app/manifests/v1".to_owned()),
        (
            Method::Delete,
            format!("/v2/quay.io/team/app/blobs/{}", image.blobs[0].0.digest),
        ),
        (Method::Post, "/v2/".to_owned()),
        (Method::Other, "/v2/quay.io/team/app/tags/list".to_owned()),
    ] {
        let answer = bare(&registry, method, &target);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (405, "UNSUPPORTED"),
            "{method:?} {target}"
        );
        assert!(answer.header("Allow").contains("GET"));
    }
    assert_eq!(get(&registry, "/v2/quay.io/team/app/manifests/v1").status, 200);
}
