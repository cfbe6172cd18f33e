//! How soon somebody gets something: the program's start, and a build of a fresh clone.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::report::table;
use crate::stop;
use crate::told::{Result, Told};

/// The most that the start may take.
const MOST: Duration = Duration::from_millis(3);

/// How often the program is started.
const STARTS: usize = 100;

/// Measures `transload --version`; gives a table and its JSON.
pub fn run(transload: &Path) -> Result<(String, Value)> {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        stop::check()?;
        let mut command = Command::new(transload);
        command.arg("--version").stdout(Stdio::null());
        times.push(time(&mut command)?);
    }
    times.sort();
    // What else the machine does isn't the program's.
    let (best, middle) = (times[0], times[STARTS / 2]);
    let verdict = if best <= MOST { "met" } else { "MISSED" };
    let line = vec![
        "--version".to_owned(),
        milliseconds(best),
        milliseconds(middle),
        format!("{} {verdict}", milliseconds(MOST)),
    ];
    let value = json!({"best_seconds": best.as_secs_f64(), "median_seconds": middle.as_secs_f64()});
    Ok((table(&["start", "best", "median", "to reach"], &[line]), value))
}

/// Builds the program as the first command in a fresh clone does, into a folder of its own; crates that cargo has fetched are there.
/// Gives a table and its JSON.
pub fn compile(folder: &Path) -> Result<(String, Value)> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .args(["build", "--quiet", "--package", "transload", "--target-dir"])
        .arg(folder.join("target"));
    let time = time(&mut command)?;
    let line = vec!["cargo build".to_owned(), format!("{:.0} s", time.as_secs_f64())];
    let value = json!({"seconds": time.as_secs_f64()});
    Ok((table(&["first command in a fresh clone", "time"], &[line]), value))
}

fn time(command: &mut Command) -> Result<Duration> {
    let shown = format!("{command:?}");
    let started = Instant::now();
    let status = command.status().told(&shown)?;
    let time = started.elapsed();
    match status.success() {
        true => Ok(time),
        false => Err(format!("{shown}: {status}")),
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", 1000.0 * time.as_secs_f64())
}
