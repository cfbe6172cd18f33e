use std::io::Cursor;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use transload_reference::{MediaType, VerifyError};
use transload_test_support::image::{gzip, noise};

use super::*;

/// Two layers that travel as differences to one that the destination has.
struct Layers {
    bases: Bases,
    cancel: Arc<AtomicBool>,
    old: Vec<u8>,
    /// Each with its bytes, and the difference.
    new: [(Descriptor, Vec<u8>, Difference, Vec<u8>); 2],
}

fn descriptor(bytes: &[u8]) -> Descriptor {
    Descriptor::new(MediaType::OCI_LAYER_GZIP, Digest::of(bytes), bytes.len() as u64)
}

impl Layers {
    fn new() -> Layers {
        let plain = noise(1, 100_000);
        let old = gzip(&plain);
        let layer = |seed: u64| {
            let mut plain = plain.clone();
            plain.splice(5000..5100, noise(seed, 300));
            let new = gzip(&plain);
            let layer = descriptor(&new);
            let change = difference::make(&mut &old[..], &mut &new[..], &layer);
            let change = change.unwrap().expect("a small difference");
            let difference = Difference {
                size: layer.size,
                base: Digest::of(&old),
                base_size: old.len() as u64,
                base_repository: None,
                digest: Digest::of(&change),
                difference_size: change.len() as u64,
            };
            (layer, new, difference, change)
        };
        let cancel = Arc::default();
        Layers {
            bases: Bases::new(Opener::new(&cancel)),
            cancel,
            new: [layer(2), layer(3)],
            old,
        }
    }

    /// Adds a base of both layers, whose bytes come of how often it was opened. Returns how often it was.
    fn add(
        &self,
        bytes: impl Fn(usize) -> Result<Option<Vec<u8>>, Fault> + Send + Sync + 'static,
    ) -> Arc<AtomicUsize> {
        let opened = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&opened);
        let open: OpenBase = Arc::new(move || {
            let bytes = bytes(count.fetch_add(1, Ordering::Relaxed))?;
            Ok(bytes.map(|bytes| Box::new(Cursor::new(bytes)) as Box<dyn Read + Send>))
        });
        for (layer, ..) in &self.new {
            self.bases.add(&layer.digest, Arc::clone(&open));
        }
        opened
    }

    fn add_old(&self) -> Arc<AtomicUsize> {
        let old = self.old.clone();
        self.add(move |_| Ok(Some(old.clone())))
    }

    fn rebuild(&self, at: usize) -> Result<Vec<u8>, Fault> {
        let (layer, _, difference, change) = &self.new[at];
        let mut part = self.bases.rebuild(layer, difference, Some(&change[..]), 0)?;
        let mut bytes = Vec::new();
        part.read_to_end(&mut bytes).unwrap();
        Ok(bytes)
    }

    #[track_caller]
    fn is_rebuilt(&self, at: usize) {
        assert!(self.rebuild(at).unwrap() == self.new[at].1);
    }

    fn has(&self, at: usize) -> bool {
        self.bases.has(&self.new[at].0.digest)
    }
}

#[test]
fn a_base_is_read_once_for_all_its_layers_and_each_of_these_is_rebuilt_once() {
    let layers = Layers::new();
    let opened = layers.add_old();
    layers.is_rebuilt(0);
    layers.is_rebuilt(1);
    assert_eq!(opened.load(Ordering::Relaxed), 1);
    // As another destination or try asks for it; the difference isn't read again.
    let (layer, bytes, difference, _) = &layers.new[0];
    let mut part = layers
        .bases
        .rebuild(layer, difference, None::<&[u8]>, 100)
        .unwrap();
    let mut rest = Vec::new();
    part.read_to_end(&mut rest).unwrap();
    assert!(rest == bytes[100..]);
}

#[test]
fn files_are_kept_up_to_a_limit_those_used_last() {
    let file = Arc::new(temporary_file().unwrap());
    let blobs = [b"a", b"b", b"c"].map(|name| Descriptor::new(MediaType::OCI_LAYER, Digest::of(name), 40));
    let mut kept = Kept::default();
    kept.add(&blobs[0], &file, 100);
    kept.add(&blobs[1], &file, 100);
    assert!(kept.find(&blobs[0].digest).is_some());
    kept.add(&blobs[2], &file, 100);
    let are_kept = blobs.each_ref().map(|blob| kept.find(&blob.digest).is_some());
    assert_eq!(are_kept, [true, false, true]);
    kept.add(&blobs[1], &file, 10);
    assert!(kept.0.is_empty());
}

#[test]
fn a_base_that_was_damaged_on_the_way_is_read_again() {
    let layers = Layers::new();
    let old = layers.old.clone();
    let opened = layers.add(move |times| {
        let mut bytes = old.clone();
        bytes[300] ^= u8::from(times < FRESH_STARTS as usize);
        Ok(Some(bytes))
    });
    layers.is_rebuilt(0);
    assert_eq!(opened.load(Ordering::Relaxed), FRESH_STARTS as usize + 1);
}

