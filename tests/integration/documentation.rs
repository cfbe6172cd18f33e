//! What the documentation says of the repository is so.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests
        .parent()
        .expect("the tests are in the repository")
        .to_owned()
}

/// Every page in `docs`, with its name.
fn pages() -> Vec<(String, String)> {
    let entries = fs::read_dir(root().join("docs")).expect("a folder of documentation");
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    let pages = paths.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    pages
        .map(|path| {
            (
                path.display().to_string(),
                fs::read_to_string(&path).expect("a page of text"),
            )
        })
        .collect()
}

/// What stands between single backquotes, outside of blocks of code.
fn quoted(page: &str) -> Vec<&str> {
    let mut in_block = false;
    let lines = page.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        in_block ^= is_fence;
        !is_fence && !in_block
    });
    lines
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .collect()
}

/// Tests are named as `folder/file.rs::test`.
#[test]
fn every_test_that_a_page_names_is_there() {
    let mut named = 0;
    for (page, text) in pages() {
        for (file, test) in quoted(&text)
            .into_iter()
            .filter_map(|text| text.split_once(".rs::"))
        {
            let path = root().join(format!("{file}.rs"));
            let source = fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("{page} names {}: {error}", path.display()));
            let function = test.rsplit("::").next().unwrap_or(test);
            assert!(
                source.contains(&format!("fn {function}(")),
                "{page} names {file}.rs::{test}, which isn't there"
            );
            named += 1;
        }
    }
    assert!(named > 30, "{named}");
}

/// Links to other files of the repository.
#[test]
fn every_file_that_a_page_links_to_is_there() {
    let mut pages = pages();
    for name in ["README.md", "ARCHITECTURE.md"] {
        pages.push((
            root().join(name).display().to_string(),
            fs::read_to_string(root().join(name)).expect("a page of text"),
        ));
    }
    for (page, text) in pages {
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', '#']).next())
        {
            let is_file = !target.is_empty() && !target.contains("://");
            let path = Path::new(&page)
                .parent()
                .map(|folder| folder.join(target))
                .unwrap_or_default();
            assert!(
                !is_file || path.exists(),
                "{page} links to {target}, which isn't there"
            );
        }
    }
}
