//! Differences: layers of a bundle that travel as what older layers of the other side lack.

mod layers;
mod maker;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use transload_archive::bundle::Difference;
use transload_layout_store::StoredImage;
use transload_reference::Digest;

use super::BundleChoice;
use crate::event::{Event, Observer};
use crate::fault::Fault;
use crate::lock::lock;
use crate::parallel_map::try_parallel_map;
use crate::place::{FilePart, PlannedImage, Source, temporary_file};
use layers::{old_layers, pairs};
use maker::Maker;

/// How often it is told how many layers were compared.
const TELL: Duration = Duration::from_secs(10);

/// A place that has layers of the other side, byte for byte.
pub(crate) struct Base {
    pub source: Arc<dyn Source>,
    pub images: Vec<StoredImage>,
}

/// The layers that travel as differences, with these.
#[derive(Default)]
pub(crate) struct Differences {
    by_layer: BTreeMap<Digest, Difference>,
    /// The differences' bytes, one behind the other, and where each begins.
    file: Option<Arc<File>>,
    starts: HashMap<Digest, u64>,
    /// Why layers travel whole that might not.
    pub warnings: Vec<String>,
}

impl Differences {
    /// Makes the differences of those layers of images that a bundle carries, as far as they pay.
    pub fn make(
        images: &[PlannedImage<'_>],
        choice: &BundleChoice,
        observer: &dyn Observer,
        is_stopped: &(dyn Fn() -> bool + Sync),
    ) -> Result<Differences, Fault> {
        if choice.bases.is_empty() {
            return Ok(Differences::default());
        }
        let old = old_layers(images, choice, is_stopped)?;
        let pairs = pairs(images, &old, &choice.wanted);
        let progress = Progress::of(pairs.len(), observer);
        let mut differences = Differences::default();
        if !pairs.is_empty() {
            progress.tell();
            let maker = Maker::new(&choice.wanted.base, temporary_file()?, &progress, is_stopped);
            let made = try_parallel_map(&pairs, |pair| maker.fetch_and_make(pair))?;
            for (layer, difference, start) in made.into_iter().flatten() {
                differences.starts.insert(difference.digest.clone(), start);
                differences.by_layer.insert(layer, difference);
            }
            let (file, warnings) = maker.finish();
            differences.file = Some(Arc::new(file));
            differences.warnings = warnings;
        }
        progress.end(&differences);
        Ok(differences)
    }

    /// The layers with their differences.
    pub fn by_layer(&self) -> &BTreeMap<Digest, Difference> {
        &self.by_layer
    }

    /// The difference that a layer travels as.
    pub fn of(&self, layer: &Digest) -> Option<&Difference> {
        self.by_layer.get(layer)
    }

    /// The bytes of a difference from an offset on.
    pub fn open(&self, difference: &Difference, offset: u64) -> Box<dyn Read> {
        let start = self.starts.get(&difference.digest);
        match self.file.clone().zip(start) {
            Some((file, start)) => {
                let end = start + difference.difference_size;
                Box::new(FilePart::new(file, start + offset, end))
            }
            None => Box::new(io::empty()),
        }
    }
}

/// Tells how many layers were compared.
struct Progress<'a> {
    layers: usize,
    compared: AtomicUsize,
    told: Mutex<Instant>,
    observer: &'a dyn Observer,
}

impl<'a> Progress<'a> {
    fn of(layers: usize, observer: &'a dyn Observer) -> Progress<'a> {
        Progress {
            layers,
            compared: AtomicUsize::new(0),
            told: Mutex::new(Instant::now()),
            observer,
        }
    }

    fn count(&self) {
        self.compared.fetch_add(1, Ordering::Relaxed);
        self.remind();
    }

    /// Tells it again if that was long ago: a large layer takes its time.
    fn remind(&self) {
        let mut told = lock(&self.told);
        if told.elapsed() > TELL {
            *told = Instant::now();
            self.tell();
        }
    }

    fn tell(&self) {
        if self.layers > 0 {
            self.observer.event(&Event::LayersCompared {
                compared: self.compared.load(Ordering::Relaxed),
                layers: self.layers,
            });
        }
    }

    fn end(&self, made: &Differences) {
        let made = made.by_layer.values();
        self.observer.event(&Event::DifferencesMade {
            layers: made.len(),
            bytes: made.clone().map(|made| made.difference_size).sum(),
            whole_bytes: made.map(|made| made.size).sum(),
        });
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn differences_are_read_back_from_where_they_begin() {
        let file = temporary_file().unwrap();
        file.write_all_at(b"onetwo", 0).unwrap();
        let difference = |bytes: &[u8]| Difference {
            size: 9,
            base: Digest::of(b"old"),
            base_size: 9,
            base_repository: None,
            digest: Digest::of(bytes),
            difference_size: bytes.len() as u64,
        };
        let made = Differences {
            file: Some(Arc::new(file)),
            starts: HashMap::from([(Digest::of(b"one"), 0), (Digest::of(b"two"), 3)]),
            ..Differences::default()
        };
        for (bytes, offset, expected) in [
            ("one", 0, "one"),
            ("two", 0, "two"),
            ("one", 2, "e"),
            ("two", 3, ""),
        ] {
            let mut read = String::new();
            let mut reader = made.open(&difference(bytes.as_bytes()), offset);
            reader.read_to_string(&mut read).unwrap();
            assert_eq!(read, expected);
        }
    }
}
