//! `docs/tutorial.md`, from its first command to its last, against real registries.

use super::world::{IMAGES, World};

#[test]
fn the_tutorial_works_as_it_stands() {
    let world = World::new();
    world.follow("tutorial.md", 20);
    for name in IMAGES {
        let (_, rest) = name.split_once('/').expect("a registry");
        let (repository, tag) = rest.split_once(':').expect("a tag");
        let there = world.harbor.manifest(&format!("mirror/{repository}"), tag);
        assert!(there.is_some(), "{name} isn't in the Harbor");
    }
}
