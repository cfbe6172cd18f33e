//! Everything about the code that can be checked without running it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{Metadata, MetadataCommand};

use crate::api;
use crate::command::{cargo, run as run_command};
use crate::depcheck;
use crate::libraries;
use crate::links;
use crate::msrv;
use crate::tools::Tool;
use crate::translations;

/// `deny.toml` is written for these versions.
const CARGO_DENY: Tool = Tool {
    name: "cargo-deny",
    versions: "^0.20",
};

/// Runs all steps, the quick ones first, and lists those that failed.
///
/// # Errors
/// Where a step failed.
pub fn run() -> Result<(), String> {
    type Step = (&'static str, fn() -> Result<(), String>);
    let steps: [Step; 10] = [
        ("fmt", fmt),
        ("depcheck", depcheck::run),
        ("links", links::run),
        ("translations", translations::run),
        ("deny", deny),
        ("msrv", msrv::run),
        ("libraries", libraries::run),
        ("clippy", clippy),
        ("doc", doc),
        ("api", api::check),
    ];
    let mut failed = Vec::new();
    for (name, step) in steps {
        if let Err(message) = step() {
            eprintln!("error: {name}: {message}");
            failed.push(name);
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(format!("lint failed: {}", failed.join(", ")))
}

fn fmt() -> Result<(), String> {
    run_command(cargo().args(["fmt", "--all", "--check"]))
}

fn clippy() -> Result<(), String> {
    // The fuzz targets are checked here, and linked by `cargo xtask fuzz` alone.
    let all = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--features",
        "transload-fuzz/targets",
    ];
    run_command(cargo().args(all).args(["--", "-D", "warnings"]))
}

/// Builds the documentation of the workspace; every warning is an error.
fn doc() -> Result<(), String> {
    let mut command = cargo();
    command
        .args(["doc", "--workspace", "--no-deps"])
        .env("RUSTDOCFLAGS", "-D warnings");
    run_command(&mut command)
}

fn metadata() -> Result<Metadata, String> {
    MetadataCommand::new()
        .no_deps()
        .exec()
        .map_err(|error| format!("cargo metadata: {error}"))
}

fn deny() -> Result<(), String> {
    let metadata = metadata()?;
    let tool = CARGO_DENY.find(metadata.target_directory.as_std_path())?;
    let mut command = Command::new(tool);
    command.arg("--workspace");
    let is_at_hand = has_advisories();
    if is_at_hand {
        // As it is: nothing is fetched.
        command.arg("--offline");
    } else {
        eprintln!(
            "deny: no database of advisories is at hand (`cargo deny fetch db` fetches it): they aren't checked"
        );
    }
    command.args(["check", "bans", "licenses", "sources"]);
    command.args(is_at_hand.then_some("advisories"));
    run_command(&mut command)
}

/// Whether a database of advisories is where cargo-deny keeps it.
fn has_advisories() -> bool {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    home.is_some_and(|home| is_database(&home.join("advisory-dbs")))
}

fn is_database(folder: &Path) -> bool {
    let is_folder = |entry: Result<fs::DirEntry, _>| entry.is_ok_and(|entry| entry.path().is_dir());
    fs::read_dir(folder).is_ok_and(|mut entries| entries.any(is_folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_a_database_is_at_hand() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_database(&dir.path().join("none")));
        assert!(!is_database(dir.path()));
        fs::write(dir.path().join("db.lock"), "").unwrap();
        assert!(!is_database(dir.path()), "a lock is no database");
        fs::create_dir(dir.path().join("github.com-2f857891b7f43c59")).unwrap();
        assert!(is_database(dir.path()));
    }
}
