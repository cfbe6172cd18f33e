//! Whether a tool has done its work: the same digests are at the destination.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use transload_reference::{Algorithm, Descriptor, Digest, Hasher, MediaType};
use transload_test_support::RealRegistry;

use crate::set::{Image, Set, TAG};
use crate::told::{Result, Told};
use crate::tool::Tool;

/// Checks that a directory has every manifest and blob of a set; with `deep`, that its bytes are right, too.
pub fn directory(tool: Tool, dir: &Path, set: &Set, deep: bool) -> Result<()> {
    for (n, image) in set.images.iter().enumerate() {
        let wrong = |error: String| format!("{}: {}: {error}", tool.name(), image.repository);
        for blob in kept(tool, image) {
            let file = tool.blob_file(dir, n, blob.digest.hex());
            check_file(&file, blob, deep).map_err(wrong)?;
        }
        if tool.is_transload() {
            store_manifests(dir, image).map_err(wrong)?;
        }
    }
    Ok(())
}

/// What is in the folder of blobs.
fn kept(tool: Tool, image: &Image) -> Vec<&Descriptor> {
    let rewritten = tool == Tool::Skopeo && image.root.media_type == MediaType::DOCKER_LIST;
    let layers = image.children.iter().flat_map(|child| &child.layers);
    if rewritten {
        return layers.collect();
    }
    let all = layers.chain(image.children.iter().map(|child| &child.config));
    if tool.is_transload() {
        return all.collect();
    }
    let manifests = image.children.iter().map(|child| &child.manifest);
    all.chain(manifests).chain([&image.root]).collect()
}

/// Checks that a store has an image's manifests, and its tag stands for the index.
fn store_manifests(dir: &Path, image: &Image) -> Result<()> {
    // The folder of a registry's host is the only one beside the store's own.
    let hosts = fs::read_dir(dir).told(dir.display())?;
    let folder = hosts
        .filter_map(|entry| Some(entry.ok()?.path().join(&image.repository).join("manifests")))
        .find(|folder| folder.is_dir())
        .ok_or("no folder of manifests")?;
    let tagged = fs::read(folder.join(TAG)).told(folder.display())?;
    if Digest::of(&tagged) != image.root.digest {
        return Err(format!("{TAG} isn't {}", image.root.digest));
    }
    image.children.iter().try_for_each(|child| {
        let file = folder.join(child.manifest.digest.as_str());
        check_file(&file, &child.manifest, true)
    })
}

fn check_file(file: &Path, expected: &Descriptor, deep: bool) -> Result<()> {
    let size = fs::metadata(file).told(file.display())?.len();
    if size != expected.size {
        return Err(format!(
            "{}: {size} bytes instead of {}",
            file.display(),
            expected.size
        ));
    }
    if deep && digest(file).told(file.display())? != expected.digest {
        return Err(format!("{}: other bytes than its name says", file.display()));
    }
    Ok(())
}

fn digest(file: &Path) -> io::Result<Digest> {
    let mut file = fs::File::open(file)?;
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// Checks that a registry has every image of a set. It refuses manifests whose blobs it hasn't, and checks their digests itself.
pub fn registry(tool: Tool, registry: &RealRegistry, set: &Set) -> Result<()> {
    for image in &set.images {
        let found = registry.manifest(&image.repository, TAG);
        let found = found.ok_or_else(|| format!("{}: no {}", tool.name(), image.repository))?;
        let rewritten = tool == Tool::Skopeo && image.root.media_type == MediaType::DOCKER_LIST;
        if !rewritten && found.digest != image.root.digest {
            return Err(format!(
                "{}: {} is {}",
                tool.name(),
                image.repository,
                found.digest
            ));
        }
        for child in image.children.iter().filter(|_| !rewritten) {
            let identifier = child.manifest.digest.as_str();
            if registry.manifest(&image.repository, identifier).is_none() {
                return Err(format!(
                    "{}: {} lacks {identifier}",
                    tool.name(),
                    image.repository
                ));
            }
        }
    }
    Ok(())
}
