//! Registries.

mod losses;
mod refused;
mod scouts;
mod sink;

use std::io::Read;
use std::ops::Range;

use transload_reference::{
    Descriptor, Digest, Identifier, RawManifest, Reference, Registry, Repository, Tag,
};
use transload_registry_client::{Client, Error};

pub(crate) use losses::{AllLosses, Losses};
pub(crate) use sink::RegistrySink;

use super::{Offers, Source};
use crate::fault::{Fault, Side};
use crate::suggest::nearest;

fn at_source(error: Error) -> Fault {
    Fault::registry(Side::Source, error)
}

/// A registry that images are read from.
pub struct RegistrySource {
    client: Client,
    registry: Registry,
}

impl RegistrySource {
    /// The registry, by this client.
    pub fn new(client: Client, registry: Registry) -> Self {
        RegistrySource { client, registry }
    }

    /// The error of a registry without this image, with the tags that may have been meant.
    fn without(&self, image: &Reference, error: Error) -> Fault {
        let is_missing = error.is_not_found() && error.code() != Some("NAME_UNKNOWN");
        let fault = at_source(error);
        let (true, Identifier::Tag(tag)) = (is_missing, image.identifier()) else {
            return fault;
        };
        let repository = image.repository();
        let tags = self.client.sample_tags(repository).unwrap_or_default();
        if tags.contains(&tag) {
            return fault.with_hint(format!(
                "{repository} lists the tag {tag} and lacks its manifest: push the image there again"
            ));
        }
        match nearest(tag.as_str(), &tags).as_slice() {
            [] => fault,
            near => fault.with_hint(format!(
                "{repository} has no tag {tag}; the nearest of those that it has: {}",
                near.join(", ")
            )),
        }
    }
}

impl Source for RegistrySource {
    fn describe(&self) -> String {
        self.registry.to_string()
    }

    fn resolve(&self, image: &Reference) -> Result<Digest, Fault> {
        let descriptor = self.client.resolve(image.repository(), &image.identifier());
        Ok(descriptor.map_err(|error| self.without(image, error))?.digest)
    }

    fn root(&self, image: &Reference) -> Result<RawManifest, Fault> {
        self.client
            .manifest(image.repository(), &image.identifier())
            .map_err(|error| self.without(image, error))
    }

    fn manifest(&self, repository: &Repository, part: &Descriptor) -> Result<RawManifest, Fault> {
        self.client
            .manifest(repository, &part.digest.clone().into())
            .map_err(at_source)
    }

    fn find_manifest(&self, repository: &Repository, digest: &Digest) -> Result<Option<RawManifest>, Fault> {
        match self.client.manifest(repository, &digest.clone().into()) {
            Ok(manifest) => Ok(Some(manifest)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(at_source(error)),
        }
    }

    fn referrers(&self, repository: &Repository, subject: &Digest) -> Result<Vec<Descriptor>, Fault> {
        let found = self.client.referrers(repository, subject, None);
        found.map_err(at_source)
    }

    fn find_tag(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, Fault> {
        match self.client.resolve(repository, &tag.clone().into()) {
            Ok(found) => Ok(Some(found.digest)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(at_source(error)),
        }
    }

    fn open_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        offset: u64,
    ) -> Result<Box<dyn Read + Send>, Fault> {
        let reader = self.client.open_blob(repository, blob, offset);
        Ok(Box::new(reader.map_err(at_source)?))
    }

    fn open_part(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        range: Range<u64>,
    ) -> Result<Option<Box<dyn Read + Send>>, Fault> {
        let opened = self.client.open_blob_part(repository, blob, range);
        let opened = opened.map_err(at_source)?;
        Ok(opened.map(|reader| Box::new(reader) as Box<dyn Read + Send>))
    }

    fn free_permits(&self) -> usize {
        self.client.free_permits(&self.registry)
    }

    fn has_blob(&self, repository: &Repository, blob: &Descriptor) -> Result<bool, Fault> {
        let found = self.client.has_blob(repository, &blob.digest);
        let found = found.map_err(at_source)?;
        Ok(found == Some(blob.size))
    }

    fn tags(&self, repository: &Repository) -> Result<Vec<Tag>, Fault> {
        let tags = self.client.tags(repository);
        let tags = tags.map_err(at_source)?;
        // What is no tag can't be asked for either.
        Ok(tags.iter().filter_map(|tag| tag.parse().ok()).collect())
    }

    fn offers(&self) -> Offers<'_> {
        Offers {
            mount_from: Some(&self.registry),
            is_remote: true,
            ..Offers::default()
        }
    }
}

#[cfg(test)]
mod tests;
