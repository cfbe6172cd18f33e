//! One image's copy: its source, its destination and its progress.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use transload_reference::{Descriptor, Digest};

use super::ends::DestinationState;
use super::event::How;
use super::fault::Fault;
use super::outcome::{ImageOutcome, Status, Tally};
use super::place::{Expected, Presence, Source};
use super::plan::{Attached, Plan};
use super::prepare::Mapping;
use crate::lock::lock;
use crate::panics;

/// The copy of one image.
pub(crate) struct ImageTask {
    pub mapping: Mapping,
    pub source: Arc<dyn Source>,
    pub state: Arc<DestinationState>,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    started: Option<(Instant, SystemTime)>,
    attempts: u32,
    plan: Option<Arc<Plan>>,
    /// Blobs that aren't there yet; one more while the plan is still being gone through.
    pending: usize,
    /// How each blob got there. A later try finds there what an earlier one brought: the first word counts.
    settled: HashMap<Digest, (How, u64)>,
    /// Whether its blobs and manifests are written, and its destination waits for others.
    is_written: bool,
    /// Whether a blob wasn't there when this run first looked.
    lacked: bool,
    /// Whether the destination refused the manifest for lack of blobs, and they are looked up again.
    is_repair: bool,
    /// Of blobs whose bytes move, how many an earlier run had brought.
    kept: HashMap<Digest, u64>,
    /// There may be thousands of images that have none yet.
    outcome: Option<Box<ImageOutcome>>,
}

impl ImageTask {
    pub fn new(mapping: Mapping, source: Arc<dyn Source>, state: Arc<DestinationState>) -> ImageTask {
        ImageTask {
            mapping,
            source,
            state,
            progress: Mutex::default(),
        }
    }

    /// What events call it.
    pub fn name(&self) -> &str {
        &self.mapping.label
    }

    /// Begins it, or begins it anew.
    pub fn start(&self) {
        let mut progress = lock(&self.progress);
        progress.attempts += 1;
        progress
            .started
            .get_or_insert_with(|| (Instant::now(), SystemTime::now()));
    }

    /// Takes note that a blob begins to move behind so many bytes. What is there when this run first begins with it is of an earlier
    /// one, unless the blob is begun anew later.
    pub fn begins(&self, digest: &Digest, offset: u64) {
        let mut progress = lock(&self.progress);
        let kept = progress.kept.entry(digest.clone()).or_insert(offset);
        *kept = offset.min(*kept);
    }

    /// Takes the plan. Until [`ImageTask::blob_is_there`] has been called once more than there are blobs, the image isn't complete.
    pub fn planned(&self, plan: Plan) -> Arc<Plan> {
        let plan = Arc::new(plan);
        let mut progress = lock(&self.progress);
        progress.pending = plan.blobs.len() + 1;
        progress.plan = Some(Arc::clone(&plan));
        plan
    }

    /// Takes the plan of an image of which everything is there.
    pub fn already_there(&self, plan: Plan) {
        let mut progress = lock(&self.progress);
        for blob in &plan.blobs {
            progress
                .settled
                .entry(blob.digest.clone())
                .or_insert((How::Present, blob.size));
        }
        progress.plan = Some(Arc::new(plan));
    }

    /// Whether this run changed anything for the image: a blob or manifest that wasn't there, or what its tag stands for.
    pub fn has_changed(&self) -> bool {
        let progress = lock(&self.progress);
        let presence = progress.plan.as_ref().map(|plan| plan.presence);
        progress.lacked || presence.is_none_or(|presence| presence == Presence::Incomplete)
    }

    /// What is to be expected of the destination when a blob is brought.
    pub fn expected(&self) -> Expected {
        let progress = lock(&self.progress);
        match &progress.plan {
            _ if progress.is_repair => Expected::Lost,
            Some(plan) if plan.was_published => Expected::There,
            _ => Expected::Missing,
        }
    }

    /// Begins anew with the blobs of an image whose manifest was refused for lack of them. Returns whether it wasn't refused before.
    pub fn begin_repair(&self) -> bool {
        let mut progress = lock(&self.progress);
        let Some(plan) = progress.plan.clone().filter(|_| !progress.is_repair) else {
            return false;
        };
        progress.is_repair = true;
        progress.pending = plan.blobs.len() + 1;
        // What was thought to be there doesn't count.
        progress.settled.retain(|_, (how, _)| *how == How::Moved);
        true
    }

    /// Undoes the end of an image that was taken as there.
    pub fn reopen(&self) {
        let mut progress = lock(&self.progress);
        *progress = Progress {
            started: progress.started,
            // It is begun again, and it is the same try.
            attempts: progress.attempts.saturating_sub(1),
            ..Progress::default()
        };
    }

    pub fn plan(&self) -> Option<Arc<Plan>> {
        lock(&self.progress).plan.clone()
    }

    /// What its manifests say of a blob; none where they don't name it, or aren't known yet.
    pub fn blob(&self, digest: &Digest) -> Option<Descriptor> {
        let plan = self.plan()?;
        plan.blobs.iter().find(|blob| blob.digest == *digest).cloned()
    }

    /// Notes how another image found or brought a blob that this one needs.
    pub fn shares(&self, how: How) {
        lock(&self.progress).lacked |= how != How::Present;
    }

