//! The install script.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::{Bundle, Outcome, emulator, ended, listed, run};

/// What runs the script; under an emulator, in a shell that takes this machine for the bundle's.
fn shell() -> &'static [&'static str] {
    match emulator::is_asked_for() {
        true => &["sh", "-c", "uname() { echo aarch64; }; . \"$0\""],
        false => &["sh"],
    }
}

fn script(folder: &Path, prefix: &Path) -> Command {
    let mut command = Command::new("env");
    command.args(shell()).arg(folder.join("install.sh"));
    command.arg("--prefix").arg(prefix);
    command
}

/// Adds a byte to a file.
fn damage(file: &Path) {
    let mut file = OpenOptions::new()
        .append(true)
        .open(file)
        .expect("a file that can be written");
    file.write_all(b"x").expect("a file that can be written");
}

pub fn holds(bundle: &Bundle) -> Outcome {
    run(Command::new("shellcheck").arg(bundle.out.join("install.sh")));
    let prefix = bundle.folder("prefix");
    // Somebody else's file, which stays.
    fs::create_dir(prefix.join("bin")).expect("a writable folder");
    fs::write(prefix.join("bin/other"), "").expect("a writable folder");

    // From the archive, whose sum is beside it.
    let told = run(&mut script(&bundle.out, &prefix));
    assert!(
        told.contains("is installed in") && told.contains("export PATH="),
        "{told}"
    );
    let mut expected: Vec<String> = listed(&bundle.unpacked)
        .into_iter()
        .filter(|path| path.starts_with("bin/") || path.starts_with("share/"))
        .chain(["bin/other".to_owned(), "share/transload/installed".to_owned()])
        .collect();
    expected.sort();
    assert_eq!(listed(&prefix), expected);
    run(Command::new(prefix.join("bin/transload")).arg("--version"));

    // With nothing but what a small system has.
    let small = bundle.folder("small");
    run(Command::new("busybox").args(["--install", "-s"]).arg(&small));
    let other = bundle.work.path().join("other-prefix");
    for action in [&[] as &[&str], &[], &["--uninstall"]] {
        let path = format!("PATH={}", small.display());
        let script = bundle.out.join("install.sh");
        let told = run(Command::new("env")
            .args(["-i", &path])
            .args(shell())
            .arg(script)
            .arg("--prefix")
            .arg(&other)
            .args(action));
        assert!(told.contains("transload"), "{told}");
    }
    assert_eq!(listed(&other), Vec::<String>::new());

    // Over an older version, which had a file that is gone.
    let list = prefix.join("share/transload/installed");
    let old = prefix.join("share/old/page");
    fs::create_dir(prefix.join("share/old")).expect("a writable folder");
    fs::write(&old, "").expect("a writable folder");
    let mut told = fs::read_to_string(&list).expect("a list of what is installed");
    told.push_str("d share/old\nf share/old/page\n");
    fs::write(&list, told).expect("a writable folder");
    run(&mut script(&bundle.unpacked, &prefix));
    assert_eq!(
        listed(&prefix),
        expected,
        "what only the older version had is gone"
    );
    assert!(!prefix.join("share/old").exists(), "and its folder");

    // Nothing is installed of what isn't whole.
    let damaged = bundle.folder("damaged");
    run(Command::new("cp")
        .arg("-r")
        .arg(&bundle.unpacked)
        .arg(damaged.join("unpacked")));
    run(Command::new("cp")
        .arg("-r")
        .arg(&bundle.out)
        .arg(damaged.join("packed")));
    damage(&damaged.join("unpacked/share/doc/transload/README.md"));
    damage(&damaged.join("packed").join(format!("{}.tar.gz", bundle.name)));
    let elsewhere = damaged.join("prefix");
    for folder in ["unpacked", "packed"] {
        let (code, _, stderr) = ended(&mut script(&damaged.join(folder), &elsewhere));
        assert_eq!(code, Some(1), "{stderr}");
        assert!(
            stderr.contains("isn't what was released") && stderr.contains("Nothing was installed"),
            "{stderr}"
        );
        assert!(!elsewhere.exists(), "nothing was made");
    }
    fs::remove_file(damaged.join("packed/SHA256SUMS")).expect("a file that can be removed");
    let (code, _, stderr) = ended(&mut script(&damaged.join("packed"), &elsewhere));
    assert_eq!(
        (code, stderr.contains("SHA256SUMS isn't beside")),
        (Some(1), true),
        "{stderr}"
    );
    let (code, _, stderr) = ended(script(&bundle.out, &elsewhere).arg("--force"));
    assert_eq!(
        (code, stderr.contains("no option --force")),
        (Some(2), true),
        "{stderr}"
    );

    // All of it goes, and nothing else.
    run(script(&bundle.out, &prefix).arg("--uninstall"));
    assert_eq!(listed(&prefix), ["bin/other"]);
    assert!(
        !prefix.join("share").exists(),
        "a folder that the installer made is gone"
    );
    let (code, _, stderr) = ended(script(&bundle.out, &prefix).arg("--uninstall"));
    assert_eq!(
        (code, stderr.contains("nothing is installed")),
        (Some(1), true),
        "{stderr}"
    );
    Outcome::Holds(format!("{} files", expected.len() - 1))
}
