//! `docs/cookbook.md`: its recipes, one after another, against real registries.

use std::fmt::Write as _;

use super::page::steps;
use super::world::World;

#[test]
fn every_recipe_works_as_it_stands() {
    let world = World::new().at_home();
    let steps = steps("cookbook.md");
    assert!(steps.len() > 20, "{} blocks", steps.len());
    let mut wrong = String::new();
    for step in steps {
        let (status, text) = world.run(&step.script);
        if status != step.status {
            let _ = writeln!(
                wrong,
                "--- docs/cookbook.md:{}\n{}--- has to give exit status {}, and gives {status} and\n{text}",
                step.line, step.script, step.status
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
