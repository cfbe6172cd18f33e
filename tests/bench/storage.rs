//! What a registry keeps on disk, written without one: the registries that images are pulled from serve gigabytes, which would
//! only take time and memory to be pushed.

use std::fs;
use std::path::Path;

use transload_reference::{Descriptor, Digest};

use crate::set::{Set, TAG};
use crate::told::{Result, Told};

/// Writes the folder that docker-registry would have after a set was pushed to it. Blobs are hard links to the set's.
pub fn write(storage: &Path, set: &Set) -> Result<()> {
    let root = storage.join("docker/registry/v2");
    let put = |blob: &Descriptor| -> Result<()> {
        let hex = blob.digest.hex();
        let folder = root.join("blobs/sha256").join(&hex[..2]).join(hex);
        if folder.exists() {
            return Ok(());
        }
        fs::create_dir_all(&folder).told(folder.display())?;
        fs::hard_link(set.file(&blob.digest), folder.join("data")).told(folder.display())
    };
    for image in &set.images {
        let repository = root.join("repositories").join(&image.repository);
        for child in &image.children {
            for blob in child.layers.iter().chain([&child.config]) {
                put(blob)?;
                link(
                    &repository.join("_layers/sha256").join(blob.digest.hex()),
                    &blob.digest,
                )?;
            }
        }
        let manifests = repository.join("_manifests");
        for manifest in image
            .children
            .iter()
            .map(|child| &child.manifest)
            .chain([&image.root])
        {
            put(manifest)?;
            let revision = manifests.join("revisions/sha256").join(manifest.digest.hex());
            link(&revision, &manifest.digest)?;
        }
        let tag = manifests.join("tags").join(TAG);
        link(&tag.join("current"), &image.root.digest)?;
        link(
            &tag.join("index/sha256").join(image.root.digest.hex()),
            &image.root.digest,
        )?;
    }
    Ok(())
}

fn link(folder: &Path, to: &Digest) -> Result<()> {
    fs::create_dir_all(folder).told(folder.display())?;
    let file = folder.join("link");
    fs::write(&file, to.as_str()).told(file.display())
}
