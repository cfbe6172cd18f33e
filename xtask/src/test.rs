//! Running every test.

use std::process::Command;

use crate::command::{build, cargo, run as run_command};
use crate::programs;

/// Programs that the tests run, and the Debian packages that hold them.
const NEEDED: [(&str, &str); 4] = [
    ("docker-registry", "docker-registry"),
    ("skopeo", "skopeo"),
    ("strace", "strace"),
    ("faketime", "faketime"),
];

/// Sees to the programs that the tests need, builds transload and the libraries' examples once, and runs all tests. `args` go to `cargo test`.
///
/// # Errors
/// Where a program is missing and can't be installed, or a test fails.
pub fn run(args: &[String]) -> Result<(), String> {
    see_to_programs()?;
    // With the workspace's features, so that `cargo test` doesn't build everything again.
    let transload = build(&["--workspace", "--bin", "transload"])?;
    let example = build(&["--workspace", "--examples"])?;
    let examples = example.parent().unwrap_or(&example);
    let mut tests = cargo();
    // Who names packages wants no others.
    let names_packages = args.iter().any(|arg| arg == "-p" || arg.starts_with("--package"));
    let which: &[&str] = if names_packages { &[] } else { &["--workspace"] };
    tests
        .args(["test", "--no-fail-fast"])
        .args(which)
        .args(args)
        .env("TRANSLOAD_BIN", transload)
        .env("TRANSLOAD_EXAMPLES", examples);
    run_command(&mut tests)
}

fn missing() -> Vec<(&'static str, &'static str)> {
    let is_missing = |(program, _): &(&str, &str)| programs::on_path(program).is_none();
    NEEDED.into_iter().filter(is_missing).collect()
}

fn see_to_programs() -> Result<(), String> {
    let wanted = missing();
    if wanted.is_empty() {
        return Ok(());
    }
    if !programs::is_root_on_debian() {
        return Err(how_to_install(&wanted));
    }
    let packages = wanted.iter().map(|(_, package)| *package);
    let failed = |error| format!("{}\n{error}", how_to_install(&wanted));
    run_command(apt_get().arg("update")).map_err(failed)?;
    run_command(
        apt_get()
            .args(["install", "--yes", "--no-install-recommends"])
            .args(packages),
    )
    .map_err(failed)?;
    let still_missing = missing();
    if still_missing.is_empty() {
        return Ok(());
    }
    Err(how_to_install(&still_missing))
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn how_to_install(wanted: &[(&str, &str)]) -> String {
    let programs: Vec<&str> = wanted.iter().map(|(program, _)| *program).collect();
    let packages: Vec<&str> = wanted.iter().map(|(_, package)| *package).collect();
    format!(
        "the tests need {}, which PATH doesn't have.\n\
         On Debian and Ubuntu: sudo apt-get update && sudo apt-get install --no-install-recommends {}\n\
         Elsewhere: skopeo, strace and faketime are in most systems' packages; docker-registry is the `registry` program of\n\
         https://github.com/distribution/distribution, to be put on PATH under this name.",
        programs.join(" and "),
        packages.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_the_way_to_get_it() {
        let both = how_to_install(&NEEDED[..2]);
        assert!(both.contains("need docker-registry and skopeo"), "{both}");
        assert!(
            both.contains("--no-install-recommends docker-registry skopeo\n"),
            "{both}"
        );
        let one = how_to_install(&NEEDED[1..2]);
        assert!(
            one.contains("need skopeo,") && !one.contains("recommends docker"),
            "{one}"
        );
    }
}
