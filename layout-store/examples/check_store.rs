//! Reads every byte of a directory's images: `cargo run -p transload-layout-store --example check_store DIR`.

use std::collections::HashSet;
use std::error::Error;

use transload_layout_store::{Store, Verdict};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: check_store DIR")?;
    let store = Store::open(path)?;
    let listing = store.listing()?;
    for damage in &listing.damage {
        println!("{}: {}", damage.path.display(), damage.error);
    }
    let mut checked = HashSet::new();
    for image in &listing.images {
        let repository = image.reference.repository();
        let mut waiting = vec![image.digest.clone()];
        while let Some(digest) = waiting.pop() {
            if !checked.insert((repository.clone(), digest.clone())) {
                continue;
            }
            let manifest = match store.manifest(repository, &digest) {
                Ok(Some(manifest)) => manifest,
                Ok(None) => {
                    println!("{}: the manifest {digest} is missing", image.reference);
                    continue;
                }
                Err(error) => {
                    println!("{}: {error}", image.reference);
                    continue;
                }
            };
            let left_out = store.left_out(repository, &digest);
            let children = manifest
                .view()
                .children()
                .iter()
                .map(|child| child.digest.clone());
            waiting.extend(children.filter(|child| !left_out.contains(child)));
            for blob in manifest.view().blobs() {
                if let Verdict::Flawed(flaw) = store.verify_blob(blob, |_| true) {
                    println!("{}: the blob {} {flaw}", image.reference, blob.digest);
                }
            }
        }
    }
    println!("{} images, {} manifests", listing.images.len(), checked.len());
    Ok(())
}
