use transload_test_support::image::{Family, samples};

use super::*;

/// A registry that takes pushes, over images that are there.
fn over(format: Format, images: &[(&str, &Image)]) -> (TempDir, Registry) {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), format, images);
    let registry = taking_at(folder.path(), format, WriteOptions::default());
    (folder, registry)
}

#[test]
fn a_deleted_tag_leaves_its_manifest() {
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    for format in FORMATS {
        let (_folder, registry) = over(format, &[("node1:5000/app:v1", &image)]);
        assert_eq!(
            bare(&registry, Method::Delete, "/v2/app/manifests/v1").status,
            202
        );
        assert_eq!(get(&registry, "/v2/app/manifests/v1").status, 404);
        assert_eq!(
            get(&registry, &format!("/v2/app/manifests/{}", image.digest())).status,
            200
        );
        assert_eq!(
            bare(&registry, Method::Delete, "/v2/app/manifests/v1").code(),
            "MANIFEST_UNKNOWN"
        );
    }
}

#[test]
fn a_deleted_manifest_takes_its_tags_and_frees_its_blobs() {
    let image = samples::multi_platform(Family::Oci, 1);
    for format in FORMATS {
        let (_folder, registry) = taking(format, WriteOptions::default());
        for tag in ["v1", "v2"] {
            push(&registry, "quay.io/app", tag, &image);
        }
        let delete = |target: String| bare(&registry, Method::Delete, &target);
        let blob = &image.blobs[0].0.digest;
        for target in [
            format!("/v2/quay.io/app/blobs/{blob}"),
            format!("/v2/quay.io/app/manifests/{}", image.manifests[0].digest),
        ] {
            let answer = delete(target);
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (405, "UNSUPPORTED"),
                "an image needs it"
            );
        }
        for document in image.manifests.iter().rev() {
            assert_eq!(
                delete(format!("/v2/quay.io/app/manifests/{}", document.digest)).status,
                202
            );
            let gone = get(
                &registry,
                &format!("/v2/quay.io/app/manifests/{}", document.digest),
            );
            assert_eq!(gone.status, 404);
        }
        assert_eq!(get(&registry, "/v2/quay.io/app/manifests/v1").status, 404);
        for (descriptor, _) in &image.blobs {
            assert_eq!(
                delete(format!("/v2/quay.io/app/blobs/{}", descriptor.digest)).status,
                202
            );
        }
        let again = delete(format!("/v2/quay.io/app/blobs/{blob}"));
        assert_eq!((again.status, again.code().as_str()), (404, "BLOB_UNKNOWN"));
    }
}

#[test]
fn nothing_is_deleted_while_another_program_uses_the_directory() {
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), Format::KubeKey, &[("quay.io/app:v1", &image)]);
    let options = OpenOptions::default();
    let content = DirectoryContent::impatient(folder.path(), options);
    let registry = Registry::writable(content, WriteOptions::default()).unwrap();
    let other = Store::open(folder.path()).unwrap();
    let target = format!("/v2/quay.io/app/manifests/{}", image.digest());
    let refused = bare(&registry, Method::Delete, &target);
    assert_eq!((refused.status, refused.header("Retry-After")), (503, "10"));
    assert!(refused.text().contains("other programs use the directory"));
    drop(other);
    assert_eq!(bare(&registry, Method::Delete, &target).status, 202);
}

#[test]
fn deleting_in_one_repository_leaves_the_others() {
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    for format in FORMATS {
        let (_folder, registry) = over(format, &[("quay.io/one:v1", &image), ("quay.io/two:v1", &image)]);
        let target = format!("/v2/quay.io/one/manifests/{}", image.digest());
        assert_eq!(bare(&registry, Method::Delete, &target).status, 202);
        assert_eq!(get(&registry, "/v2/quay.io/one/manifests/v1").status, 404);
        assert_eq!(
            get(&registry, "/v2/quay.io/two/manifests/v1").body,
            image.root.bytes
        );
    }
}
