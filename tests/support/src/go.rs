//! Programs of Go, built from its module proxy where they aren't installed.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// The program of this name: the one on `PATH`, else what `go install` makes of these words, such as `example.com/a/cmd/b@v1.2.3`, which the
/// next test finds built. `None` where Go or the package can't be had, which is said.
pub fn program(name: &str, package: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut on_path = env::split_paths(&path).map(|folder| folder.join(name));
    if let Some(found) = on_path.find(|file| file.is_file()) {
        return Some(found);
    }
    let folder = beside_tests("go-programs");
    let mut install = Command::new("go");
    install
        .arg("install")
        .args(package.split_whitespace())
        .env("GOBIN", &folder);
    succeeds(&mut install, package)?;
    Some(folder.join(name))
}

/// A program from its source and the module that it needs, such as `example.com/a v1.2.3`; removed with the folder that it is in. `None`
/// where Go or the module can't be had, which is said.
pub fn program_of(source: &str, module: &str) -> Option<(TempDir, PathBuf)> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).expect("a writable temporary folder")
    };
    write("main.go", source);
    write(
        "go.mod",
        &format!("module transload.test\n\ngo 1.24\n\nrequire {module}\n"),
    );
    let mut build = Command::new("go");
    build
        .args(["build", "-mod=mod", "-o", "program", "."])
        .current_dir(folder.path());
    succeeds(&mut build, module)?;
    let program = folder.path().join("program");
    Some((folder, program))
}

fn succeeds(command: &mut Command, what: &str) -> Option<()> {
    match command.output() {
        Ok(output) if output.status.success() => Some(()),
        Ok(failed) => {
            let told = String::from_utf8_lossy(&failed.stderr);
            eprintln!("not tested: {what} can't be built: {told}");
            None
        }
        Err(error) => {
            eprintln!("not tested: no Go (Debian package golang-go, 1.24 or later): {error}");
            None
        }
    }
}

/// A folder beside those of the tests' programs, which `cargo clean` removes.
fn beside_tests(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a test knows its program");
    let built = test.ancestors().nth(2).unwrap_or(Path::new("."));
    built.join(name)
}
