//! Images that go to several destinations: the source is read once, and none waits for another.

use std::sync::Mutex;

use transload_test_support::image::{Family, samples};

use super::*;
use crate::memory::Trouble;

const IMAGES: u64 = 6;

/// Some images on their way to so many registries.
fn engine(destinations: usize) -> Engine {
    let mut engine = Engine::to(Kind::Registry);
    for number in 0..IMAGES {
        let image = samples::multi_platform(Family::Oci, number / 2);
        engine.add(&format!("team/app{number}:v1"), &image);
    }
    for number in 1..destinations {
        let name = format!("site{number}.example");
        let site = Memory::new(Kind::Registry, &name, &engine.cancel);
        engine.others.push((name, site));
    }
    engine
}

/// What the destinations lack, by their numbers.
fn lacking(engine: &Engine) -> Vec<usize> {
    let places = std::iter::once(("to.example", &engine.to));
    let others = engine.others.iter().map(|(name, site)| (name.as_str(), site));
    let lacks = |(name, site): (&str, &Memory)| {
        let lacks = engine.images.iter().flat_map(|(_, to, image)| {
            let to = to.to_string().replacen("to.example", name, 1);
            site.lacks(&to.parse().unwrap(), image)
        });
        lacks.count()
    };
    places.chain(others).map(lacks).collect()
}

#[test]
fn the_source_is_read_once_for_all_destinations() {
    let engine = engine(5);
    assert_eq!(engine.run(), vec!["copied"; 5 * IMAGES as usize]);
    assert_eq!(lacking(&engine), [0; 5]);
    let mut blobs: Vec<_> = engine
        .images
        .iter()
        .flat_map(|(.., image)| image.blobs.iter().map(|(blob, _)| &blob.digest))
        .collect();
    blobs.sort_by_key(|digest| digest.as_str());
    blobs.dedup();
    assert_eq!(engine.from.count(Call::OpenBlob), blobs.len());
    assert_eq!(engine.from.count(Call::Root), IMAGES as usize);
    for (_, site) in &engine.others {
        assert_eq!(site.broken(), [""; 0]);
        assert!(blobs.iter().all(|digest| site.moved(digest) > 0));
    }
}

#[test]
fn a_destination_that_fails_fails_alone() {
    let engine = engine(3);
    engine.others[0]
        .1
        .trouble(Call::BringBlob, None, Trouble::Refuse, usize::MAX);
    let told = engine.run();
    let failed: Vec<usize> = (0..told.len()).filter(|at| told[*at] != "copied").collect();
    let expected: Vec<usize> = (0..IMAGES as usize).map(|image| 3 * image + 1).collect();
    assert_eq!(failed, expected);
    let lacking = lacking(&engine);
    assert_eq!((lacking[0], lacking[2]), (0, 0));
    assert!(lacking[1] > 0);
}

/// Stops the run once so many images are done.
struct StopsAfter {
    left: Mutex<usize>,
    cancel: Arc<AtomicBool>,
}

impl Observer for StopsAfter {
    fn event(&self, event: &Event<'_>) {
        if let Event::ImageFinished { .. } = event {
            let mut left = self.left.lock().unwrap();
            *left -= 1;
            if *left == 0 {
                self.cancel.store(true, Ordering::Relaxed);
            }
        }
    }
}

#[test]
fn a_destination_that_stalls_holds_no_other() {
    let mut engine = engine(3);
    engine.workers = 3;
    engine.others[1]
        .1
        .trouble(Call::BringBlob, None, Trouble::Stall, usize::MAX);
    engine.observer = Box::new(StopsAfter {
        left: Mutex::new(2 * IMAGES as usize),
        cancel: Arc::clone(&engine.cancel),
    });
    let told = engine.run();
    let stopped = told.iter().filter(|told| *told == "interrupted").count();
    assert_eq!(stopped, IMAGES as usize, "{told:?}");
    let lacking = lacking(&engine);
    assert_eq!(lacking[..2], [0, 0]);
    assert!(lacking[2] > 0);
}
