//! Where images come from.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use transload_layout_store::{Error as StoreError, Store};
use transload_reference::{
    Descriptor, Digest, Identifier, Manifest, RawManifest, Reference, Registry, Repository, Verifier,
};
use transload_registry_client::Client;

use super::fault::{Fault, Side};
use super::suggest::{Names, nearest};

/// The largest config that is read into memory, in bytes; its platform is wanted.
const MAX_CONFIG_SIZE: u64 = 8 * 1024 * 1024;

/// How often a blob whose bytes turned out wrong is fetched again from its beginning.
pub(crate) const FRESH_STARTS: u32 = 2;

/// A place that images are read from.
pub trait Source: Send + Sync {
    /// The place, for people: `docker.io` or a folder.
    fn describe(&self) -> String;

    /// The digest that a reference stands for now, at the price of one small request.
    fn resolve(&self, image: &Reference) -> Result<Digest, Fault>;

    /// The manifest or index that a reference stands for now.
    fn root(&self, image: &Reference) -> Result<RawManifest, Fault>;

    /// A part of an index, verified.
    fn manifest(&self, repository: &Repository, part: &Descriptor) -> Result<RawManifest, Fault>;

    /// The manifests that an index names and that this place lacks on purpose.
    fn left_out(&self, _repository: &Repository, _index: &Digest) -> BTreeSet<Digest> {
        BTreeSet::new()
    }

    /// A blob's bytes from `offset` on. They aren't verified: whoever takes them does that.
    fn open_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        offset: u64,
    ) -> Result<Box<dyn Read + Send>, Fault>;

    /// The bytes of a part of a blob, unverified; none where no parts are served, or one is as good as the whole.
    fn open_part(
        &self,
        _repository: &Repository,
        _blob: &Descriptor,
        _range: Range<u64>,
    ) -> Result<Option<Box<dyn Read + Send>>, Fault> {
        Ok(None)
    }

    /// How many more connections it could serve now.
    fn free_permits(&self) -> usize {
        usize::MAX
    }

    /// What a destination may do instead of taking bytes.
    fn offer(&self) -> Offer<'_>;

    /// A small blob's bytes, verified.
    fn read_blob(&self, repository: &Repository, blob: &Descriptor) -> Result<Vec<u8>, Fault> {
        if blob.size > MAX_CONFIG_SIZE {
            let message = format!(
                "the config {} has {} bytes; at most {MAX_CONFIG_SIZE} are read",
                blob.digest, blob.size
            );
            return Err(Fault::refused(Some(Side::Source), message));
        }
        let mut fresh_starts = 0;
        loop {
            let mut bytes = Vec::new();
            self.open_blob(repository, blob, 0)?
                .take(blob.size.saturating_add(1))
                .read_to_end(&mut bytes)
                .map_err(read_fault)?;
            let mut verifier = Verifier::of(blob);
            match verifier.update(&bytes).and_then(|()| verifier.finish()) {
                Ok(()) => return Ok(bytes),
                // They may have been damaged on the way.
                Err(_) if fresh_starts < FRESH_STARTS => fresh_starts += 1,
                Err(error) => return Err(Fault::caused(Side::Source, error, true)),
            }
        }
    }
}

/// What a source offers besides bytes.
#[derive(Clone, Copy)]
pub enum Offer<'a> {
    /// Files that could be linked.
    Store(&'a Store),
    /// A registry whose repositories could lend each other blobs.
    Registry(&'a Registry),
}

/// An error of reading a source's blob: the registry's or the store's own. No other reader has errors, and to try a file again is for
/// nothing.
pub(crate) fn read_fault(error: io::Error) -> Fault {
    let error = match error.downcast::<transload_registry_client::Error>() {
        Ok(error) => return Fault::registry(Side::Source, error),
        Err(error) => error,
    };
    match error.downcast::<StoreError>() {
        Ok(error) => Fault::store(Side::Source, error),
        Err(error) => Fault::caused(Side::Source, error, false),
    }
}

/// A blob's file of a store, whose errors say which file it is.
struct StoredBlob {
    file: File,
    path: PathBuf,
}

impl Read for StoredBlob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => io::Error::other(reading(&self.path)(error)),
        })
    }
}

fn reading(path: &Path) -> impl Fn(io::Error) -> StoreError {
    move |source| StoreError::Io {
        operation: "reading",
        path: path.to_owned(),
        source,
    }
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
    fn without(&self, image: &Reference, error: transload_registry_client::Error) -> Fault {
        let is_missing = error.is_not_found() && error.code() != Some("NAME_UNKNOWN");
        let fault = Fault::registry(Side::Source, error);
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
        match nearest(&tag, &tags).as_slice() {
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
            .map_err(|error| Fault::registry(Side::Source, error))
    }

    fn open_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        offset: u64,
    ) -> Result<Box<dyn Read + Send>, Fault> {
        let reader = self.client.open_blob(repository, blob, offset);
        Ok(Box::new(
            reader.map_err(|error| Fault::registry(Side::Source, error))?,
        ))
    }

    fn open_part(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        range: Range<u64>,
    ) -> Result<Option<Box<dyn Read + Send>>, Fault> {
        let opened = self.client.open_blob_part(repository, blob, range);
        let opened = opened.map_err(|error| Fault::registry(Side::Source, error))?;
        Ok(opened.map(|reader| Box::new(reader) as Box<dyn Read + Send>))
    }

    fn free_permits(&self) -> usize {
        self.client.free_permits(&self.registry)
    }

    fn offer(&self) -> Offer<'_> {
        Offer::Registry(&self.registry)
    }
}

