//! A destination that is one file: laid out once all images are planned, and there once all are written.

use transload_test_support::image::{Family, samples};

use super::Engine;
use crate::memory::Kind::File;
use crate::memory::{Call, Trouble};

fn engine() -> Engine {
    let mut engine = Engine::to(File);
    engine.add("team/one:v1", &samples::multi_platform(Family::Oci, 1));
    engine.add("team/two:v1", &samples::single(Family::Docker, "linux/amd64", 2));
    engine.add("team/three:v1", &samples::nested(3));
    engine
}

/// The names that the file is laid out for.
fn names(engine: &Engine) -> Vec<String> {
    engine.to.laid_out().unwrap_or_default()
}

const ALL: [&str; 3] = [
    "to.example/team/one:v1",
    "to.example/team/three:v1",
    "to.example/team/two:v1",
];

#[test]
fn it_is_laid_out_for_all_images_before_a_blob_comes_and_finished_after_the_last() {
    let engine = engine();
    assert_eq!(engine.run(), ["copied"; 3]);
    assert_eq!(names(&engine), ALL);
    assert!(engine.to.is_finished());
    assert_eq!(
        engine.to.count(Call::BringBlob),
        engine.to.count(Call::BytesToWrite)
    );
}

#[test]
fn blobs_come_in_the_order_of_the_file_whatever_image_needs_them() {
    let mut engine = engine();
    engine.workers = 1;
    assert_eq!(engine.run(), ["copied"; 3]);
    let came = engine.to.came();
    assert!(came.len() > 6 && came.is_sorted(), "{came:?}");
}

#[test]
fn an_image_that_is_left_out_is_not_in_the_layout() {
    let mut engine = engine();
    engine.job.platforms = transload_policy::PlatformSet::parse(&["linux/amd64".to_owned()]).unwrap();
    engine.job.mode = transload_policy::Mode::Warn;
    engine.add(
        "team/windows:v1",
        &samples::index_of(Family::Oci, &["windows/amd64"], 4),
    );
    let told = engine.run();
    assert_eq!(told[..3], ["copied"; 3]);
    assert!(told[3].starts_with("skipped: "), "{}", told[3]);
    assert_eq!(names(&engine), ALL);
}

#[test]
fn without_one_images_plan_nothing_is_laid_out_and_every_image_fails_with_one_message() {
    let engine = engine();
    engine
        .from
        .trouble(Call::Root, Some("team/two"), Trouble::Refuse, 1);
    let told = engine.run();
    let incomplete = "failed: destination: to.example isn't complete, since 1 of 3 images failed";
    assert_eq!(
        told,
        [incomplete, "failed: source: refused on purpose", incomplete]
    );
    assert_eq!(
        (engine.to.laid_out(), engine.to.count(Call::BringBlob)),
        (None, 0)
    );
}

#[test]
fn a_plan_that_fails_at_first_is_tried_again_before_the_layout() {
    let mut engine = engine();
    engine.job.retries = 1;
    engine
        .from
        .trouble(Call::Root, Some("team/two"), Trouble::Fail, 1);
    assert_eq!(engine.run(), ["copied"; 3]);
    assert_eq!(names(&engine), ALL);
}

#[test]
fn a_blob_that_fails_leaves_the_file_unfinished_and_is_tried_again() {
    for retries in [0, 1] {
        let mut engine = engine();
        engine.job.retries = retries;
        engine.to.trouble(Call::BringBlob, None, Trouble::Fail, 1);
        let told = engine.run();
        assert_eq!(engine.to.is_finished(), retries == 1, "{told:?}");
        let copied = told.iter().filter(|told| *told == "copied").count();
        assert_eq!(copied, if retries == 1 { 3 } else { 0 }, "{told:?}");
    }
}

#[test]
fn trouble_with_the_layout_or_the_end_fails_every_image() {
    for call in [Call::LayOut, Call::Finish] {
        for (trouble, text) in [
            (Trouble::Refuse, "failed: destination: refused on purpose"),
            (Trouble::Panic, "internal error at "),
        ] {
            let engine = engine();
            engine.to.trouble(call, None, trouble, 1);
            let told = engine.run();
            assert!(told.iter().all(|told| told.contains(text)), "{call:?}: {told:?}");
            assert!(!engine.to.is_finished());
        }
    }
}

#[test]
fn a_stop_leaves_the_file_unfinished() {
    for call in [Call::BringBlob, Call::SyncBlobs, Call::LayOut] {
        let engine = engine();
        engine.place(call).trouble(call, None, Trouble::Cancel, 1);
        let told = engine.run();
        assert!(
            told.iter().all(|told| told == "interrupted"),
            "{call:?}: {told:?}"
        );
        assert!(!engine.to.is_finished());
    }
}
