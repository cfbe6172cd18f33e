//! What an image consists of, as its manifests tell.

use std::collections::{BTreeMap, HashSet};

use transload_reference::{Descriptor, Digest, RawManifest, Repository};

use crate::{Fault, Side, Source};

/// How many manifests an image may have. Real ones have tens.
const MAX_MANIFESTS: usize = 4096;

/// An image's parts.
#[derive(Debug, Default)]
pub struct Parts {
    /// Its blobs, foreign layers excepted: nobody hands those on.
    pub blobs: BTreeMap<Digest, Descriptor>,
    /// Manifests that should be there and aren't.
    pub missing: Vec<Digest>,
    /// The manifest or index that its name stands for.
    pub root: Option<RawManifest>,
    /// The descriptors of the manifests below it that are there, as their parents have them.
    pub children: Vec<Descriptor>,
}

impl Parts {
    /// The sum of its blobs, in bytes.
    pub fn bytes(&self) -> u64 {
        self.blobs.values().map(|blob| blob.size).sum()
    }

    /// The digests of its manifests that are there.
    pub(super) fn digests(&self) -> Vec<Digest> {
        let children = self.children.iter().map(|child| child.digest.clone());
        let root = self.root.iter().map(|root| root.digest().clone());
        children.chain(root).collect()
    }

    /// Of an image of any place.
    ///
    /// # Errors
    /// Where a manifest can't be read or is damaged.
    pub(crate) fn of(source: &dyn Source, repository: &Repository, digest: &Digest) -> Result<Parts, Fault> {
        let mut parts = Parts::default();
        match source.find_manifest(repository, digest)? {
            Some(root) => parts.walk(source, repository, root)?,
            None => parts.missing.push(digest.clone()),
        }
        Ok(parts)
    }

    fn walk(&mut self, source: &dyn Source, repository: &Repository, root: RawManifest) -> Result<(), Fault> {
        let mut seen = HashSet::from([root.digest().clone()]);
        let mut waiting = vec![root.clone()];
        self.root = Some(root);
        while let Some(manifest) = waiting.pop() {
            let blobs = manifest.view().blobs().filter(|blob| !is_foreign(blob));
            self.blobs
                .extend(blobs.map(|blob| (blob.digest.clone(), blob.clone())));
            for part in manifest.view().children() {
                if !seen.insert(part.digest.clone()) {
                    continue;
                }
                if seen.len() > MAX_MANIFESTS {
                    let message = format!("it has more than {MAX_MANIFESTS} manifests");
                    return Err(Fault::refused(Some(Side::Source), message));
                }
                match source.find_manifest(repository, &part.digest)? {
                    Some(child) => {
                        self.children.push(part.clone());
                        waiting.push(child);
                    }
                    None if source
                        .left_out(repository, manifest.digest())
                        .contains(&part.digest) => {}
                    None => self.missing.push(part.digest.clone()),
                }
            }
        }
        Ok(())
    }
}

/// Whether a layer is to be had from elsewhere.
pub(super) fn is_foreign(blob: &Descriptor) -> bool {
    blob.media_type.is_foreign_layer() && !blob.urls.is_empty()
}
