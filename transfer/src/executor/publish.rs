//! Manifests and tags, once an image's blobs are there.

use rayon::Scope;
use transload_reference::{Digest, RawManifest, Tag};

use super::Executor;
use crate::blobs::ImageId;
use crate::current_image;
use crate::fault::Fault;
use crate::image_task::ImageTask;
use crate::outcome::Status;
use crate::panics;
use crate::place::{Expected, Presence, Published};
use crate::plan::Plan;
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
        let manifests: Vec<&Digest> = plan
            .children
            .iter()
            .chain([&plan.root])
            .map(RawManifest::digest)
            .collect();
        if !locks.lock(image, repository, &manifests) {
            return;
        }
        let written = self.write_manifests(image_task, &plan);
        self.unlock(scope, image);
        match (written, image_task.mapping.to.reference().tag()) {
            (Ok(Published::Untagged), Some(tag)) => self.tag(image, tag, plan.root.digest()),
            (Ok(_), _) if image_task.state.destination.is_one_file() => image_task.written(),
            (Ok(_), _) => self.published(image),
            (Err(fault), _) => self.refused(scope, image, &plan, fault),
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

    /// Leaves an image's tag to be written with others, and writes what waits unless another worker is at that.
    pub(super) fn tag(&self, image: ImageId, tag: &Tag, digest: &Digest) {
        let image_task = &self.image_tasks[image];
        let state = &image_task.state;
        let waiting = Waiting {
            image,
            tag: tag.clone(),
            digest: digest.clone(),
        };
        if !state
            .tagging
            .add(image_task.mapping.to.reference().repository(), waiting)
        {
            return;
        }
        while let Some((repository, waiting)) = state.tagging.next() {
            let tags: Vec<_> = waiting
                .iter()
                .map(|waiting| (waiting.tag.clone(), waiting.digest.clone()))
                .collect();
            // A panic mustn't leave the tags that come after these to nobody.
            let written = panics::caught(|| state.destination.write_tags(&repository, &tags));
            let written = written.unwrap_or_else(|panicked| Err(Fault::internal(panicked)));
            for Waiting { image, .. } in waiting {
                let end = || match &written {
                    Ok(()) => self.published(image),
                    Err(fault) => self.fail(image, fault.clone()),
                };
                if let Err(panicked) = panics::caught(end) {
                    log::error!("{}: {panicked}", self.image_tasks[image].name());
                }
            }
        }
    }

    /// Unlocks the manifests of an image, and lets others write them.
    pub(super) fn unlock<'scope>(&'scope self, scope: &Scope<'scope>, image: ImageId) {
        for image in self.image_tasks[image].state.manifest_locks.unlock(image) {
            self.push(scope, Work::Publish(image));
        }
    }

    pub(super) fn write_manifests(&self, image_task: &ImageTask, plan: &Plan) -> Result<Published, Fault> {
        let destination = image_task.state.destination.as_ref();
        let (image, locks) = (
            image_task.mapping.to.reference(),
            &image_task.state.manifest_locks,
        );
        let repository = image.repository();
        let is_repair = image_task.expected() == Expected::Lost;
        destination.sync_blobs()?;
        for child in &plan.children {
            if is_repair || !locks.is_written(repository, child.digest()) {
                destination.put_manifest(repository, child)?;
                locks.wrote(repository, child.digest());
            }
        }
        let published = destination.publish(image, &plan.root)?;
        locks.wrote(repository, plan.root.digest());
        Ok(published)
    }
}
