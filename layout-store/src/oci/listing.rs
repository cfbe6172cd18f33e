//! Which images an OCI layout holds, and what is wrong with what it says of them.

use std::collections::{BTreeSet, HashSet};

use transload_reference::{Digest, MediaKind, MediaType, Repository};

use super::contents::Contents;
use super::{Oci, by_digest};
use crate::folders::{Kind, kind};
use crate::{Damage, Error, Listing, StoredImage};

impl Oci {
    pub(super) fn listing(&self) -> Result<Listing, Error> {
        let path = self.path();
        let mut listing = Listing::default();
        let contents = match self.contents() {
            Ok(contents) => contents,
            Err(error) => {
                listing.damage.push(Damage::new(&path, None, error));
                return Ok(listing);
            }
        };
        let flaws = contents.flaws(&self.names).into_iter();
        listing.damage.extend(flaws.map(|(repository, reason)| {
            let error = Error::damaged(&path, reason);
            Damage::new(&path, repository, error)
        }));
        let (mut tagged, mut untagged) = (HashSet::new(), Vec::new());
        let mut images = BTreeSet::new();
        for (name, image) in contents.images() {
            let place = (name.repository(), &image.digest);
            match contents.image(name, &path) {
                Ok(_) if name.tag().is_some() => {
                    tagged.insert(place);
                    images.insert(StoredImage::new(name.clone(), image.digest.clone()));
                }
                _ => untagged.push(place),
            }
        }
        if !untagged.is_empty() {
            let parts = self.parts(&contents);
            for (repository, digest) in untagged {
                if !tagged.contains(&(repository, digest)) && !parts.contains(&(repository, digest.clone())) {
                    images.insert(StoredImage::new(by_digest(repository, digest), digest.clone()));
                }
            }
        }
        listing.images = images.into_iter().collect();
        Ok(listing)
    }

    /// The manifests that a repository's listed indexes name, on every level: those are no images by themselves.
    fn parts<'a>(&self, contents: &'a Contents) -> HashSet<(&'a Repository, Digest)> {
        let is_index = |media_type: &MediaType| media_type.kind() == MediaKind::Index;
        let roots = contents.images();
        let mut waiting: Vec<(&Repository, Digest)> = roots
            .filter(|(_, image)| is_index(&image.media_type))
            .map(|(name, image)| (name.repository(), image.digest.clone()))
            .collect();
        let mut parts = HashSet::new();
        let mut read = HashSet::new();
        while let Some((repository, digest)) = waiting.pop() {
            if !read.insert((repository, digest.clone())) {
                continue;
            }
            // One that can't be read is complained about once it is asked for.
            let Ok(Some(manifest)) = self.found(&digest) else {
                continue;
            };
            for child in manifest.view().children() {
                if is_index(&child.media_type) {
                    waiting.push((repository, child.digest.clone()));
                }
                parts.insert((repository, child.digest.clone()));
            }
        }
        parts
    }

    /// What is wrong with what a repository's names stand for.
    pub(super) fn reasons(&self, repository: &Repository) -> Result<Vec<String>, Error> {
        let contents = self.contents()?;
        let flaws = contents.flaws(&self.names).into_iter();
        let mut reasons: Vec<String> = flaws
            .filter(|(of, _)| of.as_ref() == Some(repository))
            .map(|(_, reason)| reason)
            .collect();
        for (name, image) in contents.images() {
            if name.repository() == repository
                && let Ok(Kind::File(size)) = kind(&self.blob(&image.digest))
                && size != image.size
            {
                let said = image.size;
                reasons.push(format!(
                    "it says {said} bytes of the manifest of {name}, which has {size}"
                ));
            }
        }
        Ok(reasons)
    }
}
