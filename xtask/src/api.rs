//! The libraries' public interfaces, as lists of items with their signatures under review.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::MetadataCommand;
use public_api::Builder;

use crate::command::{cargo, run};
use crate::libraries::libraries;

/// Where the lists are, below the workspace's root.
const FOLDER: &str = "docs/api";

/// How many lines of a difference are shown.
const MOST_SHOWN: usize = 40;

/// Checks that the public items of the libraries are those of their lists.
///
/// # Errors
/// Lists the items that are public and not in their list, and the other way round.
pub fn check() -> Result<(), String> {
    let mut changes = Vec::new();
    for (name, list, public) in public()? {
        let text = fs::read_to_string(&list).map_err(|error| format!("{}: {error}", list.display()))?;
        let listed = text.lines().map(str::to_owned).collect();
        let differences = differences(&listed, &public);
        changes.extend(differences.into_iter().map(|line| format!("{name}: {line}")));
    }
    if changes.is_empty() {
        return Ok(());
    }
    let more = changes.len().saturating_sub(MOST_SHOWN);
    changes.truncate(MOST_SHOWN);
    if more > 0 {
        changes.push(format!("and {more} more"));
    }
    Err(format!(
        "the public items have changed\n  {}\n`cargo xtask api` rewrites the lists in {FOLDER}. A line that goes breaks programs of others: \
         note it in CHANGELOG.md.",
        changes.join("\n  ")
    ))
}

/// Rewrites the lists.
///
/// # Errors
/// Where the documentation can't be built or a list can't be written.
pub fn write() -> Result<(), String> {
    for (_, list, public) in public()? {
        let text: String = public.iter().map(|item| format!("{item}\n")).collect();
        fs::write(&list, text).map_err(|error| format!("{}: {error}", list.display()))?;
    }
    Ok(())
}

/// Returns each library's name, the path of its list, and its public items.
fn public() -> Result<Vec<(String, PathBuf, BTreeSet<String>)>, String> {
    let metadata = MetadataCommand::new()
        .no_deps()
        .exec()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    let lists = metadata.workspace_root.join(FOLDER);
    // A folder of its own: build scripts that look at `RUSTC_BOOTSTRAP` would run again whenever it comes and goes.
    let target = metadata.target_directory.join("api");
    let public = libraries(&metadata).into_iter().map(|library| {
        let name = library.name.to_string();
        let public = items(&name, target.as_std_path())?;
        Ok((
            name.clone(),
            lists.join(format!("{name}.txt")).into_std_path_buf(),
            public,
        ))
    });
    public.collect()
}

/// Has rustdoc describe a library in JSON, and reads the items from it. rustdoc's JSON isn't stable: `RUSTC_BOOTSTRAP` allows it on the
/// stable compiler.
fn items(library: &str, target: &Path) -> Result<BTreeSet<String>, String> {
    let mut rustdoc = cargo();
    rustdoc
        .args(["rustdoc", "--package", library, "--lib", "--target-dir"])
        .arg(target)
        .args(["--"])
        .args(["-Zunstable-options", "--output-format", "json"])
        .env("RUSTC_BOOTSTRAP", "1");
    run(&mut rustdoc)?;
    let page = target.join(format!("doc/{}.json", library.replace('-', "_")));
    let api = Builder::from_rustdoc_json(&page)
        .omit_blanket_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .map_err(|error| {
            format!(
                "{}: {error}: the crate public-api reads the JSON of Rust 1.95; another compiler may need another version of it",
                page.display()
            )
        })?;
    let items = api.items().map(ToString::to_string);
    Ok(items.filter(|item| !is_told_by_the_compiler(item)).collect())
}

/// What goes (`-`) and what comes (`+`).
fn differences(listed: &BTreeSet<String>, public: &BTreeSet<String>) -> Vec<String> {
    let gone = listed.difference(public).map(|name| format!("- {name}"));
    let new = public.difference(listed).map(|name| format!("+ {name}"));
    gone.chain(new).collect()
}

/// Whether an item is an implementation that the compiler adds and nobody promises. Whether threads may share a type is a promise.
fn is_told_by_the_compiler(item: &str) -> bool {
    ["Freeze", "Unpin", "UnsafeUnpin", "UnwindSafe", "RefUnwindSafe"]
        .iter()
        .any(|name| item.starts_with("impl") && item.contains(&format!("::{name} for ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_threads_may_share_a_type_is_told_and_whether_it_may_be_moved_is_not() {
        assert!(!is_told_by_the_compiler(
            "impl core::marker::Send for krate::Thing"
        ));
        assert!(is_told_by_the_compiler(
            "impl core::marker::Unpin for krate::Thing"
        ));
    }

    #[test]
    fn what_goes_comes_before_what_is_new() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let found = differences(&set(&["a", "b"]), &set(&["b", "c"]));
        assert_eq!(found, ["- a", "+ c"]);
    }
}
