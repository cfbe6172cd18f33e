//! Images of every kind, byte for byte, and those of which only a part is asked for.

use transload_policy::{Mode, PlatformSet, Single};
use transload_test_support::image::{Family, Image, ImageBuilder, Style, samples};

use super::Engine;
use crate::job::IndexMode;
use crate::memory::Call;
use crate::memory::Kind::{self, Registry, Store};

/// Copies an image, and copies it again, which moves nothing.
#[track_caller]
fn assert_copied(kind: Kind, image: &Image) {
    let mut engine = Engine::to(kind);
    engine.add("team/app:v1", image);
    assert_eq!(engine.run(), ["copied"]);
    assert_eq!(engine.lacks(), [""; 0]);
    engine.to.reset_counts();
    assert_eq!(engine.run(), ["there"]);
    for call in [Call::PutManifest, Call::Publish, Call::WriteTags] {
        assert_eq!(engine.to.count(call), 0, "{call:?}");
    }
}

macro_rules! kinds {
    ($($name:ident: $image:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn is_copied_to_a_store_as_it_is() {
                assert_copied(Store, &$image);
            }

            #[test]
            fn is_copied_to_a_registry_as_it_is() {
                assert_copied(Registry, &$image);
            }
        }
    )*};
}

kinds! {
    a_single_image: samples::single(Family::Oci, "linux/amd64", 1);
    a_docker_image: samples::single(Family::Docker, "linux/amd64", 1);
    an_index_in_odd_formatting: samples::multi_platform(Family::Oci, 1);
    a_docker_list: samples::multi_platform(Family::Docker, 1);
    a_nested_index: samples::nested(1);
    an_attested_index: samples::attested(1);
    a_helm_chart: samples::helm_chart("app", "1.0.0");
    an_artifact: samples::artifact(&samples::single(Family::Oci, "linux/amd64", 1));
    a_signature: samples::cosign_signature(&samples::single(Family::Oci, "linux/amd64", 1));
    an_image_of_unusual_layers: samples::unusual_layers();
    a_manifest_without_media_type: samples::single_builder(Family::Oci, "linux/amd64", 1).without_media_type().build();
    a_compact_manifest: samples::single_builder(Family::Docker, "linux/amd64", 1).style(Style::Compact).build();
    an_image_without_layers: ImageBuilder::new(Family::Oci).build();
}

#[test]
fn a_foreign_layer_stays_where_it_is_and_is_told() {
    let (image, _) = samples::foreign("https://publisher.example/layer");
    let mut engine = Engine::to(Registry);
    engine.add("team/app:v1", &image);
    let outcomes = engine.outcomes();
    assert_eq!(engine.lacks(), [""; 0]);
    assert!(
        outcomes[0].warnings[0].contains("publisher.example"),
        "{:?}",
        outcomes[0].warnings
    );
}

#[test]
fn an_image_that_is_pinned_by_digest_needs_no_tag() {
    let image = samples::single(Family::Oci, "linux/amd64", 1);
    let mut engine = Engine::to(Store);
    engine.add(&format!("team/app@{}", image.digest()), &image);
    assert_eq!(engine.run(), ["copied"]);
    assert_eq!(engine.lacks(), [""; 0]);
    assert_eq!(engine.to.count(Call::WriteTags), 0);
}

/// An engine with an index of four platforms, of which these are asked for.
fn choosing(platforms: &[&str]) -> Engine {
    let mut engine = Engine::to(Store);
    engine.job.platforms = PlatformSet::parse(platforms).unwrap();
    engine.add("team/app:v1", &samples::multi_platform(Family::Oci, 1));
    engine
}

