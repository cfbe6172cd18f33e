//! Trouble in every call: it fails the image that it happens to, stops no other, and a rerun completes.

use transload_test_support::image::{Family, samples};

use super::Engine;
use crate::memory::Call::{self, *};
use crate::memory::Kind::{self, Registry, Store};
use crate::memory::Trouble::{self, *};

/// An engine with an image that is there already and three that aren't; `Resolve` and `Presence` are calls for the first.
fn engine(kind: Kind) -> Engine {
    let mut engine = Engine::to(kind);
    engine.add("team/old:v1", &samples::multi_platform(Family::Oci, 7));
    assert_eq!(engine.run(), ["copied"]);
    engine.add("team/one:v1", &samples::single(Family::Oci, "linux/amd64", 1));
    engine.add("team/two:v1", &samples::single(Family::Docker, "linux/amd64", 2));
    engine.add("team/index:v1", &samples::nested(3));
    engine
}

/// One such call fails for good, and with it one image.
#[track_caller]
fn assert_fails_its_image_alone(call: Call, trouble: Trouble, text: &str) {
    for kind in [Store, Registry] {
        let engine = engine(kind);
        engine.place(call).trouble(call, None, trouble, 1);
        let told = engine.run();
        assert_eq!(engine.place(call).troubles_left(), 0, "{call:?} wasn't called");
        let failed: Vec<&String> = told.iter().filter(|told| told.starts_with("failed: ")).collect();
        // Tags that are written together fail together.
        assert!(
            failed.len() == 1 || call == WriteTags,
            "{kind:?} {call:?}: {told:?}"
        );
        assert!(failed.iter().all(|told| told.contains(text)), "{told:?}");
        engine.assert_a_rerun_completes();
    }
}

/// One such call fails, and the next try of its image succeeds.
#[track_caller]
fn assert_is_tried_again(call: Call) {
    for kind in [Store, Registry] {
        let mut engine = engine(kind);
        engine.job.retries = 1;
        engine.place(call).trouble(call, None, Fail, 1);
        let told = engine.run();
        assert!(told.iter().all(|told| !told.starts_with("failed")), "{told:?}");
        assert_eq!(engine.lacks(), [""; 0]);
    }
}

macro_rules! calls {
    ($($name:ident: $call:ident;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn that_is_refused_fails_its_image_alone() {
                assert_fails_its_image_alone($call, Refuse, "refused on purpose");
            }

            #[test]
            fn that_panics_fails_its_image_alone() {
                assert_fails_its_image_alone($call, Panic, "internal error at ");
            }

            #[test]
            fn that_fails_is_tried_again() {
                assert_is_tried_again($call);
            }
        }
    )*};
}

calls! {
    a_look_at_what_a_tag_stands_for: Resolve;
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

macro_rules! wrong_bytes {
    ($($name:ident: $trouble:ident;)*) => {$(
        #[test]
        fn $name() {
            for kind in [Store, Registry] {
                let engine = engine(kind);
                engine.from.trouble(OpenBlob, None, $trouble, usize::MAX);
                let told = engine.run();
                assert_eq!(told[0], "there");
                assert!(told[1..].iter().all(|told| told.starts_with("failed: source: ")), "{told:?}");
                // None of the wrong bytes has a name: the rerun brings all of them.
                engine.assert_a_rerun_completes();
            }
        }
    )*};
}

wrong_bytes! {
    a_blob_that_ends_early_is_refused_and_gets_no_name: Cut;
    a_blob_with_a_wrong_byte_is_refused_and_gets_no_name: Damage;
    a_blob_with_a_byte_too_many_is_refused_and_gets_no_name: Lengthen;
}

#[test]
fn an_image_that_is_not_there_fails_alone() {
    let mut engine = engine(Registry);
    let gone = Engine::to(Registry);
    engine.images.push((
        "from.example/team/gone:v1".parse().unwrap(),
        gone.target("team/gone:v1"),
        samples::single(Family::Oci, "linux/amd64", 9),
    ));
    let told = engine.run();
    assert_eq!(told[..4], ["there", "copied", "copied", "copied"]);
    assert!(told[4].contains("team/gone:v1 isn't there"), "{told:?}");
}

#[test]
fn no_more_tries_are_made_than_asked_for() {
    let mut engine = Engine::to(Store);
    engine.add("team/app:v1", &samples::single(Family::Oci, "linux/amd64", 1));
    engine.job.retries = 2;
    engine.from.trouble(Root, None, Fail, usize::MAX);
    let outcomes = engine.outcomes();
    assert_eq!(outcomes[0].attempts, 3);
    assert_eq!(engine.from.count(Root), 3);
}

#[test]
fn what_is_refused_is_not_tried_again() {
    let mut engine = Engine::to(Store);
    engine.add("team/app:v1", &samples::single(Family::Oci, "linux/amd64", 1));
    engine.job.retries = 2;
    engine.from.trouble(Root, None, Refuse, usize::MAX);
    assert_eq!(engine.outcomes()[0].attempts, 1);
    assert_eq!(engine.from.count(Root), 1);
}

#[test]
fn another_try_brings_only_what_the_first_did_not() {
    let mut engine = Engine::to(Registry);
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    engine.add("team/app:v1", &image);
    engine.job.retries = 1;
    engine.to.trouble(Publish, None, Fail, 1);
    assert_eq!(engine.run(), ["copied"]);
    for (blob, bytes) in &image.blobs {
        assert_eq!(engine.to.moved(&blob.digest), bytes.len());
    }
}
