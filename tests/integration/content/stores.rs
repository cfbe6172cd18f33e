//! Directories: those that KubeKey wrote, and what the program itself writes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use transload_reference::RawManifest;
use transload_test_support::RealRegistry;
use transload_test_support::image::{Document, Family, Image, samples};
use transload_test_support::kubekey::{self, Generation};

use super::kinds::{all_held, assert_pushed, directory_of, kinds};
use super::{assert_holds, assert_is, folder, held, transload, tree, within};

const ALPINE: &str = "sha256:303733a4714661bbe0a4507fef89ad7921364451ad2c06077d7d40c5bbd1ff71";
const AMD64: &str = "sha256:d347d76e3463371d1468ae66c2703d63af8707a477ba770c835859644de6abd5";
const ARM64: &str = "sha256:8ccdbc1a22a0ff29c89435462b27eb2f67d80990d3103eeb4033dc5649133b58";

/// The folder of the stores that were written by hand after the format's description.
fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../layout-store/tests/data/stores")
}

/// What the golden stores hold, read without any of the program's code for stores: the root, then its children.
fn golden_image(digests: &[&str]) -> Image {
    let store = golden().join("v4.0.5");
    let folder = store.join("registry-1.docker.io/library/alpine/manifests");
    let mut blobs = BTreeMap::new();
    let mut manifests = Vec::new();
    for digest in digests {
        let bytes = fs::read(folder.join(digest)).unwrap();
        let raw = RawManifest::parse(bytes.clone(), None).unwrap();
        for blob in raw.view().blobs() {
            let content = fs::read(store.join(format!("blobs/{}", blob.digest))).unwrap();
            blobs.insert(blob.digest.to_string(), (blob.clone(), content));
        }
        manifests.insert(0, Document::new(bytes, raw.media_type().clone()));
    }
    Image {
        root: manifests[manifests.len() - 1].clone(),
        manifests,
        blobs: blobs.into_values().collect(),
        platform: None,
    }
}

#[test]
fn the_store_of_every_generation_is_listed_pushed_and_copied_byte_for_byte() {
    let (alpine, app, pinned) = (
        golden_image(&[ALPINE, ARM64, AMD64]),
        golden_image(&[AMD64]),
        golden_image(&[ARM64]),
    );
    let (registry, dirs) = (RealRegistry::plain(), folder());
    let app_name = "registry.example.com:5000/team/app:v1";
    let pinned_name = format!("quay.io/team/pinned@{ARM64}");
    for generation in ["v4.0.0", "v4.0.4", "v4.0.5", "documented"] {
        let src = golden().join(generation);
        let src = src.to_str().unwrap();
        let before = tree(src);
        let has_pinned = generation == "v4.0.5";
        let pinned_line = if has_pinned {
            format!("{pinned_name}  {ARM64}\n")
        } else {
            String::new()
        };
        let listed = format!("docker.io/library/alpine:3.19  {ALPINE}\n{pinned_line}{app_name}  {AMD64}\n");
        assert_eq!(
            transload(&["list", src, "--output", "names"], 0).stdout,
            listed,
            "{generation}"
        );

        transload(
            &[
                "push",
                "--src",
                src,
                "--dest",
                &format!("{}/{generation}", registry.host()),
            ],
            0,
        );
        let pushed = |repository: &str, identifier: &str, image: &Image| {
            registry.has_image(&format!("{generation}/{repository}"), identifier, image)
        };
        assert!(pushed("library/alpine", "3.19", &alpine), "{generation}");
        assert!(pushed("team/app", "v1", &app), "{generation}");
        assert_eq!(pushed("team/pinned", ARM64, &pinned), has_pinned, "{generation}");

        let dest = within(&dirs, generation);
        transload(&["copy", "--src", src, "--dest", &dest], 0);
        let mut expected = vec![
            held("docker.io/library/alpine:3.19", &alpine),
            held(app_name, &app),
        ];
        if has_pinned {
            expected.push(held(&pinned_name, &pinned));
        }
        assert_holds(&dest, &expected);
        assert_is(&tree(src), &before);
    }
}