#[test]
fn of_an_index_the_chosen_platforms_move_and_the_index_names_them_alone() {
    let engine = choosing(&["linux/amd64", "linux/arm64"]);
    let outcomes = engine.outcomes();
    let part = samples::index_of(Family::Oci, &["linux/amd64", "linux/arm64/v8"], 1);
    assert_eq!(outcomes[0].digest.as_ref(), Some(part.digest()));
    assert_eq!(outcomes[0].platforms.len(), 2);
    assert_eq!(engine.to.lacks(&engine.target("team/app:v1"), &part), [""; 0]);
    assert_eq!(engine.run(), ["there"]);
}

#[test]
fn an_index_that_stays_as_it_is_keeps_its_digest_and_lacks_what_was_not_asked_for() {
    let mut engine = choosing(&["linux/amd64"]);
    engine.job.index = IndexMode::Original;
    assert_eq!(engine.run(), ["copied"]);
    let whole = samples::multi_platform(Family::Oci, 1);
    let target = engine.target("team/app:v1");
    assert_eq!(engine.to.digest(&target).as_ref(), Some(whole.digest()));
    let lacks = engine.to.lacks(&target, &whole);
    assert!(
        lacks.iter().any(|what| what.starts_with("the manifest ")),
        "{lacks:?}"
    );
}

#[test]
fn a_platform_that_is_missing_fails_its_image_before_any_blob_moves() {
    let engine = choosing(&["linux/amd64", "linux/s390x"]);
    let told = engine.run();
    assert!(
        told[0].starts_with("failed: ") && told[0].contains("linux/s390x"),
        "{told:?}"
    );
    assert_eq!(engine.from.count(Call::OpenBlob), 0);
}

#[test]
fn a_platform_that_is_missing_is_a_warning_where_that_is_asked_for() {
    let mut engine = choosing(&["linux/amd64", "linux/s390x"]);
    engine.job.mode = Mode::Warn;
    let outcomes = engine.outcomes();
    assert_eq!(super::told(&outcomes[0]), "copied");
    assert!(outcomes[0].warnings[0].contains("linux/s390x"));
}

#[test]
fn an_image_without_any_wanted_platform_is_left_out_with_a_warning() {
    let mut engine = choosing(&["linux/s390x"]);
    engine.job.mode = Mode::Warn;
    assert!(engine.run()[0].starts_with("skipped: "));
    assert_eq!(engine.to.digest(&engine.target("team/app:v1")), None);
}

#[test]
fn a_single_image_of_another_platform_is_refused_or_taken_as_asked_for() {
    for (single, expected) in [(Single::Accept, "copied"), (Single::Refuse, "failed: ")] {
        let mut engine = Engine::to(Store);
        engine.job.platforms = PlatformSet::parse(&["linux/amd64", "linux/arm64"]).unwrap();
        engine.job.single = single;
        engine.add("team/app:v1", &samples::single(Family::Oci, "linux/amd64", 1));
        let told = engine.run();
        assert!(told[0].starts_with(expected), "{single:?}: {told:?}");
    }
}

#[test]
fn a_tag_that_moved_moves_at_the_destination_too() {
    let mut engine = Engine::to(Registry);
    engine.add("team/app:v1", &samples::single(Family::Oci, "linux/amd64", 1));
    assert_eq!(engine.run(), ["copied"]);
    let mut moved = Engine {
        from: engine.from.clone(),
        to: engine.to.clone(),
        ..Engine::to(Registry)
    };
    moved.add("team/app:v1", &samples::single(Family::Oci, "linux/amd64", 2));
    assert_eq!(moved.run(), ["copied"]);
    assert_eq!(moved.lacks(), [""; 0]);
}

#[test]
fn one_worker_does_what_many_do() {
    for workers in [1, 2, 16] {
        let mut engine = Engine::to(Registry);
        engine.workers = workers;
        for seed in 0..10 {
            engine.add(
                &format!("team/{seed}:v1"),
                &samples::multi_platform(Family::Oci, seed),
            );
        }
        assert_eq!(engine.run(), ["copied"; 10]);
        assert_eq!(engine.lacks(), [""; 0]);
    }
}
