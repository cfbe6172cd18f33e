//! Everything about the code that can be checked without running it.

use std::process::Command;

use cargo_metadata::{Metadata, MetadataCommand};

use crate::api;
use crate::command::{cargo, run as run_command};
use crate::depcheck;
use crate::libraries;
use crate::msrv;
use crate::tools::Tool;

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
    let steps: [Step; 8] = [
        ("fmt", fmt),
        ("depcheck", depcheck::run),
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

/// Writes the documentation of the workspace.
///
/// # Errors
/// Where rustdoc finds fault with it.
pub fn doc() -> Result<(), String> {
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
    // The advisories' database is a download; the other checks need none.
    run_command(Command::new(tool).args(["--workspace", "check", "bans", "licenses", "sources"]))
}
