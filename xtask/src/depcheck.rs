//! Whether dependencies point where they may.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

use crate::rules::{AGREED, DIRECTIONS, Directions, ONLY_FOR_TESTS, Users};
use crate::shipped;

mod forbidden;
mod sources;
mod told;
mod unused;

/// The target whose crates docs/dependencies.md counts.
const COUNTED: &str = "x86_64-unknown-linux-gnu";

/// A package of the workspace, as far as the rules speak of it.
#[derive(Debug, Clone, Default)]
struct Package {
    /// Direct dependencies, those of its build script among them.
    uses: BTreeSet<String>,
    /// Direct dependencies of its tests, examples and benchmarks.
    tests_use: BTreeSet<String>,
    has_readme: bool,
}

/// Checks the workspace against the tables in `rules.rs`, and that each dependency is used and has a reason.
///
/// # Errors
/// All that is wrong, one a line.
pub fn run() -> Result<(), String> {
    let metadata = MetadataCommand::new()
        .no_deps()
        .exec()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    let packages = packages(&metadata);
    let mut wrong = violations(&packages, DIRECTIONS, AGREED);
    for package in metadata.workspace_packages() {
        wrong.extend(unused::unused(package)?);
    }
    wrong.extend(unsafe_allowed(&metadata)?);
    wrong.extend(untold(&metadata, &packages)?);
    if wrong.is_empty() {
        eprintln!("depcheck: {} packages are as agreed", packages.len());
        return Ok(());
    }
    Err(format!("the workspace isn't as agreed\n  {}", wrong.join("\n  ")))
}

fn unsafe_allowed(metadata: &Metadata) -> Result<Vec<String>, String> {
    let workspace = forbidden::manifest(metadata.workspace_root.join("Cargo.toml").as_std_path())?;
    let mut packages = Vec::new();
    for package in metadata.workspace_packages() {
        packages.push(forbidden::Package {
            name: package.name.to_string(),
            manifest: forbidden::manifest(package.manifest_path.as_std_path())?,
        });
    }
    Ok(forbidden::allowed(&workspace, &packages))
}

fn untold(metadata: &Metadata, packages: &BTreeMap<String, Package>) -> Result<Vec<String>, String> {
    let root = metadata.workspace_root.as_std_path();
    let page = root.join("docs/dependencies.md");
    let page = fs::read_to_string(&page).map_err(|error| format!("{}: {error}", page.display()))?;
    let all = packages
        .values()
        .flat_map(|package| package.uses.iter().chain(&package.tests_use));
    let direct = all
        .filter(|name| !packages.contains_key(*name))
        .cloned()
        .collect();
    let crates = shipped::crates(root, COUNTED)?;
    let count = crates.iter().filter(|part| part.is_from_outside()).count();
    Ok(told::wrong(&page, &direct, count))
}

fn packages(metadata: &Metadata) -> BTreeMap<String, Package> {
    let mut packages = BTreeMap::new();
    for package in metadata.workspace_packages() {
        let folder = package.manifest_path.parent();
        let mut found = Package {
            has_readme: folder.is_some_and(|folder| folder.join("README.md").is_file()),
            ..Package::default()
        };
        for dependency in &package.dependencies {
            let uses = match dependency.kind {
                DependencyKind::Development => &mut found.tests_use,
                _ => &mut found.uses,
            };
            uses.insert(dependency.name.clone());
        }
        packages.insert(package.name.to_string(), found);
    }
    packages
}

/// What isn't as agreed, in words.
fn violations(
    packages: &BTreeMap<String, Package>,
    directions: &[Directions],
    agreed: &[(&str, Users)],
) -> Vec<String> {
    let mut wrong = Vec::new();
    for rule in directions
        .iter()
        .filter(|rule| !packages.contains_key(rule.package))
    {
        wrong.push(format!(
            "{} is in the table of directions and not in the workspace",
            rule.package
        ));
    }
    for (name, package) in packages {
        if !package.has_readme {
            wrong.push(format!("{name} has no README.md"));
        }
        let Some(rule) = directions.iter().find(|rule| rule.package == name) else {
            wrong.push(format!(
                "{name} isn't in the table of directions (DIRECTIONS in xtask/src/rules.rs)"
            ));
            continue;
        };
        for (in_tests, used) in [(false, &package.uses), (true, &package.tests_use)] {
            for other in used {
                let fault = if packages.contains_key(other) {
                    inner_fault(rule, other, in_tests)
                } else {
                    outer_fault(agreed, name, other, in_tests)
                };
                let user = if in_tests {
                    format!("{name}'s tests")
                } else {
                    name.clone()
                };
                wrong.extend(fault.map(|fault| format!("{user} may not depend on {other}: {fault}")));
            }
        }
    }
    wrong
}

