//! `docs/harbor.md`, from its first command to its last, against a Harbor's projects.

use transload_test_support::ScriptedRegistry;
use transload_test_support::real::Tls;
use transload_test_support::scripted::{Authentication, HarborProjects, Locations, Options};

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
    world.follow("harbor.md", 6);
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
