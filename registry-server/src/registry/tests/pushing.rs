use std::time::Duration;

use transload_reference::{Algorithm, Digest, ReferrerTag};
use transload_test_support::image::{Family, ImageBuilder, IndexBuilder, samples};

use super::*;

fn begin(registry: &Registry) -> String {
    let answer = bare(registry, Method::Post, "/v2/team/app/blobs/uploads/");
    assert_eq!((answer.status, answer.header("Range")), (202, "0-0"));
    answer.header("Location").to_owned()
}

fn patch(registry: &Registry, location: &str, range: &str, body: &[u8]) -> Answer {
    let sent = Sent {
        headers: &[("Content-Range", range)],
        body,
        ..Sent::default()
    };
    send(registry, Method::Patch, location, &sent)
}

#[test]
fn what_was_pushed_is_pulled_by_the_same_name() {
    let image = samples::multi_platform(Family::Oci, 1);
    for format in FORMATS {
        for (name, stored) in [
            ("team/app", "node1:5000/team/app"),
            ("quay.io/team/app", "quay.io/team/app"),
            ("hub.local:8443/app", "hub.local:8443/app"),
            ("alpine", "node1:5000/alpine"),
        ] {
            let (folder, registry) = taking(format, WriteOptions::default());
            push(&registry, name, "v1", &image);
            let answer = get(&registry, &format!("/v2/{name}/manifests/v1"));
            assert_eq!(answer.body, image.root.bytes);
            drop(registry);
            let images: Vec<String> = Store::open(folder.path())
                .unwrap()
                .images()
                .unwrap()
                .map(|image| image.reference.to_string())
                .collect();
            assert_eq!(images, [format!("{stored}:v1")]);
        }
    }
}

#[test]
fn a_pushed_name_is_in_the_registry_that_the_server_was_told() {
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    let (_folder, registry) = taking(Format::KubeKey, WriteOptions::default());
    let registry = registry.with_own_name("hub.local".parse().unwrap());
    push(&registry, "team/app", "v1", &image);
    let all = get(&registry, "/v2/_catalog").json();
    assert_eq!(all["repositories"], serde_json::json!(["hub.local/team/app"]));
    assert_eq!(
        get(&registry, "/v2/team/app/manifests/v1?ns=hub.local").status,
        200
    );
}

#[test]
fn a_blob_comes_in_parts_in_their_order() {
    let content = b"one two three";
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let digest = Digest::with(algorithm, content);
        let (_folder, registry) = taking(Format::KubeKey, WriteOptions::default());
        let location = begin(&registry);
        let first = patch(&registry, &location, "0-3", &content[..4]);
        assert_eq!((first.status, first.header("Range")), (202, "0-3"));
        for wrong in ["0-3", "5-8"] {
            let refused = patch(&registry, &location, wrong, &content[4..8]);
            assert_eq!((refused.status, refused.header("Range")), (416, "0-3"), "{wrong}");
        }
        let longer = patch(&registry, &location, "4-9", &content[4..8]);
        assert_eq!((longer.status, longer.code().as_str()), (400, "SIZE_INVALID"));
        assert_eq!(patch(&registry, &location, "x", &content[4..8]).status, 400);
        let status = get(&registry, &location);
        assert_eq!((status.status, status.header("Range")), (204, "0-3"));
        let streamed = Sent {
            body: &content[4..8],
            is_chunked: true,
            ..Sent::default()
        };
        assert_eq!(
            send(&registry, Method::Patch, &location, &streamed).header("Range"),
            "0-7"
        );
        let done = with_body(
            &registry,
            Method::Put,
            &format!("{location}?digest={digest}"),
            &content[8..],
        );
        assert_eq!(
            (done.status, done.header("Docker-Content-Digest")),
            (201, digest.as_str())
        );
        assert_eq!(get(&registry, done.header("Location")).body, content);
        assert_eq!(get(&registry, &location).code(), "BLOB_UPLOAD_UNKNOWN");
    }
}

#[test]
fn bytes_of_another_digest_get_no_name() {
    let digest = Digest::of(b"wanted");
    let (folder, registry) = taking(Format::KubeKey, WriteOptions::default());
    let location = begin(&registry);
    let put = with_body(
        &registry,
        Method::Put,
        &format!("{location}?digest={digest}"),
        b"other!",
    );
    assert_eq!((put.status, put.code().as_str()), (400, "DIGEST_INVALID"));
    let post = with_body(
        &registry,
        Method::Post,
        &format!("/v2/app/blobs/uploads/?digest={digest}"),
        b"short",
    );
    assert_eq!((post.status, post.code().as_str()), (400, "DIGEST_INVALID"));
    let none = with_body(
        &registry,
        Method::Put,
        &format!("{}?digest=sha256:x", begin(&registry)),
        b"wanted",
    );
    assert_eq!((none.status, none.code().as_str()), (400, "DIGEST_INVALID"));
    assert_eq!(get(&registry, &format!("/v2/app/blobs/{digest}")).status, 404);
    drop(registry);
    assert_eq!(Store::open(folder.path()).unwrap().blob_files().unwrap().len(), 0);
}

