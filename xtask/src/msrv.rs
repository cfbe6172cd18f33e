//! The oldest Rust that the packages say they build with (`rust-version` in the workspace's manifest).

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use cargo_metadata::semver::Version;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

use crate::command::run as run_command;
use crate::libraries::published;

/// Checks that no crate which the published packages draw in asks for a newer Rust than they do, and builds them with that Rust where
/// rustup has it. Besides, clippy's `incompatible_msrv` refuses newer parts of the standard library.
///
/// # Errors
/// Where a crate asks for a newer Rust, or the packages don't build.
pub fn run() -> Result<(), String> {
    let metadata = MetadataCommand::new()
        .exec()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    let packages = published(&metadata);
    let stated = packages
        .iter()
        .filter_map(|package| package.rust_version.as_ref());
    let oldest = stated.min().ok_or("no package states a rust-version")?.clone();
    let too_new = too_new(&wanted(&metadata), &oldest);
    if !too_new.is_empty() {
        return Err(format!(
            "Rust {oldest} is promised, and these want a newer one\n  {}",
            too_new.join("\n  ")
        ));
    }
    let release = format!("{}.{}", oldest.major, oldest.minor);
    if !has_toolchain(&release) {
        eprintln!(
            "msrv: no crate wants more than Rust {release}. It isn't installed: `rustup toolchain install {release} --profile minimal` \
             lets this step build with it."
        );
        return Ok(());
    }
    let mut check = Command::new("rustup");
    check
        .args(["run", &release, "cargo", "check", "--quiet"])
        .args(
            packages
                .iter()
                .flat_map(|package| ["--package", package.name.as_str()]),
        )
        // What another compiler made would be thrown away each time.
        .env("CARGO_TARGET_DIR", metadata.target_directory.join("msrv"))
        .env_remove("RUSTC")
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO");
    run_command(&mut check)
}

/// The crates that building the published packages takes, by name and version, with the Rust that each asks for.
fn wanted(metadata: &Metadata) -> BTreeMap<(String, Version), Option<Version>> {
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    let uses: BTreeMap<&PackageId, Vec<&PackageId>> = nodes
        .map(|node| {
            let built = node.deps.iter().filter(|dependency| {
                let mut kinds = dependency.dep_kinds.iter();
                kinds.any(|of| of.kind != DependencyKind::Development)
            });
            (&node.id, built.map(|dependency| &dependency.pkg).collect())
        })
        .collect();
    let mut waiting: Vec<&PackageId> = published(metadata).iter().map(|package| &package.id).collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if seen.insert(id) {
            waiting.extend(uses.get(id).into_iter().flatten());
        }
    }
    let used = metadata
        .packages
        .iter()
        .filter(|package| seen.contains(&package.id));
    used.map(|package| {
        let name = (package.name.to_string(), package.version.clone());
        (name, package.rust_version.clone())
    })
    .collect()
}

/// Those that ask for a newer Rust than this, in words.
fn too_new(crates: &BTreeMap<(String, Version), Option<Version>>, oldest: &Version) -> Vec<String> {
    let asked = crates
        .iter()
        .filter_map(|(name, asks)| Some((name, asks.as_ref()?)));
    asked
        .filter(|(_, asks)| *asks > oldest)
        .map(|((name, version), asks)| format!("{name} {version}: Rust {asks}"))
        .collect()
}

fn has_toolchain(release: &str) -> bool {
    let asked = Command::new("rustup")
        .args(["run", release, "rustc", "--version"])
        .env_remove("RUSTUP_TOOLCHAIN")
        .output();
    asked.is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_that_want_a_newer_rust_are_named() {
        let asks = |name: &str, asks: Option<Version>| ((name.to_owned(), Version::new(1, 0, 3)), asks);
        let crates = BTreeMap::from([
            asks("same", Some(Version::new(1, 89, 0))),
            asks("newer", Some(Version::new(1, 90, 0))),
            asks("silent", None),
            asks("older", Some(Version::new(1, 56, 1))),
        ]);
        assert_eq!(
            too_new(&crates, &Version::new(1, 89, 0)),
            ["newer 1.0.3: Rust 1.90.0"]
        );
    }

    #[test]
    fn the_workspaces_own_crates_are_looked_through_and_not_those_of_its_tests() {
        let metadata = MetadataCommand::new().exec().unwrap();
        let wanted = wanted(&metadata);
        let has = |name: &str| wanted.keys().any(|(known, _)| known == name);
        assert!(has("transload") && has("ureq") && has("rustls"));
        assert!(!has("proptest") && !has("cargo_metadata"));
    }
}
