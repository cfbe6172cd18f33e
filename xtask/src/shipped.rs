//! Which crates the program is built from.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{MetadataCommand, PackageId};

use crate::command::{cargo, output};

/// A crate that takes part in the build of the program: linked into it, or run by the compiler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crate {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What its author says of its licence: an SPDX expression.
    pub license: String,
    /// Where it is developed.
    pub repository: Option<String>,
    /// What it is, in a line.
    pub description: Option<String>,
    /// The folder of its sources.
    pub folder: PathBuf,
    /// The SHA-256 of the package as the registry has it, from `Cargo.lock`; none for a package of the workspace.
    pub checksum: Option<String>,
    /// Whether no code of it is in the program: it expands macros or builds.
    pub is_build_time: bool,
    /// What it needs itself, of those that take part: names and versions.
    pub needs: BTreeSet<(String, String)>,
}

impl Crate {
    /// Whether it is from outside the workspace.
    pub fn is_from_outside(&self) -> bool {
        self.checksum.is_some()
    }

    /// The package's URL, as lists of materials name it.
    pub fn purl(&self) -> String {
        purl(&self.name, &self.version)
    }
}

/// The package URL of a crate.
pub fn purl(name: &str, version: &str) -> String {
    // A plus sign (build metadata) means a space to some readers of URLs.
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

/// The crates of the program for a target, itself among them, by name and version.
///
/// # Errors
/// Where cargo can't tell.
pub fn crates(root: &Path, target: &str) -> Result<Vec<Crate>, String> {
    let set = tree(root, target, "normal,build")?;
    // What is linked: all that is reached without a macro or a build script between.
    let linked = tree(root, target, "normal,no-proc-macro")?;
    let checksums =
        checksums(&fs::read_to_string(root.join("Cargo.lock")).map_err(|error| error.to_string())?);
    let metadata = MetadataCommand::new()
        .current_dir(root)
        .other_options([
            "--locked".to_owned(),
            "--filter-platform".to_owned(),
            target.to_owned(),
        ])
        .exec()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    let nodes = metadata.resolve.as_ref().map(|resolve| resolve.nodes.as_slice());
    let named = |id: &PackageId| {
        let package = metadata.packages.iter().find(|package| package.id == *id)?;
        Some((package.name.to_string(), package.version.to_string()))
    };
    let needs: BTreeMap<_, BTreeSet<_>> = nodes
        .unwrap_or_default()
        .iter()
        .map(|node| {
            (
                &node.id,
                node.deps.iter().filter_map(|dep| named(&dep.pkg)).collect(),
            )
        })
        .collect();
    let mut crates = Vec::new();
    for package in &metadata.packages {
        let key = (package.name.to_string(), package.version.to_string());
        if !set.contains(&key) {
            continue;
        }
        let folder = package
            .manifest_path
            .parent()
            .ok_or("a manifest without a folder")?;
        crates.push(Crate {
            license: package
                .license
                .clone()
                .unwrap_or_default()
                .replace('/', " OR ")
                .replace("  ", " "),
            repository: package.repository.clone(),
            description: package
                .description
                .as_ref()
                .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")),
            folder: folder.as_std_path().to_owned(),
            checksum: checksums.get(&key).cloned(),
            is_build_time: !linked.contains(&key),
            needs: needs
                .get(&package.id)
                .into_iter()
                .flatten()
                .filter(|other| set.contains(other))
                .cloned()
                .collect(),
            name: key.0,
            version: key.1,
        });
    }
    crates.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    Ok(crates)
}

/// Names and versions, as `cargo tree` resolves features for the program alone.
fn tree(root: &Path, target: &str, edges: &str) -> Result<BTreeSet<(String, String)>, String> {
    let mut command = cargo();
    command
        .current_dir(root)
        .args([
            "tree",
            "--locked",
            "--package",
            "transload",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .args(["--target", target, "--edges", edges]);
    let text = output(&mut command)?;
    Ok(text.lines().filter_map(tree_line).collect())
}

/// `serde v1.0.0 (proc-macro) (*)`
fn tree_line(line: &str) -> Option<(String, String)> {
    let mut words = line.split(' ');
    let name = words.next()?;
    let version = words.next()?.strip_prefix('v')?;
    Some((name.to_owned(), version.to_owned()))
}

/// The checksums in a `Cargo.lock`, by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let mut found = BTreeMap::new();
    for block in lock.split("[[package]]").skip(1) {
        let value = |key: &str| {
            let line = block
                .lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "))?;
            Some(line.trim_matches('"').to_owned())
        };
        if let (Some(name), Some(version), Some(checksum)) =
            (value("name"), value("version"), value("checksum"))
        {
            found.insert((name, version), checksum);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_tree_is_a_name_and_a_version() {
        for (line, expected) in [
            ("serde v1.0.229", Some(("serde", "1.0.229"))),
            (
                "serde_derive v1.0.229 (proc-macro) (*)",
                Some(("serde_derive", "1.0.229")),
            ),
            (
                "serde_yaml v0.9.34+deprecated",
                Some(("serde_yaml", "0.9.34+deprecated")),
            ),
            ("", None),
        ] {
            let expected = expected.map(|(name, version)| (name.to_owned(), version.to_owned()));
            assert_eq!(tree_line(line), expected, "{line}");
        }
    }

    #[test]
    fn packages_of_the_workspace_have_no_checksum() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"registry\"\nchecksum = \"ab\"\n\n\
                    [[package]]\nname = \"own\"\nversion = \"0.1.0\"\ndependencies = [\n \"a\",\n]\n";
        let found = checksums(lock);
        assert_eq!(found.len(), 1);
        assert_eq!(found[&("a".to_owned(), "1.0.0".to_owned())], "ab");
    }

    #[test]
    fn a_package_url_has_no_bare_plus() {
        assert_eq!(
            purl("serde_yaml", "0.9.34+deprecated"),
            "pkg:cargo/serde_yaml@0.9.34%2Bdeprecated"
        );
    }
}
