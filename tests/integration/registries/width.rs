//! How much is asked for at once: little to begin with, much where the way is long, and no more than is allowed.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use transload_test_support::image::{Family, Image, ImageBuilder, noise};
use transload_test_support::link::{Link, LinkConditions};
use transload_test_support::scripted::Request;
use transload_test_support::{ScriptedRegistry, Transload};

use super::help::*;

/// How many requests run at once in the beginning.
const MODEST: u64 = 16;

const IMAGES: usize = 120;

/// Small images with one layer in common.
fn small(number: usize) -> Image {
    ImageBuilder::new(Family::Oci)
        .blob_layer("application/vnd.oci.image.layer.v1.tar", &noise(1, 1000))
        .blob_layer(
            "application/vnd.oci.image.layer.v1.tar",
            &noise(2 + number as u64, 1000),
        )
        .build()
}

fn registry() -> ScriptedRegistry {
    let registry = ScriptedRegistry::start();
    for number in 0..IMAGES {
        registry.put_image(&format!("team/app{number}"), "v1", &small(number));
    }
    registry
}

/// The connections that a pull of this many images makes over a link.
fn pull(link: &Link, images: usize, jobs: &[&str]) -> u64 {
    let folder = folder();
    let dir = text(folder.path().join("images"));
    let names = (0..images).map(|number| format!("{}/team/app{number}:v1", link.host()));
    let command = Transload::new().args(["pull", "--plain-http", "--dest", &dir]);
    command.args(jobs).args(names).run().expect_code(0);
    link.connections()
}

fn link(registry: &ScriptedRegistry, delay: Duration) -> Link {
    let conditions = LinkConditions {
        delay,
        ..LinkConditions::default()
    };
    Link::start(registry.host(), conditions)
}

#[test]
fn a_long_way_is_met_with_more_requests_at_once_than_in_the_beginning_and_no_more_than_allowed() {
    let registry = registry();
    let long = Duration::from_millis(60);
    let connections = pull(&link(&registry, long), IMAGES, &[]);
    assert!((MODEST + 1..=64).contains(&connections), "{connections}");
    let connections = pull(&link(&registry, long), IMAGES, &["--jobs", "20"]);
    assert!((MODEST + 1..=20).contains(&connections), "{connections}");
    let connections = pull(&link(&registry, long), 10, &["--jobs", "3"]);
    assert!(connections <= 3, "{connections}");
}

#[test]
fn a_registry_that_is_silent_at_first_is_asked_for_twice_as_much_before_it_answers() {
    let registry = registry();
    let conditions = LinkConditions {
        slow_start: Duration::from_secs(1),
        ..LinkConditions::default()
    };
    let link = Link::start(registry.host(), conditions);
    thread::scope(|scope| {
        let pulling = scope.spawn(|| pull(&link, IMAGES, &[]));
        assert!(link.wait_for_connections(2 * MODEST, Duration::from_secs(60)));
        assert_eq!(link.bytes_from_server(), 0);
        let connections = pulling.join().unwrap();
        assert!((2 * MODEST..=64).contains(&connections), "{connections}");
    });
}

#[test]
fn every_manifest_and_blob_is_fetched_once() {
    let registry = registry();
    pull(&link(&registry, Duration::ZERO), IMAGES, &[]);
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    for request in registry.log().requests() {
        let Request { method, path, .. } = request;
        let last = path.rsplit('/').next().unwrap_or_default();
        // Tags are each image's own.
        let what = if last.contains(':') { last.to_owned() } else { path };
        *asked.entry(format!("{method} {what}")).or_default() += 1;
    }
    let twice: Vec<_> = asked.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    // A manifest and a layer of its own for each image, a layer in common, and configs, which may be alike.
    assert!(
        (2 * IMAGES + 2..=3 * IMAGES + 1).contains(&asked.len()),
        "{}",
        asked.len()
    );
}

#[test]
fn a_rate_that_is_asked_for_is_kept() {
    let size = 3 << 20;
    let image = ImageBuilder::new(Family::Oci)
        .blob_layer("application/vnd.oci.image.layer.v1.tar", &noise(1, size))
        .build();
    let registry = ScriptedRegistry::start();
    registry.put_image("team/app", "v1", &image);
    let folder = folder();
    let dir = text(folder.path().join("images"));
    let name = format!("{}/team/app:v1", registry.host());
    let second = ScriptedRegistry::start();
    let (from, to) = (
        ["--dest", dir.as_str(), &name],
        ["--src", dir.as_str(), "--dest", second.host()],
    );
    for (command, ends) in [("pull", from.as_slice()), ("push", to.as_slice())] {
        let began = Instant::now();
        let args = Transload::new().args([command, "--plain-http", "--limit-rate", "2M"]);
        args.args(ends).run().expect_code(0);
        // The last piece needn't be waited for, and a little is let through at once.
        let least = Duration::from_millis(1200);
        assert!(began.elapsed() >= least, "{command}: {:?}", began.elapsed());
    }
    assert_stored(folder.path().join("images").as_path(), &name, &image);
}
