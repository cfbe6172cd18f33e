//! Blobs that several images need.

use transload_reference::Digest;
use transload_test_support::image::{Family, Image, ImageBuilder, samples};

use super::Engine;
use crate::memory::Kind::{self, Registry, Store};
use crate::memory::{Call, Trouble};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// An image of layers with these contents.
fn image(layers: &[&str]) -> Image {
    let builder = ImageBuilder::new(Family::Oci).annotation("layers", &layers.join(" "));
    let with_layers = layers.iter().fold(builder, |builder, layer| {
        builder.blob_layer(LAYER, layer.as_bytes())
    });
    with_layers.build()
}

/// An engine with images in repositories of their own: `shared` is in all of them.
fn engine(kind: Kind) -> Engine {
    let mut engine = Engine::to(kind);
    for name in ["one", "two", "three"] {
        engine.add(&format!("team/{name}:v1"), &image(&["shared", name]));
    }
    engine
}

/// Returns how many bytes of the layer that all share came over the wire.
fn shared_bytes(engine: &Engine) -> usize {
    engine.to.moved(&Digest::of(b"shared"))
}

#[test]
fn a_store_is_brought_a_shared_blob_once() {
    let engine = engine(Store);
    let outcomes = engine.outcomes();
    assert_eq!(engine.lacks(), [""; 0]);
    assert_eq!(shared_bytes(&engine), "shared".len());
    let shared: usize = outcomes.iter().map(|outcome| outcome.blobs.shared.blobs).sum();
    assert_eq!(shared, 2);
}

#[test]
fn a_registry_is_brought_a_shared_blob_once_and_mounts_it_elsewhere() {
    let engine = engine(Registry);
    let outcomes = engine.outcomes();
    assert_eq!(engine.lacks(), [""; 0]);
    assert_eq!(shared_bytes(&engine), "shared".len());
    let mounted: usize = outcomes.iter().map(|outcome| outcome.blobs.mounted.blobs).sum();
    assert_eq!(mounted, 2);
}

#[test]
fn a_blob_that_an_image_names_twice_moves_once() {
    for kind in [Store, Registry] {
        let mut engine = Engine::to(kind);
        engine.add("team/app:v1", &samples::unusual_layers());
        engine.run();
        let (blob, bytes) = &samples::unusual_layers().blobs[1];
        assert_eq!(engine.to.moved(&blob.digest), bytes.len());
    }
}

#[test]
fn tags_of_one_image_move_it_once() {
    for kind in [Store, Registry] {
        let mut engine = Engine::to(kind);
        for tag in ["v1", "v2", "v3"] {
            engine.add(&format!("team/app:{tag}"), &image(&["shared"]));
        }
        assert_eq!(engine.run().len(), 3);
        assert_eq!(engine.lacks(), [""; 0]);
        assert_eq!(shared_bytes(&engine), "shared".len());
    }
}

#[test]
fn where_the_image_that_brings_a_blob_fails_another_brings_it() {
    for kind in [Store, Registry] {
        let engine = engine(kind);
        let digest = Digest::of(b"shared");
        engine
            .from
            .trouble(Call::OpenBlob, Some(digest.as_str()), Trouble::Refuse, 1);
        let told = engine.run();
        let failed = told.iter().filter(|told| told.starts_with("failed: ")).count();
        assert_eq!(failed, 1, "{told:?}");
        assert_eq!(shared_bytes(&engine), "shared".len());
        engine.assert_a_rerun_completes();
    }
}

#[test]
fn a_blob_that_nobody_can_bring_fails_every_image_that_needs_it_and_no_other() {
    for kind in [Store, Registry] {
        let mut engine = engine(kind);
        engine.add("team/other:v1", &image(&["other"]));
        let digest = Digest::of(b"shared");
        engine
            .from
            .trouble(Call::OpenBlob, Some(digest.as_str()), Trouble::Refuse, usize::MAX);
        let told = engine.run();
        assert!(
            told[..3].iter().all(|told| told.contains("refused on purpose")),
            "{told:?}"
        );
        assert_eq!(told[3], "copied");
        engine.assert_a_rerun_completes();
    }
}

#[test]
fn what_is_there_already_is_not_brought() {
    for kind in [Store, Registry] {
        let mut engine = Engine::to(kind);
        engine.add("team/app:v1", &image(&["shared", "old"]));
        engine.run();
        engine.to.reset_counts();
        engine.add("team/app:v2", &image(&["shared", "new"]));
        assert_eq!(engine.run(), ["there", "copied"]);
        assert_eq!(shared_bytes(&engine), 0);
    }
}

#[test]
fn an_image_that_does_not_fit_is_refused_before_any_of_it_moves_and_others_go_on() {
    let mut engine = Engine::to(Store);
    engine.add("team/small:v1", &image(&["small"]));
    engine.add("team/large:v1", &image(&["large".repeat(1000).as_str()]));
    engine.to.set_free(2000);
    let told = engine.run();
    assert_eq!(told[0], "copied");
    assert!(told[1].contains("the disk is too full"), "{told:?}");
    let large = Digest::of("large".repeat(1000).as_bytes());
    assert_eq!(engine.to.moved(&large), 0);
}

#[test]
fn a_registry_that_lost_a_blob_of_an_image_that_it_lists_gets_it_again() {
    let mut engine = Engine::to(Registry);
    engine.add("team/app:v1", &image(&["shared", "own"]));
    engine.run();
    let repository = engine.target("team/app:v1").repository().clone();
    let digest = Digest::of(b"own");
    engine.to.lose_blob(&repository, &digest);
    engine.to.reset_counts();
    assert_eq!(engine.run(), ["copied"]);
    assert_eq!(engine.lacks(), [""; 0]);
    assert_eq!(
        (engine.to.moved(&digest), shared_bytes(&engine)),
        ("own".len(), 0)
    );
}
