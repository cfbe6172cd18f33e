//! Tells the program its version with the commit: `TRANSLOAD_COMMIT` if it is set, else what git says of this repository, else none.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-env-changed=TRANSLOAD_COMMIT");
    let told = env::var("TRANSLOAD_COMMIT")
        .ok()
        .filter(|commit| !commit.is_empty());
    let commit = told.or_else(|| of_git(&env::var_os("CARGO_MANIFEST_DIR")?));
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    match commit {
        Some(commit) => println!("cargo::rustc-env=TRANSLOAD_VERSION={version} (commit {commit})"),
        None => println!("cargo::rustc-env=TRANSLOAD_VERSION={version}"),
    }
}

/// The commit that is checked out, unless the package lies in a repository that isn't its own.
fn of_git(package: &std::ffi::OsStr) -> Option<String> {
    let root = fs::canonicalize(Path::new(package).parent()?).ok()?;
    let git = |args: &[&str]| {
        let output = Command::new("git").current_dir(&root).args(args).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    if fs::canonicalize(git(&["rev-parse", "--show-toplevel"])?).ok()? != root {
        return None;
    }
    for file in ["HEAD", "logs/HEAD"] {
        let path = root.join(git(&["rev-parse", "--git-path", file])?);
        if path.exists() {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}
