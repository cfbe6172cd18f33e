//! Bundles as registries.

use std::fs;

use transload_test_support::Transload;

use super::{World, image};
use crate::serve::Served;

#[test]
fn a_bundle_is_served_from_several_folders_with_blobs_larger_than_a_volume() {
    let world = World::new();
    let whole = world.bundle("whole");
    world.pull(
        &["lib/debian:12", "team/app:v1"],
        &["--dest", &whole, "--volume-size", "100K"],
    );
    fs::create_dir(world.path("second")).expect("a writable folder");
    fs::rename(
        world.path("whole/vol-0002.tar"),
        world.path("second/vol-0002.tar"),
    )
    .expect("a second volume");
    let second = world.path("second").display().to_string();
    let served = Served::start(&[&whole, "--volumes", &second]);
    let name = format!("{}/team/app:v1", world.registry.host());
    let dest = world.path("pulled").display().to_string();
    let pull = [
        "pull",
        &name,
        "--src",
        served.host(),
        "--plain-http",
        "--dest",
        &dest,
    ];
    Transload::new().args(pull).run().expect_code(0);
    Transload::new().args(["verify", &dest]).run().expect_code(0);
    // A part of one, over the border of two volumes.
    let image = image(2);
    let (descriptor, bytes) = image
        .blobs
        .iter()
        .max_by_key(|(_, bytes)| bytes.len())
        .expect("layers");
    let part = served.part(
        &format!("/v2/team/app/blobs/{}", descriptor.digest),
        20_000..180_000,
    );
    assert!(part == bytes[20_000..180_000], "they differ");
    let refused = Transload::new()
        .args(["serve", &dest, "--volumes", &second])
        .run()
        .expect_code(2);
    assert!(
        refused.stderr.contains("isn't a bundle, and has no volumes"),
        "{}",
        refused.stderr
    );
}