#[test]
fn a_base_that_is_damaged_each_time_or_gone_is_forgotten_and_the_next_one_does() {
    for gone in [false, true] {
        let layers = Layers::new();
        let mut damaged = layers.old.clone();
        damaged[300] ^= 1;
        layers.add(move |_| Ok((!gone).then(|| damaged.clone())));
        let fault = layers.rebuild(0).unwrap_err();
        let told = if gone {
            "can't be rebuilt: that isn't there any more"
        } else {
            "can't be rebuilt: that is damaged there: "
        };
        assert!(fault.to_string().contains(told), "{fault}");
        assert_eq!(fault.hint(), Some(HINT));
        assert!(!layers.has(0) && layers.has(1));
        // Another thread may have been about to use it.
        let fault = layers.rebuild(0).unwrap_err().to_string();
        assert!(fault.ends_with("can't be rebuilt: that is damaged, or isn't there any more"));
        layers.add_old();
        layers.is_rebuilt(0);
        layers.is_rebuilt(1);
    }
}

#[test]
fn a_base_that_cannot_be_read_now_leaves_it_to_the_next_one_and_is_not_forgotten() {
    let layers = Layers::new();
    let away = || Err(Fault::caused(Side::Destination, io::Error::other("away"), true));
    let opened = layers.add(move |_| away());
    let fault = layers.rebuild(0).unwrap_err();
    assert!(
        fault.is_retryable() && fault.to_string().contains("away"),
        "{fault}"
    );
    assert!(layers.has(0));
    layers.add_old();
    layers.is_rebuilt(0);
    assert_eq!(opened.load(Ordering::Relaxed), 2);
}

#[test]
fn a_difference_that_is_of_no_use_is_found_out_before_the_base_is_read() {
    let layers = Layers::new();
    let opened = layers.add_old();
    let (layer, _, difference, change) = &layers.new[0];
    let mut newer = change.clone();
    newer[7] = 9;
    let lies = |change: &[u8]| Difference {
        digest: Digest::of(change),
        difference_size: change.len() as u64,
        ..difference.clone()
    };
    let short = &change[..change.len() - 1];
    for (difference, change, told) in [
        (lies(&newer), Some(&newer[..]), "is of version 9"),
        (lies(short), Some(short), "it is none, or cut off"),
        (lies(&newer), Some(&change[..]), "is damaged"),
        (lies(change), None, "isn't there"),
    ] {
        let refused = layers.bases.rebuild(layer, &difference, change, 0);
        let fault = refused.err().unwrap().to_string();
        assert!(fault.contains(told), "{fault}");
    }
    for (size, told) in [(7, "and its image 7"), (1 << 40, "at most 512000000 are rebuilt")] {
        let layer = Descriptor {
            size,
            ..layer.clone()
        };
        let difference = Difference {
            size: size.max(8),
            ..difference.clone()
        };
        let refused = layers.bases.rebuild(&layer, &difference, Some(&change[..]), 0);
        let fault = refused.err().unwrap().to_string();
        assert!(fault.contains(told), "{fault}");
    }
    assert_eq!(opened.load(Ordering::Relaxed), 0);
}

#[test]
fn a_difference_that_gives_something_else_is_tried_with_one_base() {
    let layers = Layers::new();
    let first = layers.add_old();
    let last = layers.add_old();
    let (layer, ..) = &layers.new[0];
    let (other, _, _, change) = &layers.new[1];
    let lie = Difference {
        size: layer.size,
        ..layers.new[1].2.clone()
    };
    assert_ne!(layer.digest, other.digest);
    let fault = layers
        .bases
        .rebuild(layer, &lie, Some(&change[..]), 0)
        .err()
        .unwrap();
    let told = "can't be rebuilt: it comes out wrong: ";
    assert!(fault.to_string().contains(told), "{fault}");
    assert!(!layers.has(0) && layers.has(1));
    let opened = [first, last].map(|opened| opened.load(Ordering::Relaxed));
    assert_eq!(opened.iter().sum::<usize>(), 1);
}

#[test]
fn a_stop_ends_the_work_while_a_base_is_read_and_while_a_layer_is_rebuilt() {
    /// Stops the run at its beginning or its end.
    struct Stops(Cursor<Vec<u8>>, bool, Arc<AtomicBool>);
    impl Read for Stops {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.read(buffer)?;
            if self.1 || count == 0 {
                self.2.store(true, Ordering::Relaxed);
            }
            Ok(count)
        }
    }
    for is_early in [true, false] {
        let layers = Layers::new();
        let (old, cancel) = (layers.old.clone(), Arc::clone(&layers.cancel));
        let open = move || {
            let bytes = Stops(Cursor::new(old.clone()), is_early, Arc::clone(&cancel));
            Ok(Some(Box::new(bytes) as Box<dyn Read + Send>))
        };
        layers.bases.add(&layers.new[0].0.digest, Arc::new(open));
        let fault = layers.rebuild(0).unwrap_err();
        assert!(fault.is_interrupted(), "{fault}");
        assert!(layers.has(0));
        layers.cancel.store(false, Ordering::Relaxed);
        // The base was copied by then, or not.
        assert_eq!(layers.bases.kept.lock().unwrap().0.len(), usize::from(!is_early));
    }
}

#[test]
fn a_stop_ends_the_writing() {
    let cancel = Arc::new(AtomicBool::new(true));
    let layer = descriptor(b"layer");
    let mut new = Verifying {
        file: BufWriter::new(temporary_file().unwrap()),
        verifier: Verifier::of(&layer),
        opener: &Opener::new(&cancel),
    };
    let error = new.write(b"layer").unwrap_err();
    assert!(error.downcast::<Fault>().unwrap().is_interrupted());
    cancel.store(false, Ordering::Relaxed);
    assert!(matches!(new.write(b"layer"), Ok(5)));
    assert!(matches!(new.verifier.finish(), Ok::<(), VerifyError>(())));
}
