//! Where images come from.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use transload_archive::bundle::Holdings;
use transload_layout_store::{Error as StoreError, Listing, Store, StoredImage};
use transload_reference::{
    Descriptor, Digest, Manifest, RawManifest, Reference, Registry, Repository, Tag, Verifier, VerifyError,
};

use crate::fault::{Fault, Side};
use crate::outcome::Count;

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

    /// A manifest, verified, if it is there.
    fn find_manifest(&self, repository: &Repository, digest: &Digest) -> Result<Option<RawManifest>, Fault>;

    /// The manifests that an index names and that this place lacks on purpose.
    fn left_out(&self, _repository: &Repository, _index: &Digest) -> BTreeSet<Digest> {
        BTreeSet::new()
    }

    /// What refers to a manifest by its `subject`, as entries of the list of its referrers.
    fn referrers(&self, repository: &Repository, subject: &Digest) -> Result<Vec<Descriptor>, Fault>;

    /// What a tag stands for, if it is there.
    fn find_tag(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, Fault>;

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

    /// Whether a blob is there, with the size that it should have.
    fn has_blob(&self, repository: &Repository, blob: &Descriptor) -> Result<bool, Fault>;

    /// The digest of its list, where it is a bundle.
    fn bundle(&self) -> Option<&Digest> {
        None
    }

    /// Whether something that its images need isn't there, as in a bundle for a side that has it: what the destination has counts.
    fn is_partial(&self) -> bool {
        false
    }

    /// Why a blob isn't there; none where it is, as far as this place is told.
    fn absent(&self, _: &Descriptor) -> Option<Absent> {
        None
    }

    /// Told how a blob of the destination is opened, from which one of this place's is rebuilt that [`Absent::base`] is said of.
    fn found_base(&self, _blob: &Digest, _open: OpenBase) {}

    /// What it should have and has lost.
    fn lost(&self) -> Holdings {
        Holdings::default()
    }

    /// Its images, and what keeps some from being known. A registry can't tell.
    fn listing(&self) -> Result<Listing, Fault> {
        let message = format!("the images of {} can't be listed", self.describe());
        Err(Fault::refused(Some(Side::Source), message))
    }

    /// Its images, all of them or none.
    fn images(&self) -> Result<Vec<StoredImage>, Fault> {
        let listing = self.listing()?;
        match listing.damage.into_iter().next() {
            Some(damage) => Err(Fault::store(Side::Source, damage.error)),
            None => Ok(listing.images),
        }
    }

    /// The tags of a repository.
    fn tags(&self, repository: &Repository) -> Result<Vec<Tag>, Fault> {
        let images = self.images()?.into_iter();
        let own = images.filter(|image| image.reference.repository() == repository);
        Ok(own.filter_map(|image| image.reference.tag().cloned()).collect())
    }

    /// What it offers besides bytes.
    fn offers(&self) -> Offers<'_>;

    /// What a root manifest was made from, where the place doesn't have it and its digest is a new one: the config's digest.
    fn made_from(&self, _: &Digest) -> Option<Digest> {
        None
    }

    /// Whether this run wrote a blob to the destination before it knew who needs it: it came through a pipe, which gives it once.
    fn went_straight(&self, _: &Digest) -> bool {
        false
    }

    /// The fault of a blob whose bytes are wrong and stay so; none where they may have been damaged on the way, and another try may go
    /// better.
    fn damaged(&self, _: &Descriptor, _: &VerifyError) -> Option<Fault> {
        None
    }

    /// How many blobs and bytes were read of it, where several destinations share what is read; none where each reads for itself.
    fn read(&self) -> Option<Count> {
        None
    }

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

/// Why a blob isn't at its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent {
    /// The reason, such as `vol-0002.tar isn't there`.
    pub reason: String,
    /// A repository of the destination that is said to have it or its base, without the registry.
    pub repository: Option<String>,
    /// The blob that the repository has instead, from which this one is rebuilt.
    pub base: Option<Descriptor>,
}

/// Opens a blob that another one is rebuilt from, unless it is gone. Its bytes aren't verified.
pub type OpenBase = Arc<dyn Fn() -> Result<Option<Box<dyn Read + Send>>, Fault> + Send + Sync>;

/// What a source offers besides bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Offers<'a> {
    /// The registry that it is: its repositories could lend each other blobs.
    pub mount_from: Option<&'a Registry>,
    /// The directory that it is: its files could be linked, or share their blocks.
    pub link_from: Option<&'a Arc<Store>>,
    /// Whether bytes come over a network: reading some twice costs, and several connections bring them sooner than one.
    pub is_remote: bool,
}

/// An error of reading a source's blob: the registry's, the archive's or the directory's own. No other reader has errors, and to try a file again is for
/// nothing.
pub(crate) fn read_fault(error: io::Error) -> Fault {
    let error = match error.downcast::<Fault>() {
        Ok(fault) => return fault,
        Err(error) => error,
    };
    let error = match error.downcast::<transload_registry_client::Error>() {
        Ok(error) => return Fault::registry(Side::Source, error),
        Err(error) => error,
    };
    let error = match error.downcast::<transload_archive::Error>() {
        Ok(error) => return Fault::archive(Side::Source, error),
        Err(error) => error,
    };
    match error.downcast::<StoreError>() {
        Ok(error) => Fault::store(Side::Source, error),
        Err(error) => Fault::caused(Side::Source, error, false),
    }
}

/// Bytes that end with an error once the work is to end.
pub(crate) struct Stoppable<R, F> {
    pub bytes: R,
    pub is_stopped: F,
}

impl<R: Read, F: Fn() -> bool> Read for Stoppable<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match (self.is_stopped)() {
            true => Err(io::Error::other(Fault::interrupted())),
            false => self.bytes.read(buffer),
        }
    }
}

/// Whether a reader that verifies found that the content isn't what its digest says.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|error| error.is::<VerifyError>())
}

/// Whether a manifest is an image that may have a platform in its config, and not an artifact.
pub(crate) fn config_of(manifest: &RawManifest) -> Option<&Descriptor> {
    match manifest.view() {
        Manifest::Image(image) if image.config.media_type.is_image_config() => Some(&image.config),
        _ => None,
    }
}
