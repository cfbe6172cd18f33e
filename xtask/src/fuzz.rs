//! Running the fuzz targets.

use std::fs;
use std::path::Path;
use std::process::Command;

use cargo_metadata::MetadataCommand;

use crate::command::run as run_command;
use crate::tools::Tool;

const CARGO_FUZZ: Tool = Tool {
    name: "cargo-fuzz",
    versions: "^0.13",
};

/// How long each target is tried where nothing else is asked for, in seconds.
const SECONDS: u32 = 60;

/// What to try, and for how long.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// The targets; all of them if there are none.
    targets: Vec<String>,
    seconds: u32,
}

impl Options {
    /// Reads the arguments: targets, and `--seconds N`.
    ///
    /// # Errors
    /// Where they are something else.
    pub fn read(args: Vec<String>) -> Result<Options, String> {
        let mut options = Options {
            targets: Vec::new(),
            seconds: SECONDS,
        };
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            if arg == "--seconds" {
                let number = args.next().unwrap_or_default();
                let seconds = number.parse().ok().filter(|seconds| *seconds > 0);
                options.seconds = seconds
                    .ok_or_else(|| format!("--seconds takes a whole number above 0, not \"{number}\""))?;
            } else if arg.starts_with('-') {
                return Err(format!("fuzz has no option \"{arg}\""));
            } else {
                options.targets.push(arg);
            }
        }
        Ok(options)
    }
}

/// Runs the targets one after another. What they find to be worth keeping goes to `target/fuzz/corpus`.
///
/// # Errors
/// Where one isn't there, can't be built or finds something; the others are run all the same.
pub fn run(options: &Options) -> Result<(), String> {
    let metadata = MetadataCommand::new()
        .no_deps()
        .exec()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    let root = metadata.workspace_root.as_std_path();
    let all = targets(&root.join("fuzz/fuzz_targets"))?;
    if let Some(unknown) = options.targets.iter().find(|target| !all.contains(target)) {
        return Err(format!(
            "there is no fuzz target \"{unknown}\": there are {}",
            all.join(", ")
        ));
    }
    let chosen = if options.targets.is_empty() {
        &all
    } else {
        &options.targets
    };
    let tool = CARGO_FUZZ.find(metadata.target_directory.as_std_path())?;
    let built = metadata.target_directory.join("fuzz");
    let mut failed = Vec::new();
    for target in chosen {
        let found = built.join("corpus").join(target);
        fs::create_dir_all(&found).map_err(|error| format!("{found}: {error}"))?;
        let mut command = Command::new(&tool);
        command
            .current_dir(root)
            // libFuzzer's instrumentation is behind a flag that stable compilers take with this alone.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_STRIP", "none")
            .args([
                "run",
                "--features",
                "run",
                "--codegen-units",
                "16",
                "--target-dir",
            ])
            .arg(&built)
            .arg(target)
            .arg(&found)
            .arg(format!("fuzz/corpus/{target}"))
            .args([
                "--",
                "-max_len=4096",
                "-timeout=25",
                "-verbosity=0",
                "-print_funcs=0",
                "-print_final_stats=1",
            ])
            .arg(format!("-max_total_time={}", options.seconds));
        if let Err(message) = run_command(&mut command) {
            eprintln!("error: {message}");
            failed.push(target.as_str());
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(format!("fuzz failed: {}", failed.join(", ")))
}

/// The targets' names, sorted.
fn targets(folder: &Path) -> Result<Vec<String>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.path().file_stem()?.to_str().map(str::to_owned))
        .collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options, String> {
        Options::read(line.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn targets_and_seconds_come_in_any_order() {
        for (line, targets, seconds) in [
            ("", &[] as &[&str], 60),
            ("task", &["task"], 60),
            ("--seconds 5", &[], 5),
            ("task --seconds 7 layout", &["task", "layout"], 7),
        ] {
            let expected = Options {
                targets: targets.iter().map(|target| (*target).to_owned()).collect(),
                seconds,
            };
            assert_eq!(read(line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn what_is_no_argument_is_named() {
        for (line, named) in [
            ("--seconds", "\"\""),
            ("--seconds 0", "\"0\""),
            ("--seconds x", "\"x\""),
            ("task --jobs", "\"--jobs\""),
        ] {
            let message = read(line).unwrap_err();
            assert!(message.contains(named), "{line}: {message}");
        }
    }
}
