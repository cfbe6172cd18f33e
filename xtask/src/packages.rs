//! Packages as a registry of crates gets them: packed, and built from what was packed.

use std::fs::{self, File};
use std::path::Path;

use cargo_metadata::Package;
use flate2::read::GzDecoder;
use tar::Archive;

use crate::command::{cargo, run};

/// Packs these packages of the workspace at `root` into the folder `package` of its target folder.
///
/// # Errors
/// Where Cargo can't pack one.
pub fn pack(root: &Path, packages: &[&Package]) -> Result<(), String> {
    run(cargo()
        .current_dir(root)
        .args(["package", "--quiet", "--allow-dirty", "--no-verify"])
        .args(
            packages
                .iter()
                .flat_map(|package| ["--package", package.name.as_str()]),
        ))
}

/// Checks that these packages, packed before, build from their packages and from each other's, with the versions of the lock file at `root`.
///
/// Cargo's own check of a package keeps what it unpacked in the user's home, by folder and version, and takes that for the package of a later
/// day: a library that changed since, but not its version, is judged as it was. So they are unpacked here, anew each time.
///
/// # Errors
/// Where a package can't be read, or doesn't build.
pub fn check(root: &Path, target: &Path, packages: &[&Package]) -> Result<(), String> {
    let folder = target.join("packages");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let mut members = Vec::new();
    let mut patches = String::new();
    for package in packages {
        let stem = format!("{}-{}", package.name, package.version);
        unpack(&target.join("package").join(format!("{stem}.crate")), &folder)?;
        patches.push_str(&format!("{} = {{ path = \"{stem}\" }}\n", package.name));
        members.push(stem);
    }
    let manifest =
        format!("[workspace]\nresolver = \"3\"\nmembers = {members:?}\n\n[patch.crates-io]\n{patches}");
    let manifest_path = folder.join("Cargo.toml");
    fs::write(&manifest_path, manifest).map_err(|error| format!("{}: {error}", manifest_path.display()))?;
    let lock = root.join("Cargo.lock");
    fs::copy(&lock, folder.join("Cargo.lock")).map_err(|error| format!("{}: {error}", lock.display()))?;
    run(cargo()
        .current_dir(root)
        .args(["check", "--quiet", "--workspace", "--manifest-path"])
        .arg(&manifest_path)
        .arg("--target-dir")
        .arg(target))
}

/// Unpacks a package into a folder of its name and version in `folder`. Its files are as old as this run, not as old as the package says, so
/// that Cargo sees that they are new.
fn unpack(package: &Path, folder: &Path) -> Result<(), String> {
    let unpacked = File::open(package).and_then(|file| {
        let mut archive = Archive::new(GzDecoder::new(file));
        archive.set_preserve_mtime(false);
        archive.unpack(folder)
    });
    unpacked.map_err(|error| format!("{}: {error}", package.display()))
}

#[cfg(test)]
mod tests {
    use cargo_metadata::MetadataCommand;

    use super::*;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A workspace of two libraries, the second of which calls `function` of the first.
    fn workspace(root: &Path, function: &str) {
        write(
            &root.join("Cargo.toml"),
            "[workspace]\nresolver = \"3\"\nmembers = [\"first\", \"second\"]\n",
        );
        let head =
            |name: &str| format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
        write(&root.join("first/Cargo.toml"), &head("packed-first"));
        write(
            &root.join("second/Cargo.toml"),
            &format!(
                "{}[dependencies]\npacked-first = {{ path = \"../first\", version = \"0.1.0\" }}\n",
                head("packed-second")
            ),
        );
        write(
            &root.join("first/src/lib.rs"),
            &format!("pub fn {function}() {{}}\n"),
        );
        write(
            &root.join("second/src/lib.rs"),
            &format!("pub fn call() {{ packed_first::{function}() }}\n"),
        );
    }

    fn pack_and_check(root: &Path) -> Result<(), String> {
        // With the dependencies, so that Cargo writes a lock file.
        let metadata = MetadataCommand::new().current_dir(root).exec().unwrap();
        let packages = metadata.workspace_packages();
        pack(root, &packages)?;
        check(root, metadata.target_directory.as_std_path(), &packages)
    }

    #[test]
    fn a_library_that_changed_under_the_same_version_is_judged_as_it_is_now() {
        let root = tempfile::tempdir().unwrap();
        workspace(root.path(), "old");
        pack_and_check(root.path()).unwrap();

        workspace(root.path(), "new");
        pack_and_check(root.path()).unwrap();

        write(&root.path().join("first/src/lib.rs"), "");
        let failed = pack_and_check(root.path()).unwrap_err();
        assert!(failed.contains("cargo check"), "{failed}");
    }
}
