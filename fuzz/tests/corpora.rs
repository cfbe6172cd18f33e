//! The committed corpora, replayed: everything that libFuzzer found to be worth keeping.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use transload_fuzz::TARGETS;

/// Larger inputs belong into a test of their own.
const MAX_SIZE: usize = 4096;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn every_committed_input_keeps_what_its_target_promises() {
    for (target, check) in TARGETS {
        let corpus = folder("corpus").join(target);
        let inputs = names(&corpus);
        assert!(inputs.len() >= 10, "{target} has hardly an input");
        for name in inputs {
            // Shown where the check fails.
            println!("{target}/{name}");
            let input = fs::read(corpus.join(name)).unwrap();
            assert!(input.len() <= MAX_SIZE, "it is too large to be looked at");
            check(&input);
        }
    }
}

#[test]
fn each_target_has_a_corpus_and_a_program_of_its_name() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(target, _)| target.to_string()).collect();
    let programs: BTreeSet<String> = targets.iter().map(|target| format!("{target}.rs")).collect();
    assert_eq!(names(&folder("corpus")), targets);
    assert_eq!(names(&folder("fuzz_targets")), programs);
    let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
    for target in targets {
        assert!(
            manifest.contains(&format!(
                "name = \"{target}\"\npath = \"fuzz_targets/{target}.rs\""
            )),
            "{target} isn't in Cargo.toml"
        );
    }
}
