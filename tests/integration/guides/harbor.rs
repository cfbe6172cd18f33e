//! `docs/harbor.md`, from its first command to its last, against a Harbor's projects.

use std::fmt::Write as _;

use transload_test_support::ScriptedRegistry;
use transload_test_support::real::Tls;
use transload_test_support::scripted::{Authentication, HarborProjects, Locations, Options};

use super::page::{is_shown, steps};
use super::world::{HARBOR, LIST, World};

#[test]
fn the_page_about_harbor_works_as_it_stands() {
    let harbor = ScriptedRegistry::with(Options {
        tls: Tls::Named(&[HARBOR]),
        // A token server or an upload would be named by the address that the registry has here.
        authentication: Authentication::Basic,
        locations: Locations::Relative,
        harbor_projects: Some(HarborProjects::default()),
        ..Options::default()
    });
    let (host, ca_file) = (harbor.host().to_owned(), harbor.ca_file());
    let world = World::with(harbor, &host, ca_file).at_home();
    let (status, text) = world.run("transload pull --images-file images.txt --dest ./images");
    assert_eq!(status, 0, "{text}");
    let steps = steps("harbor.md");
    assert!(steps.len() > 6, "{} blocks", steps.len());
    let mut wrong = String::new();
    for step in steps {
        let (status, text) = world.run(&step.script);
        let shown = step.shown.unwrap_or_else(|| "…\n".to_owned());
        if status != step.status || !is_shown(&shown, &text) {
            let _ = writeln!(
                wrong,
                "--- docs/harbor.md:{}\n{}--- has to give exit status {} and\n{shown}--- and gives exit status {status} and\n{text}",
                step.line, step.script, step.status
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    let projects: Vec<_> = world.harbor.projects();
    let projects: Vec<(&str, bool)> = projects
        .iter()
        .map(|(name, public)| (name.as_str(), *public))
        .collect();
    let expected = [
        ("calico", true),
        ("mirror", false),
        ("production", false),
        ("release", false),
    ];
    assert_eq!(projects, expected);
    for name in LIST {
        let (_, rest) = name.split_once('/').expect("a registry");
        let (repository, tag) = rest.split_once(':').expect("a tag");
        for project in ["mirror", "release"] {
            let there = world.harbor.manifest(&format!("{project}/{repository}"), tag);
            assert!(there.is_some(), "{name} isn't in {project}");
        }
    }
}
