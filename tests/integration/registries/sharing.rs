//! What images have in common: blobs that a registry takes from another of its repositories, manifests under many tags.

use std::collections::BTreeSet;

use transload_test_support::image::{Family, Image, samples};
use transload_test_support::kubekey::{self, Generation};

use super::help::*;

/// The answers to requests that asked for a mount: repository and status.
fn mounts(site: &Site) -> Vec<(String, u16)> {
    let asked = site.answered("POST").into_iter();
    asked
        .filter(|(target, _)| target.contains("mount=sha256"))
        .map(|(target, status)| {
            let repository = target
                .strip_prefix("/v2/")
                .and_then(|rest| rest.split_once("/blobs/"))
                .unwrap_or_default()
                .0;
            (repository.to_owned(), status)
        })
        .collect()
}

/// How many blobs were uploaded.
fn uploads(site: &Site) -> usize {
    let answered = site.answered("PUT").into_iter();
    answered
        .filter(|(target, status)| target.contains("/blobs/uploads/") && *status == 201)
        .count()
}

fn names(images: &[&Image]) -> BTreeSet<String> {
    let blobs = images.iter().flat_map(|image| &image.blobs);
    blobs.map(|(blob, _)| blob.digest.to_string()).collect()
}

#[test]
fn layers_that_images_share_are_uploaded_once_and_mounted_elsewhere() {
    for shape in [PLAIN, TOKENS] {
        let (registry, folder) = (Site::start(shape), folder());
        let dir = folder.path().join("images");
        let [one, two] = [1, 2].map(|seed| samples::multi_platform(Family::Oci, seed));
        kubekey::write(&dir, "hub.local", "team/one", "v1", &one, Generation::Third);
        kubekey::write(&dir, "hub.local", "team/two", "v1", &two, Generation::Third);
        let mut args = vec!["push".to_owned(), "--src".to_owned(), text(&dir)];
        args.extend(["--dest".to_owned(), registry.host().to_owned()]);
        args.extend(registry.options(&folder.path().join("auths.yaml")));
        let output = transload(args).expect_code(0);

        assert!(registry.has_image("team/one", "v1", &one));
        assert!(registry.has_image("team/two", "v1", &two));
        let shared = names(&[&one]).intersection(&names(&[&two])).count();
        assert!(shared > 0);
        assert_eq!(uploads(&registry), names(&[&one, &two]).len());
        let mounted = mounts(&registry);
        assert_eq!(mounted.len(), shared);
        assert!(mounted.iter().all(|(_, status)| *status == 201), "{mounted:?}");
        let told = told(&output);
        assert!(
            told.contains(&format!("in {shared} blob"))
                && told.contains(" mounted from other repositories\n"),
            "{told}"
        );
    }
}

#[test]
fn the_same_image_in_another_repository_costs_no_upload() {
    let (registry, folder) = (Site::start(TOKENS), folder());
    let dir = folder.path().join("images");
    let image = samples::multi_platform(Family::Docker, 1);
    for repository in ["team/one", "team/two"] {
        kubekey::write(&dir, "hub.local", repository, "v1", &image, Generation::Third);
    }
    let mut args = vec!["push".to_owned(), "--src".to_owned(), text(&dir)];
    args.extend(["--dest".to_owned(), registry.host().to_owned()]);
    args.extend(registry.options(&folder.path().join("auths.yaml")));
    let output = transload(args).expect_code(0);
    for repository in ["team/one", "team/two"] {
        assert!(registry.has_image(repository, "v1", &image), "{repository}");
    }
    let blobs = amount(&sizes(&image));
    assert_eq!(
        told(&output),
        format!(
            "push: 2 images\npush: 2 images: 2 copied\n  moved {blobs} from {}\n  {blobs} mounted from other repositories\n",
            text(&dir)
        )
    );
    assert_eq!(
        (uploads(&registry), mounts(&registry).len()),
        (image.blobs.len(), image.blobs.len())
    );
}

#[test]
fn a_registry_copies_to_itself_by_mounts_alone() {
    let (registry, folder) = (Site::with_images(PLAIN, "team/app"), folder());
    let writes = registry.writes();
    let name = registry.references("team/app").remove(0);
    let mut args = vec!["copy".to_owned(), name];
    args.extend(["--dest".to_owned(), format!("{}/copied", registry.host())]);
    args.extend(registry.options(&folder.path().join("auths.yaml")));
    let output = transload(args).expect_code(0);
    let [(tag, image), _] = images();
    assert!(registry.has_image("copied/team/app", tag, &image));
    let blobs = amount(&sizes(&image));
    assert_eq!(
        told(&output),
        format!("copy: 1 image\ncopy: 1 image: 1 copied\n  {blobs} mounted from other repositories\n")
    );
    assert_eq!(
        mounts(&registry),
        vec![("copied/team/app".to_owned(), 201); image.blobs.len()]
    );
    assert_eq!(
        registry.writes() - writes,
        image.blobs.len() + image.manifests.len()
    );
}

#[test]
fn an_image_under_many_tags_is_written_once_and_tagged_often() {
    let (registry, folder) = (Site::start(PLAIN), folder());
    let dir = folder.path().join("images");
    let image = samples::multi_platform(Family::Oci, 1);
    let tags: Vec<String> = (0..16).map(|number| format!("v{number}")).collect();
    for tag in &tags {
        kubekey::write(&dir, "hub.local", "team/app", tag, &image, Generation::Third);
    }
    transload(["push", "--src", &text(&dir), "--dest", registry.host()]).expect_code(0);
    for tag in &tags {
        assert_eq!(
            registry.manifest("team/app", tag).as_ref(),
            Some(&image.root),
            "{tag}"
        );
    }
    assert!(registry.has_image("team/app", "v0", &image));
    let puts = registry.answered("PUT").into_iter();
    let manifests = puts.filter(|(target, _)| target.contains("/manifests/"));
    assert_eq!(manifests.count(), tags.len() + image.manifests.len() - 1);
    assert_eq!(uploads(&registry), image.blobs.len());
}
