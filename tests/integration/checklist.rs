//! The page that says which test shows what of the protocol.

use std::fs;
use std::path::{Path, PathBuf};

/// The file of a test as the page writes it.
fn file(workspace: &Path, name: &str) -> PathBuf {
    let (first, rest) = name.split_once('/').unwrap_or((name, ""));
    let path = match (first, rest.split_once('/')) {
        ("tests", _) => format!("tests/integration/{rest}"),
        ("registry-client", None) => format!("registry-client/tests/protocol/{rest}"),
        _ => name.to_owned(),
    };
    workspace.join(path + ".rs")
}

#[test]
fn every_test_that_the_checklist_names_is_there() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a folder above");
    let page = fs::read_to_string(workspace.join("docs/protocol-checklist.md")).expect("the page");
    let rows = page.lines().filter(|line| line.starts_with('|'));
    let names: Vec<(&str, &str)> = rows
        .flat_map(|row| row.split('`').skip(1).step_by(2))
        .filter_map(|name| name.split_once("::"))
        .collect();
    assert!(names.len() > 100, "{}", names.len());
    for (name, test) in names {
        let path = file(workspace, name);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(text.contains(&format!("fn {test}(")), "{name}::{test}");
    }
}
