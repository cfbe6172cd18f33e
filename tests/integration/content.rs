//! Every kind of content, through stores and registries.

mod copies;
mod documented;
mod failures;
mod foreign;
mod kinds;
mod names;
mod platforms;
mod playbooks;
mod policies;
mod roles;
mod stores;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use tempfile::TempDir;
use transload_reference::{RawManifest, Reference};
use transload_test_support::image::{Document, Image};
use transload_test_support::{Output, Transload};

/// The program with these arguments, run to its end, which must have this exit status.
#[track_caller]
fn transload(args: &[&str], code: i32) -> Output {
    Transload::new().args(args).run().expect_code(code)
}

/// `transload run` with a task file of this text, and its exit status.
#[track_caller]
fn run_tasks(tasks: &str, more: &[&str], code: i32) -> Output {
    Transload::new()
        .args(["run", "-"])
        .args(more)
        .stdin(tasks)
        .run()
        .expect_code(code)
}

/// What the program said of each image: its line, and those below it that go on about it.
fn outcomes(output: &Output) -> BTreeSet<String> {
    let mut outcomes: Vec<String> = Vec::new();
    for line in output.stdout.lines() {
        match outcomes.last_mut() {
            Some(outcome) if line.starts_with(' ') => {
                outcome.push('\n');
                outcome.push_str(line);
            }
            _ => outcomes.push(without_size_and_time(line)),
        }
    }
    outcomes.into_iter().collect()
}

/// An image's line without what follows its digest and platforms: how large it is, and how long it took.
fn without_size_and_time(line: &str) -> String {
    let is_whole = ["copied ", "there "].iter().any(|mark| line.starts_with(mark));
    let parts: Vec<&str> = line.split("  ").collect();
    match parts.len().checked_sub(2) {
        Some(kept) if is_whole => parts[..kept].join("  "),
        _ => line.to_owned(),
    }
}

/// A folder that is removed with everything in it at the end of the test.
fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// The path of a name in a folder.
fn within(folder: &TempDir, name: &str) -> String {
    let path = folder.path().join(name);
    path.to_str()
        .expect("temporary folders have plain names")
        .to_owned()
}

/// An image under the name that a store has it by.
struct Held<'a> {
    name: String,
    image: &'a Image,
}

fn held<'a>(name: impl Into<String>, image: &'a Image) -> Held<'a> {
    Held {
        name: name.into(),
        image,
    }
}

/// What a path of a directory is.
#[derive(PartialEq, Eq)]
pub enum Entry {
    File(Vec<u8>),
    Link(String),
}

/// The files and symbolic links of a directory, by their paths in it.
pub fn tree(dir: &str) -> BTreeMap<String, Entry> {
    let root = Path::new(dir);
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("a readable folder").path();
            let name = path.strip_prefix(root).expect("a path below the root");
            let name = name.to_str().expect("the format's names are text").to_owned();
            if let Ok(target) = fs::read_link(&path) {
                found.insert(name, Entry::Link(target.to_string_lossy().into_owned()));
            } else if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(name, Entry::File(fs::read(&path).expect("a readable file")));
            }
        }
    }
    found
}

/// The whole tree that the format asks for where a store holds these images and nothing else.
fn documented_tree(images: &[Held<'_>]) -> BTreeMap<String, Entry> {
    let mut tree = BTreeMap::new();
    let mut layouts: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for Held { name, image } in images {
        let reference: Reference = name.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        let repository = reference.repository();
        let folder = format!("{repository}/manifests");
        for (descriptor, bytes) in &image.blobs {
            tree.insert(format!("blobs/{}", descriptor.digest), Entry::File(bytes.clone()));
        }
        for document in &image.manifests {
            let path = format!("{folder}/{}", document.digest);
            tree.insert(path, Entry::File(document.bytes.clone()));
            if let Some(note) = note_of_left_out(image, document) {
                let path = format!(".transload/sparse/{repository}/{}", document.digest);
                tree.insert(path, Entry::File(note));
            }
        }
        if repository.registry().is_docker_hub() {
            let link = Entry::Link("docker.io".to_owned());
            tree.insert("registry-1.docker.io".to_owned(), link);
        }
        if let Some(tag) = reference.tag() {
            let root = Entry::File(image.root.bytes.clone());
            tree.insert(format!("{folder}/{tag}"), root);
            let layout = layouts.entry(folder).or_default();
            layout.insert(tag.to_string(), image.digest().to_string());
            tree.insert(".transload/lock".to_owned(), Entry::File(Vec::new()));
        }
    }
    for (folder, tags) in layouts {
        let bytes = serde_json::to_vec_pretty(&tags).expect("strings are writable as JSON");
        tree.insert(format!("{folder}/layout"), Entry::File(bytes));
    }
    tree
}

/// What a store keeps of the manifests that an index names and that its image lacks.
fn note_of_left_out(image: &Image, index: &Document) -> Option<Vec<u8>> {
    let raw = RawManifest::parse(index.bytes.clone(), Some(index.media_type.as_str())).ok()?;
    let children = raw.view().children().iter().map(|child| &child.digest);
    let mut missing: Vec<String> = children
        .filter(|child| image.manifest(child).is_none())
        .map(ToString::to_string)
        .collect();
    missing.sort();
    (!missing.is_empty()).then(|| serde_json::to_vec_pretty(&missing).expect("strings are writable as JSON"))
}

/// Checks that a directory has these images as the format asks for, byte for byte, and no other file.
#[track_caller]
fn assert_holds(dir: &str, images: &[Held<'_>]) {
    assert_is(&tree(dir), &documented_tree(images));
}

#[track_caller]
pub fn assert_is(found: &BTreeMap<String, Entry>, expected: &BTreeMap<String, Entry>) {
    let names = |tree: &BTreeMap<String, Entry>| tree.keys().cloned().collect::<Vec<_>>().join("\n");
    assert_eq!(names(found), names(expected));
    for (name, entry) in found {
        assert!(*entry == expected[name], "{name} has other content");
    }
}
