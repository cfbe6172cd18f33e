//! What an image consists of, as its manifests tell.

use std::collections::{BTreeMap, HashSet};

use transload_layout_store::Store;
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

    /// Of an image of a store.
    ///
    /// # Errors
    /// Where a manifest can't be read or is damaged.
    pub(crate) fn in_store(store: &Store, repository: &Repository, digest: &Digest) -> Result<Parts, Fault> {
        let read = |digest: &Digest| {
            let found = store.manifest(repository, digest);
            found.map_err(|error| Fault::store(Side::Source, error))
        };
        let mut parts = Parts::default();
        let Some(root) = read(digest)? else {
            parts.missing.push(digest.clone());
            return Ok(parts);
        };
        parts.walk(root, &|part, parent| match read(&part.digest)? {
            None if store.left_out(repository, parent).contains(&part.digest) => Ok(Found::LeftOut),
            None => Ok(Found::Missing),
            Some(manifest) => Ok(Found::There(manifest)),
        })?;
        Ok(parts)
    }

    /// Of an image of any source, below its root.
    ///
    /// # Errors
    /// Where a manifest can't be had.
    pub(crate) fn in_source(
        source: &dyn Source,
        repository: &Repository,
        root: RawManifest,
    ) -> Result<Parts, Fault> {
        let mut parts = Parts::default();
        parts.walk(root, &|part, _| {
            source.manifest(repository, part).map(Found::There)
        })?;
        Ok(parts)
    }

    fn walk(
        &mut self,
        root: RawManifest,
        find: &dyn Fn(&Descriptor, &Digest) -> Result<Found, Fault>,
    ) -> Result<(), Fault> {
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
                match find(part, manifest.digest())? {
                    Found::There(child) => {
                        self.children.push(part.clone());
                        waiting.push(child);
                    }
                    Found::Missing => self.missing.push(part.digest.clone()),
                    Found::LeftOut => {}
                }
            }
        }
        Ok(())
    }
}

/// A part of an index.
enum Found {
    There(RawManifest),
    Missing,
    /// On purpose.
    LeftOut,
}

/// Whether a layer is to be had from elsewhere.
pub(super) fn is_foreign(blob: &Descriptor) -> bool {
    blob.media_type.is_foreign_layer() && !blob.urls.is_empty()
}
