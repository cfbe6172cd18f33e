//! Blobs: who brings which, and what becomes of it.

use std::sync::Arc;

use rayon::Scope;
use transload_reference::Descriptor;

use super::{BlobWork, Executor, Idle};
use crate::blobs::{Claim, ImageId, Next};
use crate::current_image;
use crate::event::{Event, How};
use crate::fault::{Fault, Side};
use crate::place::Bring;
use crate::plan::Plan;
use crate::queue::Work;
use crate::space::SpaceReservation;

impl Executor<'_> {
    /// Queues the blobs of an image that is planned.
    pub(super) fn claim<'scope>(&'scope self, scope: &Scope<'scope>, image: ImageId) {
        let _at = current_image::set(self.image_tasks[image].name());
        if let Some(plan) = self.image_tasks[image].plan() {
            self.claim_blobs(scope, image, &plan);
        }
    }

    /// Queues the blobs of an image that nobody else brings.
    pub(super) fn claim_blobs<'scope>(&'scope self, scope: &Scope<'scope>, image: ImageId, plan: &Plan) {
        let image_task = &self.image_tasks[image];
        let scope_of_blobs = image_task
            .state
            .destination
            .scope(image_task.mapping.to.reference().repository());
        let mut new_bytes = 0u64;
        let mut to_write = 0u64;
        let mut work = Vec::new();
        let mut shared = Vec::new();
        let mut wrong = None;
        for blob in &plan.blobs {
            match image_task.state.blobs.claim(&blob.digest, &scope_of_blobs, image) {
                Claim::There { size, how } => match check_size(blob, size) {
                    Ok(()) => {
                        image_task.shares(how);
                        shared.push(blob);
                    }
                    Err(fault) => wrong = wrong.or(Some(fault)),
                },
                Claim::Wait => {}
                Claim::Bring { from } => {
                    let bytes = image_task
                        .state
                        .destination
                        .bytes_to_write(image_task.source.as_ref(), blob);
                    new_bytes = new_bytes.saturating_add(blob.size);
                    to_write = to_write.saturating_add(bytes);
                    work.push((blob, from, bytes));
                }
            }
        }
        self.observer.event(&Event::ImagePlanned {
            image: image_task.name(),
            blobs: plan.blobs.len(),
            new_bytes,
            parts: &plan.contents,
        });
        let space = &image_task.state.space;
        let reserved = match wrong {
            Some(fault) => Err(fault),
            None => space
                .reserve(to_write, || image_task.state.destination.free_space())
                .map_err(|short| short.fault(to_write)),
        };
        if let Err(fault) = reserved {
            // It is over before anything that it claimed is passed on to whoever else needs it, so that none of it is begun here.
            self.fail(image, fault);
            for (blob, ..) in work {
                self.pass_on(
                    scope,
                    blob,
                    image_task
                        .state
                        .blobs
                        .failed(&blob.digest, &scope_of_blobs, image),
                );
            }
            return;
        }
        for (blob, mount_from, bytes) in work {
            let work = BlobWork {
                image,
                blob: blob.clone(),
                mount_from,
                reservation: Some(SpaceReservation::new(space, bytes)),
            };
            self.push_blob(scope, work);
        }
        for blob in shared {
            self.count(scope, image, Some((blob, How::Shared)));
        }
        self.count(scope, image, None);
    }

    /// Brings a blob, and queues those that waited for it.
    pub(super) fn bring<'scope>(&'scope self, scope: &Scope<'scope>, work: BlobWork) {
        let state = Arc::clone(&self.image_tasks[work.image].state);
        let turn = state.destination.turn(&work.blob);
        let waits = |work: &BlobWork| state.destination.waits(&work.blob);
        let Some(work) = state.waiting.keep(work, turn, waits) else {
            return;
        };
        self.bring_now(scope, work);
        for work in state.waiting.release(waits) {
            self.push_blob(scope, work);
        }
    }

    fn bring_now<'scope>(&'scope self, scope: &Scope<'scope>, work: BlobWork) {
        let BlobWork {
            image,
            blob,
            mount_from,
            reservation,
        } = work;
        let image_task = &self.image_tasks[image];
        let _at = current_image::set(image_task.name());
        let repository = image_task.mapping.to.reference().repository();
        let blob_scope = image_task.state.destination.scope(repository);
        let blobs = &image_task.state.blobs;
        if image_task.is_over() {
            // The image failed by another blob; whoever else needs this one sees to it.
            return self.pass_on(scope, &blob, blobs.failed(&blob.digest, &blob_scope, image));
        }
        if let Some(plan) = image_task.plan()
            && let Err(fault) = image_task
                .state
                .destination
                .check_manifests(repository, &mut plan.manifests.iter())
        {
            self.fail(image, fault);
            return self.pass_on(scope, &blob, blobs.failed(&blob.digest, &blob_scope, image));
        }
        let brought = image_task.state.destination.bring_blob(&Bring {
            repository,
            blob: &blob,
            mount_from: mount_from.as_ref(),
            expected: image_task.expected(),
            source: &image_task.source,
            source_repository: image_task.mapping.from.reference().repository(),
            started: &|offset| {
                image_task.begins(&blob.digest, offset);
                self.observer.event(&Event::BlobStarted {
                    image: image_task.name(),
                    blob: &blob,
                    offset,
                });
            },
            progress: &|position| {
                if let Some(reservation) = &reservation {
                    reservation.shrink_to(blob.size.saturating_sub(position));
                }
                self.observer.event(&Event::BlobProgress {
                    image: image_task.name(),
                    digest: &blob.digest,
                    position,
                });
            },
            cancel: self.cancel,
            workers: Some(&Idle {
                executor: self,
                scope,
                image,
            }),
        });
        match brought {
            Ok(how) => {
                let how = match how {
                    How::Present if image_task.source.went_straight(&blob.digest) => How::Moved,
                    how => how,
                };
                self.observer.event(&Event::BlobFinished {
                    image: image_task.name(),
                    blob: &blob,
                    how,
                });
                // First of all: once its last blob is counted, the image is published, and a refusal makes it forget what arrived.
                let next = blobs.arrived(&blob.digest, &blob_scope, blob.size, how);
                let mut counted = blob.clone();
                if how == How::Moved {
                    counted.size = image_task.state.destination.moved_bytes(&blob);
                }
                self.count(scope, image, Some((&counted, how)));
                for &image in &next.there {
                    self.image_tasks[image].shares(how);
                }
                self.pass_on(scope, &blob, next);
            }
            Err(fault) => {
                self.observer.event(&Event::BlobFailed {
                    image: image_task.name(),
                    digest: &blob.digest,
                });
                self.note_missing(image, &blob);
                self.fail(image, fault);
                self.pass_on(scope, &blob, blobs.failed(&blob.digest, &blob_scope, image));
            }
        }
    }

    pub(super) fn pass_on<'scope>(&'scope self, scope: &Scope<'scope>, blob: &Descriptor, next: Next) {
        for image in next.there {
            // A wrong size in a manifest fails its image, whichever image brings the blob.
            match self.image_tasks[image]
                .blob(&blob.digest)
                .map_or(Ok(()), |own| check_size(&own, blob.size))
            {
                Ok(()) => self.count(scope, image, Some((blob, How::Shared))),
                Err(fault) => self.fail(image, fault),
            }
        }
        for (image, mount_from) in next.bring {
            // By what its own manifest says: what another one says of the same digest may have been the fault.
            let blob = self.image_tasks[image]
                .blob(&blob.digest)
                .unwrap_or_else(|| blob.clone());
            let work = BlobWork {
                image,
                blob,
                mount_from,
                reservation: None,
            };
            self.push_blob(scope, work);
        }
    }

    pub(super) fn count<'scope>(
        &'scope self,
        scope: &Scope<'scope>,
        image: ImageId,
        blob: Option<(&Descriptor, How)>,
    ) {
        if self.image_tasks[image].blob_is_there(blob) {
            self.push(scope, Work::Publish(image));
        }
    }
}

/// Refuses a manifest that gives a blob another size than it has.
fn check_size(blob: &Descriptor, size: u64) -> Result<(), Fault> {
    if blob.size == size {
        return Ok(());
    }
    let message = format!(
        "the manifest says that the blob {} has {} bytes, and it has {size}",
        blob.digest, blob.size
    );
    Err(Fault::refused(Some(Side::Source), message).with_hint("build the image and push it again"))
}