#[test]
fn every_kind_comes_out_of_the_directory_of_every_generation() {
    let (kinds, dirs, registry) = (kinds(), folder(), RealRegistry::plain());
    for (prefix, generation) in ["first", "second", "third"].into_iter().zip(Generation::ALL) {
        let src = within(&dirs, prefix);
        directory_of(&kinds, &src, generation);
        transload(
            &[
                "push",
                "--src",
                &src,
                "--dest",
                &format!("{}/{prefix}", registry.host()),
            ],
            0,
        );
        assert_pushed(&registry, prefix, &kinds, |kind| &kind.image);
        let dest = within(&dirs, &format!("{prefix}-copied"));
        transload(&["copy", "--src", &src, "--dest", &dest], 0);
        assert_holds(&dest, &all_held(&kinds, "hub.local", |kind| &kind.image));
    }
}

#[test]
fn what_is_written_has_exactly_the_documented_tree() {
    let (registry, dirs) = (RealRegistry::plain(), folder());
    let image = samples::multi_platform(Family::Docker, 1);
    let other = samples::single(Family::Oci, "linux/amd64", 1);
    registry.push("library/alpine", "3.19", &image);
    registry.push("team/app", "v1", &other);
    registry.push("team/app", "v2", &other);
    let dir = within(&dirs, "images");
    let app = "registry.example.com:5000/team/app";
    let [v1, v2] = ["v1", "v2"].map(|tag| format!("{app}:{tag}"));
    transload(
        &[
            "pull",
            "--src",
            registry.host(),
            "--dest",
            &dir,
            "alpine:3.19",
            &v1,
            &v2,
        ],
        0,
    );

    let blobs = |image: &Image| -> Vec<String> {
        image
            .blobs
            .iter()
            .map(|(blob, _)| format!("blobs/{}", blob.digest))
            .collect()
    };
    let mut expected = vec![
        ".transload/lock".to_owned(),
        "docker.io/library/alpine/manifests/3.19".to_owned(),
        "docker.io/library/alpine/manifests/layout".to_owned(),
        "registry-1.docker.io".to_owned(),
        format!("{app}/manifests/layout"),
        format!("{app}/manifests/{}", other.digest()),
        format!("{app}/manifests/v1"),
        format!("{app}/manifests/v2"),
    ];
    expected.extend(blobs(&image));
    expected.extend(blobs(&other));
    let digests = image.manifests.iter().map(|document| &document.digest);
    expected.extend(digests.map(|digest| format!("docker.io/library/alpine/manifests/{digest}")));
    expected.sort();
    expected.dedup();
    assert_eq!(tree(&dir).into_keys().collect::<Vec<_>>(), expected);
    let link = fs::read_link(format!("{dir}/registry-1.docker.io")).unwrap();
    assert_eq!(link, Path::new("docker.io"));
    let layout = fs::read_to_string(format!("{dir}/{app}/manifests/layout")).unwrap();
    let digest = other.digest();
    assert_eq!(
        layout,
        format!("{{\n  \"v1\": \"{digest}\",\n  \"v2\": \"{digest}\"\n}}")
    );
    let alpine = held("docker.io/library/alpine:3.19", &image);
    assert_holds(&dir, &[alpine, held(&v1, &other), held(&v2, &other)]);
}

#[test]
fn the_same_images_again_change_nothing() {
    let (registry, dirs) = (RealRegistry::plain(), folder());
    registry.push("team/app", "v1", &samples::multi_platform(Family::Oci, 1));
    let dir = within(&dirs, "images");
    let name = format!("{}/team/app:v1", registry.host());
    let pull = ["pull", "--dest", &dir, &name, "--platform", "linux/amd64"];
    transload(&pull, 0);
    let before = tree(&dir);
    let output = transload(&pull, 0);
    assert!(output.stdout.starts_with("there "), "{}", output.stdout);
    assert_is(&tree(&dir), &before);
}

#[test]
fn a_tag_that_moved_at_the_registry_moves_in_the_directory_and_the_old_image_stays() {
    let (registry, dirs) = (RealRegistry::plain(), folder());
    let dir = within(&dirs, "images");
    let name = format!("{}/team/app:v1", registry.host());
    let [old, new] = [1, 2].map(|seed| samples::multi_platform(Family::Oci, seed));
    for image in [&old, &new] {
        registry.push("team/app", "v1", image);
        transload(&["pull", "--dest", &dir, &name], 0);
    }
    let pinned = format!("{}/team/app@{}", registry.host(), old.digest());
    assert_holds(&dir, &[held(&pinned, &old), held(&name, &new)]);
}

