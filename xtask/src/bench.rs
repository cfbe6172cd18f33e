//! Measuring transload beside its peers.

use std::process::Command;

use crate::command::{build, run as run_command};

/// Builds transload, as its users do, and the program that measures it, and runs that. `args` are its own.
///
/// # Errors
/// Where one of them can't be built, or the measurement fails.
pub fn run(args: &[String]) -> Result<(), String> {
    let transload = build(&["--release", "--package", "transload", "--bin", "transload"])?;
    let bench = build(&["--release", "--package", "transload-tests", "--bin", "bench"])?;
    run_command(Command::new(bench).args(args).env("TRANSLOAD_BIN", transload))
}