#[test]
fn an_upload_goes_on_after_its_connection_broke_and_after_a_restart() {
    let content = b"one two three";
    let digest = Digest::of(content);
    for format in FORMATS {
        let (folder, registry) = taking(format, WriteOptions::default());
        let location = begin(&registry);
        let broken = Sent {
            body: &content[..4],
            is_chunked: true,
            is_broken: true,
            ..Sent::default()
        };
        assert_eq!(send(&registry, Method::Patch, &location, &broken).status, 400);
        assert_eq!(get(&registry, &location).header("Range"), "0-3");
        drop(registry);
        let registry = taking_at(folder.path(), format, WriteOptions::default());
        assert_eq!(get(&registry, &location).header("Range"), "0-3");
        assert_eq!(
            patch(&registry, &location, "4-7", &content[4..8]).header("Range"),
            "0-7"
        );
        let done = with_body(
            &registry,
            Method::Put,
            &format!("{location}?digest={digest}"),
            &content[8..],
        );
        assert_eq!(done.status, 201);
        assert_eq!(get(&registry, done.header("Location")).body, content);
    }
}

#[test]
fn a_blob_that_is_there_is_mounted_with_or_without_its_repository() {
    let digest = Digest::of(b"layer");
    let (_folder, registry) = taking(Format::KubeKey, WriteOptions::default());
    let missing = bare(
        &registry,
        Method::Post,
        &format!("/v2/app/blobs/uploads/?mount={digest}&from=other"),
    );
    assert_eq!(missing.status, 202);
    with_body(
        &registry,
        Method::Post,
        &format!("/v2/other/blobs/uploads/?digest={digest}"),
        b"layer",
    );
    for from in ["&from=other", ""] {
        let mounted = bare(
            &registry,
            Method::Post,
            &format!("/v2/app/blobs/uploads/?mount={digest}{from}"),
        );
        assert_eq!(
            (mounted.status, mounted.header("Docker-Content-Digest")),
            (201, digest.as_str())
        );
        assert_eq!(get(&registry, mounted.header("Location")).body, b"layer");
    }
}

#[test]
fn a_cancelled_upload_is_gone() {
    let (folder, registry) = taking(Format::KubeKey, WriteOptions::default());
    let location = begin(&registry);
    patch(&registry, &location, "0-3", b"four");
    assert_eq!(bare(&registry, Method::Delete, &location).status, 204);
    assert_eq!(get(&registry, &location).status, 404);
    assert_eq!(bare(&registry, Method::Delete, &location).status, 404);
    drop(registry);
    assert!(Store::open(folder.path()).unwrap().uploads().unwrap().is_empty());
}

#[test]
fn a_manifest_whose_parts_are_missing_is_refused_with_their_digests() {
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    let index = IndexBuilder::new(Family::Oci).image(&image).build();
    for format in FORMATS {
        let (_folder, registry) = taking(format, WriteOptions::default());
        for (document, part) in [
            (&image.root, &image.blobs[0].0.digest),
            (&index.root, image.digest()),
        ] {
            let answer = put(&registry, "/v2/app/manifests/v1", document);
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (404, "MANIFEST_BLOB_UNKNOWN")
            );
            assert!(answer.text().contains(part.as_str()), "{}", answer.text());
        }
        assert_eq!(get(&registry, "/v2/app/tags/list").status, 404);
    }
}

#[test]
fn a_sparse_index_is_taken_where_it_is_asked_for() {
    let (amd, arm) = (
        samples::single(Family::Oci, "linux/amd64", 1),
        samples::single(Family::Oci, "linux/arm64", 2),
    );
    let index = IndexBuilder::new(Family::Oci).image(&amd).image(&arm).build();
    for format in FORMATS {
        let (_folder, registry) = taking(format, WriteOptions::default().sparse_indexes(true));
        push(&registry, "app", amd.digest().as_str(), &amd);
        assert_eq!(put(&registry, "/v2/app/manifests/v1", &index.root).status, 201);
        assert_eq!(get(&registry, "/v2/app/manifests/v1").body, index.root.bytes);
    }
}

