use std::ffi::OsString;

use transload_layout_store::Format;
use transload_test_support::real::skopeo::{Access, copy, inspect_raw};

use super::Served;

#[test]
fn skopeo_copies_images_to_a_directory_and_back() {
    let image =
        transload_test_support::image::samples::multi_platform(transload_test_support::image::Family::Oci, 1);
    for format in [Format::KubeKey, Format::Oci] {
        let folder = tempfile::tempdir().unwrap();
        let (images, layout) = (folder.path().join("images"), folder.path().join("layout"));
        write_layout(&layout, &image);
        let served = Served::writable(&images, format);
        let source: OsString = format!("oci:{}:v1", layout.display()).into();
        let name = format!("docker://{}/team/app:v1", served.address);
        let access = Access::plain();
        let args = |options: Vec<OsString>, from: &OsString, to: &str| {
            let fixed = ["--all".into(), from.clone(), to.into()];
            options.into_iter().chain(fixed).collect::<Vec<OsString>>()
        };
        copy(&args(access.options("dest-"), &source, &name));
        assert_eq!(inspect_raw(&name, &access), image.root.bytes);
        let back = format!("oci:{}:v1", folder.path().join("back").display());
        copy(&args(access.options("src-"), &name.into(), &back));
        drop(served);
        // Read-only, and by the path alone.
        let served = Served::of(&images);
        let name = format!("docker://{}/team/app:v1", served.address);
        let again = format!("oci:{}:v1", folder.path().join("again").display());
        copy(&args(access.options("src-"), &name.into(), &again));
        let root = folder
            .path()
            .join("again/blobs/sha256")
            .join(image.digest().hex());
        assert_eq!(std::fs::read(root).unwrap(), image.root.bytes);
    }
}

/// Writes an OCI image layout as skopeo reads it.
fn write_layout(path: &std::path::Path, image: &transload_test_support::image::Image) {
    let options = transload_layout_store::OpenOptions::default().format(Format::Oci);
    let store = options.create(path).unwrap();
    for (descriptor, bytes) in &image.blobs {
        if let Some(mut writer) = store.write_blob(descriptor).unwrap() {
            writer.write(bytes).unwrap();
            writer.commit().unwrap();
        }
    }
    let repository = "localhost/app".parse().unwrap();
    for document in &image.manifests {
        let manifest = transload_reference::RawManifest::parse(document.bytes.clone(), None).unwrap();
        store.put_manifest(&repository, &manifest).unwrap();
    }
    store
        .tag(&repository, &"v1".parse().unwrap(), image.digest())
        .unwrap();
}
