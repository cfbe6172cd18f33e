//! Directories that images are written to.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;

use transload_archive::TakeBytes;
use transload_layout_store::disk::free_space;
use transload_layout_store::repair::SetAside;
use transload_layout_store::{BlobWriter, Error, Store};
use transload_reference::{Descriptor, Digest, MediaType, RawManifest, Reference, Repository, Tag};

use super::fill::fill;
use super::{at_destination, share};
use crate::event::How;
use crate::fault::Fault;
use crate::outcome::Link;
use crate::place::sink::tag_or_digest;
use crate::place::{Bring, Published, Sink, SinkOptions, Source};
use crate::plan::Attached;

/// A directory that images are written to.
pub struct DirectorySink {
    store: Arc<Store>,
    link: bool,
    check_existing: bool,
}

impl DirectorySink {
    /// The directory.
    pub fn new(store: Arc<Store>) -> Self {
        DirectorySink {
            store,
            link: false,
            check_existing: false,
        }
    }

    /// Brings blobs as a task says.
    pub fn with(self, options: &SinkOptions) -> Self {
        DirectorySink {
            link: options.link,
            check_existing: options.check_existing,
            ..self
        }
    }

    fn is_there(&self, blob: &Descriptor) -> Result<bool, Fault> {
        let is_there = match self.check_existing {
            true => self.store.check_blob(blob),
            false => self.store.has_blob(blob),
        };
        is_there.map_err(at_destination)
    }
}

impl Sink for DirectorySink {
    fn describe(&self) -> String {
        self.store.root().display().to_string()
    }

    fn published(&self, image: &Reference) -> Result<Option<Digest>, Fault> {
        self.store
            .check_place(image.repository(), image.tag())
            .map_err(at_destination)?;
        self.store
            .resolve(image.repository(), &tag_or_digest(image))
            .map_err(at_destination)
    }

    fn manifest(&self, repository: &Repository, digest: &Digest) -> Result<Option<RawManifest>, Fault> {
        // A manifest that is damaged here is as good as missing: a whole one takes its place.
        Ok(self.store.manifest_by_digest(repository, digest).ok().flatten())
    }

    fn has_referrers(&self, repository: &Repository, referrers: &[Attached]) -> Result<bool, Fault> {
        let mut all = None;
        for Attached { manifest, link } in referrers {
            let is_there = match link {
                None => self.manifest(repository, manifest.digest())?.is_some(),
                Some(Link::Tag(tag)) => {
                    let found = self.store.resolve(repository, &tag.clone().into());
                    found.map_err(at_destination)?.as_ref() == Some(manifest.digest())
                }
                Some(Link::Subject(subject)) => {
                    let known = match &all {
                        Some(known) => known,
                        None => all.insert(self.store.all_referrers(repository).map_err(at_destination)?),
                    };
                    let mut known = known.get(subject).into_iter().flatten();
                    known.any(|referrer| referrer.digest == *manifest.digest())
                }
            };
            if !is_there {
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
        self.store
            .add_referrers(repository, subject, referrers)
            .map_err(at_destination)
    }

    fn has_blob(&self, _: &Repository, blob: &Descriptor) -> Result<bool, Fault> {
        self.is_there(blob)
    }

    fn open_blob(&self, _: &Repository, blob: &Descriptor) -> Result<Option<Box<dyn Read + Send>>, Fault> {
        let file = self.store.open_blob(&blob.digest).map_err(at_destination)?;
        Ok(file.map(|file| Box::new(file) as Box<dyn Read + Send>))
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
            _ if share::takes_no_room(source, self.store.root(), blob, self.link) => 0,
            bytes => bytes,
        }
    }

    fn take_blob(&self, digest: &Digest, size: u64) -> Result<Option<Box<dyn TakeBytes>>, Fault> {
        if self.check_existing {
            return Ok(None);
        }
        let blob = Descriptor::new(MediaType::OCI_LAYER, digest.clone(), size);
        let mut writer = self.store.write_blob(&blob).map_err(at_destination)?;
        // A pipe begins at the beginning.
        let emptied = writer.as_mut().map_or(Ok(()), BlobWriter::restart);
        emptied.map_err(at_destination)?;
        Ok(Some(Box::new(Passing(writer))))
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
                    .map_err(at_destination)?,
            );
        }
        let is_linked = self.link && share::link(request, &self.store)?;
        let how = match self.store.write_blob(request.blob).map_err(at_destination)? {
            None if is_linked => How::Linked,
            None => How::Present,
            Some(writer) => match share::reflink(request, Box::new(writer))? {
                None => How::Cloned,
                Some(writer) => fill(request, writer).map(|()| How::Moved)?,
            },
        };
        damaged
            .map_or(Ok(()), SetAside::discard)
            .map_err(at_destination)?;
        Ok(how)
    }

    fn sync_blobs(&self) -> Result<(), Fault> {
        self.store.sync_blobs().map_err(at_destination)
    }

    fn put_manifest(&self, repository: &Repository, manifest: &RawManifest) -> Result<(), Fault> {
        self.store
            .put_manifest(repository, manifest)
            .map_err(at_destination)
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
        published.map_err(at_destination)
    }

    fn write_tags(&self, tags: &BTreeMap<Repository, Vec<(Tag, Digest)>>) -> Result<(), Fault> {
        self.store.tag_all(tags).map_err(at_destination)
    }
}

/// A blob that a pipe gives; without a writer where it is there.
struct Passing(Option<BlobWriter>);

impl TakeBytes for Passing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.0.as_mut().map_or(Ok(()), |writer| writer.write(bytes));
        written.map_err(passing_error)
    }

    fn finish(self: Box<Self>) -> io::Result<bool> {
        let finished = self.0.map_or(Ok(false), |writer| writer.commit().map(|()| true));
        finished.map_err(|refused| passing_error(refused.error))
    }
}

fn passing_error(error: Error) -> io::Error {
    match error {
        Error::WrongContent { source } => io::Error::new(io::ErrorKind::InvalidData, source),
        error => io::Error::other(at_destination(error)),
    }
}
