//! A bad link in front of a real registry: everything arrives, and little of it twice.

use std::net::Ipv4Addr;
use std::time::Duration;

use transload_test_support::RealRegistry;
use transload_test_support::image::Image;
use transload_test_support::link::{Link, LinkConditions};
use transload_test_support::real::{Auth, Tls};

use super::{MIB, all_at_once, assert_pulled, folder, one_layer, program, store, transload, within};

const SIZE: usize = MIB;

/// What heads of messages, manifests and the config may come to, in bytes.
const SMALL_THINGS: u64 = 100_000;

/// What a link does, and how many bytes may pass in vain.
type Case = (&'static str, LinkConditions, u64);

fn fair() -> LinkConditions {
    LinkConditions::default()
}

fn pulls() -> [Case; 7] {
    let seeded = |seed| LinkConditions {
        cut_after: Some(200_000),
        seed: Some(seed),
        ..fair()
    };
    [
        ("cut", seeded(1), 0),
        ("cut elsewhere", seeded(2), 0),
        (
            "stalled",
            LinkConditions {
                stall_after: Some(300_000),
                strikes: Some(2),
                ..fair()
            },
            0,
        ),
        (
            "closed at once",
            LinkConditions {
                refuse_every: Some(1),
                strikes: Some(3),
                ..fair()
            },
            0,
        ),
        (
            "damaged",
            LinkConditions {
                corrupt_after: Some(500_000),
                strikes: Some(1),
                ..fair()
            },
            SIZE as u64,
        ),
        (
            "slow to start",
            LinkConditions {
                slow_start: Duration::from_millis(500),
                ..fair()
            },
            0,
        ),
        // It takes longer than a connection may be silent.
        (
            "slow",
            LinkConditions {
                rate: Some(500_000),
                ..fair()
            },
            0,
        ),
    ]
}

#[test]
fn a_pull_outlives_a_bad_link_and_fetches_little_twice() {
    let (registry, image) = (RealRegistry::plain(), one_layer(1, SIZE));
    registry.push("team/app", "v1", &image);
    all_at_once(&pulls(), |(what, conditions, in_vain)| {
        let (link, dirs) = (Link::start(registry.host(), *conditions), folder());
        let (dir, name) = (within(&dirs, "images"), format!("{}/team/app:v1", link.host()));
        transload(["pull", &name, "--dest", &dir, "--timeout", "1"], 0);
        assert_pulled(&dir, link.host(), "team/app", &image);
        let most = SIZE as u64 + in_vain + SMALL_THINGS;
        assert!(
            link.bytes_from_server() <= most,
            "{what}: {}",
            link.bytes_from_server()
        );
        let is_fair =
            conditions.slow_start + Duration::from_secs(conditions.rate.unwrap_or(0)) > Duration::ZERO;
        assert_eq!(link.strikes() == 0, is_fair, "{what}: {}", link.strikes());
    });
}

fn pushes() -> [Case; 7] {
    [
        // The registry forgets an upload that is cut: the bytes before the cut are lost, then go in chunks.
        (
            "cut",
            LinkConditions {
                cut_upload_after: Some(600_000),
                ..fair()
            },
            600_000,
        ),
        (
            "stalled",
            LinkConditions {
                stall_upload_after: Some(400_000),
                strikes: Some(1),
                ..fair()
            },
            400_000,
        ),
        (
            "closed at once",
            LinkConditions {
                refuse_every: Some(1),
                strikes: Some(3),
                ..fair()
            },
            0,
        ),
        (
            "damaged",
            LinkConditions {
                corrupt_upload_after: Some(500_000),
                strikes: Some(1),
                ..fair()
            },
            SIZE as u64,
        ),
        (
            "answers lost",
            LinkConditions {
                cut_after: Some(0),
                strikes: Some(4),
                ..fair()
            },
            0,
        ),
        (
            "slow to start",
            LinkConditions {
                slow_start: Duration::from_millis(500),
                ..fair()
            },
            0,
        ),
        (
            "slow",
            LinkConditions {
                rate: Some(500_000),
                ..fair()
            },
            0,
        ),
    ]
}

#[test]
fn a_push_outlives_a_bad_link_and_sends_little_twice() {
    let dirs = folder();
    let (dir, image) = (within(&dirs, "images"), one_layer(1, SIZE));
    store(&dir, "team/app", &image);
    all_at_once(&pushes(), |(what, conditions, in_vain)| {
        let registry = RealRegistry::plain();
        let link = Link::start(registry.host(), *conditions);
        let args = ["push", "--src", &dir, "--dest", link.host(), "--timeout", "1"];
        // One blob after the other: each connection carries little else than the layer.
        transload(args.into_iter().chain(["--jobs", "1"]), 0);
        assert!(registry.has_image("team/app", "v1", &image), "{what}");
        let most = SIZE as u64 + in_vain + SMALL_THINGS;
        assert!(
            link.bytes_to_server() <= most,
            "{what}: {}",
            link.bytes_to_server()
        );
        let is_fair =
            conditions.slow_start + Duration::from_secs(conditions.rate.unwrap_or(0)) > Duration::ZERO;
        assert_eq!(link.strikes() == 0, is_fair, "{what}: {}", link.strikes());
    });
}

#[test]
fn a_copy_outlives_bad_links_on_both_sides() {
    let (from, to, image) = (RealRegistry::plain(), RealRegistry::plain(), one_layer(1, SIZE));
    from.push("team/app", "v1", &image);
    let near = Link::start(
        from.host(),
        LinkConditions {
            cut_after: Some(250_000),
            seed: Some(3),
            ..fair()
        },
    );
    let far = Link::start(
        to.host(),
        LinkConditions {
            cut_upload_after: Some(600_000),
            refuse_every: Some(5),
            ..fair()
        },
    );
    let name = format!("{}/team/app:v1", near.host());
    transload(["copy", &name, "--dest", far.host(), "--jobs", "1"], 0);
    assert!(to.has_image("team/app", "v1", &image));
    assert!(near.strikes() > 1 && far.strikes() > 0);
}

#[test]
fn damage_is_survived_where_tls_notices_it() {
    let (registry, image) = (RealRegistry::start(Tls::Server, Auth::Off), one_layer(1, SIZE));
    registry.push("team/app", "v1", &image);
    let ca = registry.ca_file();
    let ca = ca.to_str().expect("temporary folders have plain names");
    let dirs = folder();
    let dir = within(&dirs, "store");
    store(&dir, "pushed/app", &image);
    let weathers = [
        LinkConditions {
            corrupt_after: Some(500_000),
            strikes: Some(2),
            ..fair()
        },
        LinkConditions {
            corrupt_upload_after: Some(500_000),
            strikes: Some(2),
            ..fair()
        },
    ];
    all_at_once(&weathers, |conditions| {
        let link = Link::start(registry.host(), *conditions);
        let run = |args: &[&str]| {
            let program = transload_test_support::Transload::new().args(args);
            program
                .args(["--ca-file", ca, "--jobs", "1"])
                .run()
                .expect_code(0)
        };
        if conditions.corrupt_after.is_some() {
            let (dest, name) = (within(&dirs, "pulled"), format!("{}/team/app:v1", link.host()));
            run(&["pull", &name, "--dest", &dest]);
            assert_pulled(&dest, link.host(), "team/app", &image);
        } else {
            run(&["push", "--src", &dir, "--dest", link.host()]);
            assert!(registry.has_image("pushed/app", "v1", &image));
        }
        assert!(link.strikes() > 0);
    });
}

/// Runs the program while nobody listens, until it has seen that, and lets the registry come back.
fn wait_for_registry(link: &Link, args: &[&str]) {
    link.close();
    let mut running = program(args.iter().copied().chain(["-v"])).spawn();
    running.wait_for_stderr(|text| text.contains("the connection was refused"));
    link.open();
    running.wait().expect_code(0);
}

#[test]
fn a_registry_that_is_not_there_for_a_moment_is_waited_for() {
    let (registry, image, dirs): (_, Image, _) = (RealRegistry::plain(), one_layer(1, 1000), folder());
    registry.push("team/app", "v1", &image);
    let link = Link::start_at(Ipv4Addr::new(127, 0, 0, 2), registry.host(), fair());
    let (dir, name) = (within(&dirs, "images"), format!("{}/team/app:v1", link.host()));
    wait_for_registry(&link, &["pull", &name, "--dest", &dir]);
    assert_pulled(&dir, link.host(), "team/app", &image);
    let dest = format!("{}/again", link.host());
    wait_for_registry(&link, &["push", "--src", &dir, "--dest", &dest]);
    assert!(registry.has_image("again/team/app", "v1", &image));
}
