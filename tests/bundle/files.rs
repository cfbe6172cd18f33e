//! What is in the bundle, and what needs nothing but it.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{Bundle, Outcome, emulator, listed, run};

/// How long the program may take to tell its version.
const START_UP: Duration = Duration::from_millis(5);

/// What people look for in a bundle.
const EXPECTED: [&str; 12] = [
    "bin/transload",
    "install.sh",
    "share/bash-completion/completions/transload",
    "share/doc/transload/LICENSE-APACHE",
    "share/doc/transload/LICENSE-MIT",
    "share/doc/transload/README.md",
    "share/doc/transload/THIRD-PARTY.md",
    "share/doc/transload/docs/install.md",
    "share/doc/transload/examples/quickstart.yaml",
    "share/doc/transload/sbom.cdx.json",
    "share/fish/vendor_completions.d/transload.fish",
    "share/zsh/site-functions/_transload",
];

pub fn are_whole(bundle: &Bundle) -> Outcome {
    for folder in [&bundle.out, &bundle.unpacked] {
        run(Command::new("sha256sum")
            .args(["--check", "--strict", "--quiet", "SHA256SUMS"])
            .current_dir(folder));
    }
    let files = listed(&bundle.unpacked);
    for expected in EXPECTED {
        assert!(
            files.iter().any(|file| file == expected),
            "{expected} isn't in the bundle: {files:#?}"
        );
    }
    let sums = fs::read_to_string(bundle.unpacked.join("SHA256SUMS")).expect("a list of sums");
    let mut told: Vec<&str> = sums.lines().map(|line| &line[66..]).collect();
    told.push("SHA256SUMS");
    told.sort_unstable();
    assert_eq!(told, files, "the sums tell of each file and of no other");
    let bill =
        fs::read(bundle.unpacked.join("share/doc/transload/sbom.cdx.json")).expect("a bill of materials");
    let bill: Value = serde_json::from_slice(&bill).expect("JSON");
    let components = bill["components"].as_array().expect("components");
    let notices =
        fs::read_to_string(bundle.unpacked.join("share/doc/transload/THIRD-PARTY.md")).expect("notices");
    for component in components {
        let (name, version) = (&component["name"], &component["version"]);
        if let (Some(name), Some(version), true) =
            (name.as_str(), version.as_str(), component["hashes"].is_array())
        {
            assert!(
                notices.contains(&format!("- {name} {version}: ")),
                "no notice of {name} {version}"
            );
        }
    }
    Outcome::Holds(format!("{} files, {} components", files.len(), components.len()))
}

pub fn quickstart(bundle: &Bundle) -> Outcome {
    let folder = bundle.folder("quickstart");
    let examples = bundle.unpacked.join("share/doc/transload/examples");
    run(Command::new("cp").arg("-r").arg(examples).arg(&folder));
    run(Command::new(bundle.program())
        .args(["run", "examples/quickstart.yaml"])
        .current_dir(&folder));
    let list = run(Command::new(bundle.program())
        .args(["list", "target/quickstart"])
        .current_dir(&folder));
    assert!(list.contains("hub.example.com/demo/hello"), "{list}");
    Outcome::Holds(format!("{} lines listed", list.lines().count()))
}

/// The program's commands, from its own help.
fn commands(bundle: &Bundle) -> Vec<String> {
    let help = run(Command::new(bundle.program()).arg("--help"));
    let after = help.split_once("Commands:\n").expect("a list of commands").1;
    let names = after.lines().take_while(|line| line.starts_with("  "));
    let words = names
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next());
    words.filter(|name| *name != "help").map(str::to_owned).collect()
}

pub fn pages(bundle: &Bundle) -> Outcome {
    let commands = commands(bundle);
    assert!(commands.iter().any(|command| command == "pull"), "{commands:?}");
    let share = bundle.unpacked.join("share");
    let completion =
        |path: &str| fs::read_to_string(share.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let zsh = completion("zsh/site-functions/_transload");
    let fish = completion("fish/vendor_completions.d/transload.fish");
    for command in &commands {
        let page = completion(&format!("man/man1/transload-{command}.1"));
        assert!(page.contains(&format!(".TH transload-{command} 1")), "{page}");
        assert!(page.contains(".SH OPTIONS"), "{page}");
        assert!(zsh.contains(&format!("({command})")), "zsh: {command}");
        assert!(fish.contains(&format!("-a \"{command}\"")), "fish: {command}");
    }
    // Bash tells what it would offer.
    let offered = |words: &[&str]| {
        let script = format!(
            ". {}; COMP_WORDS=({}); COMP_CWORD={}; _transload transload '{}' '{}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            share.join("bash-completion/completions/transload").display(),
            words.join(" "),
            words.len() - 1,
            words[words.len() - 1],
            words[words.len() - 2],
        );
        run(Command::new("bash").args(["-c", &script]))
    };
    let all = offered(&["transload", "\"\""]);
    for command in &commands {
        assert!(
            all.lines().any(|line| line == command),
            "bash doesn't offer {command}: {all}"
        );
    }
    assert_eq!(offered(&["transload", "pull", "--images-f"]), "--images-file\n");
    Outcome::Holds(commands.join(", "))
}

pub fn start_up(bundle: &Bundle) -> Outcome {
    if emulator::is_asked_for() {
        return Outcome::Holds("not measured: an emulator runs it".to_owned());
    }
    let time = || {
        let start = Instant::now();
        run(Command::new(bundle.program()).arg("--version"));
        start.elapsed()
    };
    // The best of many: what else the machine does isn't the program's.
    let best = (0..50).map(|_| time()).min().unwrap_or(Duration::MAX);
    assert!(best < START_UP, "{best:?}");
    Outcome::Holds(format!("{best:.1?}"))
}
