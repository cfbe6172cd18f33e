//! Lists an archive's images with their sizes: `cargo run -p transload-archive --example list_archive FILE`.

use std::collections::HashSet;
use std::error::Error;

use transload_archive::Archive;
use transload_reference::Digest;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: list_archive FILE")?;
    let archive = Archive::open(path)?;
    println!("{}", archive.form());
    for image in archive.images() {
        let mut blobs = HashSet::new();
        let bytes = size(&archive, &image.root.digest, &mut blobs)?;
        let name = match (&image.reference, &image.name) {
            (Some(reference), _) => reference.to_string(),
            (None, Some(name)) => name.clone(),
            (None, None) => image.root.digest.to_string(),
        };
        println!("{name}  {bytes} bytes in {} blobs", blobs.len());
    }
    Ok(())
}

/// The bytes of all blobs below a manifest that weren't counted before.
fn size(archive: &Archive, manifest: &Digest, counted: &mut HashSet<Digest>) -> Result<u64, Box<dyn Error>> {
    // An index whose other platforms were never saved names manifests that aren't here.
    let Some(manifest) = archive.manifest(manifest)? else {
        return Ok(0);
    };
    let mut bytes = 0;
    for blob in manifest.view().blobs() {
        if counted.insert(blob.digest.clone()) {
            bytes += blob.size;
        }
    }
    for child in manifest.view().children() {
        bytes += size(archive, &child.digest, counted)?;
    }
    Ok(bytes)
}
