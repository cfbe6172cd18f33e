//! A second run: it asks what is there, and moves nothing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use transload_test_support::ScriptedRegistry;
use transload_test_support::scripted::Request;

use super::help::*;

/// Two registries, the first with images, and a folder.
struct Places {
    first: ScriptedRegistry,
    second: ScriptedRegistry,
    folder: TempDir,
}

impl Places {
    fn new() -> Places {
        let (first, second) = (ScriptedRegistry::start(), ScriptedRegistry::start());
        for (tag, image) in images() {
            first.put_image("team/app", tag, &image);
        }
        let folder = folder();
        Places {
            first,
            second,
            folder,
        }
    }

    fn dir(&self, name: &str) -> String {
        text(self.folder.path().join(name))
    }

    fn names(&self) -> [String; 2] {
        images().map(|(tag, _)| format!("{}/team/app:{tag}", self.first.host()))
    }

    /// Runs a command that moves both images.
    fn run(&self, args: &[&str]) {
        let told = told(&transload(args).expect_code(0));
        assert!(told.contains(": 2 images: 2 copied\n"), "{told}");
    }

    /// Runs a command that has nothing to move, and checks that it says so. Gives what it asked of the registries.
    fn run_again(&self, args: &[&str]) -> [Vec<Request>; 2] {
        self.first.log().clear();
        self.second.log().clear();
        let told = told(&transload(args).expect_code(0));
        let command = args[0];
        let expected = format!("{command}: 2 images\n{command}: 2 images: 2 there already\n");
        assert!(told.starts_with(&expected) && !told.contains("moved"), "{told}");
        [&self.first, &self.second].map(|registry| registry.log().requests())
    }
}

/// Checks that requests only look at manifests, and at a sample of blobs.
#[track_caller]
fn assert_harmless(requests: &[Request]) {
    for request in requests {
        let is_look = request.is("HEAD", "/manifests/")
            || request.is("GET", "/manifests/")
            || request.is("HEAD", "/blobs/");
        assert!(is_look, "{} {}", request.method, request.path);
    }
    let blobs = requests.iter().filter(|request| request.is("HEAD", "/blobs/"));
    assert!(blobs.count() <= 16);
}

/// The files of a directory, with what changes where one is written anew.
fn stamps(dir: &Path) -> BTreeMap<PathBuf, (u64, i64, i64)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).expect("a readable folder") {
        let path = entry.expect("a readable folder").path();
        let metadata = path.symlink_metadata().expect("a readable folder");
        if metadata.is_dir() {
            found.extend(stamps(&path));
        } else {
            found.insert(path, (metadata.ino(), metadata.mtime(), metadata.mtime_nsec()));
        }
    }
    found
}

#[test]
fn a_second_pull_asks_for_each_tag_once_and_writes_nothing() {
    let places = Places::new();
    let (dir, [one, two]) = (places.dir("images"), places.names());
    let args = ["pull", "--dest", &dir, &one, &two];
    places.run(&args);
    let before = stamps(dir.as_ref());
    let [asked, _] = places.run_again(&args);
    let mut asked: Vec<(String, String)> = asked
        .into_iter()
        .map(|request| (request.method, request.path))
        .collect();
    asked.sort();
    let look = |tag: &str| ("HEAD".to_owned(), format!("/v2/team/app/manifests/{tag}"));
    assert_eq!(asked, [look("docker"), look("oci")]);
    assert_eq!(stamps(dir.as_ref()), before);
}

#[test]
fn a_second_pull_of_images_that_are_pinned_by_digest_asks_for_nothing() {
    let places = Places::new();
    let dir = places.dir("images");
    let [one, two] =
        images().map(|(_, image)| format!("{}/team/app@{}", places.first.host(), image.digest()));
    let args = ["pull", "--dest", &dir, &one, &two];
    places.run(&args);
    let [asked, _] = places.run_again(&args);
    assert!(asked.is_empty(), "{asked:?}");
}

#[test]
fn a_second_push_sends_nothing() {
    let places = Places::new();
    let (dir, [one, two]) = (places.dir("images"), places.names());
    places.run(&["pull", "--dest", &dir, &one, &two]);
    let args = ["push", "--src", &dir, "--dest", places.second.host()];
    places.run(&args);
    let [_, asked] = places.run_again(&args);
    assert_harmless(&asked);
}

#[test]
fn a_second_copy_between_registries_fetches_and_sends_nothing() {
    let places = Places::new();
    let [one, two] = places.names();
    let args = ["copy", "--dest", places.second.host(), &one, &two];
    places.run(&args);
    for asked in places.run_again(&args) {
        assert!(!asked.is_empty());
        assert_harmless(&asked);
    }
}

#[test]
fn a_second_copy_between_directories_writes_nothing() {
    let places = Places::new();
    let (from, to, [one, two]) = (places.dir("from"), places.dir("to"), places.names());
    places.run(&["pull", "--dest", &from, &one, &two]);
    let args = ["copy", "--src", &from, "--dest", &to];
    places.run(&args);
    let before = [stamps(from.as_ref()), stamps(to.as_ref())];
    places.run_again(&args);
    assert_eq!([stamps(from.as_ref()), stamps(to.as_ref())], before);
}

#[test]
fn a_second_push_to_a_real_registry_sends_nothing() {
    for shape in [PRIVATE_CA, TOKENS] {
        let (registry, folder) = (Site::with_images(shape, "team/app"), folder());
        let (dir, auths) = (
            text(folder.path().join("images")),
            folder.path().join("auths.yaml"),
        );
        let mut pull = vec!["pull".to_owned(), "--src".to_owned(), registry.host().to_owned()];
        pull.extend(["--dest".to_owned(), dir.clone()]);
        pull.extend(registry.references("team/app"));
        pull.extend(registry.options(&auths));
        transload(pull).expect_code(0);
        let mut push = vec!["push".to_owned(), "--src".to_owned(), dir];
        push.extend(["--dest".to_owned(), format!("{}/again", registry.host())]);
        push.extend(registry.options(&auths));
        transload(&push).expect_code(0);
        let writes = registry.writes();
        let told = told(&transload(&push).expect_code(0));
        assert!(told.contains("push: 2 images: 2 there already\n"), "{told}");
        assert_eq!(registry.writes(), writes);
        assert_pushed(&registry, "again/team/app", &images());
    }
}
