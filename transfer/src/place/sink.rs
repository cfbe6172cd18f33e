//! Where images go.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use transload_archive::TakeBytes;
use transload_layout_store::Error as StoreError;
use transload_reference::{
    Descriptor, Digest, Identifier, RawManifest, Reference, Repository, Tag, Verifier, VerifyingReader,
};

use super::{Losses, Source};
use crate::blobs::Scope;
use crate::event::{How, Observer};
use crate::fault::{Fault, Side};
use crate::plan::Attached;
use crate::ranges::RangeWorkers;

/// How many bytes are read at a time on the way into a store.
pub(crate) const CHUNK: usize = 64 * 1024;

/// A place that images are written to.
pub trait Sink: Send + Sync {
    /// The place, for people: `docker.io` or a path.
    fn describe(&self) -> String;

    /// Where a blob of this repository is looked for: everywhere, or in the repository alone.
    fn scope(&self, _: &Repository) -> Scope {
        None
    }

    /// Whether it is one file: it is laid out before anything is brought to it, and isn't there until it is finished.
    fn is_one_file(&self) -> bool {
        false
    }

    /// Lays out such a file for these images, which are all that will be in it. Returns what is worth a look.
    fn lay_out(&self, _: &[PlannedImage<'_>], _: &dyn Observer) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }

    /// Where in such a file a blob is, once that is laid out: they come in this order where they can.
    fn turn(&self, _: &Descriptor) -> usize {
        0
    }

    /// Whether a blob can't come yet, as its place in such a file is too far ahead of what is there. Those that wait are looked at again, in
    /// their order, once another blob has come.
    fn waits(&self, _: &Descriptor) -> bool {
        false
    }

    /// Completes such a file, all of whose images are written. Returns whether it wasn't there before.
    fn finish(&self) -> Result<bool, Fault> {
        Ok(true)
    }

    /// The project of a repository, where images may turn out to be refused because of it; none where nothing is refused so.
    fn project<'a>(&self, _: &'a Repository) -> Option<&'a str> {
        None
    }

    /// What a reference stands for now, if it stands for something.
    fn published(&self, image: &Reference) -> Result<Option<Digest>, Fault>;

    /// What is there of an image that its name stands for already. `children` are the manifests below its root that should be there.
    fn presence(&self, _: &Repository, _: &[RawManifest], _: &[Descriptor]) -> Result<Presence, Fault> {
        Ok(Presence::Unknown)
    }

    /// What this run has learnt about its losses; none where blobs are looked up in any case.
    fn losses(&self) -> Option<&Losses> {
        None
    }

    /// Whether these referrers are there, and are found with the manifests that they refer to.
    fn has_referrers(&self, _: &Repository, _: &[Attached]) -> Result<bool, Fault> {
        Ok(false)
    }

    /// Lets referrers that are there be found with the manifest that they refer to.
    fn add_referrers(&self, _: &Repository, _: &Digest, _: &[Descriptor]) -> Result<(), Fault> {
        Ok(())
    }

    /// A manifest that is there already.
    fn manifest(&self, _: &Repository, _: &Digest) -> Result<Option<RawManifest>, Fault> {
        Ok(None)
    }

    /// Whether a blob is there already.
    fn has_blob(&self, repository: &Repository, blob: &Descriptor) -> Result<bool, Fault>;

    /// The bytes of a blob that is there, unverified; none where nothing is read back.
    fn open_blob(&self, _: &Repository, _: &Descriptor) -> Result<Option<Box<dyn Read + Send>>, Fault> {
        Ok(None)
    }

    /// How many bytes can be written here; none where that isn't known, as with a registry.
    fn free_space(&self) -> Option<u64> {
        None
    }

    /// What its filesystem was found to lack so far, for people.
    fn cautions(&self) -> Vec<String> {
        Vec::new()
    }

    /// How many bytes of a blob would be written here: none where it is there, would be linked, or would share its source's blocks.
    fn bytes_to_write(&self, _: &dyn Source, _: &Descriptor) -> u64 {
        0
    }

    /// How many bytes of a blob that moved came here: fewer than it has where it travels as a difference.
    fn moved_bytes(&self, blob: &Descriptor) -> u64 {
        blob.size
    }

    /// Fails where this run has learnt that one of these manifests won't be taken, so that no blob is moved for them.
    fn check_manifests(
        &self,
        _: &Repository,
        _: &mut dyn Iterator<Item = &RawManifest>,
    ) -> Result<(), Fault> {
        Ok(())
    }

    /// Begins to write these blobs of an image: fails where the image's project is known to take nothing, so that none of them is looked at.
    fn begin(&self, _: &Repository, _: &[Descriptor]) -> Result<(), Fault> {
        Ok(())
    }

    /// Begins to write a blob that comes before anything is known of the images that need it; none where that can't be. What is there
    /// is passed over.
    fn take_blob(&self, _: &Digest, _size: u64) -> Result<Option<Box<dyn TakeBytes>>, Fault> {
        Ok(None)
    }

