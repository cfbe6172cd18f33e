//! `docs/bundles.md`, from its first command to its last, against real registries.

use std::fmt::Write as _;

use super::page::{is_shown, steps};
use super::world::{IMAGES, World};

#[test]
fn the_way_across_the_gap_works_as_it_stands() {
    let world = World::new().at_home();
    let steps = steps("bundles.md");
    assert!(steps.len() > 7, "{} blocks", steps.len());
    let mut wrong = String::new();
    for step in steps {
        let (status, text) = world.run(&step.script);
        let shown = step.shown.unwrap_or_else(|| "…\n".to_owned());
        if status != step.status || !is_shown(&shown, &text) {
            let _ = writeln!(
                wrong,
                "--- docs/bundles.md:{}\n{}--- has to give exit status {} and\n{shown}--- and gives exit status {status} and\n{text}",
                step.line, step.script, step.status
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    for name in &IMAGES[..7] {
        let (_, rest) = name.split_once('/').expect("a registry");
        let (repository, tag) = rest.split_once(':').expect("a tag");
        let there = world.harbor.manifest(&format!("mirror/{repository}"), tag);
        assert!(there.is_some(), "{name} isn't in the Harbor");
    }
}
