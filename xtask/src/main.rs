//! The project's own tasks: `cargo xtask --help` lists them.

use std::env;
use std::process::ExitCode;

mod api;
mod bench;
mod command;
mod depcheck;
mod fuzz;
mod libraries;
mod lint;
mod msrv;
mod programs;
mod rules;
mod test;
mod tools;

const HELP: &str = "\
The project's own tasks

Usage: cargo xtask TASK

Tasks:
  lint            formatting, depcheck, cargo-deny (bans, licences, sources), the oldest Rust that is promised, packing what is
                  published and building each library from its package, clippy (the fuzz targets too), documentation, the lists
                  of what is public in the libraries: every warning is an error. All steps run; those that failed are listed at
                  the end. Without cargo-deny on PATH or in target/tools, it is installed into target/tools.
  test [ARG...]   every test of the workspace. The ARGs go to `cargo test`, for example: cargo xtask test -- --nocapture
                  The tests need docker-registry, skopeo, strace and faketime: as root on Debian they are installed by apt-get, elsewhere it
                  says how to install what is missing, and stops.
  fuzz [TARGET...] [--seconds N]
                  tries the fuzz targets (docs/fuzzing.md), all of them if none is named, for a minute each. It needs a C++
                  compiler; without cargo-fuzz on PATH or in target/tools, it is installed into target/tools.
  bench [ARG...]  measures transload beside skopeo, crane, oras and regctl, as far as they are on PATH: cargo xtask bench --help. It needs
                  docker-registry. docs/performance.md tells how to read what it prints.
  depcheck        the directions between the crates (ARCHITECTURE.md), the agreed list of other crates, a README.md for each
  api             writes the lists of what is public in the libraries (docs/api) anew, which lint holds them to

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
        Task::Depcheck => depcheck::run(),
        Task::Api => lint::doc().and_then(|()| api::write()),
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
        ] {
            let message = read(line).unwrap_err();
            assert!(message.contains(named), "{line}: {message}");
        }
    }
}
