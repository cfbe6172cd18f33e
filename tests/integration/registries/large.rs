//! A large layer: how little memory it takes on every way.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use transload_test_support::Transload;
use transload_test_support::vast::{VastImage, VastRegistry};

use super::help::*;

/// Debug builds on a loaded machine need a while for so much.
const PATIENCE: Duration = Duration::from_secs(300);
const MOST_MEMORY: u64 = 64_000_000;

#[track_caller]
fn assert_lean(way: &str, program: Transload) {
    let output = program.time_limit(PATIENCE).run().expect_code(0);
    let told = told(&output);
    assert!(
        told.contains("move images: 1 image: 1 copied\n  moved 512.00 MiB in 2 blobs"),
        "{way}: {told}"
    );
    let peak = output.peak_memory_bytes;
    assert!(
        (1_000_000..MOST_MEMORY).contains(&peak),
        "{way}: {peak} bytes of memory"
    );
}

#[test]
fn half_a_gibibyte_moves_every_way_with_less_than_64_megabytes_of_memory() {
    let content = Arc::new(VastImage::new(512));
    let from = VastRegistry::with(&content);
    let folder = folder();
    let dir = |name: &str| format!("local://{}", text(folder.path().join(name)));
    let auths = |registries: &[&VastRegistry]| -> Vec<_> {
        let entry = |registry: &&VastRegistry| json!({"repo": registry.host(), "plain_http": true});
        registries.iter().map(entry).collect()
    };
    let name = format!("{}/team/app:v1", from.host());

    let to = VastRegistry::awaiting(&content);
    let copy = json!({"manifests": [name], "dest": to.host(), "auths": auths(&[&from, &to])});
    assert_lean("registry to registry", task(&copy));
    assert!(to.has_image());

    let pull = json!({"manifests": [name], "dest": dir("first"), "auths": auths(&[&from])});
    assert_lean("registry to directory", task(&pull));
    let blob = |name: &str| {
        folder
            .path()
            .join(name)
            .join("blobs")
            .join(content.layer.digest.as_str())
    };
    assert_eq!(fs::metadata(blob("first")).unwrap().size(), content.layer.size);
    assert_eq!(from.layers_sent(), 2);

    let to = VastRegistry::awaiting(&content);
    let push = json!({"src": dir("first"), "dest": to.host(), "auths": auths(&[&to])});
    assert_lean("directory to registry", task(&push));
    assert!(to.has_image());
}
