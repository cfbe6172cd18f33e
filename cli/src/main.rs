//! The `transload` program; see the library of the same name.

#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

fn main() -> ExitCode {
    transload::app::main(&transload::args::environment::parse())
}
