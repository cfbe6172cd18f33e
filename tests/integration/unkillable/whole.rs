//! Looks at a store as an independent reader would: with nothing of the program's.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use transload_reference::Digest;

/// The files of a folder, by name; none where there is no such folder.
pub fn files(folder: &Path) -> BTreeMap<String, PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return BTreeMap::new();
    };
    entries
        .map(|entry| entry.expect("a readable folder"))
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .map(|entry| {
            (
                entry.file_name().into_string().expect("plain names"),
                entry.path(),
            )
        })
        .collect()
}

/// The blobs that have their names.
pub fn blobs(store: &Path) -> BTreeMap<String, PathBuf> {
    files(&store.join("blobs"))
}

/// The sizes of partial blobs, in bytes.
pub fn partials(store: &Path) -> BTreeMap<String, u64> {
    let size = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
    let files = files(&store.join(".transload/partial"));
    files
        .into_iter()
        .map(|(name, path)| (name, size(&path)))
        .collect()
}

/// Every folder of manifests.
fn manifest_folders(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
    {
        if entry.file_name() == "manifests" {
            found.push(entry.path());
        } else if entry.file_name() != ".transload" {
            manifest_folders(&entry.path(), found);
        }
    }
}

/// Checks that nothing with a final name is short or wrong, and that every tag leads to all that it needs. Gives the tags, such as
/// `team/app:v1`, without the registry's name.
#[track_caller]
pub fn assert_sound(store: &Path) -> Vec<String> {
    for (name, path) in blobs(store) {
        let bytes = fs::read(&path).expect("a readable blob");
        assert!(
            Digest::of(&bytes).as_str() == name,
            "{name} holds other bytes ({} of them)",
            bytes.len()
        );
    }
    let mut folders = Vec::new();
    manifest_folders(store, &mut folders);
    let mut tags = Vec::new();
    for folder in folders {
        for (name, path) in files(&folder)
            .iter()
            .filter(|(name, _)| name.starts_with("sha256:"))
        {
            let bytes = fs::read(path).expect("a readable manifest");
            assert!(
                Digest::of(&bytes).as_str() == name,
                "{} holds other bytes",
                path.display()
            );
            assert_has_parts(store, &folder, &bytes);
        }
        let Ok(layout) = fs::read(folder.join("layout")) else {
            continue;
        };
        let layout: BTreeMap<String, String> = serde_json::from_slice(&layout).expect("a tag map");
        let repository = folder
            .parent()
            .and_then(|path| path.strip_prefix(store).ok())
            .expect("a path in the store");
        let repository: PathBuf = repository.components().skip(1).collect();
        for (tag, digest) in layout {
            assert!(
                folder.join(&digest).is_file(),
                "{tag} leads to {digest}, which isn't in {}",
                folder.display()
            );
            tags.push(format!("{}:{tag}", repository.display()));
        }
    }
    tags.sort();
    tags
}

/// Checks that a manifest's blobs, or an index's manifests, are there.
#[track_caller]
fn assert_has_parts(store: &Path, folder: &Path, manifest: &[u8]) {
    let manifest: Value = serde_json::from_slice(manifest).expect("a manifest is JSON");
    let digest = |part: &Value| part["digest"].as_str().expect("a digest").to_owned();
    let list = |name: &str| manifest[name].as_array().cloned().unwrap_or_default();
    for child in list("manifests") {
        assert!(
            folder.join(digest(&child)).is_file(),
            "{} lacks {child}",
            folder.display()
        );
    }
    let config = manifest.get("config").cloned();
    for blob in list("layers").iter().chain(&config) {
        assert!(
            store.join("blobs").join(digest(blob)).is_file(),
            "{} lacks {blob}",
            folder.display()
        );
    }
}
