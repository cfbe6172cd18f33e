//! What a run would do (`--dry-run`): text for people, JSON for programs.

mod hosts;
mod json;
mod text;

pub use json::plan_json;
pub use text::plan_text;

use std::collections::{BTreeMap, BTreeSet};

use transload_reference::Platform;
use transload_transfer::{Count, ImagePreview, JobPreview, Preview};

/// What all images of a plan, or of one of its tasks, come to.
#[derive(Debug, Default)]
struct Totals {
    images: usize,
    to_move: usize,
    there: usize,
    skipped: usize,
    fail: usize,
    blobs_to_move: Count,
    blobs_there: Count,
    /// How many images would have each platform afterwards.
    platforms: BTreeMap<Platform, usize>,
    /// How many images are moved whose platform isn't known: it isn't asked for, or they have none.
    unknown: usize,
    /// How many images lack each platform that was asked for.
    missing: BTreeMap<String, usize>,
}

impl Totals {
    fn of(plans: &[JobPreview]) -> Totals {
        let mut totals = Totals::default();
        for image in plans.iter().flat_map(|plan| &plan.images) {
            totals.count(image);
        }
        totals
    }

    fn count(&mut self, image: &ImagePreview) {
        self.images += 1;
        for platform in &image.missing {
            *self.missing.entry(platform.to_string()).or_default() += 1;
        }
        match &image.result {
            Err(_) => self.fail += 1,
            Ok(Preview::Skipped(_)) => self.skipped += 1,
            Ok(Preview::Moves {
                platforms,
                to_move,
                there,
                is_there,
                ..
            }) => {
                let kind = if *is_there {
                    &mut self.there
                } else {
                    &mut self.to_move
                };
                *kind += 1;
                self.blobs_to_move.add(to_move.blobs, to_move.bytes);
                self.blobs_there.add(there.blobs, there.bytes);
                self.unknown += usize::from(platforms.is_empty());
                for platform in platforms.iter().collect::<BTreeSet<_>>() {
                    *self.platforms.entry(platform.clone()).or_default() += 1;
                }
            }
        }
    }
}
