//! The project's own tasks: `cargo xtask --help` lists them.

use std::env;
use std::process::ExitCode;

mod api;
mod bench;
mod chart;
mod command;
mod depcheck;
mod dist;
mod fuzz;
mod libraries;
mod links;
mod lint;
mod msrv;
mod packages;
mod programs;
mod rules;
mod shipped;
mod test;
mod tools;
mod translations;

const HELP: &str = "\
The project's own tasks

Usage: cargo xtask TASK

Tasks:
  lint            formatting, depcheck, links between pages, translated pages beside their sources, cargo-deny (bans, licences,
                  sources), the oldest Rust that is promised, packing what is published and building each library from its
                  package, clippy (the fuzz targets too), documentation, the lists of the libraries' public items: every warning
                  is an error. All steps run; those that failed are listed at the end. Without cargo-deny on PATH or in
                  target/tools, it is installed into target/tools.
  test [ARG...]   every test of the workspace. The ARGs go to `cargo test`, for example: cargo xtask test -- --nocapture
                  The tests need docker-registry, skopeo, strace and faketime: as root on Debian they are installed by apt-get, elsewhere it
                  says how to install what is missing, and stops. containerd, Docker, podman, buildah and umoci are unpacked into
                  target/engines there, where PATH doesn't have them; elsewhere their tests say that they are left out.
  test --soak MINUTES
                  the test of long use of one directory alone, for so long (tests/README.md)
  fuzz [TARGET...] [--seconds N]
                  tries the fuzz targets (docs/fuzzing.md), all of them if none is named, for a minute each. It needs a C++
                  compiler; without cargo-fuzz on PATH or in target/tools, it is installed into target/tools.
  bench [ARG...]  measures transload beside skopeo, crane, oras and regctl, as far as they are on PATH: cargo xtask bench --help. It needs
                  docker-registry. docs/performance.md tells how to read what it prints.
  chart RESULTS.json -o FILE.svg
                  draws a chart of what bench --json wrote. docs/speed.svg is that of docs/performance.json.
  dist [--target TARGET] [--out DIR] [--verify] [--check]
                  builds what is released into target/dist (RELEASING.md): the static program, man pages and completions as .tar.gz, .deb,
                  .rpm and image. --verify builds it once more in another folder and compares; --check runs it where there is nothing
                  else, installs the packages, and tries the installer: as root on Debian that needs no preparation.
  depcheck        the directions between the crates (ARCHITECTURE.md), the agreed list of other crates, a README.md for each; that no
                  dependency is unused, that `unsafe` is forbidden, and that docs/dependencies.md tells of each dependency
  api             rewrites the lists of the libraries' public items with their signatures (docs/api), which lint checks

Options:
  -h, --help      this text

Exit status: 0 all is well, 1 something isn't, 2 the command line can't be understood.";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Task {
    Help,
    Lint,
    Test(Vec<String>),
    Fuzz(fuzz::Options),
    Bench(Vec<String>),
    Chart(chart::Options),
    Dist(dist::Options),
    Depcheck,
    Api,
}

fn main() -> ExitCode {
    let task = match task(env::args().skip(1)) {
        Ok(task) => task,
        Err(message) => {
            eprintln!("error: {message}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let result = match task {
        Task::Help => {
            println!("{HELP}");
            Ok(())
        }
        Task::Lint => lint::run(),
        Task::Test(args) => test::run(&args),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Bench(args) => bench::run(&args),
        Task::Chart(options) => chart::run(&options),
        Task::Dist(options) => dist::run(&options),
        Task::Depcheck => depcheck::run(),
        Task::Api => api::write(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn task(args: impl IntoIterator<Item = String>) -> Result<Task, String> {
    let mut args = args.into_iter();
    let name = args.next().ok_or("which task?")?;
    let rest: Vec<String> = args.collect();
    if name == "bench" {
        // It has a help of its own.
        return Ok(Task::Bench(rest));
    }
    let own_options = rest.iter().take_while(|arg| *arg != "--");
    if own_options.into_iter().any(|arg| arg == "-h" || arg == "--help") {
        return Ok(Task::Help);
    }
    let task = match name.as_str() {
        "-h" | "--help" | "help" => Task::Help,
        "test" => return Ok(Task::Test(rest)),
        "chart" => return chart::Options::read(rest).map(Task::Chart),
        "dist" => return dist::Options::read(rest).map(Task::Dist),
        "fuzz" => return fuzz::Options::read(rest).map(Task::Fuzz),
        "lint" => Task::Lint,
        "depcheck" => Task::Depcheck,
        "api" => Task::Api,
        _ => return Err(format!("there is no task \"{name}\"")),
    };
    match rest.first() {
        Some(arg) => Err(format!("{name} takes no arguments, and was given \"{arg}\"")),
        None => Ok(task),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Task, String> {
        task(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn the_command_line_names_one_task() {
        for (line, expected) in [
            ("lint", Task::Lint),
            ("depcheck", Task::Depcheck),
            ("api", Task::Api),
            ("test", Task::Test(Vec::new())),
            (
                "test store -- --help",
                Task::Test(["store", "--", "--help"].map(str::to_owned).to_vec()),
            ),
            (
                "bench --quick --help",
                Task::Bench(["--quick", "--help"].map(str::to_owned).to_vec()),
            ),
            ("--help", Task::Help),
            ("test --help", Task::Help),
            ("lint -h", Task::Help),
        ] {
            assert_eq!(read(line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn what_is_no_task_is_named() {
        for (line, named) in [
            ("", "which task"),
            ("tets", "\"tets\""),
            ("lint --fix", "\"--fix\""),
            ("fuzz --fix", "\"--fix\""),
            ("dist --fix", "\"--fix\""),
            ("chart results.json", "-o FILE.svg"),
        ] {
            let message = read(line).unwrap_err();
            assert!(message.contains(named), "{line}: {message}");
        }
    }

    /// A release is made by commands alone, and those of ours are there.
    #[test]
    fn the_release_checklist_is_nothing_but_commands() {
        let page = include_str!("../../RELEASING.md");
        let (before, rest) = page.split_once("```sh\n").unwrap();
        let (commands, after) = rest.split_once("```").unwrap();
        assert!(
            before.lines().count() < 6 && after.trim().is_empty(),
            "no prose around"
        );
        assert!(
            commands
                .lines()
                .all(|line| !line.trim().is_empty() && !line.starts_with('#')),
            "{commands}"
        );
        let ours = commands.lines().chain(include_str!("../../.ci/run").lines());
        let lines: Vec<&str> = ours
            .filter_map(|line| line.strip_prefix("cargo xtask "))
            .collect();
        assert!(lines.len() > 4, "{lines:?}");
        for line in lines {
            assert!(read(line).is_ok(), "{line}");
        }
        for needed in [
            "bash .ci/run",
            "cargo deny fetch db",
            "cargo publish --package transload",
            "SHA256SUMS",
        ] {
            assert!(commands.lines().any(|line| line.contains(needed)), "{needed}");
        }
    }
}
