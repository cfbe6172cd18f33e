//! A large layer comes over several connections where one is the limit, and else over one.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use transload_reference::Digest;
use transload_test_support::image::{Family, Image, ImageBuilder, noise};
use transload_test_support::link::{Link, LinkConditions};
use transload_test_support::scripted::{Options, Request};
use transload_test_support::{Running, ScriptedRegistry, Transload};

use super::help::*;

const MIB: usize = 1024 * 1024;
const SIZE: usize = 24 * MIB;

/// A registry with one image of one large layer, behind a link.
struct Place {
    registry: ScriptedRegistry,
    link: Link,
    image: Image,
    layer: Digest,
    folder: tempfile::TempDir,
}

impl Place {
    /// `rate` is how many bytes a second pass on one connection.
    fn new(options: Options, rate: Option<u64>) -> Place {
        let conditions = LinkConditions {
            rate,
            ..LinkConditions::default()
        };
        Place::under(conditions, options, SIZE)
    }

    /// With a layer of so many bytes.
    fn under(conditions: LinkConditions, options: Options, size: usize) -> Place {
        let layer = noise(1, size);
        let image = ImageBuilder::new(Family::Oci)
            .blob_layer("application/vnd.oci.image.layer.v1.tar", &layer)
            .build();
        let registry = ScriptedRegistry::with(options);
        registry.put_image("team/app", "v1", &image);
        Place {
            link: Link::start(registry.host(), conditions),
            registry,
            image,
            layer: Digest::of(&layer),
            folder: folder(),
        }
    }

    fn name(&self) -> String {
        format!("{}/team/app:v1", self.link.host())
    }

    fn dir(&self) -> String {
        text(self.folder.path().join("images"))
    }

    fn pull(&self) -> Running {
        self.pull_with(&["--jobs", "4"])
    }

    fn pull_with(&self, options: &[&str]) -> Running {
        let command = Transload::new().args(["pull", "--plain-http", "--dest", &self.dir()]);
        command.args(options).args([self.name()]).spawn()
    }

    #[track_caller]
    fn assert_pulled(&self, running: Running) {
        running.wait().expect_code(0);
        assert_stored(Path::new(&self.dir()), &self.name(), &self.image);
        let partial = self.folder.path().join("images/.transload/partial");
        assert_eq!(
            std::fs::read_dir(partial)
                .expect("a folder of partial blobs")
                .count(),
            0
        );
    }

    /// The requests for the layer.
    fn fetches(&self) -> Vec<Request> {
        let requests = self.registry.log().requests().into_iter();
        requests
            .filter(|request| request.is("GET", self.layer.as_str()))
            .collect()
    }
}

/// First and last byte that a request asks for; the last is open where the rest is meant.
fn range(request: &Request) -> Option<(u64, Option<u64>)> {
    let (first, last) = request.header("range")?.strip_prefix("bytes=")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()))
}

/// Nothing that is fetched ahead is fetched twice; only what is on its way on the first connection is lost when it is closed.
const LOST: u64 = 6 * MIB as u64;

#[test]
fn a_layer_that_one_connection_brings_slowly_comes_over_several() {
    let place = Place::new(Options::default(), Some(3_000_000));
    let started = Instant::now();
    place.assert_pulled(place.pull());
    // One connection would need eight seconds, and four of them two.
    assert!(
        started.elapsed() < Duration::from_secs(7),
        "{:?}",
        started.elapsed()
    );
    let fetches = place.fetches();
    let connections: BTreeSet<u64> = fetches.iter().map(|request| request.connection).collect();
    assert!(connections.len() >= 4, "{connections:?}");
    let ranges: Vec<_> = fetches.iter().filter_map(range).collect();
    let distinct: BTreeSet<u64> = ranges.iter().map(|(first, _)| *first).collect();
    assert!(ranges.len() >= 3 && distinct.len() == ranges.len(), "{ranges:?}");
    let fetched = place.link.bytes_from_server();
    assert!(
        fetched < SIZE as u64 + LOST,
        "{fetched} bytes were fetched for {SIZE}"
    );
}

#[test]
fn half_a_second_of_a_layer_is_worth_sharing_where_nothing_else_is_left_to_do() {
    let conditions = LinkConditions {
        rate: Some(12_500_000),
        ..LinkConditions::default()
    };
    let place = Place::under(conditions, Options::default(), 8 * MIB);
    place.assert_pulled(place.pull());
    let ranges: Vec<_> = place.fetches().iter().filter_map(range).collect();
    assert!(ranges.len() >= 2, "{ranges:?}");
}

#[test]
fn one_large_layer_is_met_with_more_connections_than_in_the_beginning_where_that_pays() {
    let conditions = LinkConditions {
        delay: Duration::from_millis(5),
        rate: Some(1_000_000),
        ..LinkConditions::default()
    };
    let place = Place::under(conditions, Options::default(), 2 * SIZE);
    place.assert_pulled(place.pull_with(&[]));
    let fetches = place.fetches();
    let connections: BTreeSet<u64> = fetches.iter().map(|request| request.connection).collect();
    // Sixteen requests may run at once in the beginning, and the first is cut short when the others begin.
    assert!(connections.len() > 17, "{connections:?}");
}

#[test]
fn a_registry_without_parts_is_asked_for_the_whole_once() {
    let options = Options {
        ignore_range: true,
        ..Options::default()
    };
    let place = Place::new(options, Some(6_000_000));
    place.assert_pulled(place.pull());
    let whole = place
        .fetches()
        .iter()
        .filter(|request| request.header("range").is_none())
        .count();
    assert_eq!(whole, 1);
    let fetched = place.link.bytes_from_server();
    assert!(
        fetched < SIZE as u64 + 3 * LOST,
        "{fetched} bytes were fetched for {SIZE}"
    );
}

#[test]
fn parts_of_a_killed_run_are_kept_and_used() {
    let place = Place::new(Options::default(), Some(3_000_000));
    let all = SIZE as u64;
    let mut runs = 0;
    for most in [all / 3, all * 2 / 3, u64::MAX] {
        let mut running = place.pull();
        let started = Instant::now();
        while !running.has_ended() && place.link.bytes_from_server() < most {
            assert!(started.elapsed() < Duration::from_secs(40));
            std::thread::sleep(Duration::from_millis(2));
        }
        if most < u64::MAX {
            running.kill();
        } else {
            place.assert_pulled(running);
        }
        runs += 1;
    }
    // What was on its way on four connections was lost with each kill.
    let fetched = place.link.bytes_from_server();
    assert!(
        fetched < all + runs * 4 * 4 * MIB as u64,
        "{fetched} bytes were fetched for {SIZE}"
    );
    let begun: Vec<_> = place.fetches().iter().filter_map(range).collect();
    assert!(begun.iter().any(|(first, _)| *first > 0), "{begun:?}");
}
