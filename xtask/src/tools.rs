//! Cargo's subcommands that a task needs, installed where they are missing.

use std::path::{Path, PathBuf};

use crate::command::{cargo, run as run_command, shown};
use crate::programs;

/// A subcommand of cargo.
#[derive(Debug)]
pub struct Tool {
    /// The program and the package that has it.
    pub name: &'static str,
    /// The versions that do.
    pub versions: &'static str,
}

impl Tool {
    /// Where the program is: in the target folder's `tools`, on `PATH`, or freshly installed into `tools`.
    ///
    /// # Errors
    /// Where it can't be installed.
    pub fn find(&self, target: &Path) -> Result<PathBuf, String> {
        let tools = target.join("tools");
        let own = tools.join("bin").join(self.name);
        if programs::is_executable(&own) {
            return Ok(own);
        }
        if let Some(installed) = programs::on_path(self.name) {
            return Ok(installed);
        }
        let mut install = cargo();
        install
            .args([
                "install",
                "--locked",
                // Built in half the time, and quick enough for what it has to do.
                "--debug",
                self.name,
                "--version",
                self.versions,
                "--root",
            ])
            .arg(tools);
        run_command(&mut install).map_err(|error| {
            format!(
                "{} is neither on PATH nor could it be installed: {error}. Install it by hand: {}",
                self.name,
                shown(&install)
            )
        })?;
        Ok(own)
    }
}
