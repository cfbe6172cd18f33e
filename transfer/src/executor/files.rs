//! Destinations that are one file: laid out once every image is planned, and there once every image is written.

use std::sync::Arc;

use super::{Executor, Fault, ImageId, Status};
use crate::ends::DestinationState;
use crate::fault::Side;
use crate::place::PlannedImage;

impl Executor<'_> {
    /// Lays out the files whose images are all planned. Returns those images: their blobs may come now.
    pub(super) fn lay_out_files(&self) -> Vec<ImageId> {
        let mut ready = Vec::new();
        for (state, images) in self.files() {
            let (over, planned): (Vec<ImageId>, Vec<ImageId>) = images
                .into_iter()
                .partition(|&image| self.image_tasks[image].is_over());
            let is_whole = !over.iter().any(|&image| self.image_tasks[image].has_failed());
            if !state.waits_for_layout() || !is_whole || self.is_cancelled() {
                continue;
            }
            let laid_out = Fault::isolate(|| {
                let plans: Vec<_> = planned
                    .iter()
                    .filter_map(|&image| {
                        let image_task = &self.image_tasks[image];
                        Some((image_task, image_task.plan()?))
                    })
                    .collect();
                let images: Vec<PlannedImage<'_>> = plans
                    .iter()
                    .filter_map(|(image_task, plan)| {
                        let (root, children) = plan.manifests.split_last()?;
                        Some(PlannedImage {
                            reference: image_task.mapping.to.reference(),
                            root,
                            children,
                            referrers: &plan.referrers,
                            source: &image_task.source,
                            source_repository: image_task.mapping.from.reference().repository(),
                        })
                    })
                    .collect();
                state.destination.lay_out(&images, self.observer)
            });
            match laid_out {
                Ok(warnings) => {
                    state.has_layout();
                    for &image in &planned {
                        self.image_tasks[image].forget_manifests();
                    }
                    ready.extend(planned);
                    warnings.iter().for_each(|text| self.warn(text));
                }
                Err(fault) => planned.iter().for_each(|&image| self.fail(image, fault.clone())),
            }
        }
        ready
    }

    /// Completes the files of which all images are written. The images of the others fail, too: they are nowhere yet.
    pub(super) fn finish_files(&self) {
        if self.is_cancelled() {
            return;
        }
        for (state, images) in self.files() {
            let all = images.len();
            let open: Vec<ImageId> = images
                .iter()
                .copied()
                .filter(|&image| !self.image_tasks[image].is_over())
                .collect();
            let failed = images
                .iter()
                .filter(|&&image| self.image_tasks[image].has_failed())
                .count();
            let finished = match failed {
                0 if open.is_empty() => continue,
                // It tells why blobs still wait for their turn.
                0 => Fault::isolate(|| state.destination.finish()),
                failed => Err(incomplete(&state.destination.describe(), failed, all)),
            };
            for image in open {
                match &finished {
                    // Its work was lost, and none of it was needed.
                    Ok(_) if !self.image_tasks[image].is_written() => {}
                    Ok(true) => self.end(image, Status::Copied),
                    Ok(false) => self.end(image, Status::AlreadyThere),
                    Err(fault) => self.fail(image, fault.clone()),
                }
            }
        }
    }

    /// The destinations that are one file, each with its images.
    fn files(&self) -> Vec<(Arc<DestinationState>, Vec<ImageId>)> {
        let mut files: Vec<(Arc<DestinationState>, Vec<ImageId>)> = Vec::new();
        for (image, image_task) in self.image_tasks.iter().enumerate() {
            let state = &image_task.state;
            if !state.destination.is_one_file() {
                continue;
            }
            match files.iter_mut().find(|(known, _)| Arc::ptr_eq(known, state)) {
                Some((_, images)) => images.push(image),
                None => files.push((Arc::clone(state), vec![image])),
            }
        }
        files
    }
}

fn incomplete(file: &str, failed: usize, all: usize) -> Fault {
    let message = format!("{file} isn't complete, since {failed} of {all} images failed");
    Fault::refused(Some(Side::Destination), message)
        .with_hint("run the same command again: what arrived is kept beside it")
}
