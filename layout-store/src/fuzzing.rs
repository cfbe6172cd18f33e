//! The files `layout` and `index.json`, for the workspace's fuzz targets alone.

use std::path::Path;

use transload_reference::{Descriptor, Digest, Reference, Repository, Tag};

use crate::Error;
use crate::kubekey::tag_map;
use crate::oci::contents::Contents;
use crate::oci::index::Index;
use crate::oci::names::{Names, Said};

/// What a file `layout` says.
#[derive(Debug)]
pub struct TagMap(tag_map::TagMap);

impl TagMap {
    /// Reads a file's bytes.
    ///
    /// # Errors
    /// Where they are no map of tags.
    pub fn read(bytes: &[u8]) -> Result<TagMap, Error> {
        tag_map::TagMap::parse(bytes, Path::new("layout")).map(TagMap)
    }

    /// The tags that names can have, and what they stand for, sorted.
    pub fn tags(&self) -> Vec<(Tag, Digest)> {
        let tags = self.0.iter();
        tags.map(|(tag, digest)| (tag.clone(), digest.clone())).collect()
    }

    /// Lets a tag stand for a manifest.
    pub fn set(&mut self, tag: &Tag, digest: &Digest) {
        self.0.set(tag, digest);
    }

    /// Lets a tag stand for nothing. Whether it stood for something.
    pub fn remove(&mut self, tag: &Tag) -> bool {
        self.0.remove(tag)
    }

    /// The file's new bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes(Path::new("layout")).unwrap_or_default()
    }
}

/// What a file `index.json` says.
#[derive(Debug)]
pub struct OciIndex(Contents);

impl OciIndex {
    /// Reads a file's bytes, of a directory called `app`.
    ///
    /// # Errors
    /// Where they are no index.
    pub fn read(bytes: &[u8]) -> Result<OciIndex, Error> {
        let index = Index::parse(bytes, Path::new("index.json"))?;
        Ok(OciIndex(Contents::new(index, &names()?)))
    }

    /// The images and what they stand for, in the order of their entries.
    pub fn images(&self) -> Vec<(Reference, Digest)> {
        let images = self.0.images();
        images
            .map(|(name, image)| (name.clone(), image.digest.clone()))
            .collect()
    }

    /// What an image's name stands for.
    ///
    /// # Errors
    /// Where it stands for several images.
    pub fn image(&self, name: &Reference) -> Result<Option<Digest>, Error> {
        let image = self.0.image(name, Path::new("index.json"))?;
        Ok(image.map(|image| image.digest.clone()))
    }

    /// What is wrong with entries.
    ///
    /// # Errors
    /// None.
    pub fn flaws(&self) -> Result<Vec<String>, Error> {
        let flaws = self.0.flaws(&names()?).into_iter();
        Ok(flaws.map(|(_, reason)| reason).collect())
    }

    /// Lets a tag stand for a manifest.
    ///
    /// # Errors
    /// None.
    pub fn set(&mut self, repository: &Repository, tag: &Tag, manifest: &Descriptor) -> Result<bool, Error> {
        let name = Reference::new(repository.clone(), Some(tag.clone()), None);
        let said = Said::that(repository, Some(tag));
        let set = self.0.set(&name, manifest, &said);
        set.map_err(|error| Error::damaged(Path::new("index.json"), error.to_string()))
    }

    /// Takes the entries of a name out. Returns whether there were some.
    pub fn remove(&mut self, name: &Reference) -> bool {
        !self.0.take(name).is_empty()
    }

    /// The file's new bytes.
    ///
    /// # Errors
    /// Where they are more than are read back.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        self.0.to_bytes(Path::new("index.json"))
    }
}

fn names() -> Result<Names, Error> {
    Names::new(Path::new("/app"), None)
}