    /// Brings a blob here.
    fn bring_blob(&self, request: &Bring<'_>) -> Result<How, Fault>;

    /// Makes the blobs that came durable: no manifest that names them is written before.
    fn sync_blobs(&self) -> Result<(), Fault> {
        Ok(())
    }

    /// Writes a manifest whose parts are all there.
    fn put_manifest(&self, repository: &Repository, manifest: &RawManifest) -> Result<(), Fault>;

    /// Writes an image's root manifest, and its tag if it has one and tags aren't written together here.
    fn publish(&self, image: &Reference, root: &RawManifest) -> Result<Published, Fault>;

    /// Writes tags whose manifests are there: those that [`publish`](Self::publish) left. Of one repository, all or none.
    fn write_tags(&self, _: &BTreeMap<Repository, Vec<(Tag, Digest)>>) -> Result<(), Fault> {
        Ok(())
    }
}

/// An image that will be written.
#[derive(Clone, Copy)]
pub struct PlannedImage<'a> {
    /// What it will be called.
    pub reference: &'a Reference,
    /// What its name will stand for.
    pub root: &'a RawManifest,
    /// The manifests below the root.
    pub children: &'a [RawManifest],
    /// Its referrers, and what they consist of.
    pub referrers: &'a [Attached],
    /// Where it comes from.
    pub source: &'a Arc<dyn Source>,
    /// The repository there.
    pub source_repository: &'a Repository,
}

/// What was written of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// All of it.
    Whole,
    /// All but its tag.
    Untagged,
}

/// What a destination has of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// All of it, as far as it was looked up.
    Whole,
    /// Its manifests. Whether its blobs are there is to be looked up one by one.
    Manifests,
    /// Less: a manifest is missing.
    Incomplete,
    /// That is found out while it is written.
    Unknown,
}

/// What is to be expected of a registry that is brought a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The blob may be missing: a mount, which costs no more than a look, comes first.
    Missing,
    /// The registry lists the image, so the blob should be there: the look comes first.
    There,
    /// The registry refused the image's manifest for lack of blobs: its mounts aren't believed.
    Lost,
}

/// A blob that is to be brought.
pub struct Bring<'a> {
    /// Where it goes.
    pub repository: &'a Repository,
    /// What it is.
    pub blob: &'a Descriptor,
    /// A repository of the destination that has it.
    pub mount_from: Option<&'a Repository>,
    /// What is to be expected of the destination.
    pub expected: Expected,
    /// Where it comes from.
    pub source: &'a Arc<dyn Source>,
    /// The repository there.
    pub source_repository: &'a Repository,
    /// Told once bytes begin to move, with the number of those that were there.
    pub started: &'a (dyn Fn(u64) + Sync),
    /// Told how many bytes have moved, counted from the blob's beginning.
    pub progress: &'a (dyn Fn(u64) + Sync),
    /// Set once the user wants to stop.
    pub cancel: &'a AtomicBool,
    /// Workers that may fetch ranges of a large blob.
    pub workers: Option<&'a dyn RangeWorkers>,
}

impl Bring<'_> {
    pub(crate) fn open(&self, offset: u64) -> Result<Box<dyn Read + Send>, Fault> {
        if let Some(data) = self.blob.inline_data().ok().flatten() {
            let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(data.len());
            return Ok(Box::new(io::Cursor::new(data[offset..].to_vec())));
        }
        self.source.open_blob(self.source_repository, self.blob, offset)
    }

    /// The blob's bytes from `offset` on. Where the blob is wrong, an error takes the place of its last bytes.
    ///
    /// A file's blob is hashed from its beginning. A registry's isn't fetched again for that: its rest goes unverified, and the registry
    /// that has the bytes before it judges the whole.
    pub(super) fn open_verified(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        if offset > 0 && self.source.offers().is_remote {
            return self.open(offset).map_err(io::Error::other);
        }
        let verifier = Verifier::of(self.blob);
        if self.blob.size == 0 {
            // Nobody reads what has no bytes.
            let verdict = verifier.clone().finish();
            verdict.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
        let mut bytes = VerifyingReader::new(self.open(0).map_err(io::Error::other)?, verifier);
        let mut left = offset;
        let mut chunk = vec![0; CHUNK];
        while left > 0 {
            self.check_cancel().map_err(io::Error::other)?;
            let most = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
            bytes.read_exact(&mut chunk[..most])?;
            left -= most as u64;
        }
        Ok(Box::new(bytes))
    }

    /// The bytes of a part; none where the source serves no parts.
    pub(crate) fn open_part(&self, range: Range<u64>) -> Result<Option<Box<dyn Read + Send>>, Fault> {
        self.source.open_part(self.source_repository, self.blob, range)
    }

    pub(crate) fn check_cancel(&self) -> Result<(), Fault> {
        if self.cancel.load(Ordering::Relaxed) {
            Err(Fault::interrupted())
        } else {
            Ok(())
        }
    }
}

/// What an image is published as: its tag, which may stand for something else, rather than its digest.
pub(super) fn tag_or_digest(image: &Reference) -> Identifier {
    image
        .tag()
        .map_or_else(|| image.identifier(), |tag| tag.clone().into())
}

/// Why bytes didn't come.
pub(super) enum StreamFailure {
    /// Others came than those that were announced.
    WrongBytes(Fault),
    Other(Fault),
}

/// What it means that the bytes aren't the blob's, some of which may be of an earlier try: a registry may send others the next
/// time, a file stays as it is.
pub(super) fn wrong_content(request: &Bring<'_>, from_elsewhere: bool, error: StoreError) -> StreamFailure {
    if let (StoreError::WrongContent { source }, false) = (&error, from_elsewhere)
        && let Some(fault) = request.source.damaged(request.blob, source)
    {
        return StreamFailure::Other(fault);
    }
    StreamFailure::WrongBytes(Fault::store(Side::Source, error))
}
