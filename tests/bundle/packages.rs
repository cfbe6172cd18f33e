//! The packages, in a system that has nothing but itself.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{Bundle, Outcome, ended, is_root, run};

/// The parts of the system whose files are compared; the others are databases and caches.
const PARTS: [&str; 2] = ["usr", "opt"];

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
            .args(["--variant=minbase", "--include=rpm", suite.unwrap_or("stable")])
            .arg(&root),
    );
    if code != Some(0) {
        let said: Vec<&str> = stdout.lines().chain(stderr.lines()).rev().take(3).collect();
        return Outcome::NotRun(format!("debootstrap made no Debian: {}", said.join("; ")));
    }
    let before = files(&root);

    let deb = bundle.file(".deb");
    fs::copy(&deb, root.join("transload.deb")).expect("a writable folder");
    run(inside(&root, "dpkg").args(["--install", "/transload.deb"]));
    run(inside(&root, "dpkg").args(["--verify", "transload"]));
    works(&root);
    run(inside(&root, "dpkg").args(["--purge", "transload"]));
    assert_eq!(files(&root), before, "what the .deb installed is gone");

    let rpm = bundle.file(".rpm");
    fs::copy(&rpm, root.join("transload.rpm")).expect("a writable folder");
    let checked = run(rpm().args(["--checksig", "--nosignature", "--verbose", "/transload.rpm"]));
    assert!(checked.contains("Header SHA256 digest: OK"), "{checked}");
    assert!(checked.contains("Payload SHA256 digest: OK"), "{checked}");
    run(rpm().args(["--force-debian", "--install", "/transload.rpm"]));
    run(rpm().args(["--verify", "transload"]));
    works(&root);
    run(rpm().args(["--force-debian", "--erase", "transload"]));
    assert_eq!(files(&root), before, "what the .rpm installed is gone");
    Outcome::Holds(format!("Debian {}: .deb and .rpm", suite.unwrap_or("stable")))
}

fn inside(root: &Path, program: &str) -> Command {
    let mut command = Command::new("chroot");
    command.arg(root).arg(program);
    command
}

/// All that is there, in the parts that packages fill.
fn files(root: &Path) -> Vec<String> {
    let parts = PARTS.map(|part| root.join(part));
    let mut found: Vec<String> = run(Command::new("find").args(parts))
        .lines()
        .map(str::to_owned)
        .collect();
    found.sort();
    found
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
