//! The place in memory as a destination.

use std::collections::{BTreeMap, HashSet};
use std::io::Read;

use transload_reference::{Descriptor, Digest, RawManifest, Reference, Repository, Tag, Verifier};

use super::{Call, Kind, Memory};
use crate::blobs::Scope;
use crate::event::{How, Observer};
use crate::fault::{Fault, Side};
use crate::outcome::Link;
use crate::place::{Bring, Expected, PlannedImage, Presence, Published, Sink, Source, read_fault};
use crate::plan::Attached;

/// Bytes that a reader gives at a time.
const PIECE: usize = 16;

impl Sink for Memory {
    fn describe(&self) -> String {
        self.0.name.to_string()
    }

    fn scope(&self, repository: &Repository) -> Scope {
        match self.0.kind {
            Kind::Store | Kind::File => None,
            Kind::Registry => Some(repository.clone()),
        }
    }

    fn is_one_file(&self) -> bool {
        self.0.kind == Kind::File
    }

    fn lay_out(&self, images: &[PlannedImage<'_>], _: &dyn Observer) -> Result<Vec<String>, Fault> {
        self.call(Call::LayOut, "")?;
        let mut contents = self.contents();
        if contents.laid_out.is_some() {
            contents.broken.push("it was laid out twice".to_owned());
        }
        let mut laid_out: BTreeMap<String, HashSet<Digest>> = BTreeMap::new();
        for image in images {
            let referrers = image.referrers.iter().map(|attached| &attached.manifest);
            let repository = image.reference.repository();
            let own = laid_out.entry(image.reference.to_string()).or_default();
            for manifest in image.children.iter().chain([image.root]).chain(referrers) {
                let key = (repository.clone(), manifest.digest().clone());
                contents.manifests.insert(key, manifest.clone());
                own.insert(manifest.digest().clone());
            }
        }
        contents.laid_out = Some(laid_out);
        Ok(Vec::new())
    }

    /// Blobs are in a file by their digests.
    fn turn(&self, blob: &Descriptor) -> usize {
        match self.0.kind {
            Kind::Store | Kind::Registry => 0,
            Kind::File => usize::from_str_radix(&blob.digest.hex()[..8], 16).unwrap(),
        }
    }

    fn finish(&self) -> Result<bool, Fault> {
        self.call(Call::Finish, "")?;
        self.contents().is_finished = true;
        Ok(true)
    }

    fn published(&self, image: &Reference) -> Result<Option<Digest>, Fault> {
        self.call(Call::Published, &image.to_string())?;
        Ok(self.digest(image))
    }

    fn presence(
        &self,
        repository: &Repository,
        children: &[RawManifest],
        blobs: &[Descriptor],
    ) -> Result<Presence, Fault> {
        self.call(Call::Presence, &repository.to_string())?;
        let contents = self.contents();
        let has_children = children.iter().all(|child| {
            contents
                .manifests
                .contains_key(&(repository.clone(), child.digest().clone()))
        });
        let has_blobs = blobs.iter().all(|blob| {
            contents
                .blobs
                .contains_key(&(self.scope(repository), blob.digest.clone()))
        });
        Ok(match (has_children, has_blobs) {
            (false, _) => Presence::Incomplete,
            (true, false) => Presence::Manifests,
            (true, true) => Presence::Whole,
        })
    }

    fn manifest(&self, repository: &Repository, digest: &Digest) -> Result<Option<RawManifest>, Fault> {
        let contents = self.contents();
        Ok(contents
            .manifests
            .get(&(repository.clone(), digest.clone()))
            .cloned())
    }

    fn has_referrers(&self, repository: &Repository, referrers: &[Attached]) -> Result<bool, Fault> {
        let contents = self.contents();
        let is_there = |attached: &Attached| match &attached.link {
            Some(Link::Tag(tag)) => {
                let key = (repository.clone(), tag.clone());
                contents.tags.get(&key) == Some(attached.manifest.digest())
            }
            _ => {
                let key = (repository.clone(), attached.manifest.digest().clone());
                contents.manifests.contains_key(&key)
            }
        };
        Ok(referrers.iter().all(is_there))
    }

    fn add_referrers(&self, _: &Repository, subject: &Digest, referrers: &[Descriptor]) -> Result<(), Fault> {
        self.call(Call::AddReferrers, subject.as_str())?;
        let mut contents = self.contents();
        let known = contents.referrers.entry(subject.clone()).or_default();
        known.extend(referrers.iter().map(|referrer| referrer.digest.clone()));
        Ok(())
    }

    fn has_blob(&self, repository: &Repository, blob: &Descriptor) -> Result<bool, Fault> {
        let key = (self.scope(repository), blob.digest.clone());
        Ok(self.contents().blobs.contains_key(&key))
    }

    fn free_space(&self) -> Option<u64> {
        // Whoever asks can't be refused.
        let _ = self.call(Call::FreeSpace, "");
        self.contents().free
    }

    fn bytes_to_write(&self, _: &dyn Source, blob: &Descriptor) -> u64 {
        let _ = self.call(Call::BytesToWrite, blob.digest.as_str());
        blob.size
    }

    fn bring_blob(&self, request: &Bring<'_>) -> Result<How, Fault> {
        self.call(Call::BringBlob, request.blob.digest.as_str())?;
        if Sink::has_blob(self, request.repository, request.blob)? {
            return Ok(How::Present);
        }
        if let Some(mount_from) = request.mount_from.filter(|_| request.expected != Expected::Lost) {
            let key = (self.scope(mount_from), request.blob.digest.clone());
            let lent = self.contents().blobs.get(&key).cloned();
            if let Some(bytes) = lent {
                self.keep_blob(request.repository, request.blob, bytes);
                return Ok(How::Mounted);
            }
        }
        let mut bytes = Vec::new();
        let mut reader = request.open(0)?;
        (request.started)(0);
        let mut piece = [0; PIECE];
        loop {
            request.check_cancel()?;
            match reader.read(&mut piece).map_err(read_fault)? {
                0 => break,
                count => bytes.extend_from_slice(&piece[..count]),
            }
            (request.progress)(bytes.len() as u64);
        }
        let mut contents = self.contents();
        contents.came.push(request.blob.digest.clone());
        *contents.moved.entry(request.blob.digest.clone()).or_default() += bytes.len();
        drop(contents);
        let mut verifier = Verifier::of(request.blob);
        verifier
            .update(&bytes)
            .and_then(|()| verifier.finish())
            .map_err(|error| Fault::caused(Side::Source, error, true))?;
        self.keep_blob(request.repository, request.blob, bytes);
        Ok(How::Moved)
    }

    fn sync_blobs(&self) -> Result<(), Fault> {
        self.call(Call::SyncBlobs, "")?;
        self.contents().unsettled.clear();
        Ok(())
    }

    fn put_manifest(&self, repository: &Repository, manifest: &RawManifest) -> Result<(), Fault> {
        self.call(Call::PutManifest, manifest.digest().as_str())?;
        let mut contents = self.contents();
        self.check_parts(&mut contents, repository, manifest);
        let key = (repository.clone(), manifest.digest().clone());
        contents.manifests.insert(key, manifest.clone());
        Ok(())
    }

    fn publish(&self, image: &Reference, root: &RawManifest) -> Result<Published, Fault> {
        self.call(Call::Publish, &image.to_string())?;
        let repository = image.repository();
        let mut contents = self.contents();
        self.check_parts(&mut contents, repository, root);
        let key = (repository.clone(), root.digest().clone());
        contents.manifests.insert(key, root.clone());
        Ok(match image.tag() {
            Some(_) if self.0.kind != Kind::File => Published::Untagged,
            _ => Published::Whole,
        })
    }

    fn write_tags(&self, tags: &BTreeMap<Repository, Vec<(Tag, Digest)>>) -> Result<(), Fault> {
        for (repository, tags) in tags {
            self.call(Call::WriteTags, &repository.to_string())?;
            let mut contents = self.contents();
            for (tag, digest) in tags {
                if !contents
                    .manifests
                    .contains_key(&(repository.clone(), digest.clone()))
                {
                    contents
                        .broken
                        .push(format!("{tag} was written before its manifest"));
                }
                contents
                    .tags
                    .insert((repository.clone(), tag.clone()), digest.clone());
            }
        }
        Ok(())
    }
}
