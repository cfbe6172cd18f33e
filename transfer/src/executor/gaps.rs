//! Sources that lack blobs, as bundles do: what the destination has counts, and is looked up before the first byte moves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use transload_archive::bundle::{Held, Holdings};
use transload_reference::{Descriptor, Digest, Repository};

use super::{Executor, ImageId};
use crate::ends::DestinationState;
use crate::event::How;
use crate::fault::Fault;
use crate::gap::{self, count};
use crate::lock::lock;
use crate::parallel_map::parallel_map;
use crate::place::{Absent, Source};

/// A blob that a source lacks, where it is needed.
struct Gap {
    state: Arc<DestinationState>,
    repository: Repository,
    blob: Descriptor,
    absent: Absent,
    source: Arc<dyn Source>,
    /// The image's repository at the source.
    from: Repository,
}

impl Executor<'_> {
    /// Lets no blob of these images come before it is looked up what their sources lack, if they lack something.
    pub(super) fn look_for_gaps(&self, images: &[ImageId]) {
        let is_partial = images
            .iter()
            .any(|image| self.image_tasks[*image].source.is_partial());
        self.looks_for_gaps.store(is_partial, Ordering::SeqCst);
    }

    /// Looks up what the sources of planned images lack, and ends the images of which something is nowhere. Returns the others that may
    /// begin now.
    pub(super) fn close_gaps(&self) -> Vec<ImageId> {
        if !self.looks_for_gaps.swap(false, Ordering::SeqCst) || self.is_cancelled() {
            return Vec::new();
        }
        let partial = |image: &ImageId| self.image_tasks[*image].source.is_partial();
        let images: Vec<ImageId> = (0..self.image_tasks.len()).filter(partial).collect();
        let planned: Vec<ImageId> = images
            .iter()
            .copied()
            .filter(|&image| !self.image_tasks[image].is_over() && self.image_tasks[image].plan().is_some())
            .collect();
        let mut gaps: BTreeMap<(usize, Repository, Digest), Gap> = BTreeMap::new();
        for &image in &planned {
            for (key, gap) in self.gaps_of(image) {
                gaps.entry(key).or_insert(gap);
            }
        }
        let all: Vec<&Gap> = gaps.values().collect();
        let found = parallel_map(&all, |gap| Fault::isolate(|| gap.find()));
        let found: BTreeMap<_, _> = gaps.keys().cloned().zip(found).collect();
        let mut missing = Holdings::default();
        let mut ready = Vec::new();
        let mut short = 0;
        for &image in &planned {
            match self.judge(image, &found, &mut missing) {
                Ok(()) if self.image_tasks[image].state.waits_for_layout() => {}
                Ok(()) => ready.push(image),
                Err(fault) => {
                    short += 1;
                    self.fail(image, fault);
                }
            }
        }
        if short > 0 {
            let (blobs, images) = (count(missing.blobs.len(), "blob"), count(short, "image"));
            let are = if missing.blobs.len() == 1 { "is" } else { "are" };
            self.warn(&format!("{blobs} of {images} {are} in neither place"));
        }
        // Of an image whose manifests are lost, it isn't known which blobs it needs.
        for &image in images
            .iter()
            .filter(|&&image| self.image_tasks[image].plan().is_none())
        {
            let image_task = &self.image_tasks[image];
            let lost = image_task.source.lost();
            if image_task.has_failed() && !lost.manifests.is_empty() {
                missing.unite(lost);
                self.note_image(image, &mut missing);
            }
        }
        let mut all = lock(&self.missing);
        all.unite(missing);
        ready
    }

    /// What is neither at the sources nor at the destinations, and the images that need it.
    pub fn missing(&self) -> Holdings {
        lock(&self.missing).clone()
    }

    fn gaps_of(&self, image: ImageId) -> Vec<((usize, Repository, Digest), Gap)> {
        let image_task = &self.image_tasks[image];
        let Some(plan) = image_task.plan() else {
            return Vec::new();
        };
        let (from, to) = (&image_task.mapping.from, &image_task.mapping.to);
        let repository = to.reference().repository();
        let gap = |blob: &Descriptor| {
            let absent = image_task.source.absent(blob)?;
            let state = Arc::clone(&image_task.state);
            let key = (
                Arc::as_ptr(&state) as usize,
                repository.clone(),
                blob.digest.clone(),
            );
            let gap = Gap {
                state,
                repository: repository.clone(),
                blob: blob.clone(),
                absent,
                source: Arc::clone(&image_task.source),
                from: from.reference().repository().clone(),
            };
            Some((key, gap))
        };
        plan.blobs.iter().filter_map(gap).collect()
    }

    /// Whether all that an image's source lacks was found.
    fn judge(
        &self,
        image: ImageId,
        found: &BTreeMap<(usize, Repository, Digest), Result<bool, Fault>>,
        missing: &mut Holdings,
    ) -> Result<(), Fault> {
        let mut gaps = Vec::new();
        for (key, gap) in self.gaps_of(image) {
            match found.get(&key) {
                Some(Ok(true)) => continue,
                Some(Err(fault)) => return Err(fault.clone()),
                Some(Ok(false)) | None => {}
            }
            missing.add_blob(&gap.blob.digest, Held::new(gap.blob.size, None));
            gaps.push((gap.blob.digest, gap.absent));
        }
        if gaps.is_empty() {
            return Ok(());
        }
        self.note_image(image, missing);
        let image_task = &self.image_tasks[image];
        let destination = image_task.state.destination.as_ref();
        Err(gap::fault(image_task.source.as_ref(), destination, &gaps))
    }

    /// Notes a blob that couldn't be brought, if its source lacks it after all.
    pub(super) fn note_missing(&self, image: ImageId, blob: &Descriptor) {
        if self.image_tasks[image].source.absent(blob).is_some() {
            let mut missing = lock(&self.missing);
            missing.add_blob(&blob.digest, Held::new(blob.size, None));
            self.note_image(image, &mut missing);
        }
    }

    /// Names an image among those that lack something.
    fn note_image(&self, image: ImageId, missing: &mut Holdings) {
        let image_task = &self.image_tasks[image];
        let name = image_task.mapping.from.reference();
        if let Ok(digest) = image_task.source.resolve(name) {
            missing
                .images
                .insert(name.clone().or_latest().to_string(), digest);
        }
    }
}

impl Gap {
    /// Whether the destination has the blob, where it is needed or in a repository that can lend it, or has what it is rebuilt from.
    fn find(&self) -> Result<bool, Fault> {
        let (destination, blobs) = (&self.state.destination, &self.state.blobs);
        let scope = destination.scope(&self.repository);
        if destination.has_blob(&self.repository, &self.blob)? {
            blobs.arrived(&self.blob.digest, &scope, self.blob.size, How::Present);
            return Ok(true);
        }
        let ways = (&self.from, &self.repository);
        let Some(lender) = gap::lender(destination.as_ref(), ways, &self.blob, &self.absent) else {
            return gap::find_base(self.source.as_ref(), destination, ways, &self.blob, &self.absent);
        };
        blobs.arrived(&self.blob.digest, &Some(lender), self.blob.size, How::Present);
        Ok(true)
    }
}