/// A directory with `old` of Docker Hub, as KubeKey writes it, and a registry with `new`.
fn hub(src: &str) -> (RealRegistry, Image, Image) {
    let [old, new] = [1, 2].map(|seed| samples::multi_platform(Family::Docker, seed));
    kubekey::write(
        src.as_ref(),
        "docker.io",
        "library/old",
        "v1",
        &old,
        Generation::Third,
    );
    let registry = RealRegistry::plain();
    registry.push("library/new", "v1", &new);
    (registry, old, new)
}

#[test]
fn kubekeys_own_folder_of_docker_hub_stays_in_use() {
    let dirs = folder();
    let dir = within(&dirs, "images");
    let (registry, old, new) = hub(&dir);
    transload(&["pull", "--src", registry.host(), "--dest", &dir, "new:v1"], 0);
    assert!(!Path::new(&dir).join("docker.io").exists());
    let folder = Path::new(&dir).join("registry-1.docker.io/library/new/manifests");
    assert_eq!(fs::read(folder.join("v1")).unwrap(), new.root.bytes);
    let list = format!(
        "docker.io/library/new:v1  {}\ndocker.io/library/old:v1  {}\n",
        new.digest(),
        old.digest()
    );
    assert_eq!(transload(&["list", &dir, "--output", "names"], 0).stdout, list);
    transload(
        &[
            "push",
            "--src",
            &dir,
            "--dest",
            &format!("{}/all", registry.host()),
        ],
        0,
    );
    assert!(registry.has_image("all/library/new", "v1", &new));
    assert!(registry.has_image("all/library/old", "v1", &old));
}

#[test]
fn what_kubekey_adds_under_its_name_of_docker_hub_is_found() {
    let dirs = folder();
    let (dir, other) = (within(&dirs, "images"), within(&dirs, "kubekey"));
    let (registry, old, new) = hub(&other);
    transload(&["pull", "--src", registry.host(), "--dest", &dir, "new:v1"], 0);
    // Through the symbolic link.
    kubekey::write(
        dir.as_ref(),
        "docker.io",
        "library/old",
        "v1",
        &old,
        Generation::Third,
    );
    let list = format!(
        "docker.io/library/new:v1  {}\ndocker.io/library/old:v1  {}\n",
        new.digest(),
        old.digest()
    );
    assert_eq!(transload(&["list", &dir, "--output", "names"], 0).stdout, list);
}

#[test]
fn a_directory_with_both_folders_of_docker_hub_gives_the_images_of_both() {
    let dirs = folder();
    let src = within(&dirs, "images");
    let (registry, old, new) = hub(&src);
    // The same name in both folders: what came last counts, and the other image is there by its digest.
    let newest = samples::single(Family::Oci, "linux/amd64", 3);
    for (repository, image) in [("library/new", &new), ("library/old", &newest)] {
        kubekey::write(
            src.as_ref(),
            "hub.local",
            repository,
            "v1",
            image,
            Generation::Third,
        );
    }
    fs::rename(format!("{src}/hub.local"), format!("{src}/docker.io")).unwrap();
    let list = format!(
        "docker.io/library/new:v1  {}\ndocker.io/library/old@{older}  {older}\ndocker.io/library/old:v1  {}\n",
        new.digest(),
        newest.digest(),
        older = old.digest()
    );
    assert_eq!(transload(&["list", &src, "--output", "names"], 0).stdout, list);
    transload(
        &[
            "push",
            "--src",
            &src,
            "--dest",
            &format!("{}/all", registry.host()),
        ],
        0,
    );
    assert!(registry.has_image("all/library/new", "v1", &new));
    assert!(registry.has_image("all/library/old", "v1", &newest));
    // By its digest the image of the other folder is there as well.
    let pinned = format!("old@{}", old.digest());
    transload(
        &[
            "push",
            "--src",
            &src,
            "--dest",
            &format!("{}/pinned", registry.host()),
            &pinned,
        ],
        0,
    );
    assert!(registry.has_image("pinned/library/old", old.digest().as_str(), &old));
}
