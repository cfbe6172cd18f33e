//! Registries that images are written to.

mod push;

use std::collections::{BTreeMap, HashSet};
use std::io::Read;
use std::sync::Arc;

use transload_reference::{
    Descriptor, Digest, Identifier, RawManifest, Reference, Registry, Repository, Tag,
};
use transload_registry_client::{Client, Lookup};

use super::Losses;
use super::refused::{Refusals, RefusedTypes, project};
use super::scouts::Scouts;
use crate::blobs::Scope;
use crate::event::How;
use crate::fault::Fault;
use crate::outcome::Link;
use crate::parallel_map::parallel_map;
use crate::place::sink::tag_or_digest;
use crate::place::{Bring, Expected, Presence, Published, Sink, SinkOptions};
use crate::plan::Attached;

/// The status of a registry that doesn't take manifests of a type.
const UNSUPPORTED_MEDIA_TYPE: u16 = 415;

/// A registry that images are written to.
pub struct RegistrySink {
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

impl RegistrySink {
    /// The registry, by this client.
    pub fn new(client: Client, registry: Registry) -> Self {
        RegistrySink {
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
    pub fn with(self, options: &SinkOptions) -> Self {
        RegistrySink {
            check_existing: options.check_existing,
            writes_sparse: options.writes_sparse,
            ..self
        }
    }

    /// Shares what other tasks of the run learn about its losses.
    pub fn with_losses(self, losses: Arc<Losses>) -> Self {
        RegistrySink { losses, ..self }
    }

    /// Looks at the registry, and writes nothing.
    pub fn only_looking(self) -> Self {
        RegistrySink {
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

impl Sink for RegistrySink {
    fn describe(&self) -> String {
        self.registry.to_string()
    }

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

    fn has_referrers(&self, repository: &Repository, referrers: &[Attached]) -> Result<bool, Fault> {
        let by_tag = referrers.iter().filter_map(|attached| match &attached.link {
            Some(Link::Tag(tag)) => Some((tag, attached.manifest.digest())),
            _ => None,
        });
        let found = parallel_map(&by_tag.collect::<Vec<_>>(), |(tag, digest)| {
            let found = self.client.find_manifest(repository, &(*tag).clone().into())?;
            Ok(found.found().is_some_and(|found| found.digest == **digest))
        });
        let mut by_subject: BTreeMap<&Digest, Vec<&Digest>> = BTreeMap::new();
        for attached in referrers {
            if let Some(Link::Subject(subject)) = &attached.link {
                let known = by_subject.entry(subject).or_default();
                known.push(attached.manifest.digest());
            }
        }
        let listed = parallel_map(
            &by_subject.into_iter().collect::<Vec<_>>(),
            |(subject, wanted)| {
                let found = self.client.referrers(repository, subject, None)?;
                let found: HashSet<Digest> = found.into_iter().map(|referrer| referrer.digest).collect();
                Ok(wanted.iter().all(|digest| found.contains(*digest)))
            },
        );
        for answer in found.into_iter().chain(listed) {
            if !answer.map_err(|error| self.fault(repository, error))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn add_referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
        referrers: &[Descriptor],
    ) -> Result<(), Fault> {
        self.client
            .add_referrers(repository, subject, referrers)
            .map_err(|error| self.fault(repository, error))
    }

    fn losses(&self) -> Option<&Losses> {
        (!self.check_existing).then_some(&self.losses)
    }

    fn has_blob(&self, repository: &Repository, blob: &Descriptor) -> Result<bool, Fault> {
        // One of another size is damaged: the right one takes its place.
        Ok(self.blob_size(repository, &blob.digest)? == Some(blob.size))
    }

    fn open_blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
    ) -> Result<Option<Box<dyn Read + Send>>, Fault> {
        match self.client.open_blob(repository, blob, 0) {
            Ok(opened) => Ok(Some(Box::new(opened))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(self.fault(repository, error)),
        }
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
        let is_own = request.source.offers().mount_from == Some(&self.registry);
        let own = is_own.then_some(request.source_repository);
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
