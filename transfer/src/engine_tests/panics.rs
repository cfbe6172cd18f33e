//! A panic in one image's work fails that image alone, and no other waits for what it would have brought.

use std::sync::atomic::{AtomicBool, Ordering};

use transload_test_support::image::{Family, samples};

use super::Engine;
use crate::memory::Kind::{Registry, Store};
use crate::memory::{Call, Trouble};
use crate::{Event, Observer};

/// An engine with images that share all their blobs.
fn engine(kind: crate::memory::Kind) -> Engine {
    let mut engine = Engine::to(kind);
    for name in ["one", "two", "three"] {
        engine.add(
            &format!("team/{name}:v1"),
            &samples::multi_platform(Family::Oci, 7),
        );
    }
    engine
}

/// Whoever is told of the run panics at the first such event.
struct Panicking {
    at: fn(&Event<'_>) -> bool,
    is_due: AtomicBool,
}

impl Observer for Panicking {
    fn event(&self, event: &Event<'_>) {
        if (self.at)(event) && self.is_due.swap(false, Ordering::SeqCst) {
            panic!("on purpose");
        }
    }
}

#[track_caller]
fn assert_one_fails(engine: &Engine) {
    let told = engine.run();
    let failed: Vec<&String> = told.iter().filter(|told| *told != "copied").collect();
    let [fault] = failed.as_slice() else {
        panic!("{told:?}");
    };
    assert!(
        fault.contains("internal error at ") && fault.ends_with(": on purpose"),
        "{fault}"
    );
    engine.assert_a_rerun_completes();
}

#[test]
fn in_whoever_is_told() {
    let events: [fn(&Event<'_>) -> bool; 3] = [
        |event| matches!(event, Event::ImagePlanned { .. }),
        |event| matches!(event, Event::BlobStarted { .. }),
        |event| matches!(event, Event::BlobFinished { .. }),
    ];
    for at in events {
        for kind in [Store, Registry] {
            let mut engine = engine(kind);
            let is_due = AtomicBool::new(true);
            engine.observer = Box::new(Panicking { at, is_due });
            // Of several, one may be at a blob of the failed image that another image brings then, too.
            engine.workers = 1;
            assert_one_fails(&engine);
        }
    }
}

#[test]
fn in_a_question_about_space() {
    for call in [Call::FreeSpace, Call::BytesToWrite] {
        let engine = engine(Store);
        engine.to.trouble(call, None, Trouble::Panic, 1);
        assert_one_fails(&engine);
        assert_eq!(engine.to.troubles_left(), 0);
    }
}
