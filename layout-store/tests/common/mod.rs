//! Small blobs, manifests and images, and what a store has of them.
#![allow(dead_code, reason = "each test program uses its part of it")]

use std::fs;
use std::path::Path;

use serde_json::json;
use transload_layout_store::{BlobWriter, Error, Store, StoredImage};
use transload_reference::{Descriptor, Digest, MediaType, RawManifest, Reference, Repository};

pub fn repository(name: &str) -> Repository {
    name.parse().unwrap()
}

/// A blob of this content, written or not.
pub fn blob(content: &[u8]) -> Descriptor {
    Descriptor::new(MediaType::OCI_LAYER, Digest::of(content), content.len() as u64)
}

/// The writer of a blob that isn't there.
pub fn writer(store: &Store, content: &[u8]) -> BlobWriter {
    match store.write_blob(&blob(content)).unwrap() {
        Some(writer) => writer,
        None => panic!("the blob is there"),
    }
}

pub fn try_put(store: &Store, content: &[u8]) -> Result<Descriptor, Error> {
    let blob = blob(content);
    if let Some(mut writer) = store.write_blob(&blob)? {
        writer.write(content)?;
        writer.commit()?;
    }
    Ok(blob)
}

pub fn put(store: &Store, content: &[u8]) -> Descriptor {
    try_put(store, content).unwrap()
}

/// A manifest, in a spelling that no program of ours would choose.
pub fn manifest_of(config: &Descriptor, layers: &[Descriptor]) -> RawManifest {
    let manifest = json!({"schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST.as_str(), "config": config, "layers": layers});
    spelled(&manifest)
}

/// A manifest that refers to another one.
pub fn about(subject: &RawManifest, config: &Descriptor, layers: &[Descriptor]) -> RawManifest {
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST.as_str(), "config": config, "layers": layers, "subject": subject.descriptor(),
    });
    spelled(&manifest)
}

pub fn index_of(children: &[&RawManifest]) -> RawManifest {
    let children: Vec<Descriptor> = children.iter().map(|child| child.descriptor()).collect();
    let index =
        json!({"schemaVersion": 2, "mediaType": MediaType::OCI_INDEX.as_str(), "manifests": children});
    spelled(&index)
}

fn spelled(manifest: &serde_json::Value) -> RawManifest {
    RawManifest::parse(format!(" {manifest:#}\n").into_bytes(), None).unwrap()
}

/// Writes an image of one config, without a name.
pub fn image(store: &Store, repository: &Repository, config: &str) -> RawManifest {
    let manifest = manifest_of(&put(store, config.as_bytes()), &[]);
    store.put_manifest(repository, &manifest).unwrap();
    manifest
}

/// Writes a manifest, and lists it by this name; by its digest, if the name has no tag.
pub fn try_publish(store: &Store, name: &str, manifest: &RawManifest) -> Result<(), Error> {
    let name: Reference = name.parse().unwrap();
    store.sync_blobs()?;
    store.put_manifest(name.repository(), manifest)?;
    match name.tag() {
        Some(tag) => store.tag(name.repository(), tag, manifest.digest()),
        None => store.keep(name.repository(), manifest.digest()),
    }
}

/// Writes an image of one config, and lists it by this name.
pub fn publish(store: &Store, name: &str, config: &str) -> RawManifest {
    let manifest = manifest_of(&put(store, config.as_bytes()), &[]);
    try_publish(store, name, &manifest).unwrap();
    manifest
}

pub fn names(store: &Store) -> Vec<String> {
    names_of(&store.images().unwrap().collect::<Vec<_>>())
}

pub fn names_of(images: &[StoredImage]) -> Vec<String> {
    images.iter().map(|image| image.reference.to_string()).collect()
}

/// The files below a folder, and symbolic links with where they lead, sorted.
pub fn files(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            match fs::read_link(&path) {
                Ok(target) => found.push(format!("{name} -> {}", target.display())),
                Err(_) if path.is_dir() => folders.push(path),
                Err(_) => found.push(name),
            }
        }
    }
    found.sort();
    found
}
