//! A run that is stopped, in every call: nothing that is visible lacks anything, and a rerun completes.

use std::sync::atomic::Ordering;
use std::thread;

use transload_test_support::image::{Family, samples};

use super::Engine;
use crate::memory::Call::{self, *};
use crate::memory::Kind::{Registry, Store};
use crate::memory::Trouble::{Cancel, Stall};

fn engine(kind: crate::memory::Kind) -> Engine {
    let mut engine = Engine::to(kind);
    engine.add("team/old:v1", &samples::multi_platform(Family::Oci, 7));
    assert_eq!(engine.run(), ["copied"]);
    for seed in 0..3 {
        engine.add(&format!("team/{seed}:v1"), &samples::nested(seed));
    }
    engine
}

#[track_caller]
fn assert_stops(call: Call) {
    for kind in [Store, Registry] {
        let engine = engine(kind);
        engine.place(call).trouble(call, None, Cancel, 1);
        let told = engine.run();
        assert!(engine.cancel.load(Ordering::Relaxed), "{call:?} wasn't called");
        for (told, (_, to, image)) in told.iter().zip(&engine.images) {
            assert!(!told.starts_with("failed"), "{call:?}: {told}");
            // Whoever is told as copied is there; whose name is there is whole.
            if told == "copied" || engine.to.digest(to).is_some() {
                assert_eq!(engine.to.lacks(to, image), [""; 0], "{call:?}: {told}");
            }
        }
        engine.assert_a_rerun_completes();
    }
}

/// Such a call hangs; the run ends all the same once it is stopped.
#[track_caller]
fn assert_a_stall_ends(call: Call) {
    let engine = engine(Registry);
    let place = engine.place(call);
    let before = place.count(call);
    place.trouble(call, None, Stall, 1);
    let told = thread::scope(|scope| {
        let running = scope.spawn(|| engine.run());
        place.wait_for(call, before + 1);
        engine.cancel.store(true, Ordering::Relaxed);
        running.join().unwrap()
    });
    assert!(
        told.iter().any(|told| told == "interrupted"),
        "{call:?}: {told:?}"
    );
    engine.assert_a_rerun_completes();
}

macro_rules! stops {
    ($($name:ident: $call:ident;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn that_is_stopped_leaves_nothing_incomplete() {
                assert_stops($call);
            }

            #[test]
            fn that_hangs_ends_with_the_run() {
                assert_a_stall_ends($call);
            }
        }
    )*};
}

stops! {
    a_root_manifest: Root;
    a_child_manifest: Manifest;
    a_blob_that_is_opened: OpenBlob;
    a_look_at_what_is_published: Published;
    a_look_at_what_is_present: Presence;
    a_blob_that_is_brought: BringBlob;
    making_blobs_durable: SyncBlobs;
    a_child_manifest_that_is_written: PutManifest;
    a_root_that_is_written: Publish;
    tags_that_are_written: WriteTags;
}

#[test]
fn a_run_that_is_stopped_before_it_begins_asks_for_nothing() {
    let mut engine = Engine::to(Store);
    engine.add("team/app:v1", &samples::single(Family::Oci, "linux/amd64", 1));
    engine.cancel.store(true, Ordering::Relaxed);
    assert_eq!(engine.run(), ["interrupted"]);
    assert_eq!(engine.from.count(Root) + engine.to.count(Published), 0);
}
