//! The packages, in a system that has nothing but itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{Bundle, Outcome, ended, is_root, listed, run};

pub fn install(bundle: &Bundle) -> Outcome {
    if !is_root() {
        return Outcome::NotRun("debootstrap and chroot take root".to_owned());
    }
    let root = bundle.folder("debian");
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let suite = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let (code, stdout, stderr) = ended(
        Command::new("debootstrap")
            .args([
                "--variant=minbase",
                "--include=rpm",
                "--arch",
                bundle.architecture(),
            ])
            .arg(suite.unwrap_or("stable"))
            .arg(&root),
    );
    if code != Some(0) {
        let said: Vec<&str> = stdout.lines().chain(stderr.lines()).rev().take(3).collect();
        return Outcome::NotRun(format!("debootstrap made no Debian: {}", said.join("; ")));
    }
    let before = files(&root);

    fs::copy(bundle.file(".deb"), root.join("transload.deb")).expect("a writable folder");
    run(inside(&root, "dpkg").args(["--install", "/transload.deb"]));
    run(inside(&root, "dpkg").args(["--verify", "transload"]));
    works(&root);
    run(inside(&root, "dpkg").args(["--purge", "transload"]));
    same(&root, &before);

    fs::copy(bundle.file(".rpm"), root.join("transload.rpm")).expect("a writable folder");
    // Debian's rpm has its database in the user's home, unless another is named.
    let rpm = || {
        let mut command = inside(&root, "rpm");
        command.args(["--dbpath", "/var/lib/rpm"]);
        command
    };
    let checked = run(rpm().args(["--checksig", "--nosignature", "--verbose", "/transload.rpm"]));
    assert!(checked.contains("Header SHA256 digest: OK"), "{checked}");
    assert!(checked.contains("Payload SHA256 digest: OK"), "{checked}");
    run(rpm().args(["--force-debian", "--install", "/transload.rpm"]));
    run(rpm().args(["--verify", "transload"]));
    works(&root);
    run(rpm().args(["--force-debian", "--erase", "transload"]));
    same(&root, &before);
    Outcome::Holds(format!(
        "Debian {} for {}: .deb and .rpm",
        suite.unwrap_or("stable"),
        bundle.architecture()
    ))
}

fn inside(root: &Path, program: &str) -> Command {
    let mut command = Command::new("chroot");
    // A user's search path may lack what dpkg needs.
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    command.arg(root).args(["/usr/bin/env", path, program]);
    command
}

/// The files where packages put theirs; what else changes is databases and caches. Folders that several packages share may stay.
fn files(root: &Path) -> BTreeSet<String> {
    listed(&root.join("usr")).into_iter().collect()
}

/// Checks that a package has left nothing.
#[track_caller]
fn same(root: &Path, before: &BTreeSet<String>) {
    let after = files(root);
    let other: Vec<&String> = after.symmetric_difference(before).collect();
    assert!(other.is_empty(), "left or gone: {other:?}");
    assert!(
        !root.join("usr/share/doc/transload").exists(),
        "a folder of its own is left"
    );
}

/// The installed program does its work, with the examples that were installed along.
fn works(root: &Path) {
    let told = run(inside(root, "transload").arg("--version"));
    assert!(told.starts_with("transload "), "{told}");
    for page in [
        "man/man1/transload.1",
        "man/man1/transload-pull.1",
        "bash-completion/completions/transload",
    ] {
        assert!(root.join("usr/share").join(page).is_file(), "{page}");
    }
    let script = "mkdir /work && cd /work && cp -r /usr/share/doc/transload/examples . && \
                  transload run examples/quickstart.yaml && transload list target/quickstart && rm -r /work";
    let list = run(inside(root, "sh").args(["-c", script]));
    assert!(list.contains("hub.example.com/demo/hello"), "{list}");
}
