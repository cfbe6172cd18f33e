//! The `transload` program; see the library of the same name.

use std::process::ExitCode;

fn main() -> ExitCode {
    transload::app::main(&transload::args::environment::parse())
}