    /// Counts a blob that is there now (none for the plan itself). Whether the image is complete by that.
    pub fn blob_is_there(&self, blob: Option<(&Descriptor, How)>) -> bool {
        let mut progress = lock(&self.progress);
        if progress.outcome.is_some() {
            return false;
        }
        if let Some((blob, how)) = blob {
            progress.lacked |= !matches!(how, How::Present | How::Shared);
            progress
                .settled
                .entry(blob.digest.clone())
                .or_insert((how, blob.size));
        }
        progress.pending -= 1;
        progress.pending == 0
    }

    /// Drops the manifests, which the file that is the destination was laid out with. There may be thousands of images.
    pub fn forget_manifests(&self) {
        if let Some(plan) = &mut lock(&self.progress).plan {
            Arc::make_mut(plan).manifests = Vec::new();
        }
    }

    /// Drops the manifests and blobs, which are at the destination, while the image waits for its tag or its file.
    pub fn forget_parts(&self) {
        if let Some(plan) = &mut lock(&self.progress).plan {
            let plan = Arc::make_mut(plan);
            (plan.manifests, plan.blobs) = Default::default();
        }
    }

    /// Notes that its blobs and manifests are written, and its destination waits for others.
    pub fn written(&self) {
        lock(&self.progress).is_written = true;
    }

    /// Whether its blobs and manifests are written, and its destination waits for others.
    pub fn is_written(&self) -> bool {
        lock(&self.progress).is_written
    }

    /// Whether it is over and failed.
    pub fn has_failed(&self) -> bool {
        let progress = lock(&self.progress);
        let outcome = progress.outcome.as_ref();
        outcome.is_some_and(|outcome| matches!(outcome.status, Status::Failed(_) | Status::Interrupted))
    }

    /// Whether it is over, one way or the other.
    pub fn is_over(&self) -> bool {
        lock(&self.progress).outcome.is_some()
    }

    /// Ends it; the first end counts. The outcome, if this was the first.
    pub fn end(&self, status: Status) -> Option<ImageOutcome> {
        let mut progress = lock(&self.progress);
        if progress.outcome.is_some() {
            return None;
        }
        let outcome = self.outcome(&progress, status);
        progress.outcome = Some(Box::new(outcome.clone()));
        // Nobody asks for the manifests any more, and there may be thousands of images.
        progress.plan = None;
        if !is_worth_another_try(&outcome.status) {
            progress.settled = HashMap::new();
            progress.kept = Default::default();
        }
        Some(outcome)
    }

    /// Forgets a failure that another try may mend. Whether there was one.
    pub fn renew(&self) -> bool {
        let mut progress = lock(&self.progress);
        let failed = matches!(&progress.outcome, Some(outcome) if is_worth_another_try(&outcome.status));
        if failed {
            *progress = Progress {
                started: progress.started,
                attempts: progress.attempts,
                settled: std::mem::take(&mut progress.settled),
                lacked: progress.lacked,
                kept: std::mem::take(&mut progress.kept),
                ..Progress::default()
            };
        }
        failed
    }

    /// What became of it, in a run that was stopped or not.
    pub fn into_outcome(self, is_stopped: bool) -> ImageOutcome {
        let mut progress = lock(&self.progress);
        let outcome = progress.outcome.take().map(|outcome| *outcome);
        outcome.unwrap_or_else(|| {
            let status = if is_stopped {
                Status::Interrupted
            } else {
                Status::Failed(
                    Fault::refused(None, "internal error: its work was lost").with_hint(panics::HINT),
                )
            };
            self.outcome(&progress, status)
        })
    }

    fn outcome(&self, progress: &Progress, status: Status) -> ImageOutcome {
        let plan = progress.plan.as_deref();
        let digests: Option<(Digest, Digest)> =
            plan.map(|plan| (plan.source_digest.clone(), plan.digest.clone()));
        let (source_digest, digest) = digests.unzip();
        let parts = plan.map(|plan| plan.parts.clone()).unwrap_or_default();
        let blank = ImageOutcome::blank(self.mapping.route(), status);
        ImageOutcome {
            source_digest,
            digest,
            platforms: parts.iter().map(|(platform, _)| platform.clone()).collect(),
            parts,
            contents: plan.map(|plan| Arc::clone(&plan.contents)).unwrap_or_default(),
            warnings: plan.map(|plan| plan.warnings.clone()).unwrap_or_default(),
            referrers: plan
                .map(|plan| plan.referrers.iter().filter_map(Attached::told).collect())
                .unwrap_or_default(),
            left_referrers: plan.map(|plan| plan.left).unwrap_or_default(),
            verified_by: plan.map(|plan| plan.verified_by.clone()).unwrap_or_default(),
            blobs: tally(progress),
            attempts: progress.attempts,
            began: progress.started.map(|(_, began)| began),
            elapsed: progress
                .started
                .map(|(started, _)| started.elapsed())
                .unwrap_or_default(),
            ..blank
        }
    }
}

fn tally(progress: &Progress) -> Tally {
    let mut tally = Tally::default();
    for (digest, &(how, bytes)) in &progress.settled {
        tally.count(how, bytes, progress.kept.get(digest).copied().unwrap_or(0));
    }
    tally
}

fn is_worth_another_try(status: &Status) -> bool {
    matches!(status, Status::Failed(fault) if Fault::is_retryable(fault))
}
