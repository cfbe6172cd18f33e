//! What is refused before anything moves.

use transload_test_support::Transload;

use super::World;

#[test]
fn a_bundle_with_a_gap_is_not_served() {
    let world = World::new();
    world.months();
    let serve = ["serve", &world.bundle("two"), "--listen", "127.0.0.1:0"];
    let refused = Transload::new().args(serve).run().expect_code(2);
    let told = "is incomplete, and can't be served";
    assert!(refused.stderr.contains(told), "{}", refused.stderr);
}

#[test]
fn arguments_that_fit_no_bundle_are_refused() {
    let world = World::new();
    let dir = world.path("images").display().to_string();
    for (arguments, told) in [
        (
            vec!["pull", "a.b/c:1", "--dest", &dir, "--base", "have.tli"],
            "it is for writing bundles",
        ),
        (
            vec!["pull", "a.b/c:1", "--dest", "bundle:x", "--volume-size", "1K"],
            "a volume has at least 64 KiB",
        ),
        (
            vec!["push", "--src", "bundle:nowhere", "--dest", "a.b"],
            "there is no directory nowhere",
        ),
        (
            vec!["push", "--src", &dir, "--dest", "a.b", "--volumes", "x"],
            "isn't a bundle, and has no volumes",
        ),
    ] {
        let refused = Transload::new()
            .args(arguments.iter().copied())
            .run()
            .expect_code(2);
        assert!(refused.stderr.contains(told), "{arguments:?}: {}", refused.stderr);
    }
}
