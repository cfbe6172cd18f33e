//! `transload logout`.

use std::fmt::Write as _;

use super::host::Host;
use crate::app::{FAILED, Session};
use crate::args::{Cli, LogoutArgs};
use crate::jobs;
use crate::task::{self, Problem, TaskErrors};
use crate::ui;

/// Removes credentials, wherever they are.
pub(crate) fn logout(cli: &Cli, args: &LogoutArgs) -> Result<u8, TaskErrors> {
    let host = Host::parse("REGISTRY", &args.registry)?;
    let authfile = args.authfile.as_deref();
    if let Some(problem) = authfile.and_then(|file| task::check_file("--authfile", file)) {
        return Err(problem.into());
    }
    let _session = Session::begin(cli, None);
    let forgotten = match jobs::logins(authfile).forget(&host.registry, &host.path) {
        Ok(forgotten) => forgotten,
        Err(error) => {
            let problem = Problem::of_file("logout", error.to_string());
            ui::err(ui::errors(&[problem], 0));
            return Ok(FAILED);
        }
    };
    let mut text = String::new();
    for origin in &forgotten.removed {
        let _ = writeln!(text, "logged out of {host}: removed from {origin}");
    }
    if forgotten.removed.is_empty() {
        let _ = writeln!(text, "not logged in to {host}");
    }
    for origin in &forgotten.left {
        let _ = writeln!(text, "still there, for another path: {origin}");
    }
    ui::out_line(text.trim_end());
    Ok(0)
}
