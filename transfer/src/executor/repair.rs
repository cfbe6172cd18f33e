//! What to do once a registry turns out to lack what it lists or took: look again, send what is missing, and write the manifests again.

use std::collections::HashSet;

use rayon::Scope;
use transload_reference::{Digest, RawManifest};

use super::{Event, Executor, Fault, ImageId, Plan, Work};

/// What to do where an index that keeps its platforms is refused.
const NO_SPARSE: &str = "the registry may take no index that names manifests it lacks: leave out index: original (--index), or copy all platforms";

impl Executor<'_> {
    /// Looks at all images again that were taken as there without looking up their blobs, once their registry shows a sign of loss.
    pub(super) fn heed_losses<'scope>(&'scope self, scope: &Scope<'scope>, image: ImageId) {
        let state = &self.image_tasks[image].state;
        let Some(losses) = state.destination.losses().filter(|losses| losses.is_found()) else {
            return;
        };
        if let Some(text) = losses.warning() {
            self.warn(&text);
        }
        // The lock isn't held while they are queued.
        let unchecked = std::mem::take(&mut *state.unchecked());
        for image in unchecked {
            let image_task = &self.image_tasks[image];
            image_task.reopen();
            self.observer.event(&Event::ImageReopened {
                image: image_task.name(),
            });
            self.push(scope, Work::Plan(image));
        }
    }

    /// Handles the refusal of an image's manifest. Where the registry lacks what the manifest names, all of the image's blobs are looked up
    /// and the missing ones sent, once; the manifests are written after them.
    pub(super) fn refused<'scope>(
        &'scope self,
        scope: &Scope<'scope>,
        image: ImageId,
        plan: &Plan,
        fault: Fault,
    ) {
        let image_task = &self.image_tasks[image];
        if !fault.is_for_lack_of_parts() {
            return self.fail(image, fault);
        }
        let is_sparse = is_sparse(plan);
        if !image_task.begin_repair() {
            let fault = if is_sparse {
                fault.with_hint(NO_SPARSE)
            } else {
                fault
            };
            return self.fail(image, fault);
        }
        log::debug!("{}: looking up its blobs again: {fault}", image_task.name());
        let state = &image_task.state;
        // What a sparse index lacks, the registry never had.
        if let Some(losses) = state.destination.losses().filter(|_| !is_sparse) {
            losses.note();
        }
        let blobs: Vec<&Digest> = plan.blobs.iter().map(|blob| &blob.digest).collect();
        let repository = image_task.mapping.to.reference().repository();
        state.blobs.forget(&blobs, &state.destination.scope(repository));
        self.claim_blobs(scope, image, plan);
        self.heed_losses(scope, image);
    }
}

/// Whether an index names manifests that don't move.
fn is_sparse(plan: &Plan) -> bool {
    let moved: HashSet<&Digest> = plan.manifests.iter().map(RawManifest::digest).collect();
    let mut named = plan
        .manifests
        .iter()
        .flat_map(|manifest| manifest.view().children());
    named.any(|child| !moved.contains(&child.digest))
}

#[cfg(test)]
mod tests;