/// Why a package may not depend on another one of the workspace.
fn inner_fault(rule: &Directions, other: &str, in_tests: bool) -> Option<String> {
    if rule.uses.contains(&other) || (in_tests && rule.tests_use.contains(&other)) {
        return None;
    }
    let allowed: Vec<&str> = match in_tests {
        true => rule.uses.iter().chain(rule.tests_use).copied().collect(),
        false => rule.uses.to_vec(),
    };
    Some(match allowed.as_slice() {
        [] => "it may depend on no other package of the workspace".to_owned(),
        some => format!("of the workspace it may depend on {}", some.join(", ")),
    })
}

/// Why a package may not depend on a crate from outside.
fn outer_fault(agreed: &[(&str, Users)], name: &str, other: &str, in_tests: bool) -> Option<String> {
    let Some((_, users)) = agreed.iter().find(|(known, _)| *known == other) else {
        return Some("it isn't in the agreed list (AGREED in xtask/src/rules.rs)".to_owned());
    };
    let serves_tests = in_tests || ONLY_FOR_TESTS.contains(&name);
    match users {
        Users::All => None,
        _ if serves_tests => None,
        Users::Tests => Some("it is agreed for tests alone".to_owned()),
        Users::Only(packages) if packages.contains(&name) => None,
        Users::Only(packages) => Some(format!("it is agreed for {} alone", packages.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &[Directions] = &[
        Directions {
            package: "base",
            uses: &[],
            tests_use: &[],
        },
        Directions {
            package: "top",
            uses: &["base"],
            tests_use: &["transload-test-support"],
        },
        Directions {
            package: "transload-test-support",
            uses: &["base"],
            tests_use: &[],
        },
    ];
    const CRATES: &[(&str, Users)] = &[
        ("serde", Users::All),
        ("insta", Users::Tests),
        ("ureq", Users::Only(&["top"])),
    ];

    fn package(uses: &[&str], tests_use: &[&str]) -> Package {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Package {
            uses: set(uses),
            tests_use: set(tests_use),
            has_readme: true,
        }
    }

    /// A workspace that is as agreed.
    fn good() -> BTreeMap<String, Package> {
        [
            ("base", package(&["serde"], &["insta", "ureq"])),
            ("top", package(&["base", "ureq"], &["transload-test-support"])),
            ("transload-test-support", package(&["base", "insta"], &[])),
        ]
        .map(|(name, package)| (name.to_owned(), package))
        .into()
    }

    #[test]
    fn what_is_agreed_passes() {
        assert_eq!(violations(&good(), RULES, CRATES), Vec::<String>::new());
    }

    #[test]
    fn each_step_off_the_agreed_is_named() {
        for (name, changed, expected) in [
            (
                "base",
                package(&["top"], &[]),
                "base may not depend on top: it may depend on no other package of the workspace",
            ),
            (
                "base",
                package(&[], &["transload-test-support"]),
                "base's tests may not depend on transload-test-support: it may depend on no other package of the workspace",
            ),
            (
                "top",
                package(&["transload-test-support"], &[]),
                "top may not depend on transload-test-support: of the workspace it may depend on base",
            ),
            (
                "base",
                package(&["ureq"], &[]),
                "base may not depend on ureq: it is agreed for top alone",
            ),
            (
                "top",
                package(&["insta"], &[]),
                "top may not depend on insta: it is agreed for tests alone",
            ),
            (
                "top",
                package(&[], &["left-pad"]),
                "top's tests may not depend on left-pad: it isn't in the agreed list (AGREED in xtask/src/rules.rs)",
            ),
            (
                "new",
                package(&[], &[]),
                "new isn't in the table of directions (DIRECTIONS in xtask/src/rules.rs)",
            ),
            ("top", Package::default(), "top has no README.md"),
        ] {
            let mut packages = good();
            packages.insert(name.to_owned(), changed);
            assert_eq!(violations(&packages, RULES, CRATES), [expected]);
        }
    }

    #[test]
    fn a_line_about_a_package_that_is_gone_is_named() {
        let mut packages = good();
        packages.remove("top");
        assert_eq!(
            violations(&packages, RULES, CRATES),
            ["top is in the table of directions and not in the workspace"]
        );
    }

    #[test]
    fn the_directions_have_no_cycle() {
        let mut settled: Vec<&str> = Vec::new();
        while settled.len() < DIRECTIONS.len() {
            let before = settled.len();
            for rule in DIRECTIONS {
                let is_free = rule.uses.iter().all(|other| settled.contains(other));
                if is_free && !settled.contains(&rule.package) {
                    settled.push(rule.package);
                }
            }
            assert!(settled.len() > before, "a cycle beside {settled:?}");
        }
    }
}
