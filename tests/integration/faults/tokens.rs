//! Tokens that end in the middle of a transfer, on a link that makes it long.

use std::time::Duration;

use transload_test_support::RealRegistry;
use transload_test_support::link::{Link, LinkConditions};
use transload_test_support::real::{Auth, PASSWORD, Tls, USER};

use super::{assert_pulled, folder, one_layer, program, store, within};

const SIZE: usize = 1_600_000;

/// Every two seconds; clients take a token that says less than a minute to last a minute.
const LIFETIME: Duration = Duration::from_secs(2);

/// A registry that wants tokens, behind a link that takes longer for the layer and cuts it all along.
fn scene(conditions: LinkConditions) -> (RealRegistry, Link) {
    let registry = RealRegistry::start(Tls::Off, Auth::Token { lifetime: LIFETIME });
    let conditions = LinkConditions {
        rate: Some(600_000),
        ..conditions
    };
    let link = Link::start(registry.host(), conditions);
    (registry, link)
}

/// How many requests of the registry's ended as unauthorized, by the method.
fn refused(registry: &RealRegistry, method: &str) -> usize {
    let log = registry.log();
    let is_it = |line: &&str| line.contains(&format!("\"{method} ")) && line.contains("\" 401 ");
    log.lines().filter(is_it).count()
}

#[test]
fn a_token_that_ends_during_a_pull_is_renewed_and_the_pull_goes_on() {
    let (registry, link) = scene(LinkConditions {
        cut_after: Some(1_350_000),
        ..LinkConditions::default()
    });
    let (image, dirs) = (one_layer(1, SIZE), folder());
    registry.push("team/app", "v1", &image);
    let (dir, name) = (within(&dirs, "images"), format!("{}/team/app:v1", link.host()));
    program(["pull", &name, "--dest", &dir]).run().expect_code(0);
    assert_pulled(&dir, link.host(), "team/app", &image);
    assert!(link.bytes_from_server() < SIZE as u64 + 100_000);
    // The first request of all has no token; the one that goes on has one that has ended.
    assert!(
        refused(&registry, "GET") + refused(&registry, "HEAD") > 1,
        "{}",
        registry.log()
    );
}

#[test]
fn a_token_that_ends_during_a_push_is_renewed_and_the_push_goes_on() {
    let (registry, link) = scene(LinkConditions {
        cut_upload_after: Some(600_000),
        ..LinkConditions::default()
    });
    let (image, dirs) = (one_layer(1, SIZE), folder());
    let dir = within(&dirs, "images");
    store(&dir, "team/app", &image);
    let auths = within(&dirs, "auths.yaml");
    let entry = format!(
        "[{{repo: '{}', username: {USER}, password: '{PASSWORD}', plain_http: true}}]",
        link.host()
    );
    std::fs::write(&auths, entry).expect("a writable temporary folder");
    let args = [
        "push",
        "--src",
        &dir,
        "--dest",
        link.host(),
        "--auths",
        &auths,
        "--jobs",
        "1",
    ];
    program(args).run().expect_code(0);
    assert!(registry.has_image("team/app", "v1", &image));
    assert!(
        link.bytes_to_server() < SIZE as u64 + 700_000,
        "{}",
        link.bytes_to_server()
    );
    let all = ["PATCH", "PUT", "POST"].map(|method| refused(&registry, method));
    assert!(all.iter().sum::<usize>() > 0, "{}", registry.log());
}
