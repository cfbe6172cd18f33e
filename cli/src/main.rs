//! The `transload` program; see the library of the same name.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    transload::app::main(&transload::args::Cli::parse())
}
