//! Manifests and tags, once an image's blobs are there.

use std::collections::{BTreeMap, BTreeSet};

use rayon::Scope;
use transload_reference::{Descriptor, Digest, RawManifest, Reference, Repository, Tag};

use super::Executor;
use crate::blobs::ImageId;
use crate::current_image;
use crate::fault::Fault;
use crate::image_task::ImageTask;
use crate::outcome::Link;
use crate::outcome::Status;
use crate::panics;
use crate::place::{Expected, Presence, Published, Sink};
use crate::plan::{Attached, Plan};
use crate::queue::Work;
use crate::tagging::Waiting;

impl Executor<'_> {
    pub(super) fn publish<'scope>(&'scope self, scope: &Scope<'scope>, image: ImageId) {
        let image_task = &self.image_tasks[image];
        let _at = current_image::set(image_task.name());
        let Some(plan) = image_task.plan() else {
            return self.unlock(scope, image);
        };
        if plan.presence == Presence::Manifests && !image_task.has_changed() {
            return self.end(image, Status::AlreadyThere);
        }
        let repository = image_task.mapping.to.reference().repository();
        let locks = &image_task.state.manifest_locks;
        let referrers = plan.referrers.iter().map(|attached| &attached.manifest);
        let all = plan.manifests.iter().chain(referrers);
        // One may refer to two manifests.
        let manifests: BTreeSet<&Digest> = all.map(RawManifest::digest).collect();
        let manifests: Vec<&Digest> = manifests.into_iter().collect();
        if !locks.lock(image, repository, &manifests) {
            return;
        }
        let written = self.write_manifests(image_task, &plan);
        self.unlock(scope, image);
        let tags = match written {
            Ok(tags) => tags,
            Err(fault) => return self.refused(scope, image, &plan, fault),
        };
        drop(plan);
        image_task.forget_parts();
        if !tags.is_empty() {
            self.tag(image, tags);
        } else if image_task.state.destination.is_one_file() {
            image_task.written();
        } else {
            self.published(image);
        }
    }

    /// Ends an image whose manifests and tag are written.
    pub(super) fn published(&self, image: ImageId) {
        let status = match self.image_tasks[image].has_changed() {
            true => Status::Copied,
            false => Status::AlreadyThere,
        };
        self.end(image, status);
    }

    /// Leaves an image's tags to be written with others, and writes what waits unless another worker is at that.
    pub(super) fn tag(&self, image: ImageId, tags: Vec<(Tag, Digest)>) {
        let image_task = &self.image_tasks[image];
        let state = &image_task.state;
        let waiting = Waiting { image, tags };
        if !state
            .tagging
            .add(image_task.mapping.to.reference().repository(), waiting)
        {
            return;
        }
        while let Some(waiting) = state.tagging.next() {
            let several = waiting.len() > 1;
            let written = self.write_tags(state.destination.as_ref(), &waiting);
            if written.is_err() && several {
                // One repository's trouble is its own images' alone.
                for one in waiting {
                    let one = BTreeMap::from([one]);
                    let written = self.write_tags(state.destination.as_ref(), &one);
                    self.tagged(one, &written);
                }
            } else {
                self.tagged(waiting, &written);
            }
        }
    }

    fn write_tags(
        &self,
        destination: &dyn Sink,
        waiting: &BTreeMap<Repository, Vec<Waiting>>,
    ) -> Result<(), Fault> {
        let tags = waiting.iter().map(|(repository, waiting)| {
            let tags = waiting.iter().flat_map(|waiting| waiting.tags.iter().cloned());
            (repository.clone(), tags.collect())
        });
        let tags: BTreeMap<Repository, Vec<(Tag, Digest)>> = tags.collect();
        // A panic mustn't leave the tags that come after these to nobody.
        let written = panics::caught(|| destination.write_tags(&tags));
        written.unwrap_or_else(|panicked| Err(Fault::internal(panicked)))
    }

    fn tagged(&self, waiting: BTreeMap<Repository, Vec<Waiting>>, written: &Result<(), Fault>) {
        for Waiting { image, .. } in waiting.into_values().flatten() {
            let end = || match written {
                Ok(()) => self.published(image),
                Err(fault) => self.fail(image, fault.clone()),
            };
            if let Err(panicked) = panics::caught(end) {
                log::error!("{}: {panicked}", self.image_tasks[image].name());
            }
        }
    }

    /// Unlocks the manifests of an image, and lets others write them.
    pub(super) fn unlock<'scope>(&'scope self, scope: &Scope<'scope>, image: ImageId) {
        for image in self.image_tasks[image].state.manifest_locks.unlock(image) {
            self.push(scope, Work::Publish(image));
        }
    }

    /// Writes an image's manifests and referrers: children before parents, subjects before what refers to them, and the image's tag last.
    /// Returns the tags that are left to be written with others.
    pub(super) fn write_manifests(
        &self,
        image_task: &ImageTask,
        plan: &Plan,
    ) -> Result<Vec<(Tag, Digest)>, Fault> {
        let destination = image_task.state.destination.as_ref();
        let (image, locks) = (
            image_task.mapping.to.reference(),
            &image_task.state.manifest_locks,
        );
        let repository = image.repository();
        let is_repair = image_task.expected() == Expected::Lost;
        let put = |manifest: &RawManifest| {
            if is_repair || !locks.is_written(repository, manifest.digest()) {
                destination.put_manifest(repository, manifest)?;
                locks.wrote(repository, manifest.digest());
            }
            Ok(())
        };
        destination.sync_blobs()?;
        let Some((root, children)) = plan.manifests.split_last() else {
            // The file that is the destination was laid out with them.
            return Ok(Vec::new());
        };
        children.iter().try_for_each(put)?;
        let mut tags = Vec::new();
        let mut publish = |image: &Reference, root: &RawManifest| {
            let published = destination.publish(image, root)?;
            locks.wrote(repository, root.digest());
            if let (Published::Untagged, Some(tag)) = (published, image.tag()) {
                tags.push((tag.clone(), root.digest().clone()));
            }
            Ok(())
        };
        if !plan.referrers.is_empty() && !plan.was_published {
            put(root)?;
        }
        let mut by_subject: BTreeMap<&Digest, Vec<Descriptor>> = BTreeMap::new();
        for Attached { manifest, link } in &plan.referrers {
            match link {
                None => put(manifest)?,
                Some(Link::Tag(tag)) => {
                    let name = Reference::new(repository.clone(), Some(tag.clone()), None);
                    publish(&name, manifest)?;
                }
                Some(Link::Subject(subject)) => {
                    put(manifest)?;
                    let known = by_subject.entry(subject).or_default();
                    known.extend(manifest.referrer());
                }
            }
        }
        for (subject, referrers) in by_subject {
            destination.add_referrers(repository, subject, &referrers)?;
        }
        publish(image, root)?;
        Ok(tags)
    }
}
