//! Lists a directory's images with their sizes: `cargo run -p transload-layout-store --example list_store DIR`.

use std::collections::HashSet;
use std::error::Error;

use transload_layout_store::Store;
use transload_reference::{Digest, RawManifest, Repository};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: list_store DIR")?;
    let store = Store::open(path)?;
    for image in store.images()? {
        let repository = image.reference.repository();
        let mut blobs = HashSet::new();
        let bytes = match store.manifest(repository, &image.digest)? {
            Some(root) => size(&store, repository, &root, &mut blobs)?,
            None => 0,
        };
        println!("{}  {bytes} bytes in {} blobs", image.reference, blobs.len());
    }
    Ok(())
}

/// The bytes of all blobs below a manifest that weren't counted before.
fn size(
    store: &Store,
    repository: &Repository,
    manifest: &RawManifest,
    counted: &mut HashSet<Digest>,
) -> Result<u64, Box<dyn Error>> {
    let mut bytes = 0;
    for blob in manifest.view().blobs() {
        if counted.insert(blob.digest.clone()) {
            bytes += blob.size;
        }
    }
    for child in manifest.view().children() {
        // An index whose other platforms were never pulled names manifests that aren't here.
        if let Some(child) = store.manifest(repository, &child.digest)? {
            bytes += size(store, repository, &child, counted)?;
        }
    }
    Ok(bytes)
}
