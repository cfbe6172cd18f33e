//! Names that are also names of the format: each comes back, or is refused and nothing is lost.

use transload_test_support::ScriptedRegistry;
use transload_test_support::image::{Family, Image, samples};

use super::{assert_is, folder, transload, tree, within};

fn image(seed: usize) -> Image {
    samples::single(Family::Oci, "linux/amd64", seed as u64)
}

/// The repository and the tag of a name.
fn split(name: &str) -> (&str, &str) {
    let (_, path) = name.split_once('/').unwrap();
    path.rsplit_once(':').unwrap()
}

/// A registry that has each name's image in the repository of that name.
fn mirror(names: &[&str]) -> ScriptedRegistry {
    let registry = ScriptedRegistry::start();
    for (seed, name) in names.iter().enumerate() {
        let (repository, tag) = split(name);
        registry.put_image(repository, tag, &image(seed));
    }
    registry
}

/// Pulls each name by itself and pushes everything; checks that all comes back.
#[track_caller]
fn assert_come_back(names: &[&str]) {
    let (from, to, dirs) = (mirror(names), ScriptedRegistry::start(), folder());
    let dir = within(&dirs, "images");
    for name in names {
        transload(&["pull", "--src", from.host(), "--dest", &dir, name], 0);
    }
    let mut listed: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(seed, name)| format!("{name}  {}\n", image(seed).digest()))
        .collect();
    listed.sort();
    let list = transload(&["list", &dir, "--output", "names"], 0).stdout;
    let mut found: Vec<String> = list.split_inclusive('\n').map(str::to_owned).collect();
    found.sort();
    assert_eq!(found, listed);
    transload(&["push", "--src", &dir, "--dest", to.host()], 0);
    for (seed, name) in names.iter().enumerate() {
        let (repository, tag) = split(name);
        assert!(to.has_image(repository, tag, &image(seed)), "{name}");
    }
}

#[test]
fn names_of_the_format_come_back() {
    assert_come_back(&[
        "hub.local/a:layout",
        "hub.local/a:v1",
        "hub.local/a:blobs",
        "hub.local/a:manifests",
        "hub.local/manifests:v1",
        "hub.local/blobs:blobs",
        "hub.local/layout:layout",
        "hub.local/b/manifests:v1",
        "hub.local/b/manifests/manifests:manifests",
        "hub.local/b/manifests/layout/x:v1",
        "blobs:5000/app:v1",
        "manifests:5000/manifests/manifests:v1",
        "docker.io/blobs/blobs:v1",
        "docker.io/library/manifests:layout",
        "registry-1.docker.io:5000/c:v1",
    ]);
}

#[test]
fn a_tag_whose_file_is_a_folder_already_comes_back() {
    assert_come_back(&["hub.local/a/manifests/v1:x", "hub.local/a:v1"]);
}

/// Pulls `first`; then `second`, whose place is taken, is refused, and the first stays.
#[track_caller]
fn assert_refused(first: &str, second: &str, name: &str, place: &str) {
    let (from, to, dirs) = (mirror(&[first, second]), ScriptedRegistry::start(), folder());
    let dir = within(&dirs, "images");
    transload(&["pull", "--src", from.host(), "--dest", &dir, first], 0);
    let before = tree(&dir);
    let output = transload(&["pull", "--src", from.host(), "--dest", &dir, second], 1);
    let (repository, tag) = split(second);
    let failure = format!(
        "failed   {}/{repository}:{tag} -> {} in {dir}\n         destination: {name} has no place in the directory: {dir}/{place}\n",
        from.host(),
        second
    );
    assert_eq!(output.stdout, failure);
    assert!(
        output
            .stderr
            .contains("\n  hint: put this image into a directory of its own\n"),
        "{}",
        output.stderr
    );
    assert_is(&tree(&dir), &before);
    transload(&["push", "--src", &dir, "--dest", to.host()], 0);
    let (repository, tag) = split(first);
    assert!(to.has_image(repository, tag, &image(0)));
}

#[test]
fn a_repository_whose_folder_is_a_file_already_is_refused() {
    assert_refused(
        "hub.local/a:v1",
        "hub.local/a/manifests/v1:x",
        "hub.local/a/manifests/v1",
        "hub.local/a/manifests/v1 is a file that the format needs there",
    );
}

#[test]
fn a_repository_whose_folder_is_the_tag_map_of_another_is_refused() {
    assert_refused(
        "hub.local/a:layout",
        "hub.local/a/manifests/layout:x",
        "hub.local/a/manifests/layout",
        "hub.local/a/manifests/layout is a file that the format needs there",
    );
}

#[test]
fn a_repository_whose_tag_map_is_a_folder_already_is_refused() {
    assert_refused(
        "hub.local/a/manifests/layout:x",
        "hub.local/a:v1",
        "hub.local/a",
        "hub.local/a/manifests/layout is another repository's folder",
    );
}

#[test]
fn a_registry_that_is_called_as_the_folder_of_blobs_is_refused() {
    assert_refused(
        "hub.local/a:v1",
        "BLOBS/b:v1",
        "the registry blobs",
        "blobs is where the format keeps all blobs",
    );
}
