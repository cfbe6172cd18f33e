//! Whether a registry still has the blobs of the images that it lists.
//!
//! A registry that was restored from a backup, or whose garbage collection went wrong, can list an image and lack its blobs. Looking up every
//! blob on every run would cost many requests an image, so a run looks up a sample, and every blob once there is a sign of loss.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use transload_reference::{Descriptor, Digest, Registry, Repository};

use crate::lock::lock;
use crate::parallel_map::MOST;

/// How many blobs of a registry a run looks up before it believes that the registry has what it lists.
const SAMPLE: usize = 16;

/// A blob in a repository.
type Key = (Repository, Digest);

/// What a run has learnt about one registry's losses.
#[derive(Debug)]
pub struct Losses {
    registry: Registry,
    found: AtomicBool,
    told: AtomicBool,
    /// How many images earlier tasks took as there without looking up their blobs.
    unchecked: AtomicUsize,
    sample: Mutex<Sample>,
}

#[derive(Debug, Default)]
struct Sample {
    chosen: HashSet<Key>,
    /// The sizes that the registry answered, kept until they are used: no blob is looked up twice.
    answers: HashMap<Key, Option<u64>>,
}

impl Losses {
    /// Returns the state of a registry that nothing is known of.
    pub fn new(registry: Registry) -> Losses {
        Losses {
            registry,
            found: AtomicBool::default(),
            told: AtomicBool::default(),
            unchecked: AtomicUsize::default(),
            sample: Mutex::default(),
        }
    }

    /// Records a sign of loss.
    pub fn note(&self) {
        self.found.store(true, Ordering::SeqCst);
    }

    /// Returns whether there was a sign of loss.
    pub fn is_found(&self) -> bool {
        self.found.load(Ordering::SeqCst)
    }

    /// Records images of a finished task that were taken as there without looking up their blobs.
    pub fn leave_unchecked(&self, images: usize) {
        self.unchecked.fetch_add(images, Ordering::SeqCst);
    }

    /// Returns the warning that losses were found, the first time that it is asked for.
    pub fn warning(&self) -> Option<String> {
        if !self.is_found() || self.told.swap(true, Ordering::SeqCst) {
            return None;
        }
        let registry = &self.registry;
        let warning = format!(
            "{registry} lacks blobs or manifests that it listed or took: checking all images there (as with --check-existing)"
        );
        Some(match self.unchecked.load(Ordering::SeqCst) {
            0 => warning,
            _ => format!(
                "{warning}; earlier tasks of this run took images at {registry} as there: run them again with --check-existing"
            ),
        })
    }

    /// Chooses blobs of an image to look up: at most as many as go in one round trip, and none once the sample is large enough.
    pub fn choose<'b>(&self, repository: &Repository, blobs: &'b [Descriptor]) -> Vec<&'b Descriptor> {
        let mut sample = lock(&self.sample);
        let space = SAMPLE.saturating_sub(sample.chosen.len()).min(MOST);
        let is_new = |blob: &&Descriptor| sample.chosen.insert((repository.clone(), blob.digest.clone()));
        blobs.iter().filter(is_new).take(space).collect()
    }

    /// Keeps the registry's answer for a blob of the sample. Another size than the blob's, or none, is a sign of loss.
    pub fn answer(&self, repository: &Repository, blob: &Descriptor, size: Option<u64>) {
        let key = (repository.clone(), blob.digest.clone());
        lock(&self.sample).answers.insert(key, size);
        if size != Some(blob.size) {
            self.note();
        }
    }

    /// Takes the registry's answer for a blob, if the blob is of the sample and the answer wasn't taken before.
    pub fn take_answer(&self, repository: &Repository, digest: &Digest) -> Option<Option<u64>> {
        lock(&self.sample)
            .answers
            .remove(&(repository.clone(), digest.clone()))
    }
}

/// The losses of each registry that a run writes to.
#[derive(Debug, Default, Clone)]
pub struct AllLosses(Arc<Mutex<HashMap<Registry, Arc<Losses>>>>);

impl AllLosses {
    /// Returns those of one registry, the same ones for all tasks of a run.
    pub fn of(&self, registry: &Registry) -> Arc<Losses> {
        let mut all = lock(&self.0);
        let losses = all
            .entry(registry.clone())
            .or_insert_with(|| Arc::new(Losses::new(registry.clone())));
        Arc::clone(losses)
    }
}

#[cfg(test)]
mod tests {
    use transload_reference::MediaType;

    use super::*;

    fn repository(name: &str) -> Repository {
        format!("hub.local/{name}").parse().unwrap()
    }

    fn blobs(numbers: std::ops::Range<u8>) -> Vec<Descriptor> {
        let blob = |number: u8| Descriptor::new(MediaType::OCI_LAYER_GZIP, Digest::of(&[number]), 1);
        numbers.map(blob).collect()
    }

    fn losses() -> Losses {
        Losses::new("hub.local".parse().unwrap())
    }

    #[test]
    fn the_sample_has_sixteen_blobs_and_at_most_a_round_trip_of_them_an_image() {
        let losses = losses();
        let chosen = |name, blobs: &[Descriptor]| losses.choose(&repository(name), blobs).len();
        assert_eq!(chosen("a", &blobs(0..20)), 8);
        assert_eq!(chosen("a", &blobs(0..10)), 2, "each blob of a repository once");
        assert_eq!(chosen("b", &blobs(0..3)), 3, "another repository's is another");
        assert_eq!(chosen("c", &blobs(0..20)), 3);
        assert_eq!(chosen("d", &blobs(0..20)), 0);
    }

    #[test]
    fn a_missing_blob_and_one_of_another_size_are_signs_of_loss_and_warned_of_once() {
        for size in [None, Some(0), Some(2)] {
            let (losses, blob) = (losses(), &blobs(0..1)[0]);
            losses.answer(&repository("a"), blob, Some(1));
            assert!(!losses.is_found() && losses.warning().is_none());
            losses.answer(&repository("b"), blob, size);
            assert!(losses.is_found());
            let warning = losses.warning().unwrap();
            assert!(warning.starts_with("hub.local lacks blobs"), "{warning}");
            assert!(!warning.contains("earlier tasks"), "{warning}");
            assert_eq!(losses.warning(), None);
            assert_eq!(losses.take_answer(&repository("b"), &blob.digest), Some(size));
            assert_eq!(losses.take_answer(&repository("b"), &blob.digest), None);
        }
    }

    #[test]
    fn the_warning_says_that_earlier_tasks_took_images_as_there() {
        let all = AllLosses::default();
        let registry: Registry = "hub.local".parse().unwrap();
        all.of(&registry).leave_unchecked(3);
        all.of(&registry).note();
        let warning = all.of(&registry).warning().unwrap();
        assert!(warning.contains("earlier tasks of this run"), "{warning}");
        assert!(!all.of(&"other.local".parse().unwrap()).is_found());
    }
}
