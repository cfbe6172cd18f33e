//! What is in the way, or damaged.

use super::*;

#[test]
fn a_folder_that_is_removed_while_it_is_in_use_is_told_as_gone_and_not_as_taken() {
    for gone in [".transload", "blobs", ""] {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("images");
        let store = Store::create(&root).unwrap();
        put(&store, b"first");
        fs::remove_dir_all(root.join(gone)).unwrap();
        let Err(error) = store.write_blob(&blob(b"second")) else {
            panic!("without {gone:?} there is nowhere to write");
        };
        assert!(
            error.to_string().contains("No such file or directory"),
            "{gone:?}: {error}"
        );
        assert!(error.hint().unwrap().contains("removed or unmounted"), "{gone:?}");
    }
}

#[test]
fn links_and_pipes_in_a_store_lead_nowhere() {
    let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Store::create(folder.path()).unwrap();
    let repository: Repository = "evil.local/app".parse().unwrap();
    symlink(outside.path(), folder.path().join("evil.local")).unwrap();
    assert!(matches!(
        publish(&store, "evil.local/app", "v1").unwrap_err(),
        Error::Collision { .. }
    ));
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    fs::create_dir_all(outside.path().join("app/manifests")).unwrap();
    fs::write(outside.path().join("app/manifests/v1"), b"{}").unwrap();
    assert_eq!(
        store
            .resolve(&repository, &Identifier::Tag("v1".parse().unwrap()))
            .unwrap(),
        None
    );
    symlink("/etc/passwd", store.blob_path(&Digest::of(b"link"))).unwrap();
    assert!(store.open_blob(&Digest::of(b"link")).is_err());
    assert!(store.has_blob(&blob(b"link")).is_err());
}

#[test]
fn a_damaged_tag_map_is_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    publish(&store, "hub.local/app", "v1").unwrap();
    let layout = folder.path().join("hub.local/app/manifests/layout");
    fs::write(&layout, b"[1]").unwrap();
    let error = publish(&store, "hub.local/app", "v2").unwrap_err();
    assert!(
        error.to_string().contains("should map tags to digests"),
        "{error}"
    );
    assert_eq!(fs::read(&layout).unwrap(), b"[1]");
}

#[test]
fn a_damaged_manifest_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    let manifest = publish(&store, "hub.local/app", "v1").unwrap();
    let repository: Repository = "hub.local/app".parse().unwrap();
    fs::write(
        folder
            .path()
            .join(format!("hub.local/app/manifests/{}", manifest.digest())),
        b"{}",
    )
    .unwrap();
    let error = store.manifest(&repository, manifest.digest()).unwrap_err();
    assert!(error.to_string().contains(manifest.digest().as_str()), "{error}");
    store.put_manifest(&repository, &manifest).unwrap();
    assert!(
        store.manifest(&repository, manifest.digest()).unwrap().is_some(),
        "writing it again mends it"
    );
}

#[test]
fn folders_that_are_no_store_are_told_from_one() {
    for (make, reason) in [
        (
            &["oci-layout", "index.json", "blobs/sha256/x"][..],
            "OCI image layout",
        ),
        (&["docker/registry/v2/x"], "registry's own storage"),
        (&["version", "manifest.json"], "skopeo's dir: format"),
        (&["notes.txt", "photos/cat.jpg"], "isn't empty"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        for name in make {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
        let error = Store::open(folder.path()).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
        assert!(Store::create(folder.path()).is_err());
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(
        Store::open(folder.path()).unwrap().images().unwrap().len() == 0,
        "an empty folder is an empty store"
    );
    let error = Store::open(folder.path().join("absent")).unwrap_err();
    assert!(
        error.to_string().contains("absent") && error.hint().is_some(),
        "{error}"
    );
    let mut tar = [0; 512];
    tar[257..262].copy_from_slice(b"ustar");
    fs::write(folder.path().join("images.tar"), tar).unwrap();
    assert!(
        Store::open(folder.path().join("images.tar"))
            .unwrap_err()
            .to_string()
            .contains("tar archive")
    );
}

#[test]
fn a_folder_that_becomes_a_link_under_way_is_not_written_through() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    put(&store, b"first");
    let partial = folder.path().join(".transload/partial");
    fs::remove_dir(&partial).unwrap();
    symlink(elsewhere.path(), &partial).unwrap();
    let refused = store.write_blob(&blob(b"second")).unwrap_err();
    assert!(matches!(refused, Error::Collision { .. }), "{refused}");
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}
