//! Where images go.

mod push;
mod to_be;

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use transload_layout_store::disk::free_space;
use transload_layout_store::repair::SetAside;
use transload_layout_store::{Error, Store};
use transload_reference::{
    Descriptor, Digest, Identifier, RawManifest, Reference, Registry, Repository, Tag, Verifier,
    VerifyingReader,
};
use transload_registry_client::{Client, Lookup};

use super::blobs::Scope;
use super::event::How;
use super::fault::{Fault, Side};
use super::fill::fill;
use super::local;
use super::losses::Losses;
use super::parallel_map::parallel_map;
use super::ranges::RangeWorkers;
use super::refused::{Refusals, RefusedTypes, project};
use super::scouts::Scouts;
use super::source::{Offer, Source};
use crate::job::{IndexMode, Job};

pub use to_be::ToBe;

/// The status of a registry that doesn't take manifests of a type.
const UNSUPPORTED_MEDIA_TYPE: u16 = 415;

/// How many bytes are read at a time on the way into a store.
pub(crate) const CHUNK: usize = 64 * 1024;

/// A place that images are written to.
pub trait Destination: Send + Sync {
    /// Where a blob of this repository is looked for: everywhere, or in the repository alone.
    fn scope(&self, repository: &Repository) -> Scope;

    /// The project of a repository, where images may turn out to be refused because of it; none where nothing is refused so.
    fn project<'a>(&self, _: &'a Repository) -> Option<&'a str> {
        None
    }

    /// What a reference stands for now, if it stands for something.
    fn published(&self, image: &Reference) -> Result<Option<Digest>, Fault>;

    /// What is there of an image that its name stands for already. `children` are the manifests below its root that should be there.
    fn presence(
        &self,
        repository: &Repository,
        children: &[RawManifest],
        blobs: &[Descriptor],
    ) -> Result<Presence, Fault>;

    /// What this run has learnt about its losses; none where blobs are looked up in any case.
    fn losses(&self) -> Option<&Losses> {
        None
    }

    /// A manifest that is there already.
    fn manifest(&self, repository: &Repository, digest: &Digest) -> Result<Option<RawManifest>, Fault>;

    /// Whether a blob is there already.
    fn has_blob(&self, repository: &Repository, blob: &Descriptor) -> Result<bool, Fault>;

    /// How many bytes can be written here; none where that isn't known, as with a registry.
    fn free_space(&self) -> Option<u64>;

    /// What its filesystem was found to lack so far, for people.
    fn cautions(&self) -> Vec<String> {
        Vec::new()
    }

    /// How many bytes of a blob would be written here: none where it is there, would be linked, or would share its source's blocks.
    fn bytes_to_write(&self, source: &dyn Source, blob: &Descriptor) -> u64;

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

    /// Brings a blob here.
    fn bring_blob(&self, request: &Bring<'_>) -> Result<How, Fault>;

    /// Makes the blobs that came durable: no manifest that names them is written before.
    fn sync_blobs(&self) -> Result<(), Fault>;

    /// Writes a manifest whose parts are all there.
    fn put_manifest(&self, repository: &Repository, manifest: &RawManifest) -> Result<(), Fault>;

    /// Writes an image's root manifest, and its tag if it has one and tags aren't written together here.
    fn publish(&self, image: &Reference, root: &RawManifest) -> Result<Published, Fault>;

    /// Writes tags of a repository whose manifests are there, all or none: those that [`publish`](Self::publish) left.
    fn write_tags(&self, _: &Repository, _: &[(Tag, Digest)]) -> Result<(), Fault> {
        Ok(())
    }
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
    pub source: &'a dyn Source,
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
    /// A directory's blob is hashed from its beginning. A registry's isn't fetched again for that: its rest goes unverified, and the registry
    /// that has the bytes before it judges the whole.
    fn open_verified(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        if offset > 0 && matches!(self.source.offer(), Offer::Registry(_)) {
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

/// A store that images are written to.
pub struct StoreDestination {
    store: Arc<Store>,
    link: bool,
    check_existing: bool,
}

impl StoreDestination {
    /// The store.
    pub fn new(store: Arc<Store>) -> Self {
        StoreDestination {
            store,
            link: false,
            check_existing: false,
        }
    }

    /// Brings blobs as a task says.
    pub fn with(self, job: &Job) -> Self {
        StoreDestination {
            link: job.link,
            check_existing: job.check_existing,
            ..self
        }
    }

    fn is_there(&self, blob: &Descriptor) -> Result<bool, Fault> {
        let is_there = match self.check_existing {
            true => self.store.check_blob(blob),
            false => self.store.has_blob(blob),
        };
        is_there.map_err(destination)
    }
}

fn destination(error: Error) -> Fault {
    Fault::store(Side::Destination, error)
}

impl Destination for StoreDestination {
    fn scope(&self, _: &Repository) -> Scope {
        None
    }

    fn published(&self, image: &Reference) -> Result<Option<Digest>, Fault> {
        self.store
            .check_place(image.repository(), image.tag())
            .map_err(destination)?;
        self.store
            .resolve(image.repository(), &tag_or_digest(image))
            .map_err(destination)
    }

    fn presence(&self, _: &Repository, _: &[RawManifest], _: &[Descriptor]) -> Result<Presence, Fault> {
        // A look at a file costs next to nothing.
        Ok(Presence::Unknown)
    }

    fn manifest(&self, repository: &Repository, digest: &Digest) -> Result<Option<RawManifest>, Fault> {
        // A manifest that is damaged here is as good as missing: a whole one takes its place.
        Ok(self.store.manifest_by_digest(repository, digest).ok().flatten())
    }

    fn has_blob(&self, _: &Repository, blob: &Descriptor) -> Result<bool, Fault> {
        self.is_there(blob)
    }

    fn free_space(&self) -> Option<u64> {
        free_space(self.store.root()).ok().flatten()
    }

    fn cautions(&self) -> Vec<String> {
        let root = self.store.root().display();
        let cautions = self.store.cautions().into_iter();
        cautions.map(|caution| format!("{root}: {caution}")).collect()
    }

    fn bytes_to_write(&self, source: &dyn Source, blob: &Descriptor) -> u64 {
        // What can't be told is told by the attempt to write.
        match self.store.bytes_to_write(blob).unwrap_or(0) {
            0 => 0,
            _ if local::takes_no_room(source, self.store.root(), blob, self.link) => 0,
            bytes => bytes,
        }
    }

    fn bring_blob(&self, request: &Bring<'_>) -> Result<How, Fault> {
        let mut damaged = None;
        if self.check_existing {
            if self.is_there(request.blob)? {
                return Ok(How::Present);
            }
            // It goes back to its place if no other comes.
            damaged = Some(
                self.store
                    .repair()
                    .set_aside(&request.blob.digest)
                    .map_err(destination)?,
            );
        }
        let is_linked = self.link && local::link(request, &self.store)?;
        let how = match self.store.write_blob(request.blob).map_err(destination)? {
            None if is_linked => How::Linked,
            None => How::Present,
            Some(writer) => match local::reflink(request, Box::new(writer))? {
                None => How::Cloned,
                Some(writer) => fill(request, writer).map(|()| How::Moved)?,
            },
        };
        damaged.map_or(Ok(()), SetAside::discard).map_err(destination)?;
        Ok(how)
    }

    fn sync_blobs(&self) -> Result<(), Fault> {
        self.store.sync_blobs().map_err(destination)
    }

    fn put_manifest(&self, repository: &Repository, manifest: &RawManifest) -> Result<(), Fault> {
        self.store.put_manifest(repository, manifest).map_err(destination)
    }

    fn publish(&self, image: &Reference, root: &RawManifest) -> Result<Published, Fault> {
        let repository = image.repository();
        self.put_manifest(repository, root)?;
        let published = match image.tag() {
            Some(_) => Ok(Published::Untagged),
            None => self
                .store
                .keep(repository, root.digest())
                .map(|()| Published::Whole),
        };
        published.map_err(destination)
    }

    fn write_tags(&self, repository: &Repository, tags: &[(Tag, Digest)]) -> Result<(), Fault> {
        self.store.tag_all(repository, tags).map_err(destination)
    }
}

/// A registry that images are written to.
pub struct RegistryDestination {
    client: Client,
    registry: Registry,
    refusals: Refusals,
    refused_types: RefusedTypes,
    /// The first look at each project goes alone, and so does the first write.
    looks: Scouts,
    writes: Scouts,
    /// Whether nothing will be written, so that a look has to tell what a write would meet.
    only_looks: bool,
    check_existing: bool,
    /// Whether the job writes indexes of which only some manifests are there.
    writes_sparse: bool,
    losses: Arc<Losses>,
}

impl RegistryDestination {
    /// The registry, by this client.
    pub fn new(client: Client, registry: Registry) -> Self {
        RegistryDestination {
            client,
            losses: Arc::new(Losses::new(registry.clone())),
            registry,
            refusals: Refusals::default(),
            refused_types: RefusedTypes::default(),
            looks: Scouts::default(),
            writes: Scouts::default(),
            only_looks: false,
            check_existing: false,
            writes_sparse: false,
        }
    }

    /// Brings blobs as a task says.
    pub fn with(self, job: &Job) -> Self {
        RegistryDestination {
            check_existing: job.check_existing,
            writes_sparse: job.index == IndexMode::Original,
            ..self
        }
    }

    /// Shares what other tasks of the run learn about its losses.
    pub fn with_losses(self, losses: Arc<Losses>) -> Self {
        RegistryDestination { losses, ..self }
    }

    /// Looks at the registry, and writes nothing.
    pub fn only_looking(self) -> Self {
        RegistryDestination {
            only_looks: true,
            ..self
        }
    }

    /// The fault of a request to a repository: the same for all images, where it ends others as well.
    fn fault(&self, repository: &Repository, error: transload_registry_client::Error) -> Fault {
        self.refusals.note(&self.client, repository, error)
    }

    /// Asks by GET about a repository of which HEAD found nothing: the body tells whether there is such a project.
    fn check_project(&self, repository: &Repository, identifier: &Identifier) -> Result<(), Fault> {
        match self.client.manifest(repository, identifier) {
            Err(error) if error.extent().is_some() => Err(self.fault(repository, error)),
            _ => Ok(()),
        }
    }

    /// The size of a blob that the registry has, by the sample's answer or by a look.
    fn blob_size(&self, repository: &Repository, digest: &Digest) -> Result<Option<u64>, Fault> {
        match self.losses.take_answer(repository, digest) {
            Some(size) => Ok(size),
            None => {
                let found = self.client.has_blob(repository, digest);
                found.map_err(|error| self.fault(repository, error))
            }
        }
    }

    /// Whether the registry has all of these manifests.
    fn has_manifests(&self, repository: &Repository, manifests: &[RawManifest]) -> Result<bool, Fault> {
        let found = parallel_map(manifests, |manifest| {
            let identifier = manifest.digest().clone().into();
            self.client.find_manifest(repository, &identifier)
        });
        for found in found {
            if found.map_err(|error| self.fault(repository, error))? == Lookup::Missing {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Looks up some of an image's blobs, as long as the run's sample of the registry isn't large enough.
    fn sample(&self, repository: &Repository, blobs: &[Descriptor]) -> Result<(), Fault> {
        let chosen = self.losses.choose(repository, blobs);
        let sizes = parallel_map(&chosen, |blob| self.client.has_blob(repository, &blob.digest));
        for (blob, size) in chosen.into_iter().zip(sizes) {
            let size = size.map_err(|error| self.fault(repository, error))?;
            self.losses.answer(repository, blob, size);
        }
        Ok(())
    }

    fn push_manifest(
        &self,
        repository: &Repository,
        identifier: &Identifier,
        manifest: &RawManifest,
    ) -> Result<(), Fault> {
        self.refusals.check_write(&self.client, repository)?;
        let Err(error) = self.client.push_manifest(repository, identifier, manifest) else {
            return Ok(());
        };
        let is_for_its_type = error.status() == Some(UNSUPPORTED_MEDIA_TYPE);
        let fault = self.fault(repository, error);
        if is_for_its_type {
            self.refused_types.note(repository, manifest, &fault);
        }
        Err(fault)
    }
}

impl Destination for RegistryDestination {
    fn scope(&self, repository: &Repository) -> Scope {
        Some(repository.clone())
    }

    fn project<'a>(&self, repository: &'a Repository) -> Option<&'a str> {
        (!self.client.is_open(repository)).then(|| project(repository))
    }

    fn published(&self, image: &Reference) -> Result<Option<Digest>, Fault> {
        let (repository, identifier) = (image.repository(), tag_or_digest(image));
        let project = self.project(repository);
        let scout = project.and_then(|project| self.looks.first(project));
        self.refusals.check(&self.client, repository)?;
        let found = self
            .client
            .find_manifest(repository, &identifier)
            .map_err(|error| self.fault(repository, error))?
            .found();
        if found.is_none() && self.only_looks && scout.is_some() {
            self.check_project(repository, &identifier)?;
        }
        Ok(found.map(|found| found.digest))
    }

    fn presence(
        &self,
        repository: &Repository,
        children: &[RawManifest],
        blobs: &[Descriptor],
    ) -> Result<Presence, Fault> {
        if !self.has_manifests(repository, children)? {
            // An index that was written with fewer of its manifests has lost none.
            if !self.writes_sparse {
                self.losses.note();
            }
            return Ok(Presence::Incomplete);
        }
        let looks_at_all = || self.check_existing || self.losses.is_found();
        if !looks_at_all() {
            self.sample(repository, blobs)?;
        }
        Ok(match looks_at_all() {
            true => Presence::Manifests,
            false => Presence::Whole,
        })
    }

    fn losses(&self) -> Option<&Losses> {
        (!self.check_existing).then_some(&self.losses)
    }

    fn manifest(&self, _: &Repository, _: &Digest) -> Result<Option<RawManifest>, Fault> {
        // Asking costs as much as fetching from the source.
        Ok(None)
    }

    fn has_blob(&self, repository: &Repository, blob: &Descriptor) -> Result<bool, Fault> {
        // One of another size is damaged: the right one takes its place.
        Ok(self.blob_size(repository, &blob.digest)? == Some(blob.size))
    }

    fn free_space(&self) -> Option<u64> {
        None
    }

    fn bytes_to_write(&self, _: &dyn Source, _: &Descriptor) -> u64 {
        0
    }

    fn check_manifests(
        &self,
        repository: &Repository,
        manifests: &mut dyn Iterator<Item = &RawManifest>,
    ) -> Result<(), Fault> {
        self.refused_types.check(repository, manifests)
    }

    fn begin(&self, repository: &Repository, blobs: &[Descriptor]) -> Result<(), Fault> {
        let project = self.project(repository);
        let scout = project.and_then(|project| self.writes.first(project));
        self.refusals.check_write(&self.client, repository)?;
        match (scout, blobs.first()) {
            (Some(_scout), Some(blob)) => self
                .client
                .open_upload(repository, blob)
                .map_err(|error| self.fault(repository, error)),
            _ => Ok(()),
        }
    }

    fn bring_blob(&self, request: &Bring<'_>) -> Result<How, Fault> {
        let own = match request.source.offer() {
            Offer::Registry(registry) if *registry == self.registry => Some(request.source_repository),
            _ => None,
        };
        // Its own source first: the token that it is read with serves the mount, too.
        let own = own.filter(|own| self.client.can_mount(own, request.repository));
        let mount_from = own.or(request.mount_from);
        let mount = || {
            let Some(from) = mount_from else {
                return Ok(false);
            };
            self.refusals.check_write(&self.client, request.repository)?;
            self.client
                .mount_blob(request.repository, &request.blob.digest, from)
                .map_err(|error| self.fault(request.repository, error))
        };
        if request.expected == Expected::Missing && mount()? {
            return Ok(How::Mounted);
        }
        if request.expected == Expected::Lost {
            // An answer from before the refusal counts no more.
            self.losses.take_answer(request.repository, &request.blob.digest);
        }
        let found = self.blob_size(request.repository, &request.blob.digest)?;
        if found == Some(request.blob.size) {
            return Ok(How::Present);
        }
        // Repositories share their blobs' bytes: one of another size would be mounted as it is.
        if request.expected == Expected::There && found.is_none() && mount()? {
            return Ok(How::Mounted);
        }
        self.push(request).map(|()| How::Moved)
    }

    fn sync_blobs(&self) -> Result<(), Fault> {
        Ok(())
    }

    fn put_manifest(&self, repository: &Repository, manifest: &RawManifest) -> Result<(), Fault> {
        self.push_manifest(repository, &manifest.digest().clone().into(), manifest)
    }

    fn publish(&self, image: &Reference, root: &RawManifest) -> Result<Published, Fault> {
        let identifier = image
            .tag()
            .map_or_else(|| root.digest().clone().into(), |tag: &Tag| tag.clone().into());
        self.push_manifest(image.repository(), &identifier, root)
            .map(|()| Published::Whole)
    }
}

/// What an image is published as: its tag, which may stand for something else, rather than its digest.
fn tag_or_digest(image: &Reference) -> Identifier {
    image
        .tag()
        .map_or_else(|| image.identifier(), |tag| tag.clone().into())
}

#[cfg(test)]
mod tests;