/// A store that images are read from.
pub struct StoreSource {
    store: Arc<Store>,
    /// The names that it has, read once an image is missing: a walk through the whole directory.
    names: OnceLock<Names>,
}

impl StoreSource {
    /// The store.
    pub fn new(store: Arc<Store>) -> Self {
        StoreSource {
            store,
            names: OnceLock::new(),
        }
    }

    fn missing_image(&self, image: &Reference) -> Fault {
        let fault = Fault::refused(
            Some(Side::Source),
            format!("{} has no image {image}", self.store.root().display()),
        );
        let names = self.names.get_or_init(|| {
            let images = self.store.images().into_iter().flatten();
            Names::new(images.map(|image| image.reference))
        });
        match names.near(image).as_slice() {
            [] => fault.with_hint("`transload list` shows what the directory holds"),
            near => fault.with_hint(format!("it has {}", near.join(", "))),
        }
    }

    fn read(&self, repository: &Repository, digest: &Digest) -> Result<RawManifest, Fault> {
        let found = self
            .store
            .manifest(repository, digest)
            .map_err(|error| Fault::store(Side::Source, error))?;
        found.ok_or_else(|| {
            let message = format!(
                "{} lacks the manifest {digest} of {repository}",
                self.store.root().display()
            );
            Fault::refused(Some(Side::Source), message).with_hint("pull the image into the directory again")
        })
    }

    /// A blob's file, from an offset on.
    fn stored(&self, blob: &Descriptor, offset: u64) -> Result<File, Fault> {
        let file = self
            .store
            .open_blob(&blob.digest)
            .map_err(|error| Fault::store(Side::Source, error))?;
        let Some(mut file) = file else {
            let message = format!("{} is missing", self.store.blob_path(&blob.digest).display());
            return Err(Fault::refused(Some(Side::Source), message)
                .with_hint("pull the image into the directory again"));
        };
        check_size(&self.store, &file, blob)?;
        file.seek(SeekFrom::Start(offset)).map_err(|error| {
            let path = self.store.blob_path(&blob.digest);
            Fault::store(Side::Source, reading(&path)(error))
        })?;
        Ok(file)
    }
}

impl Source for StoreSource {
    fn describe(&self) -> String {
        self.store.root().display().to_string()
    }

    fn resolve(&self, image: &Reference) -> Result<Digest, Fault> {
        self.store
            .resolve(image.repository(), &image.identifier())
            .map_err(|error| Fault::store(Side::Source, error))?
            .ok_or_else(|| self.missing_image(image))
    }

    fn root(&self, image: &Reference) -> Result<RawManifest, Fault> {
        self.read(image.repository(), &self.resolve(image)?)
    }

    fn manifest(&self, repository: &Repository, part: &Descriptor) -> Result<RawManifest, Fault> {
        self.read(repository, &part.digest)
    }

    fn left_out(&self, repository: &Repository, index: &Digest) -> BTreeSet<Digest> {
        let mut left_out = self.store.left_out(repository, index);
        // What was added later is there.
        left_out.retain(|digest| !matches!(self.store.manifest(repository, digest), Ok(Some(_))));
        left_out
    }

    fn open_blob(
        &self,
        _: &Repository,
        blob: &Descriptor,
        offset: u64,
    ) -> Result<Box<dyn Read + Send>, Fault> {
        Ok(Box::new(StoredBlob {
            file: self.stored(blob, offset)?,
            path: self.store.blob_path(&blob.digest),
        }))
    }

    fn offer(&self) -> Offer<'_> {
        Offer::Store(&self.store)
    }
}

fn check_size(store: &Store, file: &File, blob: &Descriptor) -> Result<(), Fault> {
    let path = store.blob_path(&blob.digest);
    let length = file
        .metadata()
        .map_err(|error| Fault::store(Side::Source, reading(&path)(error)))?
        .len();
    if length == blob.size {
        return Ok(());
    }
    let message = format!(
        "{} has {length} bytes where {} are expected",
        path.display(),
        blob.size
    );
    Err(Fault::refused(Some(Side::Source), message).with_hint("remove that file and pull the image again"))
}

/// Whether a manifest is an image that may have a platform in its config, and not an artifact.
pub(crate) fn config_of(manifest: &RawManifest) -> Option<&Descriptor> {
    match manifest.view() {
        Manifest::Image(image) if image.config.media_type.is_image_config() => Some(&image.config),
        _ => None,
    }
}
