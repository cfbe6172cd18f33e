//! Whether an archive is whole: every image, down to every byte.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;
use transload_layout_store::Flaw;
use transload_policy::ImagePattern;
use transload_reference::{
    Descriptor, Digest, Reference, Repository, Verifier, VerifyError, VerifyingReader,
};

use super::verify::{Finding, Health, Look, Thing};
use crate::Fault;
use crate::inventory::Parts;
use crate::place::{CHUNK, Source};

/// Reads all blobs of the images of a place on a disk that match, each once. `path` is said of what is wrong.
///
/// # Errors
/// Where the images can't be listed.
pub fn check(
    source: &dyn Source,
    path: &Path,
    pattern: Option<&ImagePattern>,
    pool: &rayon::ThreadPool,
    cancel: &AtomicBool,
    told: &(dyn Fn(Look) + Sync),
) -> Result<Health, Fault> {
    let mut images = source.listing()?.images;
    images.retain(|image| ImagePattern::takes(pattern, &image.reference));
    let mut health = Health {
        images: images.len(),
        ..Health::default()
    };
    let mut blobs: BTreeMap<(Digest, u64), Needed> = BTreeMap::new();
    let mut manifests = BTreeSet::new();
    let missing = |repository: &Repository, digest: Digest, image: &Reference, flaw: Flaw| Finding {
        thing: Thing::Manifest(repository.clone(), digest),
        path: path.to_owned(),
        flaw,
        images: vec![image.clone()],
    };
    for image in &images {
        let repository = image.reference.repository();
        let parts = match Parts::of(source, repository, &image.digest) {
            Ok(parts) => parts,
            Err(fault) => {
                let flaw = Flaw::Damaged(fault.text());
                let finding = missing(repository, image.digest.clone(), &image.reference, flaw);
                health.findings.push(finding);
                continue;
            }
        };
        manifests.extend(parts.root.iter().map(|root| root.digest().clone()));
        manifests.extend(parts.children.iter().map(|child| child.digest.clone()));
        for digest in parts.missing {
            let finding = missing(repository, digest, &image.reference, Flaw::Missing);
            health.findings.push(finding);
        }
        for blob in parts.blobs.into_values() {
            let needed = blobs
                .entry((blob.digest.clone(), blob.size))
                .or_insert_with(|| Needed {
                    blob,
                    repository: repository.clone(),
                    images: Vec::new(),
                });
            needed.images.push(image.reference.clone());
        }
    }
    health.manifests = manifests.len();
    health.blobs = blobs.len();
    health.bytes = blobs.keys().map(|(_, size)| size).sum();
    told(Look::Total {
        images: health.images,
        bytes: health.bytes,
    });
    let blobs: Vec<Needed> = blobs.into_values().collect();
    let found: Vec<Option<Flaw>> = pool.install(|| {
        let blobs = blobs.par_iter();
        blobs.map(|needed| read(source, needed, cancel, told)).collect()
    });
    for (needed, flaw) in blobs.into_iter().zip(found) {
        health.findings.extend(flaw.map(|flaw| Finding {
            thing: Thing::Blob(Box::new(needed.blob)),
            path: path.to_owned(),
            flaw,
            images: needed.images,
        }));
    }
    health.stopped = cancel.load(Ordering::Relaxed);
    Ok(health)
}

/// A blob that images need.
struct Needed {
    blob: Descriptor,
    repository: Repository,
    images: Vec<Reference>,
}

/// What is wrong with a blob; nothing where the reading was stopped.
fn read(
    source: &dyn Source,
    needed: &Needed,
    cancel: &AtomicBool,
    told: &(dyn Fn(Look) + Sync),
) -> Option<Flaw> {
    if matches!(source.has_blob(&needed.repository, &needed.blob), Ok(false)) {
        told(Look::Read(needed.blob.size));
        return Some(Flaw::Missing);
    }
    let bytes = match source.open_blob(&needed.repository, &needed.blob, 0) {
        Ok(bytes) => bytes,
        Err(fault) => return Some(Flaw::Damaged(fault.text())),
    };
    let mut bytes = VerifyingReader::new(bytes, Verifier::of(&needed.blob));
    let mut chunk = vec![0; CHUNK];
    loop {
        if cancel.load(Ordering::Relaxed) {
            return None;
        }
        match bytes.read(&mut chunk) {
            Ok(0) => return None,
            Ok(count) => told(Look::Read(count as u64)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Some(flaw(error)),
        }
    }
}

fn flaw(error: io::Error) -> Flaw {
    match error.downcast::<VerifyError>() {
        Ok(_) => Flaw::Corrupt,
        Err(error) => Flaw::Damaged(crate::place::read_fault(error).text()),
    }
}