#[test]
fn what_is_no_manifest_is_refused() {
    let (_folder, registry) = taking(Format::KubeKey, WriteOptions::default());
    let schema1 = samples::schema1("app", "v1");
    for body in [
        &b""[..],
        b"{}",
        b"[]",
        b"not json",
        br#"{"mediaType":"text/plain"}"#,
        &schema1.root.bytes,
    ] {
        let answer = with_body(&registry, Method::Put, "/v2/app/manifests/v1", body);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "MANIFEST_INVALID"),
            "{}",
            body.escape_ascii()
        );
    }
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    let other = format!("/v2/app/manifests/{}", Digest::of(b"other"));
    assert_eq!(put(&registry, &other, &image.root).code(), "DIGEST_INVALID");
}

#[test]
fn a_subject_is_named_in_the_answer_and_the_referrer_is_listed() {
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    let artifact = samples::artifact(&image);
    for format in FORMATS {
        let (_folder, registry) = taking(format, WriteOptions::default());
        let target = format!("/v2/app/referrers/{}", image.digest());
        // A subject may come after what refers to it.
        push(&registry, "app", artifact.digest().as_str(), &artifact);
        let again = put(
            &registry,
            &format!("/v2/app/manifests/{}", artifact.digest()),
            &artifact.root,
        );
        assert_eq!(again.header("OCI-Subject"), image.digest().as_str());
        push(&registry, "app", "v1", &image);
        let listed = get(&registry, &target).json();
        assert_eq!(listed["manifests"][0]["digest"], artifact.digest().as_str());
        // Programs that know no referrers API find it in a layout by a tag.
        let tag = ReferrerTag::Index.of(image.digest());
        let list = format!("/v2/app/manifests/{tag}");
        match format {
            Format::Oci => {
                let list = get(&registry, &list).json();
                assert_eq!(list["manifests"], listed["manifests"]);
            }
            _ => assert_eq!(get(&registry, &list).status, 404),
        }
        let gone = bare(
            &registry,
            Method::Delete,
            &format!("/v2/app/manifests/{}", artifact.digest()),
        );
        assert_eq!(gone.status, 202);
        assert_eq!(get(&registry, &target).json()["manifests"], serde_json::json!([]));
        assert_eq!(get(&registry, &list).status, 404);
    }
}

#[test]
fn a_manifest_pushed_by_digest_gets_the_tags_of_its_parameters() {
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    let (_folder, registry) = taking(Format::KubeKey, WriteOptions::default());
    push(&registry, "app", "v0", &image);
    let target = format!("/v2/app/manifests/{}?tag=v1&tag=v2", image.digest());
    let answer = put(&registry, &target, &image.root);
    assert_eq!(answer.headers.all("OCI-Tag").collect::<Vec<_>>(), ["v1", "v2"]);
    assert_eq!(
        get(&registry, "/v2/app/tags/list").json()["tags"],
        serde_json::json!(["v0", "v1", "v2"])
    );
}

#[test]
fn an_untagged_push_is_an_image_that_pruning_keeps() {
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    for format in FORMATS {
        let (folder, registry) = taking(format, WriteOptions::default());
        push(&registry, "app", image.digest().as_str(), &image);
        drop(registry);
        let exclusive = Store::open_exclusively(folder.path()).unwrap();
        assert_eq!(exclusive.garbage(|_| true).unwrap().bytes(), 0);
        assert_eq!(exclusive.store().images().unwrap().len(), 1);
    }
}

#[test]
fn two_clients_that_push_one_image_at_once_both_succeed() {
    let image = ImageBuilder::new(Family::Oci)
        .noise_layer(1, 300_000)
        .noise_layer(2, 200_000)
        .build();
    for format in FORMATS {
        let (folder, registry) = taking(format, WriteOptions::default());
        std::thread::scope(|scope| {
            for client in 0..8 {
                let (registry, image) = (&registry, &image);
                scope.spawn(move || push(registry, "app", &format!("v{}", client % 4), image));
            }
        });
        drop(registry);
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.images().unwrap().len(), 4);
        for (descriptor, _) in &image.blobs {
            assert!(store.check_blob(descriptor).unwrap());
        }
        assert!(store.uploads().unwrap().is_empty());
    }
}

#[test]
fn uploads_expire_after_a_restart_too() {
    let (folder, registry) = taking(Format::KubeKey, WriteOptions::default());
    let location = begin(&registry);
    patch(&registry, &location, "0-3", b"four");
    drop(registry);
    let options = WriteOptions::default().expiry(Duration::from_millis(1));
    let registry = taking_at(folder.path(), Format::KubeKey, options);
    let is_gone = || Store::open(folder.path()).unwrap().uploads().unwrap().is_empty();
    while !is_gone() {
        std::thread::yield_now();
    }
    assert_eq!(get(&registry, &location).code(), "BLOB_UPLOAD_UNKNOWN");
}
