//! Everything about the code that can be checked without running it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{Metadata, MetadataCommand, Package};

use crate::command::{cargo, run as run_command, shown};
use crate::{depcheck, programs};

/// cargo-deny's versions that `deny.toml` is written for.
const CARGO_DENY: &str = "^0.20";

/// Runs all steps, the quick ones first, and lists those that failed.
///
/// # Errors
/// Where a step failed.
pub fn run() -> Result<(), String> {
    type Step = (&'static str, fn() -> Result<(), String>);
    let steps: [Step; 6] = [
        ("fmt", fmt),
        ("depcheck", depcheck::run),
        ("deny", deny),
        ("package", package),
        ("clippy", clippy),
        ("doc", doc),
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
    run_command(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

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

/// Packs what is published. That it builds from what was packed is for a release to try.
fn package() -> Result<(), String> {
    let metadata = metadata()?;
    let is_published = |package: &&&Package| package.publish.as_ref().is_none_or(|to| !to.is_empty());
    let packages = metadata.workspace_packages();
    let published = packages.iter().filter(is_published);
    let mut command = cargo();
    command.args(["package", "--quiet", "--no-verify", "--allow-dirty"]);
    command.args(published.flat_map(|package| ["--package", package.name.as_str()]));
    run_command(&mut command)
}

fn deny() -> Result<(), String> {
    let metadata = metadata()?;
    let tool = cargo_deny(metadata.target_directory.join("tools").as_std_path())?;
    // The advisories' database is a download; the other checks need none.
    run_command(Command::new(tool).args(["--workspace", "check", "bans", "licenses", "sources"]))
}

/// Finds cargo-deny among our own tools or on `PATH`, or installs it.
fn cargo_deny(tools: &Path) -> Result<PathBuf, String> {
    let own = tools.join("bin").join("cargo-deny");
    if programs::is_executable(&own) {
        return Ok(own);
    }
    if let Some(installed) = programs::on_path("cargo-deny") {
        return Ok(installed);
    }
    let mut install = cargo();
    install
        .args([
            "install",
            "--locked",
            "cargo-deny",
            "--version",
            CARGO_DENY,
            "--root",
        ])
        .arg(OsString::from(tools));
    run_command(&mut install).map_err(|error| {
        format!(
            "cargo-deny is neither on PATH nor could it be installed: {error}. Install it by hand: {}",
            shown(&install)
        )
    })?;
    Ok(own)
}
